/**
 * A client that sends anything (testing/machine/chaos.ts), to both devices of the whole machine, in real time. Its calls answer with a
 * number; the machine goes on; nobody waits long; another client's results stay right; and nothing of it stays.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRNO } from '../abi/errno.ts';
import type { IoctlResult } from '../drm/ioctl.ts';
import { FakeBacking } from '../testing/drm/client.ts';
import { chaoticLife } from '../testing/machine/assault.ts';
import { Client, type LiveMachine, liveMachine } from '../testing/machine/board.ts';
import { Chaos } from '../testing/machine/chaos.ts';
import { movJob } from '../testing/machine/mov-job.ts';

/** Milliseconds of computing for which the machine may be deaf to everyone, measured on a busy host. */
const DEAF = 400;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The longest time between two turns of the event loop. */
class Watch {
  longest = 0;
  #last = process.threadCpuUsage();
  what = '';

  tick(what: () => string): void {
    const { user, system } = process.threadCpuUsage(this.#last);
    const spent = (user + system) / 1000;
    if (spent > this.longest) {
      this.longest = spent;
      this.what = what();
    }
    this.#last = process.threadCpuUsage();
  }
}

/** A client beside: MOV jobs, again and again, until told to end. Gives the number of jobs. */
function honest(live: LiveMachine): { readonly jobs: Promise<number>; stop(): void } {
  let wanted = true;
  const life = (async () => {
    let jobs = 0;
    for (; wanted; jobs++) {
      const client = new Client(live);
      const constant = 0xc0de0000 + jobs;
      assert.deepEqual(await movJob(client, constant), { before: 0, after: constant, next: 0 });
      client.file.close();
    }
    return jobs;
  })();
  life.catch(() => {});
  return {
    jobs: life,
    stop() {
      wanted = false;
    },
  };
}

async function until(what: () => boolean, why: string): Promise<void> {
  const end = performance.now() + 3000;
  while (!what()) {
    assert.ok(performance.now() < end, why);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function forgotten({ machine }: LiveMachine): Promise<void> {
  const left = (): string[] => Object.entries(machine.usage).flatMap(([name, n]) => (n === 0 ? [] : `${n} ${name}`));
  await until(() => left().length === 0, '').catch(() => {});
  assert.deepEqual(left(), []);
}

async function assault(live: LiveMachine, seed: number, rounds: number): Promise<void> {
  const beside = honest(live);
  const watch = new Watch();
  const succeeded = new Set<string>();
  let waited = 0;
  try {
    let before = live.lines.length;
    for (let life = 0; life < 5; life++) {
      const { waited: more, succeeded: names } = await chaoticLife(live.machine, seed * 100 + life, rounds / 5, () => {
        watch.tick(() => live.lines.slice(before).join('\n'));
        if (live.lines.length > 10_000) live.lines.length = 0;
        before = live.lines.length;
      });
      waited += more;
      for (const name of names) succeeded.add(name);
    }
  } finally {
    beside.stop();
  }
  const jobs = await beside.jobs;
  assert.ok(jobs > 10, `the other client got only ${jobs} jobs done`);
  await forgotten(live);
  assert.ok(watch.longest < DEAF, `deaf for ${watch.longest} ms: ${watch.what}`);
  assert.ok(succeeded.size > 60, `only ${succeeded.size} ioctls ever succeeded: ${[...succeeded].sort()}`);
  assert.ok(waited > 20, `only ${waited} ioctls waited`);
}

for (const seed of [1, 2]) {
  test(`ten thousand ioctls of any kind, with anything in memory (seed ${seed})`, async () => {
    // Pages that the host has yet to give would count as the machine's time.
    const live = await liveMachine(2 ** 28, undefined, new FakeBacking(true));
    try {
      await assault(live, seed, 10_000);
    } finally {
      live.machine.close();
    }
  });
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`a machine that is switched off in the midst of it all comes to rest (seed ${seed})`, async () => {
    const live = await liveMachine();
    const chaos = new Chaos(live.machine, seed);
    const waiting: Promise<IoctlResult>[] = [];
    for (let round = 0; round < 300 * seed; round++) {
      const result = chaos.send();
      if (result instanceof Promise) waiting.push(result);
      if (round % 8 === 0) chaos.corrupt(live.dram);
      if (round % 2 === 0) await turn();
    }
    live.machine.close();
    for (const { value } of await Promise.all(waiting)) assert.ok(Number.isInteger(value) && value > -4096);
    for (const { value } of [chaos.send(), chaos.send()] as IoctlResult[]) assert.equal(value, -ERRNO.ENODEV);
    chaos.die();
    await until(() => live.clock.timers === 0, 'timers are still set');
    // The last pages are given back by work that lets others go first, not by timers.
    const rests = (): boolean => live.machine.usage.memory <= 0 && live.machine.usage.groups === 0;
    await until(rests, 'memory stays behind');
    const { memory, ...usage } = live.machine.usage;
    assert.ok(memory <= 0, `${memory} bytes`);
    for (const [name, n] of Object.entries(usage)) assert.equal(n, 0, `${name} stay behind: ${n}`);
  });
}
