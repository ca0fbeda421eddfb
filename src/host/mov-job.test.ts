/**
 * Guest tests: the MOV job as a program of ours sends it, through shim, socket, driver and GPU: in the guest and on the
 * host's own architecture, under Tyr's firmware image and under the one that Linux distributions ship.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { tyrFirmware } from '../driver/index.ts';
import { launched } from '../testing/host/launched.ts';
import { ensureRealFirmware, ensureUserland } from './userland/userland.ts';

const ROUNDS = 20;

const userland = await ensureUserland();
const firmwares = {
  'Tyr’s firmware': tyrFirmware(),
  'mali_csffw.bin': new Uint8Array(await readFile(await ensureRealFirmware())),
};

for (const side of ['guest', 'host'] as const) {
  const program = userland[side].clients['mov-job'];
  for (const [name, firmware] of Object.entries(firmwares)) {
    test(`${side}: a command stream moves a constant into memory under ${name}`, async () => {
      const args = ['/dev/dri/renderD128', String(ROUNDS)];
      const { stdout, ...result } = await launched({ userland, program: program!, args, firmware });
      assert.equal(stdout, `mov-job: 0x${(0xcafe0000 + ROUNDS - 1).toString(16)}\n`);
      assert.equal(result.jobs, ROUNDS);
      assert.equal(result.faults, 0);
    });
  }
}
