/**
 * What a Func of a descriptor is in emitted code: a comparison of four floats, the new value first. NEVER and ALWAYS have
 * none: they compare nothing.
 */
import { FUNC } from '../../abi/gpu/raster-descriptors.ts';
import type { OpName } from '../wasm/opcodes.ts';

export const FLOAT_COMPARE: Readonly<Record<number, OpName>> = {
  [FUNC.LESS]: 'f32x4_lt',
  [FUNC.EQUAL]: 'f32x4_eq',
  [FUNC.LEQUAL]: 'f32x4_le',
  [FUNC.GREATER]: 'f32x4_gt',
  [FUNC.NOT_EQUAL]: 'f32x4_ne',
  [FUNC.GEQUAL]: 'f32x4_ge',
};
