import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getField, OPCODE, setField } from '../../abi/isa/encoding.ts';
import { INSTRUCTIONS } from '../../abi/isa/instructions.ts';
import { assemble, assembleLine, unfetchable } from './assemble.ts';
import { decode, EncodingError } from './decode.ts';
import { disassemble, disassembleWord, format } from './disassemble.ts';
import { lostInText } from './round-trip.ts';

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

test('whatever 64 bits are, their line of text gives the same bits back', () => {
  const random = generator(11);
  const back = (low: number, high: number): string => {
    const line = disassembleWord(low, high);
    const [again] = [assemble(line)];
    assert.deepEqual([...again], [low >>> 0, high >>> 0], line);
    return line;
  };
  let quads = 0;
  for (const spec of INSTRUCTIONS) {
    for (let i = 0; i < 100; i++) {
      const words = new Uint32Array([random() * 2 ** 32, random() * 2 ** 32]);
      setField(words, OPCODE, spec.opcode);
      for (const field of spec.secondary) setField(words, field, field.value);
      if (back(words[0]!, words[1]!).startsWith('.quad')) quads++;
    }
  }
  assert.ok(quads > 1000, 'words with bits that mean nothing are among them');
  assert.match(back(0, 0), /^\.quad 0x0000000000000000 \/\/ no instruction$/);
  assert.match(back(0xffffffff, 0xffffffff), /^\.quad 0xffffffffffffffff \/\/ opcode 0x1ff is not an instruction$/);
  assert.equal(back(0x00000201, 0x00a4c000), 'FADD.f32 r0, r1, r2');
  assert.equal(back(0x00100201, 0x00a4c000), '.quad 0x00a4c00000100201 // FADD.f32 r0, r1, r2');
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

/** The same, as Mesa 25.0's disassembler writes them: the text that ours has to be, letter by letter. */
const WRITTEN: [string, string][] = [
  ['F16_TO_F32 r2, ^r2.neg.h0', '42000b00 40c29000'],
  ['V2S8_TO_V2F16 r2, ^r2.b00', '42000300 00c29000'],
  ['V2S16_TO_V2F16 r2, ^r2.b01', '42000700 c0c29000'],
  ['MKVEC.v2i8 r4, r0.b0, 0x0.b0, 0x0', '00c0c000 00c4bd00'],
  ['MKVEC.v2i16 r1, ^r0.h00, 0x3C000000.h10', '40db0504 00c1a100'],
  ['LSHIFT_AND.v4i8 r0, 0x1000000.b3333, 0x0.b00, ^r0', 'c4c04010 71c0b600'],
  ['RSHIFT_XOR.i32.not_result r12, u2, ^r12.b00, 0x0', '824cc052 00ccb400'],
  ['CLPER.i32.f1 r0, r0, 0x7060504.b00', '00c98f12 30c0a000'],
  ['FADD_IMM.v2f16 r2, ^r2, #0x70AC6784', '428467ac 70c21501'],
  ['LEA_BUF_IMM.slot1.wait0 @r4:r5, ^r59, table:0xD, index:0x0', '7b0d0040 04845e08'],
  ['LOAD.i16.h1.unsigned.slot0 @r2, u0, offset:20', '80140008 92826000'],
  ['STORE.i96.estream.slot0.end @r0:r1:r2, ^r4, offset:0', '44000032 06406178'],
  ['ATOM1_RETURN.i32.slot0.ainc.wait0 @, r50, offset:0x0', '32000018 00806908'],
  ['ATOM_RETURN.i32.slot0.axchg.wait0 @r55, @r12, r48, offset:0x0', '3000f71b 02cc2009'],
  ['VAR_TEX_SINGLE.slot0.skip.sample_store.f.32.2d.computed.wait0 @r0:r1:r2:r3, u2, u0', '82208015 b4803809'],
  ['BRANCHZI.eq.absolute.wait0 0x0, blend_descriptor_0.w1', 'c0f10000 10c12f08'],
  ['LD_VAR_SPECIAL.v2.f32.sample.clobber.slot0.wait0 @r2:r3, r61, index:0x0', '3d000012 b4825608'],
];

test('the text is that of Mesa’s disassembler', () => {
  for (const [text, bytes] of WRITTEN) {
    const words = assembleLine(text);
    assert.equal(Buffer.from(words.buffer).toString('hex'), bytes.replace(' ', ''), text);
    assert.equal(disassembleWord(words[0]!, words[1]!), text);
  }
});

test('later Mesas’ names, listings, comments and quads are read too', () => {
  const code = (text: string): string => Buffer.from(assemble(text).buffer).toString('hex');
  assert.equal(code('LD_PKA.i64.unsigned.slot0 @r2:r3, u2, u1'), code('LD_BUFFER.i64.unsigned.slot0 @r2:r3, u2, u1'));
  assert.equal(code('LEA_PKA.slot0 @r2:r3, 0x0, 0x0'), code('LEA_BUFFER.slot0 @r2:r3, 0x0, 0x0'));
  assert.equal(code('IDPADD.v4s8 r0, r1, r2, r3'), code('IDP.v4s8 r0, r1, r2, r3'));
  assert.equal(code('MKVEC.v2i16 r1, ^r0.h0, 0x3C000000.h1'), code('MKVEC.v2i16 r1, ^r0.h00, 0x3C000000.h10'));
  assert.equal(
    code('# a listing\n01 02 00 00 30 c0 a4 00    FADD.f32 r0, r1, r2.neg.abs\n'),
    code('.quad 0x00a4c03000000201'),
  );
  assert.throws(() => assemble('NOP\n\nFADD.f32 r0, r1'), /line 3: FADD.f32 r0, r1: source is missing/);
  assert.throws(() => assemble('FADD.v2f16 r0, r1, r0.h0'), /line 1: .*'h0' does not fit here/);
  assert.throws(() => assemble('MOV.i32.wait01.wait1 r0, r1'), /no modifier 'wait1'/);
});

test('what no GPU could fetch is told', () => {
  const problem = (text: string): string | undefined => {
    const [low, high] = assembleLine(text);
    return unfetchable(low!, high!);
  };
  assert.match(problem('FADD.f32 r0, u5, u6')!, /FADD.f32: uniforms and specials of more than 1 64-bit slots/);
  assert.match(problem('FMA.f32 r0, u0, u1, 0x0')!, /more than two/);
  assert.match(problem('FMA.f32 r0, 0x3F317218, 0x40490FDB, 0x0')!, /more than two/);
  for (const text of [
    'FMA.f32 r0, u4, u5, u4',
    'FADD.f32 r0, u5, 0x3F800000',
    'LD_BUFFER.i64.unsigned.slot0 @r2:r3, u3, u4',
  ]) {
    assert.equal(problem(text), undefined);
  }
});

test('what a program loses in text is told: words that are none, and such as no GPU could fetch', () => {
  assert.deepEqual(lostInText(assemble('FADD.f32 r0, r1, u2\nNOP.end')), []);
  const lost = lostInText(assemble('NOP\n.quad 0x8000000000000000\nFADD.f32 r0, u0, u4\nNOP.end'));
  assert.equal(lost.length, 2);
  assert.match(lost[0]!, /^instruction 1: it is none: \.quad 0x8000000000000000 \/\/ .*bit 63 is set/);
  assert.match(lost[1]!, /^instruction 2: FADD\.f32: uniforms and specials of more than 1 64-bit slots: FADD/);
});

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
