import assert from 'node:assert/strict';
import { test } from 'node:test';
import { F16_TO_F32, toHalf } from '../shader/float.ts';
import { ModuleBuilder } from '../wasm/builder.ts';
import { HALF_CONVERSIONS } from '../wasm/half-conversions.ts';
import { LaneCode, type Lanes, WARP_VECTORS } from './lanes.ts';

/** Four words in, four out, by a lane operation that is emitted for hosts which convert halves, or for others. */
function emitted(converts: boolean, of: (lanes: LaneCode, x: Lanes, y: Lanes) => Lanes) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new ModuleBuilder();
  module.importMemory('test', 'memory', 1, 1);
  const code = module.function('run', [], [], true);
  const lanes = new LaneCode(code, false, WARP_VECTORS, converts);
  const operand =
    (at: number): Lanes =>
    () =>
      code.i32(at).memory('v128_load');
  code.i32(32);
  of(lanes, operand(0), operand(16))(0);
  code.memory('v128_store');
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), { test: { memory } });
  return {
    run: instance.exports.run as () => void,
    words: new Uint32Array(memory.buffer),
    singles: new Float32Array(memory.buffer),
  };
}

const ways = HALF_CONVERSIONS ? [true, false] : [false];

/** Singles next to everything that rounds otherwise: halves, the middles between them, and their neighbours. */
function singles(): number[] {
  const bits = new Uint32Array(1);
  const single = new Float32Array(bits.buffer);
  const all = [70000, 1e10, 3e38, 1e-30, 1e-45, Number.NaN];
  for (let half = 0; half < 0x7c00; half += 7) {
    const [low, high] = [F16_TO_F32[half]!, half + 1 === 0x7c00 ? 65536 : F16_TO_F32[half + 1]!];
    for (const x of [low, (low + high) / 2]) {
      single[0] = x;
      const at = bits[0]!;
      for (const near of [at, at + 1, Math.max(at - 1, 0)]) {
        bits[0] = near;
        all.push(single[0]!);
      }
    }
  }
  return all.flatMap((x) => [x, -x]);
}

test('singles become halves as the interpreter makes them, whether the host converts them or not', () => {
  const all = singles();
  for (const converts of ways) {
    const narrow = emitted(converts, (l, x) => l.narrow(x));
    const back = emitted(converts, (l, x) => l.narrow(x).single!);
    const pair = emitted(converts, (l, x, y) => l.pair(l.narrow(x), l.narrow(y)));
    for (let n = 0; n + 8 <= all.length; n += 8) {
      for (const { run, singles: to } of [narrow, back, pair]) {
        to.set(all.slice(n, n + 8));
        run();
      }
      for (let lane = 0; lane < 4; lane++) {
        const [x, y] = [all[n + lane]!, all[n + 4 + lane]!];
        if (Number.isNaN(x) || Number.isNaN(y)) continue;
        assert.equal(narrow.words[8 + lane], toHalf(x), `${x} by ${converts ? 'the host' : 'integers'}`);
        assert.equal(pair.words[8 + lane], (toHalf(x) | (toHalf(y) << 16)) >>> 0, `${x} and ${y}`);
        assert.ok(Object.is(back.singles[8 + lane], F16_TO_F32[toHalf(x)]), `${x} as a half is a single again`);
      }
    }
  }
});

test('all halves become the singles that they are', () => {
  for (const converts of ways) {
    for (const high of [false, true]) {
      const { run, words, singles: from } = emitted(converts, (l, x) => l.halves.widen(x, high));
      for (let half = 0; half < 0x10000; half += 4) {
        for (let lane = 0; lane < 4; lane++)
          words[lane] = high ? ((half + lane) << 16) | 0x1234 : 0x43210000 | (half + lane);
        run();
        for (let lane = 0; lane < 4; lane++) {
          const want = F16_TO_F32[half + lane]!;
          assert.ok(Object.is(from[8 + lane], want), `${half + lane}: ${from[8 + lane]}, not ${want}`);
        }
      }
    }
  }
});
