import assert from 'node:assert/strict';
import { test } from 'node:test';
import { F16_TO_F32, fma16, toHalf } from '../shader/float.ts';
import { ModuleBuilder } from '../wasm/builder.ts';
import { HALF_CONVERSIONS } from '../wasm/half-conversions.ts';
import { fmaHalves } from './half-sums.ts';
import { LaneCode, type Lanes, WARP_VECTORS } from './lanes.ts';

/** Two sums of four lanes: singles a, b, c, d in, the halves of a × b + c and of a × d + c out. */
function emitted(converts: boolean, whole: boolean) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new ModuleBuilder();
  module.importMemory('test', 'memory', 1, 1);
  const code = module.function('run', [], [], true);
  const lanes = new LaneCode(code, false, WARP_VECTORS, converts);
  const [a, b, c, d] = [0, 16, 32, 48].map(
    (at): Lanes =>
      () =>
        code.i32(at).memory('v128_load'),
  ) as [Lanes, Lanes, Lanes, Lanes];
  const sums = fmaHalves(
    lanes,
    [
      [a, b, c],
      [a, d, c],
    ],
    whole,
  );
  const halves = sums.map((sum) => lanes.narrow(sum));
  code.i32(64);
  lanes.pair(halves[0]!, halves[1]!)(0);
  code.memory('v128_store');
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), { test: { memory } });
  return {
    run: instance.exports.run as () => void,
    words: new Uint32Array(memory.buffer),
    singles: new Float32Array(memory.buffer),
  };
}

test('multiply-add of both halves of a register rounds once, whether the host converts halves or not', () => {
  let state = 11;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  /** Halves of any size; of like size and few bits, whose sums tie; and next to nothing, whose sums are subnormal. */
  const half = (n: number): number => {
    const any = random() & 0xffff;
    if (n % 3 === 0) return any;
    if (n % 3 === 1) return (any & 0x80f0) | ((12 + (random() & 3)) << 10) | (random() & 1);
    return (any & 0x83ff) | ((random() & 7) << 10);
  };
  for (const converts of HALF_CONVERSIONS ? [true, false] : [false]) {
    for (const whole of [false, true]) {
      const { run, words, singles } = emitted(converts, whole);
      for (let n = 0; n < 5000; n++) {
        for (let at = 0; at < 16; at++) singles[at] = F16_TO_F32[half(n)]!;
        // a × b is a little more than half of the last bit of 1: the single between two halves is not the sum.
        if (n === 0)
          for (const [at, x] of [1 + 22 / 1024, (1 - 43 / 2048) * 2 ** -11, 1, 0].entries()) singles[at * 4] = x;
        run();
        for (let lane = 0; lane < 4; lane++) {
          const [a, b, c, d] = [0, 4, 8, 12].map((at) => singles[at + lane]!) as [number, number, number, number];
          for (const [factor, shift] of [
            [b, 0],
            [d, 16],
          ] as const) {
            const want = fma16(a, factor, c);
            const got = (words[16 + lane]! >>> shift) & 0xffff;
            if (Number.isNaN(want)) assert.ok((got & 0x7fff) > 0x7c00);
            else
              assert.equal(got, toHalf(want), `${a} × ${factor} + ${c}, ${converts ? 'by the host' : 'by integers'}`);
          }
        }
      }
    }
  }
});
