import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import { CODE_AT, FuzzMemory } from '../../testing/mali/fuzz/memory.ts';
import { assembleLine } from '../shader/assemble.ts';
import type { Mode } from './emit.ts';
import { WARP_VECTORS } from './lanes.ts';
import { UnitCache } from './units.ts';

const mode: Mode = {
  flush32: false,
  flush16: false,
  fused: false,
  parted: false,
  list: undefined,
  ways: undefined,
  vectors: WARP_VECTORS,
};

const INSTRUCTIONS = 1000;
function program(): FuzzMemory {
  const place = new FuzzMemory();
  const words = new Uint32Array(2 * INSTRUCTIONS);
  for (let n = 0; n < INSTRUCTIONS; n++) words.set(assembleLine(n < INSTRUCTIONS - 1 ? 'NOP' : 'NOP.end'), 2 * n);
  place.setProgram(words);
  return place;
}

test('a program with an entry at each of its instructions leaves no more behind than there is room for', () => {
  const most = 10_000;
  const units = new UnitCache(program().memory, most);
  for (let n = 0; n < INSTRUCTIONS; n++) {
    units.begin();
    const pc = CODE_AT + n * INSTRUCTION_SIZE;
    assert.equal(units.at(pc, new Set([pc]), mode).unit.entry, pc);
    assert.ok(units.instructions <= most, `${units.instructions} instructions after ${n} units`);
  }
  assert.equal(units.at(CODE_AT, new Set([CODE_AT]), mode).unit.words.length, INSTRUCTIONS);
});

test('a unit whose code was dropped makes it again', () => {
  const units = new UnitCache(program().memory);
  const ready = units.at(CODE_AT, new Set([CODE_AT]), mode);
  const { made } = ready;
  assert.equal(ready.made, made);
  ready.drop();
  assert.notEqual(ready.made, made);
  assert.equal(ready.made.code, made.code, 'from what is still known by its content');
});
