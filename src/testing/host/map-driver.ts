/**
 * For tests: drives a kart of SuperTuxKart as a person could who looks at nothing but the race's small map. The map shows the whole track,
 * the north above, and the kart as a picture in a red ring. Where the ring is and where it has come from, say how the kart stands; a
 * point of the track's middle some metres ahead says whither. Keys are on or off, so what is between is pressed in part of the frames.
 * All is measured on the map, nothing in time: how many frames a second are drawn does not matter.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SaxesParser } from 'saxes';
import type { Picture } from '../../display/index.ts';

type Place = readonly [x: number, y: number];

/** From the left upper to the right lower corner, in pixels. */
export type Area = readonly [left: number, top: number, right: number, bottom: number];

/** A track as its map shows it: the middle of its road, piece by piece, in metres from the map's upper left corner, and the map's height. */
export interface Course {
  readonly line: readonly Place[];
  readonly height: number;
}

/** What is held down to drive. */
export type DrivingKey = 'up' | 'left' | 'right' | 'backspace';

/** Where the map is on the screen, in pixels. */
export interface MapPlace {
  readonly left: number;
  readonly top: number;
  readonly height: number;
}

/** Radii of the ring around the kart's picture, as parts of that picture's width. */
const RING = [0.36, 0.52] as const;
/** So many of a ring's pixels are red where it is seen whole. */
const RED = 20;
/** Pixels that the kart moves between two frames at most. */
const NEAR = 4;
/** Metres: how far ahead the driver looks, and the tightest curve of a kart at the speed of beginners. */
const AHEAD = 13;
const TIGHTEST = 12;
/** Pixels between two places that tell a direction. */
const BASE = 5;
/** Radians off its way from which the kart rolls. */
const ROLLS = 0.9;
/** Frames without motion after which the game is asked to put the kart back on the road, and for how long the key is held. */
const STUCK = 120;
const ASKS = 4;
/** Pieces of the line among which the nearest is looked for, behind and ahead. */
const BEHIND = 2;
const NEXT = 6;

const distance = (a: Place, b: Place): number => Math.hypot(a[0] - b[0], a[1] - b[1]);

export class MapDriver {
  /** Pieces of the line that lie behind: a lap is as many as it has. */
  passed = 0;
  /** How often the kart had to be put back. */
  rescues = 0;
  /** Frames on which the kart was found, and on which it was not. */
  readonly frames = { seen: 0, lost: 0 };
  readonly #line: readonly Place[];
  /** Pixels of a metre, and of the kart's picture. */
  readonly #metre: number;
  readonly #icon: number;
  readonly #map: MapPlace;
  readonly #hold: (key: DrivingKey, down: boolean) => void;
  readonly #held = new Set<DrivingKey>();
  /** Where the kart has been, one place for each that differs from the last. */
  readonly #trail: Place[] = [];
  #still = 0;
  /** What of a turn has not been pressed yet: -1..1 frames. */
  #owed = 0;

  constructor(course: Course, map: MapPlace, icon: number, hold: (key: DrivingKey, down: boolean) => void) {
    this.#metre = map.height / course.height;
    this.#line = course.line.map(([x, y]) => [map.left + x * this.#metre, map.top + y * this.#metre] as const);
    this.#map = map;
    this.#icon = icon;
    this.#hold = hold;
  }

  /** Takes the next frame, and presses what it asks for. */
  look(picture: Picture): void {
    const kart = this.#find(picture);
    if (!kart) {
      this.frames.lost++;
      this.#press(0, false);
      return;
    }
    this.frames.seen++;
    const last = this.#trail.at(-1);
    if (last && distance(last, kart) === 0) this.#still++;
    else {
      this.#trail.push(kart);
      this.#still = 0;
    }
    this.#follow(kart);
    const off = this.#off(kart);
    const [x, y] = this.#target(kart);
    const curve =
      (2 * Math.sin(Math.min(Math.max(off, -Math.PI / 2), Math.PI / 2)) * this.#metre) / distance(kart, [x, y]);
    this.#press(Math.min(Math.max(curve * TIGHTEST, -1), 1), Math.abs(off) < ROLLS || this.#still > ASKS);
    this.#askForRescue();
  }

  /** Near where it was, or anywhere on the map at first. */
  #find(picture: Picture): Place | undefined {
    const { left, top, height } = this.#map;
    const last = this.#trail.at(-1);
    const area: Area = last
      ? [last[0] - NEAR, last[1] - NEAR, last[0] + NEAR, last[1] + NEAR]
      : [left, top, left + height, top + height];
    return findKart(picture, this.#icon, area);
  }

  #piece(number: number): Place {
    const { length } = this.#line;
    return this.#line[((number % length) + length) % length]!;
  }

  /** Sees which piece of the line is the nearest now. */
  #follow(kart: Place): void {
    const all = Array.from({ length: BEHIND + NEXT + 1 }, (_, i) => this.passed - BEHIND + i);
    this.passed = all.reduce((best, each) =>
      distance(this.#piece(each), kart) < distance(this.#piece(best), kart) ? each : best,
    );
  }

  /** The point of the line so many metres ahead. */
  #target(kart: Place): Place {
    const far = AHEAD * this.#metre;
    let [from, to] = [this.#piece(this.passed), this.#piece(this.passed + 1)];
    for (let each = this.passed + 1; each < this.passed + this.#line.length && distance(to, kart) < far; each++)
      [from, to] = [this.#piece(each), this.#piece(each + 1)];
    const [near, beyond] = [distance(from, kart), distance(to, kart)];
    const part = near < far && beyond > far ? (far - near) / (beyond - near) : 1;
    return [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part];
  }

  /** By how many radians the kart's way is left of where it should lead: it has to turn right by these. */
  #off(kart: Place): number {
    const from = this.#trail.findLast((place) => distance(place, kart) >= BASE);
    const [a, b] = from ? [from, kart] : [this.#piece(this.passed), this.#piece(this.passed + 1)];
    const [hx, hy] = [b[0] - a[0], b[1] - a[1]];
    const [tx, ty] = this.#target(kart);
    const [dx, dy] = [tx - kart[0], ty - kart[1]];
    return Math.atan2(hx * dy - hy * dx, hx * dx + hy * dy);
  }

  /** `turn`: from -1, fully left, to 1. */
  #press(turn: number, goes: boolean): void {
    this.#owed = Math.min(Math.max(this.#owed + turn, -1), 1);
    const now = this.#owed > 0.5 ? 1 : this.#owed < -0.5 ? -1 : 0;
    this.#owed -= now;
    this.#set('right', now > 0);
    this.#set('left', now < 0);
    this.#set('up', goes);
  }

  #askForRescue(): void {
    if (this.#still === STUCK) {
      this.rescues++;
      this.#set('backspace', true);
    } else if (this.#still === STUCK + ASKS) {
      this.#set('backspace', false);
      this.#still = 0;
    }
  }

  #set(key: DrivingKey, down: boolean): void {
    if (this.#held.has(key) === down) return;
    if (down) this.#held.add(key);
    else this.#held.delete(key);
    this.#hold(key, down);
  }
}

/**
 * Where the middle of a kart's picture on the map is seen, `icon` pixels wide, within an area: in the middle of its ring, half a pixel
 * exact. Undefined where no ring is.
 */
export function findKart({ width, height, data }: Picture, icon: number, area: Area): Place | undefined {
  const [inner, outer] = [RING[0] * icon, RING[1] * icon];
  const [left, top, right, bottom] = area;
  const red: Place[] = [];
  for (let y = Math.max(0, Math.floor(top - outer)); y < Math.min(height, bottom + outer); y++)
    for (let x = Math.max(0, Math.floor(left - outer)); x < Math.min(width, right + outer); x++) {
      const i = 4 * (y * width + x);
      if (data[i]! > 215 && data[i + 1]! < 60 && data[i + 2]! < 60) red.push([x + 0.5, y + 0.5]);
    }
  if (red.length < RED) return undefined;
  let most = RED;
  let found: Place[] = [];
  for (let y = top; y <= bottom; y += 0.5)
    for (let x = left; x <= right; x += 0.5) {
      const onRing = red.filter((place) => {
        const far = distance(place, [x, y]);
        return far >= inner && far <= outer;
      }).length;
      if (onRing > most) found = [];
      if (onRing >= most) found.push([x, y]);
      most = Math.max(most, onRing);
    }
  if (found.length === 0) return undefined;
  const mean = (of: 0 | 1): number => found.reduce((sum, place) => sum + place[of], 0) / found.length;
  return [mean(0), mean(1)];
}

/**
 * A track by its folder in the game's data: `quads.xml` has its road's pieces by their corners, of which some are named as an
 * earlier piece's (`PIECE:CORNER`), and `graph.xml` says which of them are the lap, the rest being other ways.
 */
export function courseOf(folder: string): Course {
  const pieces: Place[][] = [];
  let lap = [0, 0] as [number, number];
  read(join(folder, 'quads.xml'), 'quad', (corners) => {
    const corner = (text: string): Place => {
      const named = /^(\d+):(\d)$/.exec(text);
      if (named) return pieces[Number(named[1])]![Number(named[2])]!;
      const [x, , z] = text.trim().split(/\s+/).map(Number);
      return [x!, z!];
    };
    pieces.push(['p0', 'p1', 'p2', 'p3'].map((name) => corner(corners[name]!)));
  });
  read(join(folder, 'graph.xml'), 'edge-loop', ({ from, to }) => {
    lap = [Number(from), Number(to)];
  });
  const all = pieces.flat();
  const west = Math.min(...all.map(([x]) => x));
  const north = Math.max(...all.map(([, z]) => z));
  const south = Math.min(...all.map(([, z]) => z));
  const line = pieces.slice(lap[0], lap[1] + 1).map((corners): Place => {
    const mean = (of: 0 | 1): number => corners.reduce((sum, place) => sum + place[of], 0) / corners.length;
    return [mean(0) - west, north - mean(1)];
  });
  return { line, height: north - south };
}

/** Calls `found` with the attributes of each element of this name in a file. */
function read(file: string, name: string, found: (attributes: Record<string, string>) => void): void {
  const parser = new SaxesParser();
  parser.on('opentag', (tag) => {
    if (tag.name === name) found(tag.attributes as Record<string, string>);
  });
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(readFileSync(file, 'utf8')).close();
}
