/**
 * Guest tests: kmscube's picture against geometry. The scene is worked out here once more, with plain numbers, and held
 * against every eighth pixel: what is background, which face lies where, and what colour its light gives it.
 * Source of the scene: kmscube `cube-smooth.c`, `esTransform.c`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silent } from '../board/log.ts';
import type { Picture } from '../display/index.ts';
import { type LaunchOptions, launch } from './launch.ts';
import { ensureUserland } from './userland/userland.ts';

type Vector = readonly [number, number, number];

const add = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const scale = (a: Vector, s: number): Vector => [a[0] * s, a[1] * s, a[2] * s];
const subtract = (a: Vector, b: Vector): Vector => add(a, scale(b, -1));
const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Turns `v` about axis 0, 1 or 2 by `degrees`, clockwise seen from the axis's end. */
function turn(v: Vector, axis: 0 | 1 | 2, degrees: number): Vector {
  const [a, b] = [(axis + 1) % 3, (axis + 2) % 3] as [number, number];
  const angle = (-degrees * Math.PI) / 180;
  const out: [number, number, number] = [...v];
  out[a] = v[a]! * Math.cos(angle) - v[b]! * Math.sin(angle);
  out[b] = v[a]! * Math.sin(angle) + v[b]! * Math.cos(angle);
  return out;
}

const DISTANCE = 8;
const NEAR = 6;
const HALF_WIDTH = 2.8;
const LIGHT: Vector = [2, 2, 20];
const GREY = 128;
/** Red and green steps of neighbouring pixels, and rounding. */
const TOLERANCE = 3;

/** The faces: the corner at (0, 0), then the edges to (1, 0) and (0, 1). */
const FACES: readonly (readonly [Vector, Vector, Vector])[] = [
  [
    [-1, -1, 1],
    [2, 0, 0],
    [0, 2, 0],
  ],
  [
    [1, -1, -1],
    [-2, 0, 0],
    [0, 2, 0],
  ],
  [
    [1, -1, 1],
    [0, 0, -2],
    [0, 2, 0],
  ],
  [
    [-1, -1, -1],
    [0, 0, 2],
    [0, 2, 0],
  ],
  [
    [-1, 1, 1],
    [2, 0, 0],
    [0, 0, -2],
  ],
  [
    [-1, -1, -1],
    [2, 0, 0],
    [0, 0, 2],
  ],
];

/** Frame `i` of the scene at a size: the expected colour of a pixel, undefined close to an edge. */
function scene(i: number, width: number, height: number): (x: number, y: number) => readonly number[] | undefined {
  const rotate = (v: Vector): Vector => turn(turn(turn(v, 2, 10 + 0.15 * i), 1, 45 - 0.5 * i), 0, 45 + 0.25 * i);
  const eye = (v: Vector): Vector => add(rotate(v), [0, 0, -DISTANCE]);
  const faces = FACES.map(([corner, right, up]) => {
    const normal = rotate(
      scale(
        [right[1] * up[2] - right[2] * up[1], right[2] * up[0] - right[0] * up[2], right[0] * up[1] - right[1] * up[0]],
        1 / 4,
      ),
    );
    const colours = [corner, add(corner, right), add(corner, up), add(add(corner, right), up)].map((vertex) => {
      const toLight = subtract(LIGHT, eye(vertex));
      const diffuse = Math.max(0, dot(normal, toLight) / Math.sqrt(dot(toLight, toLight)));
      // Colours go by position: red to the right, green up, blue to the front.
      return vertex.map((x) => (diffuse * (x + 1)) / 2) as unknown as Vector;
    }) as [Vector, Vector, Vector, Vector];
    return { corner: eye(corner), right: rotate(right), up: rotate(up), normal, colours };
  });
  // A ray through a pixel's centre meets the face's plane at (u, v) of its edges.
  const look = (x: number, y: number): readonly number[] | undefined => {
    const aspect = height / width;
    const ray: Vector = [((2 * x) / width - 1) * HALF_WIDTH, (1 - (2 * y) / height) * HALF_WIDTH * aspect, -NEAR];
    for (const { corner, right, up, normal, colours } of faces) {
      if (dot(normal, corner) >= 0) continue;
      const at = subtract(scale(ray, dot(normal, corner) / dot(normal, ray)), corner);
      const u = dot(at, right) / 4;
      const v = dot(at, up) / 4;
      if (u < 0 || u > 1 || v < 0 || v > 1) continue;
      const [c00, c10, c01, c11] = colours;
      const colour =
        u + v <= 1
          ? add(c00, add(scale(subtract(c10, c00), u), scale(subtract(c01, c00), v)))
          : add(c11, add(scale(subtract(c01, c11), 1 - u), scale(subtract(c10, c11), 1 - v)));
      return colour.map((c) => Math.round(c * 255));
    }
    return [GREY, GREY, GREY];
  };
  return (x, y) => {
    const near = [look(x + 0.5, y + 0.5), look(x - 1, y), look(x + 2, y), look(x, y - 1), look(x, y + 2)] as number[][];
    const spread = near.some((c) => c.some((value, channel) => Math.abs(value - near[0]![channel]!) > 4 * TOLERANCE));
    return spread ? undefined : near[0];
  };
}

function hold(picture: Picture, i: number, width: number, height: number): void {
  assert.deepEqual([picture.width, picture.height], [width, height]);
  const expected = scene(i, width, height);
  let background = 0;
  let cube = 0;
  for (let y = 0; y < height; y += 8) {
    for (let x = 0; x < width; x += 8) {
      const want = expected(x, y);
      if (!want) continue;
      const at = (y * width + x) * 4;
      const got = picture.data.subarray(at, at + 3);
      const grey = want.every((c) => c === GREY);
      const limit = grey ? 0 : TOLERANCE;
      const off = Math.max(...want.map((c, channel) => Math.abs(c - got[channel]!)));
      assert.ok(off <= limit, `frame ${i}, pixel ${x},${y}: rgb(${got}) instead of rgb(${want})`);
      if (grey) background++;
      else cube++;
    }
  }
  assert.ok(
    background > 6000 && cube > 1000,
    `${background} pixels of background and ${cube} of the cube were compared`,
  );
}

const userland = await ensureUserland();

async function pictures(args: string[], options: Partial<LaunchOptions>): Promise<Picture[]> {
  const seen: Picture[] = [];
  const result = await launch({
    userland,
    program: 'kmscube',
    args,
    log: silent,
    timeout: 120,
    refresh: 'unlimited',
    stdout: () => {},
    stderr: () => {},
    onFrame: (_, screenshot) => seen.push(screenshot()),
    ...options,
  });
  assert.equal(result.exitCode, 0);
  assert.equal(result.faults, 0);
  return seen;
}

test('guest: kmscube’s background is exact, and its faces lie and shine as geometry says, frame by frame', async () => {
  const seen = await pictures([], { frames: 6 });
  // The first picture is the one that the mode is set with, before anything is drawn.
  for (const [n, picture] of seen.slice(1).entries()) hold(picture, n, 1024, 768);
});

test('guest: so they do by atomic modesetting, and in full HD', async () => {
  const seen = await pictures(['-A'], { frames: 3, mode: '1920x1080@60' });
  hold(seen.at(-1)!, seen.length - 1, 1920, 1080);
});

test('guest: four samples a pixel smooth the edges and leave the faces as they are', async () => {
  const seen = await pictures(['-s', '4'], { frames: 2 });
  hold(seen[1]!, 0, 1024, 768);
});
