import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getField, OPCODE, setField } from '../../abi/isa/encoding.ts';
import { INSTRUCTIONS } from '../../abi/isa/instructions.ts';
import { assemble, assembleLine } from './assemble.ts';
import { decode, EncodingError } from './decode.ts';
import { disassemble, format } from './disassemble.ts';

/** Random numbers that are the same in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('no two instructions share an encoding', () => {
  for (const [n, a] of INSTRUCTIONS.entries()) {
    for (const b of INSTRUCTIONS.slice(n + 1)) {
      if (a.opcode !== b.opcode) continue;
      const apart = a.secondary.some((f) => b.secondary.some((g) => f.bit === g.bit && f.value !== g.value));
      assert.ok(apart, `${a.name} and ${b.name}`);
    }
  }
});

test('fields of an instruction do not overlap', () => {
  for (const spec of INSTRUCTIONS) {
    const owner = new Map<number, string>();
    const claim = (what: string, bit: number, width: number): void => {
      for (let i = bit; i < bit + width; i++) {
        assert.ok(!owner.has(i), `${spec.name}: ${what} and ${owner.get(i)} at bit ${i}`);
        owner.set(i, what);
      }
    };
    claim('opcode', OPCODE.bit, OPCODE.width);
    for (const f of spec.secondary) claim('second opcode', f.bit, f.width);
    for (const s of spec.sources) claim('source', s.bit, 8);
    for (const f of spec.immediates) claim(f.name, f.bit, f.width);
    for (const f of spec.modifiers) claim(f.name, f.bit, f.width);
    if (spec.dest) claim('destination', 40, 8);
  }
});

test('every instruction survives the way through text and back', () => {
  const random = generator(7);
  for (const spec of INSTRUCTIONS) {
    let found = 0;
    for (let tries = 0; tries < 4000 && found < 10; tries++) {
      const words = new Uint32Array([random() * 2 ** 32, random() * 2 ** 32]);
      setField(words, OPCODE, spec.opcode);
      for (const field of spec.secondary) setField(words, field, field.value);
      setField(words, { bit: 63, width: 1 }, 0);
      let text: string;
      try {
        text = format(decode(words[0]!, words[1]!));
      } catch (error) {
        assert.ok(error instanceof EncodingError);
        continue;
      }
      found++;
      assert.ok(text.startsWith(spec.name), text);
      const again = assembleLine(text);
      assert.equal(format(decode(again[0]!, again[1]!)), text);
    }
    assert.ok(found > 0, `${spec.name}: no valid encoding found`);
  }
});

// Encodings that the architecture's other tools agree on, as bytes.
const KNOWN: [string, string][] = [
  ['FADD.f32 r0, r1, r2.neg.abs', '01020000 30c0a400'],
  ['FADD.v2f16 r0, r1.h00, r0.h11', '0100000c 00c0a500'],
  ['IADD.u32 r0, r1.b3, r2.h1', '0102000c 70c0a000'],
  ['MOV.i32 r1, lane_id.w0', 'e2000000 00c19106'],
  ['MOV.i32 r1, u65', '81000000 00c19102'],
  ['BRANCHZ.reconverge ^r1, offset:-8', '41f8ffff 07c01f50'],
  ['SHADDX.u64 r0, u2, r60.w0, shift:2', '823c2720 00c0a301'],
  ['LOAD.i32.unsigned.slot0.wait0 @r0, ^r0, offset:0', '40000018 82806008'],
  ['STORE.i128.istream.slot0.end @r8:r9:r10:r11, ^r4, offset:0', '44000039 08486178'],
  ['LEA_BUF_IMM.slot1.wait0 @r4:r5, ^r59, table:13, index:0', '7b0d0040 04845e08'],
  ['ATEST.discard @r60, r60, 0x3f800000, atest_datum.w0', '3cd0ea00 02bc7d68'],
  ['BLEND.slot0.v4.f16.end @r0:r1, blend_descriptor_0.w0, r60, target:0', 'f0003c33 04407f78'],
  ['RSHIFT_XOR.i32.not_result r12, u2, ^r12, 0x0', '824cc052 00ccb400'],
  // As Mesa 24.3 shifts words by registers, and takes lanes' numbers.
  ['LSHIFT_AND.i32 r0, r1, r2.b02, r3', '01020300 01c0b400'],
  ['CLPER.i32 r0, r1, r2.b02', '01020f00 30c0a000'],
  // As Mesa 26 does.
  ['LEA_BUF.slot0 @r4:r5, r0, r1', '00010000 04846e00'],
  ['LD_CVT.slot0.v4.f32 @r4:r5:r6:r7, r2, r1, offset:0', '02000132 08847000'],
  ['CSEL.s32.lt r1, ^r2, ^r3, u4, u5', '42438485 04c15801'],
  ['TEX_FETCH.slot0.f.32.2d @r0:r1:r2:r3, @r60:r61, u0', '8000c017 347c2501'],
];

test('encodings agree with what compilers emit', () => {
  for (const [text, bytes] of KNOWN) {
    const words = assembleLine(text);
    assert.equal(Buffer.from(words.buffer).toString('hex'), bytes.replace(' ', ''), text);
  }
});

test('what is no instruction is refused with its opcode or name', () => {
  assert.throws(() => decode(0, 0), /no instruction/);
  assert.throws(() => decode(1, 0x01ff0000), /opcode 0x1ff/);
  const [low, high] = assembleLine('NOP') as unknown as [number, number];
  assert.throws(() => decode(low, (high | 0x80000000) >>> 0), /NOP: bit 63/);
  assert.throws(() => decode(low, (high | (11 << 27)) >>> 0), /NOP: flow 11 is reserved/);
  assert.equal(decode(low, (high | (12 << 27)) >>> 0).flow, 12);
  assert.equal(getField(low, high, OPCODE), 0);
});

test('labels become branch offsets', () => {
  const code = assemble(`
    top: IADD_IMM.i32 r0, r0, #0xffffffff // counts down
    BRANCHZ.reconverge r0, offset:top
    NOP.end
  `);
  assert.match(disassemble(code, 0x1000), /00001008: BRANCHZ.reconverge r0, offset:-2\n00001010: NOP.end/);
});
