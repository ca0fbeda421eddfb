import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlatMemory } from '../../testing/mali/shader-rig.ts';
import { assemble } from '../shader/assemble.ts';
import { findUnit } from './flow.ts';
import { constantHandles } from './texture-handles.ts';

const CODE = 0x10000;
const texture = (source: string, more = ''): string =>
  `TEX_SINGLE.slot0.auto.32.r.2d.zero.wait0${more} @r0, @r0:r1, ${source}`;

/** The handles of a program's texture instructions, in their order; undefined: not known. */
function handlesOf(...lines: string[]): unknown[] {
  const memory = new FlatMemory();
  memory.write(CODE, new Uint8Array(assemble([...lines, 'NOP.end'].join('\n')).buffer));
  const unit = findUnit(memory, CODE);
  const known = constantHandles(unit);
  return unit.blocks
    .flatMap(({ sites }) => sites)
    .filter(({ instruction }) => instruction.spec.name === 'TEX_SINGLE')
    .map((site) => known.get(site));
}

test('a handle is constant where the block loads, moves or adds constants', () => {
  assert.deepEqual(
    handlesOf(
      'IADD_IMM.i32 r4, 0x0, #0x20001800',
      texture('r4'),
      'MOV.i32 r10, r4',
      texture('r10'),
      'IADD_IMM.i32 r10, r10, #3',
      texture('r10'),
      texture('r4'),
      'MOV.i32 r5, 0x0',
      texture('r4', '.wide_indices'),
      texture('0x0'),
    ),
    [0x20001800, 0x20001800, 0x20001803, 0x20001800, 0x20001800, 0].map((low) => ({ low, high: 0 })),
  );
});

test('it is not where something else writes the register, or part of it, or another block does', () => {
  assert.deepEqual(handlesOf(texture('r4')), [undefined]);
  assert.deepEqual(handlesOf('IADD_IMM.i32 r4, 0x0, #1', 'MOV.i32 r4, u0', texture('r4')), [undefined]);
  assert.deepEqual(handlesOf('IADD_IMM.i32 r4, 0x0, #1', 'IADD_IMM.v2i16 r4, r4, #1', texture('r4')), [undefined]);
  assert.deepEqual(handlesOf('IADD_IMM.i32 r4, 0x0, #1', texture('r4', '.wide_indices')), [undefined]);
  assert.deepEqual(handlesOf('IADD_IMM.i32 r0, 0x0, #1', texture('r0'), texture('r0')), [
    { low: 1, high: 0 },
    undefined,
  ]);
  assert.deepEqual(
    handlesOf(
      'IADD_IMM.i32 r4, 0x0, #1',
      'BRANCHZ.eq r2, offset:next',
      'IADD_IMM.i32 r4, 0x0, #2',
      `next: ${texture('r4')}`,
    ),
    [undefined],
  );
});
