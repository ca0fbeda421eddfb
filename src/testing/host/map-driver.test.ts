/** The driver of karts on a map that is drawn here, with a kart that turns and rolls as one of SuperTuxKart's does, roughly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Picture } from '../../display/index.ts';
import { type Course, type DrivingKey, MapDriver } from './map-driver.ts';

const MAP = { left: 5, top: 115, height: 120 };
const ICON = 12;
/** Metres: half a road's width, and the tightest curve. */
const ROAD = 6;
const TIGHTEST = 11;
/** Seconds from straight on to fully turned. */
const TURNS = 0.25;

/** A loop of 400 metres with three bays, so that it bends to both sides: by radii of 21 metres at least. */
function bays(): Course {
  const pieces = 44;
  const line = Array.from({ length: pieces }, (_, i) => {
    const angle = (2 * Math.PI * i) / pieces;
    const radius = 50 + 12 * Math.cos(3 * angle);
    return [62 + radius * Math.cos(angle), 62 + radius * Math.sin(angle)] as const;
  });
  return { line, height: 124 };
}

/** The screen with a kart's ring on it, where it is in metres on the map, as exact as pixels are. */
function screen(course: Course, x: number, y: number): Picture {
  const [width, height] = [160, 240];
  const data = new Uint8Array(4 * width * height).fill(255);
  const metre = MAP.height / course.height;
  const [middleX, middleY] = [Math.round(MAP.left + x * metre), Math.round(MAP.top + y * metre)];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const far = Math.hypot(column + 0.5 - middleX, row + 0.5 - middleY);
      if (far > 4.6 && far < 6.1) data.set([255, 0, 0], 4 * (row * width + column));
    }
  return { width, height, data } as Picture;
}

interface Drive {
  /** Metres a second at most. */
  speed: number;
  /** Seconds of a frame. A key is felt in the one after the next. */
  frame: number;
}

/** How far from the middle of the road the kart comes within a lap, in metres; Infinity if it drives none. */
function drive({ speed, frame }: Drive): number {
  const course = bays();
  const held = new Set<DrivingKey>();
  const driver = new MapDriver(course, MAP, ICON, (key, down) => void (down ? held.add(key) : held.delete(key)));
  let [x, y] = course.line[0]!;
  let heading = Math.PI / 2;
  let [now, turn, farthest] = [0, 0, 0];
  let before: ReadonlySet<DrivingKey> = new Set();
  for (let i = 0; i < 60 + 800 / (speed * frame); i++) {
    driver.look(screen(course, x, y));
    const keys = before;
    before = new Set(held);
    const aim = Number(keys.has('right')) - Number(keys.has('left'));
    turn += Math.min(Math.max(aim - turn, -frame / TURNS), frame / TURNS);
    now = Math.min(Math.max(now + (keys.has('up') ? 8 : -4) * frame, 0), speed);
    heading += (turn / TIGHTEST) * now * frame;
    x += Math.cos(heading) * now * frame;
    y += Math.sin(heading) * now * frame;
    const off = Math.min(...course.line.map((a, each) => fromSegment([x, y], a, course.line.at(each - 1)!)));
    farthest = Math.max(farthest, off);
    if (driver.passed >= course.line.length) return farthest;
  }
  return Number.POSITIVE_INFINITY;
}

function fromSegment(p: readonly [number, number], a: readonly [number, number], b: readonly [number, number]): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const part = ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy);
  const at = Math.min(Math.max(part, 0), 1);
  return Math.hypot(p[0] - a[0] - at * dx, p[1] - a[1] - at * dy);
}

for (const speed of [8, 20])
  for (const frame of [0.05, 0.02])
    test(`it keeps a kart of ${speed} m/s on the road by frames of ${1000 * frame} ms`, (t) => {
      const off = drive({ speed, frame });
      t.diagnostic(`${off.toFixed(1)} m`);
      assert.ok(off < ROAD, `${off} metres off the middle`);
    });

test('it asks for a kart that is stuck to be put back', () => {
  const course = bays();
  const done: string[] = [];
  const driver = new MapDriver(course, MAP, ICON, (key, down) => void done.push(`${key} ${down ? 'down' : 'up'}`));
  for (let i = 0; i < 200; i++) driver.look(screen(course, ...course.line[0]!));
  assert.deepEqual(
    done.filter((each) => each.startsWith('backspace')),
    ['backspace down', 'backspace up'],
  );
  assert.equal(driver.rescues, 1);
});

test('it lets go of the keys where no kart is seen', () => {
  const course = bays();
  const held = new Set<DrivingKey>();
  const driver = new MapDriver(course, MAP, ICON, (key, down) => void (down ? held.add(key) : held.delete(key)));
  driver.look(screen(course, ...course.line[0]!));
  assert.ok(held.has('up'));
  driver.look(screen(course, -1000, -1000));
  assert.deepEqual([[...held], driver.frames], [[], { seen: 1, lost: 1 }]);
});
