import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tyr-disasm-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function tyr(args: string[], input: string | Uint8Array = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { input });
  return { status, stdout, text: stdout.toString(), error: stderr.toString() };
}

test('text becomes bytes and bytes become text, by files and by pipes', () => {
  const source = join(folder, 'loop.txt');
  const binary = join(folder, 'loop.bin');
  writeFileSync(source, 'top: IADD.u32 r0, ^r0, 0x7060504.b0\nBRANCHZ.reconverge r0, offset:top\nNOP.end\n');
  assert.deepEqual(tyr(['asm', source, '-o', binary]), { status: 0, stdout: Buffer.alloc(0), text: '', error: '' });
  const code = readFileSync(binary);
  assert.equal(code.length, 24);
  assert.equal(code.subarray(0, 8).toString('hex'), '40c9001000c0a000');
  const text = 'IADD.u32 r0, ^r0, 0x7060504.b0\nBRANCHZ.reconverge r0, offset:-2\nNOP.end\n';
  assert.equal(tyr(['disasm', binary]).text, text);
  assert.deepEqual(tyr(['asm', '-'], text).stdout, code);
  const listing = tyr(['disasm', '--bytes', '-'], code).text;
  assert.match(listing, /^40 c9 00 10 00 c0 a0 00 {4}IADD.u32 r0, \^r0, 0x7060504.b0\n/);
  assert.equal(tyr(['asm', '--bytes', '-'], text).text, listing);
  // A listing is itself a source, for both.
  assert.deepEqual(tyr(['asm', '-'], listing).stdout, code);
  assert.equal(tyr(['disasm', '--hex', '-'], listing).text, text);
  assert.equal(tyr(['disasm', '--hex', '-'], code.toString('hex')).text, text);
});

test('what cannot be done is a sentence and code 1', () => {
  const cases: [string[], string, RegExp][] = [
    [['disasm', join(folder, 'none')], '', /^tyr: .*none cannot be read: ENOENT/],
    [['disasm', '-'], '1234567', /^tyr: a program is made of instructions of 8 bytes; this has 7$/m],
    [['disasm', '--hex', '-'], 'no digits', /^tyr: this is no text of bytes/],
    [['asm', '-'], 'NOP\nFLY r1\n', /^tyr: line 2: no instruction FLY$/m],
    [['asm', '-'], 'FADD.f32 r0, u0, u4\n', /^tyr: instruction 0: FADD.f32: uniforms and specials of more than 1/],
    [['asm', '-', '-o', join(folder, 'none', 'x')], 'NOP\n', /^tyr: .* cannot be written: ENOENT/],
  ];
  for (const [args, input, message] of cases) {
    const { status, text, error } = tyr(args, input);
    assert.equal(status, 1, args.join(' '));
    assert.match(error, message);
    assert.equal(text, '');
  }
});
