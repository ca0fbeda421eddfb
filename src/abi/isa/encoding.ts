/**
 * How a Valhall instruction is laid out: 64 bits, little-endian.
 *
 * Bits 0-31 hold up to four source bytes and whatever an instruction puts in their place, bits 40-47 the destination or a
 * staging register, 48-56 the opcode, 57-58 the page of the fast-access uniforms that its sources use, 59-62 flow control;
 * bit 63 is zero. All other fields are modifiers, declared here by name and placed by instructions.ts.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/valhall/{ISA.xml,valhall.py,va_pack.c}`.
 */

/** A field of an instruction word. Bits count from 0 to 63. */
export interface BitField {
  readonly bit: number;
  readonly width: number;
}

export const OPCODE: BitField = { bit: 48, width: 9 };
export const FAU_PAGE: BitField = { bit: 57, width: 2 };
export const FLOW: BitField = { bit: 59, width: 4 };
export const RESERVED: BitField = { bit: 63, width: 1 };
/** Destination register and its 16-bit halves that are written; staging register and its read and write flags. */
export const DEST: BitField = { bit: 40, width: 6 };
export const DEST_HALVES: BitField = { bit: 46, width: 2 };
/** Where instructions with two sets of staging registers name the one that they write. */
export const SECOND_STAGING: BitField = { bit: 16, width: 6 };
export const STAGING_READ = 1;
export const STAGING_WRITE = 2;
/** An instruction without destination has both bits of DEST_HALVES set. */
export const NO_DEST = 3;
export const HALVES = { LOW: 1, HIGH: 2, BOTH: 3 } as const;
/** Bytes of one instruction. */
export const INSTRUCTION_SIZE = 8;

/** Reads a field from the two words of an instruction. */
export function getField(low: number, high: number, { bit, width }: BitField): number {
  const mask = width === 32 ? 0xffffffff : (1 << width) - 1;
  if (bit >= 32) return ((high >>> (bit - 32)) & mask) >>> 0;
  if (bit + width <= 32) return ((low >>> bit) & mask) >>> 0;
  return (((low >>> bit) | (high << (32 - bit))) & mask) >>> 0;
}

/** Sets a field in `words` (low, high). */
export function setField(words: Uint32Array, { bit, width }: BitField, value: number): void {
  for (let i = 0; i < width; i++) {
    const at = bit + i;
    const set = Math.floor((value >>> 0) / 2 ** i) % 2;
    const word = at >>> 5;
    words[word] = (words[word]! & ~(1 << (at & 31))) | (set << (at & 31));
  }
}

// Source bytes.

/** The upper two bits of a source byte. LAST: a register whose value is not needed any more. */
export const SOURCE_KIND = { REGISTER: 0, LAST: 1, UNIFORM: 2, SPECIAL: 3 } as const;
export const SOURCE_INDEX_MASK = 0x3f;
export const SOURCE_KIND_SHIFT = 6;
/** Specials below this are constants of the table, from it on they are words of the FAU page. */
export const SPECIAL_FIRST = 32;
/** Uniforms of one page, in 32-bit words. */
export const UNIFORMS_PER_PAGE = 64;

/** Constants that any source can name: small integers byte by byte, and common floats. */
export const CONSTANTS: readonly number[] = [
  0x00000000, 0xffffffff, 0x7fffffff, 0xfafcfdfe, 0x01000000, 0x80002000, 0x70605030, 0xc0b0a090, 0x03020100,
  0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c, 0x3f800000, 0x3dcccccd,
  0x3ea2f983, 0x3f317218, 0x40490fdb, 0x00000000, 0x477fff00, 0x5c005bf8, 0x2e660000, 0x34000000, 0x38000000,
  0x3c000000, 0x40000000, 0x44000000, 0x48000000, 0x42480000,
];

/** Special FAU entries of 64 bits, by page and place. */
export const SPECIALS: readonly (readonly (string | undefined)[])[] = [
  [
    undefined,
    undefined,
    'warp_id',
    undefined,
    'framebuffer_size',
    'atest_datum',
    'sample',
    undefined,
    'blend_descriptor_0',
    'blend_descriptor_1',
    'blend_descriptor_2',
    'blend_descriptor_3',
    'blend_descriptor_4',
    'blend_descriptor_5',
    'blend_descriptor_6',
    'blend_descriptor_7',
  ],
  [
    undefined,
    'thread_local_pointer',
    undefined,
    'workgroup_local_pointer',
    undefined,
    undefined,
    undefined,
    'resource_table_pointer',
  ],
  [],
  [undefined, 'lane_id', undefined, 'core_id', ...Array.from({ length: 11 }, () => undefined), 'program_counter'],
];

// Flow control.

/** What happens around an instruction; `wait…` name scoreboard slots that must be empty before the next one. */
export const FLOWS: readonly (string | undefined)[] = [
  'none',
  'wait0',
  'wait1',
  'wait01',
  'wait2',
  'wait02',
  'wait12',
  'wait012',
  'wait0126',
  'wait',
  'reconverge',
  undefined,
  // Named by Mesa from 25.2 on: what tile loads wait for.
  'wait_resource',
  'discard',
  undefined,
  'end',
];
export const FLOW_RECONVERGE = 10;
export const FLOW_DISCARD = 13;
export const FLOW_END = 15;

// Parts of a source that an instruction can pick.

/** What a selector value means, lane by lane in bytes of the 32-bit source; undefined values are reserved. */
export interface Selector extends BitField {
  readonly values: readonly (string | undefined)[];
  readonly default: number;
  /** The text names the default too; the assembler can do without. */
  readonly shown?: true;
  /** What the text writes instead of names of `values`. */
  readonly text?: Readonly<Record<string, string>>;
  /** Names that later Mesas write, for the assembler. */
  readonly later?: Readonly<Record<string, string>>;
}

export const WIDEN = ['none', 'h0', 'h1'] as const;
export const HALF_SWIZZLE = ['h00', 'h10', 'h01', 'h11'] as const;
export const WIDEN_8 = [
  'b0123',
  'b3210',
  'b0101',
  'b2323',
  'b0000',
  'b1111',
  'b2222',
  'b3333',
  'b2301',
  'b1032',
  'b0011',
  'b2233',
] as const;
export const WIDEN_16 = [
  'h00',
  'h10',
  'h01',
  'h11',
  'b00',
  'b20',
  'b02',
  'b22',
  'b11',
  'b31',
  'b13',
  'b33',
  'b01',
  'b23',
] as const;
export const WIDEN_32 = ['none', undefined, 'h0', 'h1', 'b0', 'b1', 'b2', 'b3'] as const;
export const WIDEN_64 = ['none', undefined, 'h0', 'h1', 'b0', 'b1', 'b2', 'b3', 'w0'] as const;
/**
 * The byte of each half of a shift amount; of a single element, the first counts. Mesa up to 24.3 picks b02 for every shift of
 * 32 bits, and names b01 and b23; 25.0 names none of the three, later ones name them for halves. Bytes pick as WIDEN_8 does.
 */
export const SHIFT_BYTES = [
  'b02',
  undefined,
  undefined,
  undefined,
  'b00',
  'b11',
  'b22',
  'b33',
  undefined,
  undefined,
  'b01',
  'b23',
] as const;
/** Shift amounts of bytes pick as WIDEN_8 does, but are written as those of halves are. */
export const SHIFT_BYTES_TEXT = { b0000: 'b00', b1111: 'b11', b2222: 'b22', b3333: 'b33' } as const;
/** Two bytes: the first in bits 0-1 of the value, the second in bits 2-3. */
export const HALF_BYTES = Array.from({ length: 16 }, (_, i) => `b${i & 3}${i >> 2}`);
export const BYTE = ['b0', 'b1', 'b2', 'b3'] as const;
export const HALF = ['h0', 'h1'] as const;
export const COMBINE = ['none', 'h0', 'h1', 'and', 'lowbits'] as const;

// Modifiers that several instructions share. `values` undefined: a flag of one bit.

export interface Modifier extends BitField {
  readonly name: string;
  readonly values?: readonly (string | undefined)[];
  /** Value that the text leaves out; none: always written. */
  readonly default?: number;
  /** The text names the default too; the assembler can do without. */
  readonly shown?: true;
}

const flag = (name: string, bit: number): Modifier => ({ name, bit, width: 1 });
const choice = (
  name: string,
  bit: number,
  width: number,
  values: readonly (string | undefined)[],
  initial?: number,
): Modifier => (initial === undefined ? { name, bit, width, values } : { name, bit, width, values, default: initial });

const REGISTER_FORMATS = ['auto', undefined, 'f32', 'f16', 's32', 's16', 'u32', 'u16'] as const;
const WRITE_MASKS = Array.from({ length: 16 }, (_, mask) =>
  mask === 0 ? undefined : [...'rgba'].filter((_, i) => mask & (1 << i)).join(''),
);
const INACTIVE = [
  'zero',
  'umax',
  'i1',
  'v2i1',
  'smin',
  'smax',
  'v2smin',
  'v2smax',
  'v4smin',
  'v4smax',
  'f1',
  'v2f1',
  'infn',
  'inf',
  'v2infn',
  'v2inf',
] as const;
/** What CLPER gives for a lane that is not active, in the order of the field `inactive`. */
export const INACTIVE_VALUES: readonly number[] = [
  0, 0xffffffff, 1, 0x00010001, 0x80000000, 0x7fffffff, 0x80008000, 0x7fff7fff, 0x80808080, 0x7f7f7f7f, 0x3f800000,
  0x3c003c00, 0xff800000, 0x7f800000, 0xfc00fc00, 0x7c007c00,
];

const reserved4 = [undefined, undefined, undefined, undefined] as const;
/** Where a loaded value goes, by memory size 8, 16, 24, 32, 48, 64, 96 and 128 bits. */
export const LOAD_LANES: readonly { readonly values: readonly (string | undefined)[]; readonly default: number }[] = [
  { values: ['b0', 'b1', 'b2', 'b3', 'h0', 'h1', 'w0', 'd0'], default: 0 },
  { values: ['h0', 'h1', 'w0', 'd0'], default: 0 },
  { values: ['identity'], default: 0 },
  { values: ['w0', 'd0'], default: 0 },
  { values: [...reserved4, 'identity'], default: 4 },
  { values: [...reserved4, undefined, undefined, undefined, 'identity'], default: 7 },
  { values: [...reserved4, undefined, undefined, 'identity'], default: 6 },
  { values: [...reserved4, undefined, undefined, undefined, 'identity'], default: 7 },
];
export const MEMORY_SIZES: readonly number[] = [8, 16, 24, 32, 48, 64, 96, 128];

export const MODIFIER = {
  slot: choice('slot', 30, 3, ['slot0', 'slot1', 'slot2', ...reserved4, 'slot7']),
  vecsize: choice('vecsize', 28, 2, ['none', 'v2', 'v3', 'v4'], 0),
  regfmt: choice('regfmt', 24, 3, REGISTER_FORMATS),
  memoryAccess: choice('memoryAccess', 24, 2, ['none', 'istream', 'estream', 'force'], 0),
  convertAccess: choice('memoryAccess', 37, 3, ['none', 'istream', 'estream', 'force'], 0),
  sourceFormat: choice('sourceFormat', 24, 4, ['src_flat32', 'src_flat16', 'src_f32', 'src_f16']),
  update: choice('update', 36, 2, ['store', 'retrieve', undefined, 'clobber']),
  sample: choice('sample', 38, 2, ['center', 'centroid', 'sample', 'explicit']),
  sampleAndUpdate: choice('sampleAndUpdate', 33, 3, [
    'center_store',
    'centroid_store',
    'sample_store',
    'explicit_store',
    'center_clobber',
    undefined,
    'sample_clobber',
    'retrieve',
  ]),
  round: choice('round', 30, 2, ['rte', 'rtp', 'rtn', 'rtz'], 0),
  clamp: choice('clamp', 32, 2, ['none', 'clamp_0_inf', 'clamp_m1_1', 'clamp_0_1'], 0),
  condition: choice('condition', 32, 3, ['eq', 'gt', 'ge', 'ne', 'lt', 'le', 'gtlt', 'total']),
  resultType: choice('resultType', 30, 2, ['i1', 'f1', 'm1', 'u1']),
  saturate: flag('saturate', 30),
  notResult: flag('not_result', 30),
  rhadd: flag('rhadd', 30),
  signed: flag('signed', 34),
  laneOp: choice('laneOp', 32, 2, ['none', 'xor', 'accumulate', 'shift'], 0),
  subgroup: choice('subgroup', 36, 4, ['subgroup2', 'subgroup4', 'subgroup8', 'subgroup16'], 3),
  inactive: choice('inactive', 22, 4, INACTIVE, 0),
  mux: choice('mux', 32, 2, ['neg', 'int_zero', 'fp_zero', 'bit'], 1),
  atomic: choice('atomic', 22, 4, [
    undefined,
    undefined,
    'aadd',
    ...reserved4,
    undefined,
    'asmin',
    'asmax',
    'aumin',
    'aumax',
    'aand',
    'aor',
    'axor',
    'axchg',
  ]),
  atomic1: choice('atomic', 22, 4, ['ainc', 'adec', 'aumax1', 'asmax1', 'aor1']),
  compare: flag('compare', 26),
  unsigned: flag('unsigned', 39),
  equal: flag('eq', 36),
  absolute: flag('absolute', 40),
  conservative: flag('conservative', 35),
  nanMode: { ...choice('nanMode', 8, 2, ['none', 'flush_nan', 'quiet_nan'], 0), shown: true },
  ftz: flag('ftz', 10),
  flushInf: flag('flush_inf', 11),
  sqrt: flag('sqrt', 24),
  log: flag('log', 25),
  second: flag('second', 24),
  z: flag('z', 25),
  stencil: flag('stencil', 24),
  depthStencil: flag('z_stencil', 36),
  negate: flag('neg', 38),
  preserveNull: flag('preserve_null', 39),
  // Texturing.
  skip: flag('skip', 39),
  wideIndices: flag('wide_indices', 8),
  array: flag('array_enable', 10),
  texelOffset: flag('texel_offset', 11),
  shadow: flag('shadow', 12),
  forceDelta: flag('force_delta_enable', 12),
  integerCoordinates: flag('integer_coordinates', 13),
  lodBiasDisable: flag('lod_bias_disable', 13),
  lodClampDisable: flag('lod_clamp_disable', 14),
  derivatives: flag('derivative_enable', 15),
  component: choice('component', 14, 2, ['gather4_r', 'gather4_g', 'gather4_b', 'gather4_a']),
  lodMode: choice('lodMode', 13, 3, ['zero', 'computed', undefined, undefined, 'explicit', 'computed_bias', 'grdesc']),
  writeMask: choice('writeMask', 22, 4, WRITE_MASKS, 15),
  // 'auto': as the texture's format is; what Mesa writes (va_pack.c leaves the field zero).
  registerType: choice('registerType', 26, 2, ['auto', 'f', 'u', 's']),
  // Widths of both results have the same names: the first one written is the first one's.
  registerWidth: choice('registerWidth', 46, 1, ['16', '32']),
  secondaryWidth: choice('secondaryWidth', 47, 1, ['16', '32']),
  varyingWidth: choice('registerWidth', 24, 2, ['16', '32', '16.32', '32.32']),
  dimension: choice('dimension', 28, 2, ['1d', '2d', '3d', 'cube']),
} as const satisfies Record<string, Modifier>;

/** Counts of staging registers: read (or only) ones as they are, written ones minus one. */
export const STAGING_COUNT: BitField = { bit: 33, width: 3 };
export const STAGING_WRITE_COUNT: BitField = { bit: 36, width: 3 };
/** Where a load's destination lane stands. */
export const LOAD_LANE: BitField = { bit: 36, width: 3 };
