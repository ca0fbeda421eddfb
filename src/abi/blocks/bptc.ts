/**
 * BC7 and BC6H blocks (BPTC): 4×4 texels in 128 bits, as modes, partitions and weights. Texels go in rows.
 *
 * A block's lowest bits give its mode. Fields follow from bit to bit without gaps: BC7's in an order that all modes share,
 * BC6H's as each mode lists them. Every subset's first texel, its anchor, has an index without its highest bit, which is 0.
 * Source: Khronos Data Format Specification 1.3 chapter 20 (BPTC); OpenGL 4.6 ARB_texture_compression_bptc.
 */

/** How many bits of each kind a BC7 mode has. Mode n begins with n zeros and a one. */
export interface Bc7Mode {
  readonly subsets: number;
  readonly partitionBits: number;
  readonly rotationBits: number;
  readonly indexSelectionBits: number;
  readonly colourBits: number;
  readonly alphaBits: number;
  /** Lowest bits that each endpoint, or each subset's pair, has on top of its channels. */
  readonly endpointPBits: number;
  readonly sharedPBits: number;
  readonly indexBits: number;
  readonly secondIndexBits: number;
}

const mode = (
  subsets: number,
  partitionBits: number,
  rotationBits: number,
  indexSelectionBits: number,
  colourBits: number,
  alphaBits: number,
  endpointPBits: number,
  sharedPBits: number,
  indexBits: number,
  secondIndexBits: number,
): Bc7Mode => ({
  subsets,
  partitionBits,
  rotationBits,
  indexSelectionBits,
  colourBits,
  alphaBits,
  endpointPBits,
  sharedPBits,
  indexBits,
  secondIndexBits,
});

export const BC7_MODES: readonly Bc7Mode[] = [
  mode(3, 4, 0, 0, 4, 0, 1, 0, 3, 0),
  mode(2, 6, 0, 0, 6, 0, 0, 1, 3, 0),
  mode(3, 6, 0, 0, 5, 0, 0, 0, 2, 0),
  mode(2, 6, 0, 0, 7, 0, 1, 0, 2, 0),
  mode(1, 0, 2, 1, 5, 6, 0, 0, 2, 3),
  mode(1, 0, 2, 0, 7, 8, 0, 0, 2, 2),
  mode(1, 0, 0, 0, 7, 7, 1, 0, 4, 0),
  mode(2, 6, 0, 0, 5, 5, 1, 0, 2, 0),
];

/** Weights of the second endpoint, in 64ths, by number of index bits. */
export const BPTC_WEIGHTS: readonly (readonly number[])[] = [
  [],
  [],
  [0, 21, 43, 64],
  [0, 9, 18, 27, 37, 46, 55, 64],
  [0, 4, 9, 13, 17, 21, 26, 30, 34, 38, 43, 47, 51, 55, 60, 64],
];

const digits = (text: string, radix: number): Uint8Array =>
  Uint8Array.from(text, (digit) => Number.parseInt(digit, radix));
const partitions = (text: string): readonly Uint8Array[] =>
  text
    .trim()
    .split(/\s+/)
    .map((partition) => digits(partition, 10));

/** Which subset each texel belongs to, by number of subsets and of the partition. */
export const BPTC_PARTITIONS: readonly (readonly Uint8Array[])[] = [
  [],
  [new Uint8Array(16)],
  partitions(`
  0011001100110011 0001000100010001 0111011101110111 0001001100110111 0000000100010011 0011011101111111
  0001001101111111 0000000100110111 0000000000010011 0011011111111111 0000000101111111 0000000000010111
  0001011111111111 0000000011111111 0000111111111111 0000000000001111 0000100011101111 0111000100000000
  0000000010001110 0111001100010000 0011000100000000 0000100011001110 0000000010001100 0111001100110001
  0011000100010000 0000100010001100 0110011001100110 0011011001101100 0001011111101000 0000111111110000
  0111000110001110 0011100110011100 0101010101010101 0000111100001111 0101101001011010 0011001111001100
  0011110000111100 0101010110101010 0110100101101001 0101101010100101 0111001111001110 0001001111001000
  0011001001001100 0011101111011100 0110100110010110 0011110011000011 0110011010011001 0000011001100000
  0100111001000000 0010011100100000 0000001001110010 0000010011100100 0110110010010011 0011011011001001
  0110001110011100 0011100111000110 0110110011001001 0110001100111001 0111111010000001 0001100011100111
  0000111100110011 0011001111110000 0010001011101110 0100010001110111`),
  partitions(`
  0011001102212222 0001001122112221 0000200122112211 0222002200110111 0000000011221122 0011001100220022
  0022002211111111 0011001122112211 0000000011112222 0000111111112222 0000111122222222 0012001200120012
  0112011201120112 0122012201220122 0011011211221222 0011200122002220 0001001101121122 0111001120012200
  0000112211221122 0022002200221111 0111011102220222 0001000122212221 0000001101220122 0000110022102210
  0122012200110000 0012001211222222 0110122112210110 0000011012211221 0022110211020022 0110011020022222
  0011012201220011 0000200022112221 0000000211221222 0222002200120011 0011001200220222 0120012001200120
  0000111122220000 0120120120120120 0120201212010120 0011220011220011 0011112222000011 0101010122222222
  0000000021212121 0022112200221122 0022001100220011 0220122102201221 0101222222220101 0000212121212121
  0101010101012222 0222011102220111 0002111200021112 0000211221122112 0222011101110222 0002111211120002
  0110011001102222 0000000021122112 0110011022222222 0022001100110022 0022112211220022 0000000000002112
  0002000100020001 0222122202221222 0101222222222222 0111201122012220`),
];

/** Anchor texels of the second and third subset, by number of subsets: one a partition. The first one's is texel 0. */
export const BPTC_ANCHORS: readonly (readonly Uint8Array[])[] = [
  [],
  [],
  [digits('fffffffffffffffff282288f28228822ff6828ff28222ff66268ff22fffff22f', 16)],
  [
    digits('33ff83ff88666533338f336a588685ff8f356a8ff3f5ffff3f55585a5a8dfc33', 16),
    digits('f883ff38fffffff8f8f3f8f83f6affa8f3faa89a6f8f3668f3ffffffffff3ff8', 16),
  ],
];

/** A run of bits of a BC6H endpoint: its `width` bits from bit `low` on, highest first if `reversed`. */
export interface Bc6hRun {
  /** Channel 0…2 of endpoint 0…3 is 3 × endpoint + channel. */
  readonly value: number;
  readonly low: number;
  readonly width: number;
  readonly reversed: boolean;
}

export interface Bc6hMode {
  readonly modeBits: number;
  readonly subsets: number;
  /** Bits of the first endpoint's channels, and of the others'. */
  readonly endpointBits: number;
  readonly deltaBits: readonly [number, number, number];
  /** Whether the other endpoints are signed differences from the first. */
  readonly transformed: boolean;
  readonly runs: readonly Bc6hRun[];
}

/** Bits of a BC6H partition number, where there are two subsets. */
export const BC6H_PARTITION_BITS = 5;
export const BC6H_INDEX_BITS = { 1: 4, 2: 3 } as const;

const ENDPOINTS = 'wxyz';
const CHANNELS = 'rgb';

/** Reads the specification's notation: `rw[9:0]` is red of endpoint w, bits 0 to 9 in this order; `rw[10:11]` is reversed. */
function bc6h(modeBits: number, transformed: boolean, text: string): Bc6hMode {
  const widths = new Array<number>(12).fill(0);
  const runs = text.split(' ').map((item): Bc6hRun => {
    const [, channel, endpoint, last, first] = /^(.)(.)\[(\d+)(?::(\d+))?\]$/.exec(item)!;
    const from = Number(first ?? last);
    const to = Number(last);
    const value = 3 * ENDPOINTS.indexOf(endpoint!) + CHANNELS.indexOf(channel!);
    const high = Math.max(from, to);
    widths[value] = Math.max(widths[value]!, high + 1);
    return { value, low: Math.min(from, to), width: Math.abs(from - to) + 1, reversed: from > to };
  });
  return {
    modeBits,
    subsets: widths[6]! > 0 ? 2 : 1,
    endpointBits: widths[0]!,
    deltaBits: [widths[3]!, widths[4]!, widths[5]!],
    transformed,
    runs,
  };
}

/** Modes by the number in their lowest two bits (0 and 1) or lowest five. */
export const BC6H_MODES: ReadonlyMap<number, Bc6hMode> = new Map([
  [
    0,
    bc6h(
      2,
      true,
      'gy[4] by[4] bz[4] rw[9:0] gw[9:0] bw[9:0] rx[4:0] gz[4] gy[3:0] gx[4:0] bz[0] gz[3:0] bx[4:0] bz[1] by[3:0] ry[4:0] bz[2] rz[4:0] bz[3]',
    ),
  ],
  [
    1,
    bc6h(
      2,
      true,
      'gy[5] gz[4] gz[5] rw[6:0] bz[0] bz[1] by[4] gw[6:0] by[5] bz[2] gy[4] bw[6:0] bz[3] bz[5] bz[4] rx[5:0] gy[3:0] gx[5:0] gz[3:0] bx[5:0] by[3:0] ry[5:0] rz[5:0]',
    ),
  ],
  [
    2,
    bc6h(
      5,
      true,
      'rw[9:0] gw[9:0] bw[9:0] rx[4:0] rw[10] gy[3:0] gx[3:0] gw[10] bz[0] gz[3:0] bx[3:0] bw[10] bz[1] by[3:0] ry[4:0] bz[2] rz[4:0] bz[3]',
    ),
  ],
  [
    6,
    bc6h(
      5,
      true,
      'rw[9:0] gw[9:0] bw[9:0] rx[3:0] rw[10] gz[4] gy[3:0] gx[4:0] gw[10] gz[3:0] bx[3:0] bw[10] bz[1] by[3:0] ry[3:0] bz[0] bz[2] rz[3:0] gy[4] bz[3]',
    ),
  ],
  [
    10,
    bc6h(
      5,
      true,
      'rw[9:0] gw[9:0] bw[9:0] rx[3:0] rw[10] by[4] gy[3:0] gx[3:0] gw[10] bz[0] gz[3:0] bx[4:0] bw[10] by[3:0] ry[3:0] bz[1] bz[2] rz[3:0] bz[4] bz[3]',
    ),
  ],
  [
    14,
    bc6h(
      5,
      true,
      'rw[8:0] by[4] gw[8:0] gy[4] bw[8:0] bz[4] rx[4:0] gz[4] gy[3:0] gx[4:0] bz[0] gz[3:0] bx[4:0] bz[1] by[3:0] ry[4:0] bz[2] rz[4:0] bz[3]',
    ),
  ],
  [
    18,
    bc6h(
      5,
      true,
      'rw[7:0] gz[4] by[4] gw[7:0] bz[2] gy[4] bw[7:0] bz[3] bz[4] rx[5:0] gy[3:0] gx[4:0] bz[0] gz[3:0] bx[4:0] bz[1] by[3:0] ry[5:0] rz[5:0]',
    ),
  ],
  [
    22,
    bc6h(
      5,
      true,
      'rw[7:0] bz[0] by[4] gw[7:0] gy[5] gy[4] bw[7:0] gz[5] bz[4] rx[4:0] gz[4] gy[3:0] gx[5:0] gz[3:0] bx[4:0] bz[1] by[3:0] ry[4:0] bz[2] rz[4:0] bz[3]',
    ),
  ],
  [
    26,
    bc6h(
      5,
      true,
      'rw[7:0] bz[1] by[4] gw[7:0] by[5] gy[4] bw[7:0] bz[5] bz[4] rx[4:0] gz[4] gy[3:0] gx[4:0] bz[0] gz[3:0] bx[5:0] by[3:0] ry[4:0] bz[2] rz[4:0] bz[3]',
    ),
  ],
  [
    30,
    bc6h(
      5,
      false,
      'rw[5:0] gz[4] bz[0] bz[1] by[4] gw[5:0] gy[5] by[5] bz[2] gy[4] bw[5:0] gz[5] bz[3] bz[5] bz[4] rx[5:0] gy[3:0] gx[5:0] gz[3:0] bx[5:0] by[3:0] ry[5:0] rz[5:0]',
    ),
  ],
  [3, bc6h(5, false, 'rw[9:0] gw[9:0] bw[9:0] rx[9:0] gx[9:0] bx[9:0]')],
  [7, bc6h(5, true, 'rw[9:0] gw[9:0] bw[9:0] rx[8:0] rw[10] gx[8:0] gw[10] bx[8:0] bw[10]')],
  [11, bc6h(5, true, 'rw[9:0] gw[9:0] bw[9:0] rx[7:0] rw[10:11] gx[7:0] gw[10:11] bx[7:0] bw[10:11]')],
  [15, bc6h(5, true, 'rw[9:0] gw[9:0] bw[9:0] rx[3:0] rw[10:15] gx[3:0] gw[10:15] bx[3:0] bw[10:15]')],
]);
/** Width of the mode numbers: short ones are 0 and 1. */
export const BC6H_SHORT_MODE_BITS = 2;
export const BC6H_LONG_MODE_BITS = 5;
