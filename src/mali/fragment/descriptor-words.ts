/** Descriptors that shaders hand over in registers, decoded over a fixed view: nothing is allocated for a warp. */
import { Blend } from '../../abi/gpu/raster-descriptors.ts';
import { PixelIndices } from '../../abi/gpu/shader-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';

// The two words that a shader has are a Blend descriptor's last two.
const words = new DataView(new ArrayBuffer(16));
let lastBlend: Infer<typeof Blend> | undefined;

export function blendView(low: number, high: number): Infer<typeof Blend> {
  if (lastBlend && lastBlend.internalLow === low >>> 0 && lastBlend.internalHigh === high >>> 0) return lastBlend;
  words.setUint32(8, low, true);
  words.setUint32(12, high, true);
  lastBlend = Blend.read(words, 0);
  return lastBlend;
}

export function indicesView(word: number): Infer<typeof PixelIndices> {
  words.setUint32(0, word, true);
  return PixelIndices.read(words, 0);
}

export function conversionView(word: number): Infer<typeof Blend>['conversion'] {
  words.setUint32(12, word, true);
  return Blend.fields.conversion.read(words, 0);
}
