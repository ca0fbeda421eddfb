/**
 * Whether the host's WebAssembly converts vectors of singles to halves and back.
 *
 * That is one instruction of the host each, where integer SIMD takes twenty. The half-precision proposal is not finished, so V8 has
 * it behind a flag, which may be set at any time before a module is compiled; what the instructions then do is tried once, and
 * whoever emits code for halves keeps another way for hosts without.
 * Source: https://github.com/WebAssembly/half-precision.
 */
import './half-flag.ts';
import { ModuleBuilder } from './builder.ts';

/** A tie to even, an overflow, the least subnormal, a negative zero: what they are as bits of halves. */
const TRIED = [
  [1 + 2 ** -11, 0x3c00],
  [65520, 0x7c00],
  [2 ** -24, 0x0001],
  [-0, 0x8000],
] as const;
const BACK = [1, Number.POSITIVE_INFINITY, 2 ** -24, -0] as const;

/** The module, or undefined where the host does not know its instructions. */
function moduleOf(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module | undefined {
  try {
    return new WebAssembly.Module(bytes);
  } catch {
    return undefined;
  }
}

export const HALF_CONVERSIONS = ((): boolean => {
  const m = new ModuleBuilder();
  const halves = m.function('halves', [], Array(TRIED.length).fill('i32'), true);
  const back = m.function('back', [], Array(BACK.length).fill('f32'), true);
  const demote = (f: typeof halves): typeof halves =>
    f.f32x4(...TRIED.map(([single]) => single)).op('f16x8_demote_f32x4_zero');
  for (const lane of TRIED.keys()) {
    demote(halves).op('i32x4_extend_low_i16x8_u').lane('i32x4_extract_lane', lane);
    demote(back).op('f32x4_promote_low_f16x8').lane('f32x4_extract_lane', lane);
  }
  const made = moduleOf(m.build());
  if (!made) return false;
  const { exports } = new WebAssembly.Instance(made);
  const call = (name: string): number[] => (exports[name] as () => number[])();
  const same = (a: readonly number[], b: readonly number[]): boolean => a.every((x, n) => Object.is(x, b[n]));
  return (
    same(
      call('halves'),
      TRIED.map(([, bits]) => bits),
    ) && same(call('back'), BACK)
  );
})();
