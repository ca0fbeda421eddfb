/** Guest test: formats of one and two bytes a texel as Mesa's Panfrost lays them out, sampled by a program of ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recorder } from '../board/log.ts';
import { launch } from './launch.ts';
import { ensureUserland } from './userland/userland.ts';

const userland = await ensureUserland();

test('alpha, luminance and both are sampled as OpenGL ES says', async () => {
  const program = userland.guest.clients['byte-textures'];
  assert.ok(program, 'the client is built');
  const { log, lines } = recorder();
  let stdout = '';
  const result = await launch({
    userland,
    program,
    args: [],
    log,
    timeout: 120,
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => lines.push(text),
  });
  assert.equal(result.exitCode, 0, lines.join('\n'));
  assert.deepEqual(stdout.trim().split('\n'), [
    'byte-textures: ALPHA 0 0 0 10',
    'byte-textures: LUMINANCE 10 10 10 255',
    'byte-textures: LUMINANCE_ALPHA 10 10 10 200',
  ]);
  assert.equal(result.faults, 0);
});
