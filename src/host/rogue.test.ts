/**
 * Clients that mean harm, on the real road: they speak the wire badly, take all that they can get, or change a running
 * program's memory under the GPU. Each harms itself alone: a client beside goes on and gets its results right, and when
 * the harm is done nothing of it stays.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
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

/** Does harm while a client beside works, and sees to it that nothing stays. */
async function harm(scenario: string, count: number): Promise<string[]> {
  const rogue = living.run('host', 'rogue', scenario, String(count));
  await rogue.said('holding');
  assert.ok((await living.survivor().end()) > 0);
  assert.ok((await living.survivor('guest').end()) > 0);
  rogue.kill();
  await rogue.ended;
  await living.clean();
  return rogue.lines;
}

test('connections that say nothing are no more than a process’s share', async () => {
  await harm('silent', 3000);
  assert.ok(living.lines.some((line) => line.includes('connections: the last one is closed')));
});

test('answers that nobody reads end the channel', async () => {
  const lines = await harm('deaf', 20_000);
  assert.ok(Number(lines[0]?.split(' ')[1]) < 20_000, lines[0] ?? 'it said nothing');
});

test('memory that is never shown keeps nobody waiting but its owner', async () => {
  await harm('mute', 200);
});

test('a file’s number is of no use to who has not got the file', async () => {
  const lines = await harm('thief', 50);
  assert.equal(lines[0], 'done 50');
});

test('requests with every field drawn by lot end the channel, or are answered', async () => {
  const lines = await harm('scrambled', 5000);
  assert.equal(lines[0], 'done 5000');
  assert.ok(!living.lines.some((line) => line.includes('the machine is at fault')));
});

test('a mailbox that is scribbled on ends the channel, or is answered', async () => {
  const lines = await harm('scribbler', 20_000);
  assert.equal(lines[0], 'done 20000');
  assert.ok(!living.lines.some((line) => line.includes('the machine is at fault')));
  assert.ok(living.lines.some((line) => line.includes('in the mailbox; its channel is closed')));
});

test('packets out of turn end the channel', async () => {
  await harm('endless', 5000);
});

for (const side of ['host', 'guest'] as const) {
  test(`${side}: leases drawn by lot, with lessees that die and revocations in between, leave nothing behind`, async () => {
    for (const seed of [1, 2]) {
      const lender = living.run(side, 'lease', '400', String(seed));
      await lender.said('holding');
      const [made = 0, refused = 0, used = 0, revoked = 0] = (lender.lines[0] ?? '').match(/\d+/g)?.map(Number) ?? [];
      assert.ok(made > 0 && refused > 0 && used > 0 && revoked > 0, lender.lines.join('\n'));
      assert.ok((await living.survivor().end()) > 0);
      lender.kill();
      await lender.ended;
      await living.clean();
    }
    assert.ok(!living.lines.some((line) => line.includes('the machine is at fault')));
  });
}

test('a client that takes all memory fails others while it lives, and no longer', async () => {
  const hoarder = living.run('host', 'mortal', 'hoard');
  await hoarder.said('holding');
  assert.match(hoarder.lines[0]!, /^taken [34]\d{9}$/);
  const other = living.run('host', 'mortal', 'idle');
  assert.equal(await other.ended, 1);
  hoarder.kill();
  await hoarder.ended;
  await living.clean();
  assert.ok((await living.survivor().end()) > 0);
  await living.clean();
});

test('guest: kmscube with a bit turned here and there gets faults, or a strange picture, and the machine goes on', async () => {
  const random = numbers(5);
  const beside = living.survivor();
  const { machine } = living;
  for (let life = 0; life < 4; life++) {
    const victim = living.start('kmscube');
    let alive = true;
    void victim.ended.then(() => {
      alive = false;
    });
    const first = machine.display.frames;
    await until(
      () => machine.display.frames > first || !alive,
      () => 'kmscube draws nothing',
    );
    const end = performance.now() + 1000;
    while (alive && performance.now() < end) {
      turnBits(victim.pid, random);
      const frames = machine.display.frames;
      await until(
        () => machine.display.frames > frames || performance.now() > end || !alive,
        () => '',
      );
    }
    victim.kill();
    await victim.ended;
  }
  assert.ok((await beside.end()) > 0);
  await living.clean();
  assert.ok(machine.stats.faults > 0, 'no fault at all: nothing was hit');
});

/** Changes some words in buffers that the GPU sees: descriptors, shaders, command streams, vertices, whatever is there. */
function turnBits(pid: number, random: (below: number) => number): void {
  const { u32 } = living.machine.dram;
  for (const file of living.machine.gpu!.files) {
    if (file.pid !== pid) continue;
    for (const vm of file.private.vms.values()) {
      const mappings = vm.mappings.mappings.filter(({ object }) => object !== undefined);
      for (let i = 0; i < 8 && mappings.length > 0; i++) {
        const { object } = mappings[random(mappings.length)]!;
        const start = object!.run.physical / 4;
        let at = start + random(object!.size / 4);
        // Something that is in use, if there is anything nearby.
        for (let tries = 0; tries < 4096 && u32[at] === 0; tries++)
          at = start + ((at + 1 - start) % (object!.size / 4));
        u32[at] = random(2) ? u32[at]! ^ (1 << random(32)) : random(2 ** 32);
      }
    }
  }
}
