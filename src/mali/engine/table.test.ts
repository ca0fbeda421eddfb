import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModuleBuilder } from '../wasm/builder.ts';
import { FunctionTable, functionTable, TABLE_IMPORT } from './table.ts';

/** An exported function that answers `value`. */
const constant = (value: number) => {
  const m = new ModuleBuilder();
  m.function('f', [], ['i32'], true).i32(value);
  return new WebAssembly.Instance(new WebAssembly.Module(m.build())).exports.f as () => number;
};

test('emitted code calls a function by the number that it got, and a function keeps its number', () => {
  const [one, two] = [constant(1), constant(2)];
  const slots = [functionTable.slotOf(one), functionTable.slotOf(two)] as const;
  assert.equal(functionTable.slotOf(one), slots[0]);
  const m = new ModuleBuilder();
  m.importTable(...TABLE_IMPORT);
  m.function('f', ['i32'], ['i32'], true)
    .get(0)
    .callIndirect(m.functionType([], ['i32']));
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.build()), { gpu: { table: functionTable.table } });
  const f = instance.exports.f as (slot: number) => number;
  assert.deepEqual(slots.map(f), [1, 2]);
  assert.throws(() => f(0), { name: 'RuntimeError' }, 'number 0 calls nothing');
});

test('the table grows up to its bound and no further', () => {
  const table = new FunctionTable(2, 5);
  const functions = [1, 2, 3, 4].map(constant);
  assert.deepEqual(
    functions.map((f) => table.slotOf(f)),
    [1, 2, 3, 4],
  );
  assert.equal(table.table.get(4), functions[3]);
  assert.throws(() => table.slotOf(constant(5)), /no place is left/);
  assert.equal(table.slotOf(functions[0]!), 1, 'what is known stays known');
  assert.throws(() => functionTable.slotOf(() => 0), TypeError, 'script is not called by number');
});
