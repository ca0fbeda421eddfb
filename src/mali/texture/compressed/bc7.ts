/**
 * BC7 decoder: 16 RGBA8 texels in rows. A block without a mode is transparent black.
 * Source: Khronos Data Format Specification 1.3 chapter 20.1.
 */
import { type Block, bitsAt } from '../../../abi/blocks/bits.ts';
import { BC7_MODES, BPTC_ANCHORS, BPTC_PARTITIONS, BPTC_WEIGHTS } from '../../../abi/blocks/bptc.ts';
import { replicate, rgba8 } from './texel.ts';

const TEXELS = 16;
const OPAQUE = 255;
const ALPHA = 3;

/** Channels of up to six endpoints, RGBA each. */
const endpoints = new Int32Array(24);
const first = new Uint8Array(TEXELS);
const second = new Uint8Array(TEXELS);
const texel = new Int32Array(4);

export function decodeBc7(block: Block, out: Uint32Array): void {
  const modes = block[0]! & 0xff;
  if (modes === 0) {
    out.fill(0);
    return;
  }
  const number = 31 - Math.clz32(modes & -modes);
  const mode = BC7_MODES[number]!;
  let at = number + 1;
  const take = (width: number): number => {
    const value = bitsAt(block, at, width);
    at += width;
    return value;
  };
  const partition = take(mode.partitionBits);
  const rotation = take(mode.rotationBits);
  const swap = take(mode.indexSelectionBits) === 1;
  const { subsets, colourBits, alphaBits } = mode;
  const count = subsets * 2;
  for (let c = 0; c < ALPHA; c++) for (let e = 0; e < count; e++) endpoints[e * 4 + c] = take(colourBits);
  for (let e = 0; e < count; e++) endpoints[e * 4 + ALPHA] = take(alphaBits);
  const pBits = mode.endpointPBits + mode.sharedPBits;
  if (pBits) {
    for (let e = 0; e < count; e += 2) {
      const low = take(1);
      const high = mode.sharedPBits ? low : take(1);
      for (let c = 0; c < 4; c++) {
        endpoints[e * 4 + c] = (endpoints[e * 4 + c]! << 1) | low;
        endpoints[(e + 1) * 4 + c] = (endpoints[(e + 1) * 4 + c]! << 1) | high;
      }
    }
  }
  for (let e = 0; e < count; e++) {
    for (let c = 0; c < ALPHA; c++) endpoints[e * 4 + c] = replicate(endpoints[e * 4 + c]!, colourBits + pBits, 8);
    endpoints[e * 4 + ALPHA] = alphaBits ? replicate(endpoints[e * 4 + ALPHA]!, alphaBits + pBits, 8) : OPAQUE;
  }

  const anchors = BPTC_ANCHORS[subsets]!;
  const isAnchor = (i: number): boolean => i === 0 || anchors.some((table) => table[partition] === i);
  for (let i = 0; i < TEXELS; i++) first[i] = take(mode.indexBits - (isAnchor(i) ? 1 : 0));
  if (mode.secondIndexBits) for (let i = 0; i < TEXELS; i++) second[i] = take(mode.secondIndexBits - (i === 0 ? 1 : 0));

  const weights = BPTC_WEIGHTS[mode.indexBits]!;
  const secondWeights = BPTC_WEIGHTS[mode.secondIndexBits]!;
  const belongs = BPTC_PARTITIONS[subsets]![partition]!;
  for (let i = 0; i < TEXELS; i++) {
    let colourWeight = weights[first[i]!]!;
    let alphaWeight = colourWeight;
    if (mode.secondIndexBits) {
      alphaWeight = secondWeights[second[i]!]!;
      if (swap) [colourWeight, alphaWeight] = [alphaWeight, colourWeight];
    }
    const from = belongs[i]! * 8;
    for (let c = 0; c < 4; c++) {
      const weight = c === ALPHA ? alphaWeight : colourWeight;
      texel[c] = ((64 - weight) * endpoints[from + c]! + weight * endpoints[from + 4 + c]! + 32) >> 6;
    }
    // A rotation exchanges alpha with red, green or blue.
    if (rotation) {
      const alpha = texel[ALPHA]!;
      texel[ALPHA] = texel[rotation - 1]!;
      texel[rotation - 1] = alpha;
    }
    out[i] = rgba8(texel[0]!, texel[1]!, texel[2]!, texel[3]!);
  }
}
