/** What a Func of a descriptor says: in script, and in emitted code. */
import { FUNC } from '../../abi/gpu/raster-descriptors.ts';
import type { OpName } from '../wasm/opcodes.ts';

/** Compares: `value` is a test's new one, a sampler's texel. */
export function compare(func: number, value: number, stored: number): boolean {
  switch (func) {
    case FUNC.NEVER:
      return false;
    case FUNC.LESS:
      return value < stored;
    case FUNC.EQUAL:
      return value === stored;
    case FUNC.LEQUAL:
      return value <= stored;
    case FUNC.GREATER:
      return value > stored;
    case FUNC.NOT_EQUAL:
      return value !== stored;
    case FUNC.GEQUAL:
      return value >= stored;
    default:
      return true;
  }
}

/** Comparisons of four floats. NEVER and ALWAYS have none: they compare nothing. */
export const FLOAT_COMPARE: Readonly<Record<number, OpName>> = {
  [FUNC.LESS]: 'f32x4_lt',
  [FUNC.EQUAL]: 'f32x4_eq',
  [FUNC.LEQUAL]: 'f32x4_le',
  [FUNC.GREATER]: 'f32x4_gt',
  [FUNC.NOT_EQUAL]: 'f32x4_ne',
  [FUNC.GEQUAL]: 'f32x4_ge',
};
