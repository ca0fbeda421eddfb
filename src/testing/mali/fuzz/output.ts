/**
 * Random states of the fragment back end for the fuzzer: blend descriptors in all formats of one tile buffer, equations, and
 * depth and stencil tests. What it draws is valid: what the hardware refuses is tested elsewhere.
 */
import { COMPONENT_ORDER, INTERNAL_FORMATS, PIXEL_FORMATS, TILE_PIXEL_FORMATS } from '../../../abi/formats.ts';
import {
  BLEND_MODE,
  BlendFunction,
  DEPTH_CLAMP_MODE,
  DEPTH_SOURCE,
  DepthStencil,
  FUNC,
  Z_INTERNAL_FORMAT,
} from '../../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../../abi/gpu/shader-descriptors.ts';
import { type Infer, viewOf } from '../../../abi/layout.ts';
import { targetCodec } from '../../../mali/fragment/tile-codec.ts';
import type { Random } from '../random.ts';

export interface BlendInput {
  readonly mode: number;
  /** Pixel format word. */
  readonly format: number;
  readonly raw: boolean;
  readonly enable: boolean;
  readonly alphaToOne: boolean;
  readonly rgb: number;
  readonly alpha: number;
  readonly colorMask: number;
  readonly constant: number;
}

export type DepthInput = Partial<Infer<typeof DepthStencil>> & {
  readonly internal: number;
  /** What the tile buffer holds before. */
  readonly clearDepth: number;
  readonly clearStencil: number;
};

/** What a tile buffer of an internal format may hold: pixel formats that its codec takes. */
function formatsOf(index: number): number[] {
  const internal = INTERNAL_FORMATS.get(index)!;
  const orders = Object.keys(COMPONENT_ORDER).map(Number);
  const words: number[] = [];
  for (const format of [...PIXEL_FORMATS.keys(), ...TILE_PIXEL_FORMATS.keys()]) {
    const blendable = TILE_PIXEL_FORMATS.has(format);
    if (blendable !== (internal.tile !== undefined)) continue;
    for (const order of orders) {
      const word = order | (format << 12);
      try {
        if (targetCodec(word, internal)) words.push(word);
      } catch {
        // The tile buffer has no such format.
      }
    }
  }
  return words;
}
const SRGB = 1 << 20;

const known = new Map<number, number[]>();
function format(random: Random, internal: number): number {
  let words = known.get(internal);
  if (!words) {
    words = formatsOf(internal);
    known.set(internal, words);
  }
  return random.pick(words) | (random.chance(10) ? SRGB : 0);
}

function equation(random: Random): number {
  const view = viewOf(new Uint8Array(BlendFunction.size));
  BlendFunction.write(view, 0, {
    a: 1 + random.below(3),
    negateA: random.chance(25),
    b: random.below(4),
    negateB: random.chance(25),
    c: 1 + random.below(7),
    invertC: random.chance(40),
  });
  return view.getUint32(0, true) & 0xfff;
}

/** Internal formats: the most common one most often. */
export function internalFormat(random: Random): number {
  return random.chance(50) ? 1 : random.pick([...INTERNAL_FORMATS.keys()]);
}

export function blendInput(random: Random, internal: number): BlendInput {
  const blendable = INTERNAL_FORMATS.get(internal)!.tile !== undefined;
  const { OPAQUE, FIXED_FUNCTION, OFF } = BLEND_MODE;
  return {
    mode: random.pick([OPAQUE, OPAQUE, OPAQUE, OFF, ...(blendable ? [FIXED_FUNCTION, FIXED_FUNCTION] : [])]),
    format: format(random, internal),
    raw: random.chance(3),
    enable: random.chance(90),
    alphaToOne: random.chance(10),
    rgb: equation(random),
    alpha: equation(random),
    colorMask: random.chance(50) ? 15 : random.below(16),
    constant: random.below(65536),
  };
}

/** Values near each other, so that comparisons go both ways. */
export function depthInput(random: Random): DepthInput {
  const func = () => random.pick(Object.values(FUNC));
  const byte = () => (random.chance(50) ? 255 : random.below(256));
  const simple = random.chance(30);
  return {
    internal: random.pick(Object.values(Z_INTERNAL_FORMAT)),
    clearDepth: random.chance(30) ? 1 : random.word() / 2 ** 32,
    clearStencil: random.below(4),
    depthFunction: simple ? FUNC.ALWAYS : func(),
    depthWriteEnable: random.chance(60),
    depthClampMode: random.pick(Object.values(DEPTH_CLAMP_MODE)),
    depthSource: random.pick([
      DEPTH_SOURCE.FIXED_FUNCTION,
      DEPTH_SOURCE.FIXED_FUNCTION,
      DEPTH_SOURCE.FIXED_FUNCTION,
      DEPTH_SOURCE.SHADER,
      DEPTH_SOURCE.MINIMUM,
      DEPTH_SOURCE.MAXIMUM,
    ]),
    depthBiasEnable: random.chance(20),
    depthUnits: random.below(64) - 32,
    depthFactor: random.below(8) - 4,
    depthBiasClamp: 0,
    stencilTestEnable: !simple && random.chance(50),
    stencilFromShader: random.chance(20),
    frontCompareFunction: func(),
    frontStencilFail: random.below(8),
    frontDepthFail: random.below(8),
    frontDepthPass: random.below(8),
    backCompareFunction: func(),
    backStencilFail: random.below(8),
    backDepthFail: random.below(8),
    backDepthPass: random.below(8),
    frontWriteMask: byte(),
    backWriteMask: byte(),
    frontValueMask: byte(),
    backValueMask: byte(),
    frontReferenceValue: random.below(4),
    backReferenceValue: random.below(4),
  };
}

/** The depth/stencil descriptor of a draw. */
export function depthStencil({ internal: _, clearDepth: _d, clearStencil: _s, ...fields }: DepthInput): Uint8Array {
  const bytes = new Uint8Array(DepthStencil.size);
  DepthStencil.write(viewOf(bytes), 0, { type: DESCRIPTOR_TYPE.DEPTH_STENCIL, ...fields });
  return bytes;
}
