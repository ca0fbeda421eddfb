import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assembled, disasm, given, listing, streamListing } from './disasm.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tyr-disasm-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function tyr(args: string[], input: string | Uint8Array = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { input });
  return { status, stdout, error: stderr.toString() };
}

const SOURCE = 'top: IADD.u32 r0, ^r0, 0x7060504.b0\nBRANCHZ.reconverge r0, offset:top\nNOP.end\n';
const TEXT = 'IADD.u32 r0, ^r0, 0x7060504.b0\nBRANCHZ.reconverge r0, offset:-2\nNOP.end\n';

test('files and pipes: text becomes bytes, bytes become text, and a mistake is a sentence and code 1', () => {
  const source = join(folder, 'loop.txt');
  const binary = join(folder, 'loop.bin');
  writeFileSync(source, SOURCE);
  assert.deepEqual(tyr(['asm', source, '-o', binary]), { status: 0, stdout: Buffer.alloc(0), error: '' });
  const code = readFileSync(binary);
  assert.equal(code.subarray(0, 8).toString('hex'), '40c9001000c0a000');
  assert.equal(tyr(['disasm', '-'], code).stdout.toString(), TEXT);
  assert.deepEqual(tyr(['asm', '-'], TEXT).stdout, code);
  const { status, stdout, error } = tyr(['asm', '-'], 'NOP\nFLY r1\n');
  assert.deepEqual([status, stdout.length, error], [1, 0, 'tyr: line 2: no instruction FLY\n']);
});

test('a listing is itself a source, for both', () => {
  const code = Buffer.from(assembled(SOURCE));
  assert.equal(listing(code), TEXT);
  const lines = listing(code, { bytes: true });
  assert.match(lines, /^40 c9 00 10 00 c0 a0 00 {4}IADD.u32 r0, \^r0, 0x7060504.b0\n/);
  assert.deepEqual(Buffer.from(assembled(lines)), code);
  for (const text of [lines, code.toString('hex'), `   7ffffff0: ${lines.split('\n').join('\n   7ffffff8: ')}`]) {
    assert.deepEqual(given(Buffer.from(text), { hex: true }), code);
  }
});

test('what cannot be done is refused', async () => {
  await assert.rejects(disasm(join(folder, 'none'), {}), /none cannot be read: ENOENT/);
  assert.throws(() => listing(new Uint8Array(7)), /a program is made of instructions of 8 bytes; this has 7/);
  assert.throws(() => given(Buffer.from('no digits'), { hex: true }), /this is no text of bytes/);
  assert.throws(
    () => assembled('FADD.f32 r0, u0, u4'),
    /instruction 0: FADD.f32: uniforms and specials of more than 1/,
  );
  assert.equal(assembled('.quad 0xffffffffffffffff').length, 8, 'a quad need not be an instruction');
});

test('a command stream is listed without what it points to', () => {
  const stream = Buffer.from('0400000000005e0200000000005c5c20', 'hex');
  assert.equal(streamListing(stream), 'MOVE32 r94, #0x4\nCALL d92, r0\n');
  assert.throws(
    () => streamListing(new Uint8Array(3)),
    /a command stream is made of instructions of 8 bytes; this has 3/,
  );
});
