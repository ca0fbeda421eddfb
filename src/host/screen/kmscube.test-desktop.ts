/** The page in a real browser, before a program that draws: kmscube's cube is seen, and turns. Needs a Chromium on this host. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showProgram } from '../../testing/host/browser.ts';
import { ensureUserland } from '../userland/userland.ts';

/** Shares of the screen that the cube has at least and at most, and of the cube that differs at least when it has turned. */
const CUBE = [0.1, 0.6] as const;
const TURNED = 0.2;
/** Sides go over from colour to colour: of the eight whose red, green and blue are there or not, so many have this share of the cube. */
const COLORS = 3;
const SHARE = 0.03;
/** Of 255: kmscube's ground is a grey this near to the middle one; and what counts as another colour. */
const NEAR = 3;
const ANOTHER = 24;
/** Milliseconds in which the next picture comes on a busy host. */
const COMES = 60_000;

test("kmscube's cube is seen on the page, and turns", async (t) => {
  const userland = await ensureUserland();
  const { page, end } = await showProgram(t, { userland, program: 'kmscube', args: [], mode: '320x240@60' });
  /** Red, green, blue and alpha of all pixels of the page's screen. */
  const look = async (): Promise<number[]> =>
    page.evaluate(() => {
      const canvas = (globalThis as any).document.querySelector('#screen canvas');
      return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
    });
  /** Looks until what is seen is so. */
  const sees = async (what: (picture: number[]) => boolean): Promise<number[] | undefined> => {
    for (const end = Date.now() + COMES; Date.now() < end; ) {
      const picture = await look();
      if (what(picture)) return picture;
    }
    return undefined;
  };
  const first = await sees(isCube);
  assert.ok(first, `no cube is seen: ${told(await look())}`);
  const second = await sees((picture) => isCube(picture) && difference(first, picture) > TURNED * cubeOf(first).length);
  assert.ok(second, 'the cube does not turn');
  const { faults, leaks } = await end();
  assert.deepEqual([faults, leaks], [0, {}]);
});

/** Places of the pixels that are not the ground's. */
function cubeOf(picture: number[]): number[] {
  const places: number[] = [];
  for (let i = 0; i < picture.length; i += 4)
    if ([0, 1, 2].some((c) => Math.abs(picture[i + c]! - 127.5) > NEAR)) places.push(i);
  return places;
}

/** The eight colours' shares of these pixels. */
function colors(picture: number[], places: number[]): number[] {
  const counts = new Array<number>(8).fill(0);
  for (const i of places)
    counts[[0, 1, 2].reduce((sum, c) => sum + (picture[i + c]! > 127 ? 1 << c : 0), 0)]! += 1 / places.length;
  return counts;
}

function isCube(picture: number[]): boolean {
  const places = cubeOf(picture);
  const share = (4 * places.length) / picture.length;
  return (
    share >= CUBE[0] && share <= CUBE[1] && colors(picture, places).filter((each) => each >= SHARE).length >= COLORS
  );
}

const told = (picture: number[]): string => {
  const places = cubeOf(picture);
  return `${places.length} pixels of ${picture.length / 4}, ${colors(picture, places).map((each) => each.toFixed(2))}`;
};

/** How many pixels differ. */
function difference(a: number[], b: number[]): number {
  let differing = 0;
  for (let i = 0; i < a.length; i += 4)
    if ([0, 1, 2].some((c) => Math.abs(a[i + c]! - b[i + c]!) > ANOTHER)) differing++;
  return differing;
}
