/** The compiler of the setup, on what headers of other releases hold. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { command } from './command.ts';
import { guestCompiler } from './compiler.ts';
import { guestStart } from './start.ts';
import { ensureUserland } from './userland.ts';

test('guest: headers of Linux 7, which speak of __u128, are compiled', async (t) => {
  const { root, qemu, guest } = await ensureUserland();
  const folder = mkdtempSync(join(tmpdir(), 'tyr-compiler-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const source = join(folder, 'registers.c');
  writeFileSync(
    source,
    'struct context { __u128 vregs[32]; };\nint main(void) { return sizeof(struct context) != 512; }\n',
  );
  const program = join(folder, 'registers');
  const run = (path: string, args: string[]) => guestStart({ root, qemu }, join(root, path), args, process.env);
  await guestCompiler(guest.architecture, root, run, qemu === undefined).build('program', [source], program);
  const { file, args, env } = guestStart({ root, qemu }, program, [], process.env);
  assert.equal((await command(file, args, { env })).code, 0);
});
