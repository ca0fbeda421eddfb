import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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
  const places = [functionTable.place(one), functionTable.place(two)];
  assert.equal(functionTable.place(one), places[0]);
  const m = new ModuleBuilder();
  m.importTable(...TABLE_IMPORT);
  m.function('f', ['i32'], ['i32'], true)
    .get(0)
    .callIndirect(m.functionType([], ['i32']));
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.build()), { gpu: { table: functionTable.table } });
  const f = instance.exports.f as (slot: number) => number;
  assert.deepEqual(
    places.map(({ slot }) => f(slot)),
    [1, 2],
  );
  assert.throws(() => f(0), { name: 'RuntimeError' }, 'number 0 calls nothing');
});

test('the table grows up to its bound and no further', () => {
  const table = new FunctionTable(2, 5);
  const functions = [1, 2, 3, 4].map(constant);
  const places = functions.map((f) => table.place(f));
  assert.deepEqual(
    places.map(({ slot }) => slot),
    [1, 2, 3, 4],
  );
  assert.equal(table.room, 0);
  assert.equal(table.table.get(4), functions[3]);
  assert.throws(() => table.place(constant(5)), /no place is left/);
  assert.equal(table.place(functions[0]!), places[0], 'what is known stays known');
  assert.throws(() => functionTable.place(() => 0), TypeError, 'script is not called by number');
});

test('a place that nobody holds any more is given to others, and one that is held is not', async () => {
  const table = new FunctionTable(2, 64);
  const first = constant(1);
  const held = table.place(first);
  // Far more functions than there are places; each is held for a moment only.
  for (let n = 0; n < 1000; n++) {
    table.place(constant(n));
    if (n % 32 === 31) await collected(() => table.room > 32);
  }
  assert.equal(table.table.get(held.slot), first);
  assert.equal(table.place(first), held);
});

/** Collects garbage until finalizers have done their work. */
async function collected(done: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let tries = 0; tries < 100 && !done(); tries++) {
    gc();
    await setImmediate();
  }
}
