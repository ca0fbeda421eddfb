import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlatMemory } from '../../testing/mali/shader-rig.ts';
import { assemble } from '../shader/assemble.ts';
import { type Blends, FIXED } from './calls.ts';
import { findUnit } from './flow.ts';
import { isStraight } from './straight-flow.ts';

const [PROGRAM, ABOVE, BELOW] = [0x20000, 0x30000, 0x10000] as const;
const BLEND = 'BLEND.slot0.v4.f32 @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:2';
const LINK = 'IADD_IMM.i32 r48, program_counter.w0, #8';
const CALL = 'BRANCHZI.eq.absolute 0x0, blend_descriptor_0.w1';
const BACK = 'BRANCHZI.absolute.end r48, r48';
const SHADER = `FADD.f32 r0, r0, r4\n${BACK}`;

function unitOf(program: string, shader: string, blends: Blends) {
  const memory = new FlatMemory();
  const put = (at: number, text: string): void => memory.write(at, new Uint8Array(assemble(text).buffer));
  put(PROGRAM, program);
  for (const address of blends) if (typeof address === 'number') put(address, shader);
  return findUnit(memory, PROGRAM, [], blends);
}

const ends = (unit: ReturnType<typeof unitOf>): string[] =>
  unit.blocks.map(({ end, always }) => (always === undefined ? end : `${end} ${always}`));

test('a blend shader whose address is known lies where it is called, above or below the program', () => {
  for (const at of [ABOVE, BELOW]) {
    const unit = unitOf(`${BLEND}\n${LINK}\n${CALL}\nFADD.f32 r1, r1, r1\nNOP.end`, SHADER, [at]);
    assert.deepEqual(ends(unit), ['blend', 'branch true', 'branch true', 'end']);
    assert.deepEqual(
      unit.blocks.map(({ pc }) => pc),
      [PROGRAM, PROGRAM + 8, at, PROGRAM + 24],
    );
    assert.equal(unit.blocks[2]!.target, PROGRAM + 24);
    assert.ok(isStraight(unit));
    assert.ok(unit.live.length < 10, `registers ${unit.live}`);
  }
});

test('where the link register is 0 the blend shader ends its threads', () => {
  const unit = unitOf(`${BLEND}\nIADD_IMM.i32 r48, 0x0, #0\n${CALL}`, SHADER, [ABOVE]);
  assert.deepEqual(ends(unit).slice(0, 3), ['blend', 'branch true', 'branch false']);
  assert.ok(isStraight(unit));
});

test('what is not known of a call leaves it to be followed when lanes come there', () => {
  const program = `${BLEND}\n${LINK}\n${CALL}\nNOP.end`;
  const indirect = (text: string, shader: string, blends: Blends = [ABOVE]): void => {
    const unit = unitOf(text, shader, blends);
    assert.ok(
      unit.blocks.some(({ end }) => end === 'indirect'),
      text,
    );
    assert.equal(unit.resolved.size, 0);
  };
  indirect(program, SHADER, []);
  // Of another descriptor.
  indirect(program, SHADER, [undefined, ABOVE]);
  // The link register is somebody else's by then, or was not set just before.
  indirect(program, `MOV.i32 r48, r0\n${BACK}`);
  indirect(`${BLEND}\n${LINK}\nFADD.f32 r1, r1, r1\n${CALL}\nNOP.end`, SHADER);
  // It goes elsewhere, only perhaps, or never comes back.
  indirect(program, 'BRANCHZI.absolute.end r48, r47');
  indirect(program, 'BRANCHZI.absolute.end r1, r48');
  indirect(program, 'FADD.f32 r0, r0, r4');
  // Nobody says what comes behind it.
  indirect(`${BLEND}\nIADD_IMM.i32 r48, 0x0, #0\n${CALL}`, 'BRANCHZI.absolute r48, r48');
  // The program has branches into it.
  indirect(`BRANCHZ.eq r0, offset:${(ABOVE - PROGRAM) / 8}\n${program}`, SHADER);
});

test('a blend shader that is called twice is part of its program where it is called first', () => {
  const unit = unitOf(`${BLEND}\n${LINK}\n${CALL}\n${BLEND}\n${LINK}\n${CALL}\nNOP.end`, SHADER, [ABOVE]);
  assert.deepEqual(
    ends(unit).filter((end) => !end.startsWith('blend')),
    ['branch true', 'branch true', 'indirect', 'end'],
  );
});

test('what calls a blend shader is left out where fixed function blends', () => {
  const ended = `BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0\nIADD_IMM.i32 r48, 0x0, #0\n${CALL}`;
  const unit = unitOf(`${BLEND}\n${LINK}\n${CALL}\n${ended}`, SHADER, [FIXED]);
  assert.deepEqual(ends(unit), ['blend', 'blend']);
  assert.ok(isStraight(unit));
  assert.ok(unit.live.length < 10, `registers ${unit.live}`);
  assert.deepEqual(ends(unitOf(ended, SHADER, [undefined])), ['blend', 'indirect', 'leave']);
});
