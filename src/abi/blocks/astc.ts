/**
 * ASTC blocks: 128 bits for 4×4 to 12×12 texels, or 3×3×3 to 6×6×6, as fields and tables.
 *
 * From the bottom: block mode, number of partitions, endpoint modes, endpoint colours. From the top, with their bits in
 * reverse order: weights; below them what endpoint modes did not fit, and which channel the second plane of weights is for.
 * Source: Khronos Data Format Specification 1.3 chapter 23; section numbers below are of OpenGL ES 3.2
 * KHR_texture_compression_astc_hdr.
 */
import { type Block, blockField } from './bits.ts';

export const ASTC_BLOCK_BYTES = 16;
export const ASTC_BLOCK_BITS = 128;

/** Texels that the codes of a plane descriptor's block dimensions mean. */
export const ASTC_2D_DIMENSION: Readonly<Record<number, number>> = { 0: 4, 1: 5, 2: 6, 4: 8, 6: 10, 7: 12 };
export const ASTC_3D_DIMENSION: Readonly<Record<number, number>> = { 0: 4, 1: 5, 2: 6, 3: 3 };

/** How integers below `levels` are packed: `bits` plain bits, and a base-3 or base-5 digit if there is one. */
export interface AstcRange {
  readonly levels: number;
  readonly digit: 'none' | 'trit' | 'quint';
  readonly bits: number;
}

const range = (levels: number): AstcRange => {
  const digit = levels % 3 === 0 ? 'trit' : levels % 5 === 0 ? 'quint' : 'none';
  return { levels, digit, bits: Math.log2(levels / { none: 1, trit: 3, quint: 5 }[digit]) };
};

/** All ranges by number. Weights use the first twelve, endpoint colours those from 6 levels on. */
export const ASTC_RANGES: readonly AstcRange[] = [
  2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256,
].map(range);
/** Number of the smallest range of endpoint colours. */
export const ASTC_SMALLEST_COLOUR_RANGE = 4;

/** Digits share a packed number: this many to a group, whose bits lie between the plain bits in runs of these widths. */
export const ASTC_DIGIT_RUNS = { trit: [2, 2, 1, 2, 1], quint: [3, 2, 2] } as const;

const bit = (value: number, at: number): number => (value >>> at) & 1;
const bits = (value: number, at: number, width: number): number => (value >>> at) & ((1 << width) - 1);

/** The five base-3 digits of each packed number (section C.2.12). */
export const ASTC_TRITS: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, t) => {
  let c = bits(t, 0, 5);
  let t3 = bits(t, 5, 2);
  let t4 = bit(t, 7);
  if (bits(t, 2, 3) === 7) {
    c = (bits(t, 5, 3) << 2) | bits(t, 0, 2);
    t3 = 2;
    t4 = 2;
  } else if (t3 === 3) {
    t3 = t4;
    t4 = 2;
  }
  if (bits(c, 0, 2) === 3) return [(bit(c, 3) << 1) | (bit(c, 2) & ~bit(c, 3)), bit(c, 4), 2, t3, t4];
  if (bits(c, 2, 2) === 3) return [bits(c, 0, 2), 2, 2, t3, t4];
  return [(bit(c, 1) << 1) | (bit(c, 0) & ~bit(c, 1)), bits(c, 2, 2), bit(c, 4), t3, t4];
});

/** The three base-5 digits of each packed number. */
export const ASTC_QUINTS: readonly (readonly number[])[] = Array.from({ length: 128 }, (_, q) => {
  const low = bit(q, 0);
  if (bits(q, 1, 2) === 3 && bits(q, 5, 2) === 0) {
    return [4, 4, (low << 2) | ((bit(q, 4) & ~low) << 1) | (bit(q, 3) & ~low)];
  }
  let c = bits(q, 0, 5);
  let q2 = bits(q, 5, 2);
  if (bits(q, 1, 2) === 3) {
    q2 = 4;
    c = (bits(q, 3, 2) << 3) | (bits(~q, 5, 2) << 1) | low;
  }
  if (bits(c, 0, 3) === 5) return [bits(c, 3, 2), 4, q2];
  return [bits(c, 0, 3), bits(c, 3, 2), q2];
});

/**
 * Constants of unquantization, by digit and number of plain bits: a factor for the digit, and the plain bits spread as the
 * pattern says, highest first: a letter stands for a plain bit (b is the one above the lowest), 0 for 0.
 */
export interface AstcSpread {
  readonly factor: number;
  readonly pattern: string;
}
const spreads = (...rows: readonly [factor: number, pattern: string][]): readonly AstcSpread[] => [
  { factor: 0, pattern: '' },
  ...rows.map(([factor, pattern]) => ({ factor, pattern })),
];
/** To 8 bits (section C.2.13). */
export const ASTC_COLOUR_SPREAD = {
  trit: spreads(
    [204, '000000000'],
    [93, 'b000b0bb0'],
    [44, 'cb000cbcb'],
    [22, 'dcb000dcb'],
    [11, 'edcb000ed'],
    [5, 'fedcb000f'],
  ),
  quint: spreads([113, '000000000'], [54, 'b0000bb00'], [26, 'cb0000cbc'], [13, 'dcb0000dc'], [6, 'edcb0000e']),
} as const;
/** To 6 bits (section C.2.17). */
export const ASTC_WEIGHT_SPREAD = {
  trit: spreads([50, '0000000'], [23, 'b000b0b'], [11, 'cb000cb']),
  quint: spreads([28, '0000000'], [13, 'b0000b0']),
} as const;
/** Weights that are a digit alone. */
export const ASTC_WEIGHT_DIGITS = { trit: [0, 32, 63], quint: [0, 16, 32, 47, 63] } as const;

/** What a block mode says: the grid of weights, their range, and whether there are two planes of them. */
export interface AstcBlockMode {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** Number in ASTC_RANGES. */
  readonly range: number;
  readonly dual: boolean;
}

const WEIGHT_RANGES_HALF = 6;
/** Smallest value of the three bits that, with the precision bit, give the range. */
const FIRST_RANGE = 2;

function weights(
  width: number,
  height: number,
  depth: number,
  low: number,
  high: number,
  dual: number,
): AstcBlockMode | undefined {
  if (low < FIRST_RANGE) return undefined;
  return { width, height, depth, range: low - FIRST_RANGE + WEIGHT_RANGES_HALF * high, dual: dual === 1 };
}

/** What the 11 bits of a 2D block mode mean; undefined where they are reserved (section C.2.10, table C.2.8). */
export function astcBlockMode2d(mode: number): AstcBlockMode | undefined {
  const a = bits(mode, 5, 2);
  const b = bits(mode, 7, 2);
  const high = bit(mode, 9);
  const dual = bit(mode, 10);
  if (bits(mode, 0, 2) !== 0) {
    const low = bit(mode, 4) | (bits(mode, 0, 2) << 1);
    switch (bits(mode, 2, 2)) {
      case 0:
        return weights(b + 4, a + 2, 1, low, high, dual);
      case 1:
        return weights(b + 8, a + 2, 1, low, high, dual);
      case 2:
        return weights(a + 2, b + 8, 1, low, high, dual);
      default:
        return bit(mode, 8)
          ? weights(bit(mode, 7) + 2, a + 2, 1, low, high, dual)
          : weights(a + 2, bit(mode, 7) + 6, 1, low, high, dual);
    }
  }
  const low = bit(mode, 4) | (bits(mode, 2, 2) << 1);
  if (bits(mode, 2, 2) === 0) return undefined;
  switch (b) {
    case 0:
      return weights(12, a + 2, 1, low, high, dual);
    case 1:
      return weights(a + 2, 12, 1, low, high, dual);
    case 2:
      return weights(a + 6, bits(mode, 9, 2) + 6, 1, low, 0, 0);
    default:
      if (a === 0) return weights(6, 10, 1, low, high, dual);
      if (a === 1) return weights(10, 6, 1, low, high, dual);
      return undefined;
  }
}

/** The same for 3D blocks (table C.2.9). */
export function astcBlockMode3d(mode: number): AstcBlockMode | undefined {
  const a = bits(mode, 5, 2);
  const high = bit(mode, 9);
  const dual = bit(mode, 10);
  if (bits(mode, 0, 2) !== 0) {
    const low = bit(mode, 4) | (bits(mode, 0, 2) << 1);
    return weights(a + 2, bits(mode, 7, 2) + 2, bits(mode, 2, 2) + 2, low, high, dual);
  }
  const low = bit(mode, 4) | (bits(mode, 2, 2) << 1);
  if (bits(mode, 2, 2) === 0) return undefined;
  const b = bits(mode, 9, 2);
  switch (bits(mode, 7, 2)) {
    case 0:
      return weights(6, b + 2, a + 2, low, 0, 0);
    case 1:
      return weights(a + 2, 6, b + 2, low, 0, 0);
    case 2:
      return weights(a + 2, b + 2, 6, low, 0, 0);
    default:
      if (a === 0) return weights(6, 2, 2, low, high, dual);
      if (a === 1) return weights(2, 6, 2, low, high, dual);
      if (a === 2) return weights(2, 2, 6, low, high, dual);
      return undefined;
  }
}

/** Fields of every block. */
export const ASTC = {
  mode: blockField(0, 11),
  partitions: blockField(11, 2),
  /** With one partition. */
  singleEndpointMode: blockField(13, 4),
  /** With several. The lowest two bits say whether all endpoint modes are equal, or their lowest class. */
  partitionSeed: blockField(13, 10),
  endpointModes: blockField(23, 6),
} as const;
export const ASTC_ENDPOINT_SELECTOR_BITS = 2;
/** First bit of the colours, with one partition and with several. */
export const ASTC_COLOURS_AT = { one: 17, several: 29 } as const;
export const ASTC_MAX_PARTITIONS = 4;
export const ASTC_MAX_WEIGHTS = 64;
export const ASTC_MIN_WEIGHT_BITS = 24;
export const ASTC_MAX_WEIGHT_BITS = 96;
export const ASTC_MAX_COLOURS = 18;
export const ASTC_PLANE_SELECTOR_BITS = 2;

/** A block of one colour. Its extent is the range of coordinates where all blocks have it. */
export const ASTC_VOID = {
  marker: blockField(0, 9),
  hdr: blockField(9, 1),
  /** 2D blocks: must be all ones. */
  reserved: blockField(10, 2),
  /** Lowest and highest coordinate along each axis. */
  extent2d: [
    [blockField(12, 13), blockField(25, 13)],
    [blockField(38, 13), blockField(51, 13)],
  ],
  extent3d: [
    [blockField(10, 9), blockField(19, 9)],
    [blockField(28, 9), blockField(37, 9)],
    [blockField(46, 9), blockField(55, 9)],
  ],
  colour: [blockField(64, 16), blockField(80, 16), blockField(96, 16), blockField(112, 16)],
} as const;
export const ASTC_VOID_MARKER = 0x1fc;
export const ASTC_VOID_RESERVED = 3;
/** All extents at this value: there is no extent. */
export const ASTC_VOID_NONE = { flat: 0x1fff, deep: 0x1ff } as const;

/** Turns all 128 bits around: the weights then start at bit 0. */
export function astcReverse(block: Block, out: Block): Block {
  for (let word = 0; word < 4; word++) {
    let from = block[word]!;
    let to = 0;
    for (let i = 0; i < 32; i++) {
      to = (to << 1) | (from & 1);
      from >>>= 1;
    }
    out[3 - word] = to >>> 0;
  }
  return out;
}

/** Endpoint modes (section C.2.14). A mode's class, its upper two bits, gives how many pairs of values it has above one. */
export const ASTC_ENDPOINT = {
  LUMINANCE: 0,
  LUMINANCE_DELTA: 1,
  HDR_LUMINANCE_LARGE: 2,
  HDR_LUMINANCE_SMALL: 3,
  LUMINANCE_ALPHA: 4,
  LUMINANCE_ALPHA_DELTA: 5,
  RGB_SCALE: 6,
  HDR_RGB_SCALE: 7,
  RGB: 8,
  RGB_DELTA: 9,
  RGB_SCALE_ALPHA: 10,
  HDR_RGB: 11,
  RGBA: 12,
  RGBA_DELTA: 13,
  HDR_RGB_LDR_ALPHA: 14,
  HDR_RGB_HDR_ALPHA: 15,
} as const;
export const ASTC_ENDPOINT_CLASS_SHIFT = 2;
/** The numbers of modes whose colours, and whose alpha, are of high dynamic range. */
export const ASTC_HDR_COLOUR: ReadonlySet<number> = new Set([2, 3, 7, 11, 14, 15]);
export const ASTC_HDR_ALPHA: ReadonlySet<number> = new Set([2, 3, 7, 11, 15]);
/** Alpha 1 of an HDR mode without alpha: 12 bits. */
export const ASTC_HDR_ONE = 0x780;

/**
 * Where the spare bits of an HDR endpoint mode go: in submodes of the set `modes` (bit n: submode n), spare bit `from` is bit
 * `to` of the value `name`.
 */
export interface AstcSpareBit<Name extends string> {
  readonly modes: number;
  readonly from: number;
  readonly name: Name;
  readonly to: number;
}
const spare = <Name extends string>(modes: number, name: Name, from: number, to: number): AstcSpareBit<Name> => ({
  modes,
  from,
  name,
  to,
});

/** HDR RGB with scale: [value, bit] of each spare bit, where they go, and how far a submode shifts its values. */
export const ASTC_HDR_SCALE = {
  spare: [
    [1, 6],
    [1, 5],
    [2, 6],
    [2, 5],
    [3, 7],
    [3, 6],
    [3, 5],
  ],
  places: [
    spare(0x30, 'green', 0, 6),
    spare(0x3a, 'green', 1, 5),
    spare(0x30, 'blue', 2, 6),
    spare(0x3a, 'blue', 3, 5),
    spare(0x3d, 'scale', 6, 5),
    spare(0x2d, 'scale', 5, 6),
    spare(0x04, 'scale', 4, 7),
    spare(0x3b, 'red', 4, 6),
    spare(0x04, 'red', 3, 6),
    spare(0x10, 'red', 5, 7),
    spare(0x0f, 'red', 2, 7),
    spare(0x05, 'red', 1, 8),
    spare(0x0a, 'red', 0, 8),
    spare(0x05, 'red', 0, 9),
    spare(0x02, 'red', 6, 9),
    spare(0x01, 'red', 3, 10),
    spare(0x02, 'red', 5, 10),
  ],
  shift: [1, 1, 2, 3, 4, 5],
} as const;

/** HDR RGB: the same, and the widths of the signed values d. */
export const ASTC_HDR_RGB = {
  spare: [
    [2, 6],
    [3, 6],
    [4, 6],
    [5, 6],
    [4, 5],
    [5, 5],
  ],
  places: [
    spare(0xa4, 'a', 0, 9),
    spare(0x08, 'a', 2, 9),
    spare(0x50, 'a', 4, 9),
    spare(0x50, 'a', 5, 10),
    spare(0xa0, 'a', 1, 10),
    spare(0xc0, 'a', 2, 11),
    spare(0x04, 'c', 1, 6),
    spare(0xe8, 'c', 3, 6),
    spare(0x20, 'c', 2, 7),
    spare(0x5b, 'b0', 0, 6),
    spare(0x5b, 'b1', 1, 6),
    spare(0x12, 'b0', 2, 7),
    spare(0x12, 'b1', 3, 7),
  ],
  deltaBits: [7, 6, 7, 6, 5, 6, 5, 6],
  shift: [3, 3, 2, 2, 1, 1, 0, 0],
} as const;
