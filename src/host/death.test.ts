/**
 * Guest tests: every client may die at any moment, and nothing of it stays: no file, buffer, VM, group, fence, slot or
 * descriptor. One machine lives through all of it, and a client beside goes on and gets its results right.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LivingMachine } from '../testing/host/living-machine.ts';
import { killClients } from '../testing/host/transport.ts';
import { until } from '../testing/host/until.ts';
import { numbers } from '../testing/machine/chaos.ts';

let living: LivingMachine;

before(async () => {
  living = await LivingMachine.boot();
});

afterEach(killClients);

after(() => living.close());

const SCENARIOS = ['idle', 'spin', 'block', 'all'] as const;

for (const where of ['host', 'guest'] as const) {
  for (const scenario of SCENARIOS) {
    test(`a ${where} program that is killed while it holds ${scenario} leaves nothing`, async () => {
      const victim = living.run(where, 'mortal', scenario);
      await victim.said('holding');
      assert.equal(living.machine.usage.files, 1);
      assert.equal(living.machine.usage.groups, 1);
      assert.equal(living.machine.usage.heaps, 1);
      victim.kill();
      await victim.ended;
      await living.clean();
    });
  }
}

test('guest: clients that are killed at any moment, several at once, leave nothing and harm nobody', async () => {
  const random = numbers(30);
  const beside = living.survivor();
  /** kmscube dies on its way to its first frame, or around one of its frames. */
  const cubes = async (): Promise<void> => {
    for (let i = 0; i < 8; i++) {
      const victim = living.start('kmscube', ...(i % 2 ? ['-A'] : []));
      if (i % 3 === 0) await sleep(random(600));
      else {
        const frames = living.machine.display.frames + 1 + random(3);
        await until(
          () => living.machine.display.frames >= frames,
          () => `kmscube draws nothing: ${living.lines.slice(-9)}`,
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
      const victim = living.run(i % 2 ? 'host' : 'guest', 'mortal', SCENARIOS[random(4)]!);
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
  await living.clean();
});

test('clients that are stopped hold nobody up, and can be killed', async () => {
  const stopped = [
    living.start('kmscube'),
    living.run('host', 'mortal', 'all'),
    living.run('guest', 'mortal', 'spin'),
    living.run('host', 'mov-job', '/dev/dri/renderD128', '100000'),
  ];
  await sleep(700);
  for (const { pid } of stopped) process.kill(pid, 'SIGSTOP');
  const beside = living.survivor();
  await sleep(500);
  assert.ok((await beside.end()) > 0);
  for (const each of stopped) each.kill();
  await Promise.all(stopped.map((each) => each.ended));
  await living.clean();
});

test('a client that closes its file with jobs in flight keeps nothing but its mapping', async () => {
  const client = living.run('host', 'mortal', 'close');
  await client.said('holding');
  await until(
    () => living.machine.usage.files === 0 && living.machine.usage.memory === 0,
    () => JSON.stringify(living.account),
  );
  const { files, groups, vms, jobs, buffers } = living.machine.usage;
  assert.deepEqual({ files, groups, vms, jobs, buffers }, { files: 0, groups: 0, vms: 0, jobs: 0, buffers: 0 });
  client.type('');
  assert.equal(await client.ended, 0);
  await living.clean();
});

test('what a child has inherited lives until the child is gone, too', async () => {
  const parent = living.run('host', 'mortal', 'fork');
  await parent.said('holding');
  await parent.said('child');
  const child = Number(parent.lines.find((line) => line.startsWith('child'))!.split(' ')[1]);
  process.kill(parent.pid, 'SIGKILL');
  await until(
    () => living.server.usage.channels <= 1,
    () => JSON.stringify(living.account),
  );
  await sleep(50);
  assert.equal(living.machine.usage.files, 1);
  assert.equal(living.machine.usage.groups, 1);
  process.kill(child, 'SIGKILL');
  await parent.ended;
  await living.clean();
});

test('descriptors that are in flight in a socket, and the socket in itself, go with the client', async () => {
  const sender = living.run('host', 'mortal', 'flight');
  await sender.said('holding');
  assert.equal(living.machine.usage.files, 1);
  sender.kill();
  await sender.ended;
  await living.clean();
});
