/** The image that Linux distributions ship: it is parsed, placed and booted like our own, and jobs run under it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { FirmwareError, probe } from '../driver/index.ts';
import { bootedMachine, Client, testMachine, until } from '../testing/machine/board.ts';
import { movJob } from '../testing/machine/mov-job.ts';
import { ensureRealFirmware } from './userland/userland.ts';

test('real firmware: mali_csffw.bin of architecture 10.8 boots, and the MOV job passes under it', async () => {
  const firmware = new Uint8Array(await readFile(await ensureRealFirmware()));
  const machine = await bootedMachine({ firmware });
  assert.match(machine.lines.join('\n'), /Firmware git sha: [0-9a-f]{40}/);
  assert.match(machine.lines.join('\n'), /CSF FW using interface v1\./);
  assert.deepEqual(await movJob(new Client(machine), 0x600df00d), { before: 0, after: 0x600df00d, next: 0 });
});

test('real firmware: cut off at any tenth of its length it is refused', async () => {
  const firmware = new Uint8Array(await readFile(await ensureRealFirmware()));
  for (let tenth = 0; tenth < 10; tenth++) {
    const machine = testMachine({ firmware: firmware.subarray(0, Math.floor((firmware.length * tenth) / 10)) });
    const error = await until(
      machine.clock,
      probe(machine.resources).then(
        () => undefined,
        (cause: unknown) => cause,
      ),
    );
    assert.ok(error instanceof FirmwareError, `${tenth} tenths: ${error}`);
  }
});
