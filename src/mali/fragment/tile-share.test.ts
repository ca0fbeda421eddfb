import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AllTiles, ClaimedTiles, type TileShare } from './tile-share.ts';

/** What each of the shares gets of parts with so many items, taking turns. */
function draw(shares: readonly TileShare[], parts: readonly number[], whole = false): number[][][] {
  const got: number[][][] = parts.map(() => shares.map(() => []));
  // A thread may be at a later part than another.
  const at = shares.map(() => 0);
  for (const share of shares) share.begin(parts[0]!, false, whole);
  while (at.some((part) => part < parts.length)) {
    for (const [i, share] of shares.entries()) {
      const part = at[i]!;
      if (part >= parts.length) continue;
      const item = share.next();
      if (item >= 0) got[part]![i]!.push(item);
      else {
        at[i] = part + 1;
        if (part + 1 < parts.length) share.begin(parts[part + 1]!, false, whole);
      }
    }
  }
  return got;
}

const counter = () => {
  let n = 0;
  return (pieces: number) => {
    n += pieces;
    return n - pieces;
  };
};

test('threads share the items of all parts: each is drawn once, by whoever comes first', () => {
  for (const threads of [1, 2, 3, 5]) {
    const take = counter();
    const shares = Array.from({ length: threads }, () => new ClaimedTiles(take));
    const parts = [7, 0, 1, 300, 2, 1000, 1, 1];
    const got = draw(shares, parts);
    for (const [part, count] of parts.entries()) {
      const items = got[part]!.flat().sort((a, b) => a - b);
      assert.deepEqual(
        items,
        Array.from({ length: count }, (_, i) => i),
        `${threads} threads, part ${part}`,
      );
    }
  }
});

test('one thread draws all of a job that cannot be parted', () => {
  const take = counter();
  const got = draw([new ClaimedTiles(take), new ClaimedTiles(take)], [3, 2], true);
  assert.deepEqual(got, [
    [[0, 1, 2], []],
    [[0, 1], []],
  ]);
});

test('a tile whose primitives come in several goes stays with the thread that began it', () => {
  const take = counter();
  const [a, b] = [new ClaimedTiles(take), new ClaimedTiles(take)];
  for (const share of [a, b]) share.begin(1, false, false);
  assert.deepEqual([b.next(), b.next(), a.next()], [0, -1, -1]);
  for (let go = 0; go < 3; go++) {
    for (const share of [a, b]) share.begin(1, true, false);
    assert.deepEqual([a.next(), b.next(), b.next()], [-1, 0, -1]);
  }
  for (const share of [a, b]) share.begin(1, false, false);
  assert.deepEqual([b.next(), a.next()], [0, -1]);
});

test('alone, a thread draws everything', () => {
  assert.deepEqual(draw([new AllTiles()], [2, 0, 1]), [[[0, 1]], [[]], [[0]]]);
});
