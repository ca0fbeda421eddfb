/**
 * Guest tests: every client may die at any moment, and nothing of it stays: no file, buffer, VM, group, fence, slot or
 * descriptor. One machine lives through all of it, and a client beside goes on and gets its results right.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostClock } from '../board/clock.ts';
import { recorder } from '../board/log.ts';
import { Machine } from '../machine/machine.ts';
import { MemfdBacking } from './memfd-backing.ts';
import { GuestServer } from './server.ts';
import { type Client, client, killClients } from './testing.ts';
import { programStart } from './userland/start.ts';
import { ensureUserland, type Userland } from './userland/userland.ts';

/** Milliseconds in which the machine forgets a client. */
const FORGOTTEN = 3000;

let userland: Userland;
let machine: Machine;
let server: GuestServer;
let backing: MemfdBacking;
/** What the machine has when nobody has anything. */
let own: Record<string, number>;
const { log, lines } = recorder();
const home = mkdtempSync(join(tmpdir(), 'tyr-test-'));

before(async () => {
  userland = await ensureUserland();
  backing = new MemfdBacking();
  machine = await Machine.boot({ clock: new HostClock(), backing, log, refresh: 'unlimited' });
  server = new GuestServer({ nodes: machine.nodes, backing, log });
  own = account();
});

afterEach(killClients);

after(() => {
  server.close();
  machine.close();
  rmSync(home, { recursive: true });
});

const account = (): Record<string, number> => ({
  ...machine.usage,
  ...server.usage,
  open: readdirSync('/proc/self/fd').length,
});

const isClean = (): boolean => JSON.stringify(account()) === JSON.stringify(own);

async function until(what: () => boolean, limit: number, why: () => string): Promise<void> {
  const end = performance.now() + limit;
  while (!what()) {
    assert.ok(performance.now() < end, why());
    await sleep(5);
  }
}

/** Nothing of any client is left, or will be very soon. */
const clean = (): Promise<void> =>
  until(isClean, FORGOTTEN, () => `left behind: ${JSON.stringify(account())}, of its own: ${JSON.stringify(own)}`);

function start(program: string, ...args: string[]): Client {
  const { file, args: all, env } = programStart(userland, program, args, { ...server.environment, HOME: home });
  return client([file, ...all], env);
}

const mortal = (scenario: string, where: 'host' | 'guest' = 'host'): Client =>
  start(userland[where].clients.mortal!, scenario);

/** A client that draws nothing and counts on its results, run after run; `end` gives the number of its rounds. */
function survivor(where: 'host' | 'guest' = 'host'): { end(): Promise<number> } {
  const rounds = 200;
  let done = 0;
  let wanted = true;
  const life = (async () => {
    do {
      const each = start(userland[where].clients['mov-job']!, '/dev/dri/renderD128', String(rounds));
      assert.equal(await each.ended, 0, `the survivor came to harm:\n${lines.slice(-20).join('\n')}`);
      assert.deepEqual(each.lines, [`mov-job: 0x${(0xcafe0000 + rounds - 1).toString(16)}`]);
      done += rounds;
    } while (wanted);
    return done;
  })();
  life.catch(() => {});
  return {
    end() {
      wanted = false;
      return life;
    },
  };
}

/** Numbers that look random and are the same on every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const SCENARIOS = ['idle', 'spin', 'block', 'all'] as const;

for (const where of ['host', 'guest'] as const) {
  for (const scenario of SCENARIOS) {
    test(`a ${where} program that is killed while it holds ${scenario} leaves nothing`, async () => {
      const victim = mortal(scenario, where);
      await victim.said('holding');
      assert.equal(machine.usage.files, 1);
      assert.equal(machine.usage.groups, 1);
      assert.equal(machine.usage.heaps, 1);
      victim.kill();
      await victim.ended;
      await clean();
    });
  }
}

test('guest: clients that are killed at any moment, several at once, leave nothing and harm nobody', async () => {
  const random = generator(30);
  const beside = survivor();
  /** kmscube dies on its way to its first frame, or around one of its frames. */
  const cubes = async (): Promise<void> => {
    for (let i = 0; i < 8; i++) {
      const victim = start('kmscube', ...(i % 2 ? ['-A'] : []));
      if (i % 3 === 0) await sleep(random(600));
      else {
        const frames = machine.display.frames + 1 + random(3);
        await until(
          () => machine.display.frames >= frames,
          20_000,
          () => `kmscube draws nothing: ${lines.slice(-9)}`,
        );
        await sleep(random(40));
      }
      victim.kill();
      await victim.ended;
    }
  };
  let drawing = true;
  const others = async (): Promise<void> => {
    for (let i = 0; i < 15 || drawing; i++) {
      const victim = mortal(SCENARIOS[random(4)]!, i % 2 ? 'host' : 'guest');
      await sleep(random(150));
      victim.kill();
      await victim.ended;
    }
  };
  await Promise.all([
    cubes().finally(() => {
      drawing = false;
    }),
    others(),
    others(),
  ]);
  assert.ok((await beside.end()) > 0);
  await clean();
});

test('clients that are stopped hold nobody up, and can be killed', async () => {
  const stopped = [
    start('kmscube'),
    mortal('all'),
    mortal('spin', 'guest'),
    start(userland.host.clients['mov-job']!, '/dev/dri/renderD128', '100000'),
  ];
  await sleep(700);
  for (const { pid } of stopped) process.kill(pid, 'SIGSTOP');
  const beside = survivor();
  await sleep(500);
  assert.ok((await beside.end()) > 0);
  for (const each of stopped) each.kill();
  await Promise.all(stopped.map((each) => each.ended));
  await clean();
});

test('a client that closes its file with jobs in flight keeps nothing but its mapping', async () => {
  const living = mortal('close');
  await living.said('holding');
  await until(
    () => machine.usage.files === 0 && machine.usage.memory === 0,
    FORGOTTEN,
    () => JSON.stringify(account()),
  );
  const { files, groups, vms, jobs, buffers } = machine.usage;
  assert.deepEqual({ files, groups, vms, jobs, buffers }, { files: 0, groups: 0, vms: 0, jobs: 0, buffers: 0 });
  living.type('');
  assert.equal(await living.ended, 0);
  await clean();
});

test('what a child has inherited lives until the child is gone, too', async () => {
  const parent = mortal('fork');
  await parent.said('holding');
  await parent.said('child');
  const child = Number(parent.lines.find((line) => line.startsWith('child'))!.split(' ')[1]);
  process.kill(parent.pid, 'SIGKILL');
  await until(
    () => server.usage.channels <= 1,
    FORGOTTEN,
    () => JSON.stringify(account()),
  );
  await sleep(50);
  assert.equal(machine.usage.files, 1);
  assert.equal(machine.usage.groups, 1);
  process.kill(child, 'SIGKILL');
  await parent.ended;
  await clean();
});

test('descriptors that are in flight in a socket, and the socket in itself, go with the client', async () => {
  const sender = mortal('flight');
  await sender.said('holding');
  assert.equal(machine.usage.files, 1);
  sender.kill();
  await sender.ended;
  await clean();
});
