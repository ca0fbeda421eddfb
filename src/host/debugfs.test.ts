/** Guest tests: the driver's files in debugfs say what there is when they are opened, and nobody writes to them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LivingMachine, type Place } from '../testing/host/living-machine.ts';

const FOLDER = '/sys/kernel/debug/dri/128';
/** Of shim/test/mortal.c. */
const BUFFER = 65536;

let living: LivingMachine;

before(async () => {
  living = await LivingMachine.boot();
});

after(() => living.close());

/** A shell's words, in the guest or on this host. */
async function shell(place: Place, words: string): Promise<string[]> {
  const client = living.start(place === 'guest' ? 'sh' : '/bin/sh', '-c', words);
  await client.ended;
  return client.lines;
}

for (const place of ['guest', 'host'] as const) {
  test(`${place}: gems and gpuvas list a client's buffers and the driver's own, and forget them with the client`, async () => {
    const holder = living.run(place, 'mortal', 'idle');
    await holder.said('holding');
    const gems = await shell(place, `cat ${FOLDER}/gems`);
    const row = gems.find((line) => /^mortal\/\d+ +0 +\d+ +0 +65536 +65536 /.test(line));
    assert.ok(row, gems.join('\n'));
    for (const label of ['FW section', 'Queue FW interface', 'CS ring buffer', 'Group sync objects', 'Heap pool'])
      assert.ok(
        gems.some((line) => line.endsWith(label)),
        label,
      );
    const sizes = gems.filter((line) => /^\S+\/\d+ /.test(line)).map((line) => Number(line.split(/ +/)[4]));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.equal(gems.at(-1), `Total size: ${total}, Total resident: ${total}, Total reclaimable: 0`);

    const clients = await shell(place, `cat ${FOLDER}/clients`);
    const cells = clients.map((line) => line.trim().split(/ +/));
    const pid = row.split(/[/ ]/)[1]!;
    const client = cells.find(([command, tgid]) => command === 'mortal' && tgid === pid);
    assert.deepEqual(client?.slice(2, 7), ['128', 'n', 'y', String(process.getuid!()), '0'], clients.join('\n'));

    const spaces = await shell(place, `cd ${FOLDER} && cat gpuvas`);
    assert.deepEqual(
      spaces.filter((line) => line.startsWith('DRM')).map((line) => line.split(' [')[0]),
      ['DRM GPU VA space (panthor-MCU-VM)', 'DRM GPU VA space (panthor-GPU-VM)'],
    );
    const mapped = `| 0x0000000001000000 | 0x${BUFFER.toString(16).padStart(16, '0')} | 0x0000000001010000 |`;
    assert.ok(
      spaces.some((line) => line.includes(mapped)),
      spaces.join('\n'),
    );

    holder.kill();
    await holder.ended;
    await living.clean();
    assert.ok(!(await shell(place, `cat ${FOLDER}/gems`)).some((line) => line.startsWith('mortal/')));
    const refused = await shell(
      place,
      `{ echo x; } 2>/dev/null >>${FOLDER}/gems || echo refused; stat -c %F ${FOLDER}/gems`,
    );
    assert.deepEqual(refused, ['refused', 'regular empty file']);
    await living.clean();
  });
}
