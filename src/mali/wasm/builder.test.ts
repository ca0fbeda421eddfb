import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ModuleBuilder } from './builder.ts';

const instantiate = (m: ModuleBuilder, imports: WebAssembly.Imports = {}) =>
  new WebAssembly.Instance(new WebAssembly.Module(m.build()), imports).exports as Record<string, any>;

test('functions, locals, loops and branches', () => {
  const m = new ModuleBuilder();
  const f = m.function('sum', ['i32'], ['i32'], true);
  const total = f.local('i32');
  const out = f.block();
  const again = f.loop();
  f.get(0).op('i32_eqz').brIf(out);
  f.get(total).get(0).op('i32_add').set(total);
  f.get(0).i32(-1).op('i32_add').set(0).br(again);
  f.end().end().get(total);
  assert.equal(instantiate(m).sum(100), 5050);
});

test('numbers of any size, also negative ones, come out as they went in', () => {
  for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 0x7fffffff, -0x80000000]) {
    const m = new ModuleBuilder();
    m.function('f', [], ['i32'], true).i32(value);
    m.function('g', [], ['i64'], true).i64(BigInt(value) * 2n ** 31n);
    m.function('h', [], ['f64'], true).f64(value / 3);
    const { f, g, h } = instantiate(m);
    assert.deepEqual([f(), g(), h()], [value, BigInt(value) * 2n ** 31n, value / 3]);
  }
});

test('two shared memories, vectors and their lanes', () => {
  const m = new ModuleBuilder();
  m.importMemory('e', 'a', 1, 1);
  const second = m.importMemory('e', 'b', 1, 1);
  const f = m.function('copy', [], [], true);
  f.i32(0).i32(0).memory('v128_load', 16).f32x4(1, 2, 3, 4).op('f32x4_add').memory('v128_store', 32, second);
  f.i32(0).i32(4).v128(0).memoryLane(false, 2, 16).memory('v128_store', 64, second);
  const [a, b] = [1, 2].map(() => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
  new Float32Array(a!.buffer, 16, 4).set([10, 20, 30, 40]);
  instantiate(m, { e: { a: a!, b: b! } }).copy();
  assert.deepEqual([...new Float32Array(b!.buffer, 32, 4)], [11, 22, 33, 44]);
  assert.deepEqual([...new Float32Array(b!.buffer, 64, 4)], [0, 0, 20, 0]);
});

test('memory is filled, the second one too', () => {
  const m = new ModuleBuilder();
  m.importMemory('e', 'a', 1, 1);
  const second = m.importMemory('e', 'b', 1, 1);
  m.function('fill', [], [], true).i32(8).i32(7).i32(3).fill(second);
  const [a, b] = [1, 2].map(() => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
  instantiate(m, { e: { a: a!, b: b! } }).fill();
  assert.deepEqual([...new Uint8Array(b!.buffer, 7, 5)], [0, 7, 7, 7, 0]);
  assert.equal(new Uint8Array(a!.buffer, 8, 1)[0], 0);
});

test('a table of branches, and calls out of the module', () => {
  const m = new ModuleBuilder();
  const out = m.importFunction('e', 'out', ['i32'], []);
  const f = m.function('f', ['i32'], [], true);
  const other = f.block();
  const two = f.block();
  const one = f.block();
  f.get(0).brTable([one, two], other);
  f.end().i32(1).call(out).op('return');
  f.end().i32(2).call(out).op('return');
  f.end().i32(3).call(out);
  const seen: number[] = [];
  const { f: run } = instantiate(m, { e: { out: (n: number) => seen.push(n) } });
  for (const n of [0, 1, 7]) run(n);
  assert.deepEqual(seen, [1, 2, 3]);
});

test('a function is called by its number in a table, and one of another type is not', () => {
  const m = new ModuleBuilder();
  m.importTable('e', 'table', 2);
  const binary = m.functionType(['i32', 'i32'], ['i32']);
  m.function('f', ['i32'], ['i32'], true).i32(30).i32(12).get(0).callIndirect(binary);
  const n = new ModuleBuilder();
  n.function('sub', ['i32', 'i32'], ['i32'], true).get(0).get(1).op('i32_sub');
  n.function('add', ['i32', 'i32'], ['i32'], true).get(0).get(1).op('i32_add');
  n.function('neg', ['i32'], ['i32'], true).i32(0).get(0).op('i32_sub');
  const { sub, add, neg } = instantiate(n);
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 4 });
  for (const [at, fn] of [add, sub, neg].entries()) table.set(at, fn);
  const { f } = instantiate(m, { e: { table } });
  assert.deepEqual([f(0), f(1)], [42, 18]);
  assert.throws(() => f(2), { name: 'RuntimeError' });
  assert.throws(() => f(3), { name: 'RuntimeError' });
  assert.throws(() => m.importTable('e', 'other', 1), /one table/);
});

test('branch hints stand where the engine looks for them, and change nothing', () => {
  const m = new ModuleBuilder();
  const first = m.function('plain', ['i32'], ['i32'], true);
  first.get(0);
  const f = m.function('hinted', ['i32'], ['i32'], true);
  const result = f.local('i32');
  const out = f.block();
  f.get(0).i32(100).op('i32_ge_s').unlikely().brIf(out);
  f.get(0).likely().if();
  f.i32(7).set(result);
  f.end();
  f.end().get(result);
  const length = f.bytes.length;
  const bytes = m.build();
  const { hinted, plain } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as any;
  assert.deepEqual([hinted(5), hinted(0), hinted(100), plain(3)], [7, 0, 0, 3]);
  const { customSections } = WebAssembly.Module as any as { customSections(m: object, name: string): ArrayBuffer[] };
  const custom = (name: string): ArrayBuffer => customSections(new WebAssembly.Module(bytes), name)[0]!;
  const content = [...new Uint8Array(custom('metadata.code.branch_hint'))];
  // One function, the second, with two hints of one byte each.
  assert.deepEqual(content.slice(0, 3), [1, 1, 2]);
  const [firstAt, , firstHint, secondAt, , secondHint] = content.slice(3) as [number, ...number[]];
  assert.deepEqual([firstHint, secondHint], [0, 1]);
  // Places count from the function's body on, which ends the code section; the names are behind it.
  const end = bytes.length - custom('name').byteLength - 'name'.length - 3;
  const body = end - length - 1 - 3;
  assert.deepEqual([bytes[body + firstAt], bytes[body + secondAt!]], [0x0d, 0x04]);
});

test('strands of code are woven piece by piece, the longer one ends alone, and blocks stay whole', () => {
  const m = new ModuleBuilder();
  const order = m.importFunction('e', 'order', ['i32'], []);
  const f = m.function('f', [], ['i32'], true);
  const [a, b] = f.locals('i32', 2);
  const strand = (first: number, pieces: number, local: number) => () => {
    for (let n = first; n < first + pieces; n++) {
      f.i32(1).unlikely().if();
      f.i32(n).call(order).seam();
      f.end().seam();
      f.get(local).i32(n).op('i32_add').set(local);
    }
  };
  f.weave([strand(10, 3, a), strand(20, 2, b)]);
  f.get(a).i32(100).op('i32_mul').get(b).op('i32_add');
  // Hints go where their branches go: behind the constant 1.
  for (const [at] of f.hints) assert.deepEqual([...f.bytes.data.subarray(at - 2, at + 1)], [0x41, 1, 0x04]);
  assert.equal(f.hints.length, 5);
  const met: number[] = [];
  const { f: run } = instantiate(m, { e: { order: (n: number) => void met.push(n) } });
  assert.equal(run(), 3341);
  assert.deepEqual(met, [10, 20, 11, 21, 12]);
});

test('functions of one module do not find in their memory what those of another have left', () => {
  const answers = Array.from({ length: 20 }, (_, n) => {
    const m = new ModuleBuilder();
    const f = m.function('answer', [], ['i32'], true);
    f.i32(n);
    for (let k = 0; k < 1000 * (n % 3); k++) f.i32(1).op('i32_add');
    return m.build();
  }).map((bytes) => (new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.answer as () => number)());
  assert.deepEqual(
    answers,
    answers.map((_, n) => n + 1000 * (n % 3)),
  );
});

test('a module is built once', () => {
  const m = new ModuleBuilder();
  m.build();
  assert.throws(() => m.build(), /built once/);
});
