import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execute, f16x2, lane0 } from '../../testing/mali/shader-rig.ts';
import { executorOf } from '../engine/engine.ts';
import { fma32, fromBits } from '../shader/float.ts';
import { ModuleBuilder } from '../wasm/builder.ts';
import { LaneCode, type Lanes } from './lanes.ts';

test('multiply-add rounds once on hosts whose relaxed one does not', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new ModuleBuilder();
  module.importMemory('test', 'memory', 1, 1);
  const code = module.function('fma', [], [], true);
  const lanes = new LaneCode(code, false);
  const operand =
    (at: number): Lanes =>
    () =>
      code.i32(at).memory('v128_load');
  code.i32(48);
  lanes.fma(operand(0), operand(16), operand(32))(0);
  code.memory('v128_store');
  const bytes = module.build();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { test: { memory } });
  const fma = instance.exports.fma as () => void;
  const words = new Int32Array(memory.buffer);
  const singles = new Float32Array(memory.buffer);
  let state = 7;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
  for (let n = 0; n < 20000; n++) {
    for (let at = 0; at < 12; at++) {
      // Near one another, with few bits now and then, so that sums cancel and tie; any bits at all every fourth time.
      const fraction = (random() >>> 9) & (n % 3 ? 0x7fffff : 0x7ff000);
      const near = (random() & 0x80000000) | ((100 + (random() >>> 27)) << 23) | fraction;
      words[at] = n % 4 ? near : random();
    }
    fma();
    for (let lane = 0; lane < 4; lane++) {
      const [a, b, c] = [0, 4, 8].map((at) => fromBits(words[at + lane]!)) as [number, number, number];
      const [result, want] = [singles[12 + lane]!, fma32(a, b, c)];
      assert.ok(Object.is(result, want), `${a} × ${b} + ${c}: ${result}, not ${want}`);
    }
  }
});

test('multiply-add of halves rounds once, also where a single would lie between two halves', () => {
  // a × b is a little more, or less, than 2^-11: half of the last bit of 1.
  const [a, more, less] = [1 + 22 / 1024, (1 - 43 / 2048) * 2 ** -11, (1 - 44 / 2048) * 2 ** -11];
  const registers = { 0: [f16x2(a, a)], 1: [f16x2(more, less)], 2: [f16x2(1, 1)], 3: [f16x2(-1, -1)] };
  for (const executor of [executorOf('wasm'), executorOf('interpreter')]) {
    const up = execute('FMA.v2f16 r4, r0, r1, r2\nNOP.end', { registers, executor });
    assert.equal(lane0(up, 4), f16x2(1 + 2 ** -10, 1));
    const down = execute('FMA.v2f16 r4, r0.neg, r1, r3\nNOP.end', { registers, executor });
    assert.equal(lane0(down, 4), f16x2(-1 - 2 ** -10, -1));
  }
});
