/** Guest test: formats of one and two bytes a texel as Mesa's Panfrost lays them out, sampled by a program of ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launched } from '../testing/host/launched.ts';
import { ensureUserland } from './userland/userland.ts';

const userland = await ensureUserland();

test('alpha, luminance and both are sampled as OpenGL ES says', async () => {
  const { stdout, faults } = await launched({ userland, program: userland.guest.clients['byte-textures']! });
  assert.deepEqual(stdout.trim().split('\n'), [
    'byte-textures: ALPHA 0 0 0 10',
    'byte-textures: LUMINANCE 10 10 10 255',
    'byte-textures: LUMINANCE_ALPHA 10 10 10 200',
  ]);
  assert.equal(faults, 0);
});
