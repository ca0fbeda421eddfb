/**
 * Guest tests: the MOV job as a program of ours sends it, through shim, socket, driver and GPU: in the guest and on the
 * host's own architecture, under Tyr's firmware image and under the one that Linux distributions ship.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { recorder } from '../board/log.ts';
import { tyrFirmware } from '../driver/index.ts';
import { launch } from './launch.ts';
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
      assert.ok(program, 'the client is built');
      const { log, lines } = recorder();
      let stdout = '';
      const result = await launch({
        userland,
        program,
        args: ['/dev/dri/renderD128', String(ROUNDS)],
        firmware,
        log,
        timeout: 60,
        stdout: (text) => {
          stdout += text;
        },
        stderr: (text) => lines.push(text),
      });
      assert.equal(result.exitCode, 0, lines.join('\n'));
      assert.equal(stdout, `mov-job: 0x${(0xcafe0000 + ROUNDS - 1).toString(16)}\n`);
      assert.equal(result.jobs, ROUNDS);
      assert.equal(result.faults, 0);
    });
  }
}
