/**
 * Fixed-function blending: colour = A + B × C, for RGB and for alpha, in singles (so says emitted code: wasm/blend.ts).
 *
 * Every blend equation that the hardware can do is of this form; Mesa's `pan_blend.c` shows how the APIs' factors map to it.
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/common.xml` (Blend Function), `src/panfrost/lib/pan_blend.c`.
 */
import { BLEND_A, BLEND_B, BLEND_C, BlendFunction, nameOf } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault } from '../contract.ts';
import type { EquationCode } from './wasm/fixed-blend.ts';

const fault = (message: string): GpuFault => new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, message);

const view = new DataView(new ArrayBuffer(BlendFunction.size));
/** By their bits. */
const functions: (Infer<typeof BlendFunction> | undefined)[] = [];

/** Unpacks and checks the 12 bits of a function. */
export function blendFunction(bits: number): Infer<typeof BlendFunction> {
  const known = functions[bits];
  if (known) return known;
  view.setUint32(0, bits, true);
  const f = BlendFunction.read(view, 0);
  if (f.a === 0) throw fault(`Blend: operand A has ${nameOf(BLEND_A, f.a)}`);
  if (f.c === 0) throw fault(`Blend: operand C has ${nameOf(BLEND_C, f.c)}`);
  functions[bits] = f;
  return f;
}

/** One channel. `source`, `dest`: its colours; alphas and the constant for C. */
function channel(
  f: Infer<typeof BlendFunction>,
  source: number,
  dest: number,
  sourceAlpha: number,
  destAlpha: number,
  constant: number,
): number {
  let a = f.a === BLEND_A.SRC ? source : f.a === BLEND_A.DEST ? dest : 0;
  if (f.negateA) a = -a;
  let b: number;
  switch (f.b) {
    case BLEND_B.SRC_MINUS_DEST:
      b = Math.fround(source - dest);
      break;
    case BLEND_B.SRC_PLUS_DEST:
      b = Math.fround(source + dest);
      break;
    case BLEND_B.SRC:
      b = source;
      break;
    default:
      b = dest;
  }
  if (f.negateB) b = -b;
  let c: number;
  switch (f.c) {
    case BLEND_C.SRC:
      c = source;
      break;
    case BLEND_C.DEST:
      c = dest;
      break;
    case BLEND_C.SRC_X_2:
      c = 2 * source;
      break;
    case BLEND_C.SRC_ALPHA:
      c = sourceAlpha;
      break;
    case BLEND_C.DEST_ALPHA:
      c = destAlpha;
      break;
    case BLEND_C.CONSTANT:
      c = constant;
      break;
    default:
      c = 0;
  }
  if (f.invertC) c = Math.fround(1 - c);
  return Math.fround(a + Math.fround(b * c));
}

export class BlendEquation {
  readonly #rgb: Infer<typeof BlendFunction>;
  readonly #alpha: Infer<typeof BlendFunction>;
  readonly #mask: number;
  readonly #constant: number;

  /** `constant`: unsigned normalised, 16 bits. `mask`: bit 0 red … bit 3 alpha. */
  constructor(rgb: number, alpha: number, mask: number, constant: number) {
    this.#rgb = blendFunction(rgb);
    this.#alpha = blendFunction(alpha);
    this.#mask = mask;
    this.#constant = Math.fround(constant / 0xffff);
  }

  /** What emitted code is made from. */
  get code(): EquationCode {
    return { rgb: this.#rgb, alpha: this.#alpha, mask: this.#mask, constant: this.#constant };
  }

  /** Blends RGBA `source` over `dest` into `dest`. */
  apply(source: Float64Array, dest: Float64Array): void {
    const sa = source[3]!;
    const da = dest[3]!;
    const constant = this.#constant;
    for (let i = 0; i < 3; i++) {
      if (this.#mask & (1 << i)) dest[i] = channel(this.#rgb, source[i]!, dest[i]!, sa, da, constant);
    }
    if (this.#mask & 8) dest[3] = channel(this.#alpha, sa, da, sa, da, constant);
  }
}
