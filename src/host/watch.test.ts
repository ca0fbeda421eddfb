/** Looking for requests: how soon they are found, and who gets his turn meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, Watch, type Watched } from './watch.ts';

/** A channel that has one request, from its `at`th look on. */
class Guest implements Watched {
  looks = 0;
  served = 0;
  watched = false;
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  get waiting(): boolean {
    return ++this.looks >= this.#at && this.served === 0;
  }

  look(): void {
    this.served++;
  }

  watch(on: boolean): void {
    this.watched = on;
  }
}

/** Time that goes on by a microsecond whenever it is asked for, and by `busy` milliseconds for who gives way. */
function host(busy = 0): Host {
  let now = 0;
  return {
    now: () => (now += 0.001),
    giveWay: () => {
      now += busy;
    },
  };
}

/** Watches a guest to the end; answers rounds that the event loop made meanwhile. */
async function rounds(watch: Watch, guest: Guest): Promise<number> {
  let rounds = 0;
  watch.touch(guest);
  while (guest.watched) {
    await new Promise((resolve) => setImmediate(resolve));
    rounds++;
  }
  return rounds;
}

test('many looks go into a round of the event loop, which turns all the same', async () => {
  const guest = new Guest(Number.POSITIVE_INFINITY);
  const turned = await rounds(new Watch(1, () => false, host()), guest);
  assert.ok(turned >= 10, 'the loop turns');
  assert.ok(guest.looks > 3 * turned, `${guest.looks} looks in ${turned} rounds`);
});

test('who has other work looks once a round, for as long as it has', async () => {
  const guest = new Guest(Number.POSITIVE_INFINITY);
  let work = 50;
  const turned = await rounds(new Watch(0.01, () => work-- > 0, host()), guest);
  assert.ok(turned >= 50);
  assert.ok(guest.looks <= 4 * turned, `${guest.looks} looks in ${turned} rounds`);
});

test('what is found is served once', async () => {
  const guest = new Guest(10);
  await rounds(new Watch(1, () => false, host()), guest);
  assert.equal(guest.served, 1);
});

test('where somebody else wants the processor it stops looking', async () => {
  const guest = new Guest(Number.POSITIVE_INFINITY);
  await rounds(new Watch(1, () => false, host(0.2)), guest);
  assert.ok(guest.looks < 10, `${guest.looks} looks`);
});
