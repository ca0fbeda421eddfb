/**
 * The instructions of Valhall (v9 and v10): one table from which decoder, disassembler, assembler and interpreter follow.
 *
 * Each entry gives the opcode, how it is told from others with the same opcode, and what its bits hold. `kinds` are
 * several instructions of one shape that differ in number type: the suffix of the name says the size of sources.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/valhall/ISA.xml`, `valhall.py`.
 */
import {
  type BitField,
  BYTE,
  COMBINE,
  DEST,
  HALF,
  HALF_BYTES,
  HALF_SWIZZLE,
  LOAD_LANE,
  LOAD_LANES,
  MEMORY_SIZES,
  MODIFIER,
  type Modifier,
  SECOND_STAGING,
  type Selector,
  SHIFT_BYTES,
  SHIFT_BYTES_TEXT,
  WIDEN,
  WIDEN_8,
  WIDEN_16,
  WIDEN_32,
  WIDEN_64,
} from './encoding.ts';

/** One source operand. */
export interface SourceSpec {
  /** First bit of its source byte. */
  readonly bit: number;
  /** Bits that it reads: 64 is a pair of registers. */
  readonly size: 8 | 16 | 32 | 64;
  readonly negate?: BitField;
  readonly absolute?: BitField;
  readonly not?: BitField;
  /** Which part of the register counts. */
  readonly select?: Selector;
}

/** A run of consecutive registers that a message reads or writes. */
export interface StagingSpec {
  readonly base: BitField;
  readonly read: boolean;
  readonly write: boolean;
  /** Whether the read and write flags stand beside it (those at DEST). */
  readonly flags: boolean;
  /** The field that holds its length. */
  readonly counted: 'count' | 'writeCount';
}

export interface ImmediateSpec extends BitField {
  readonly name: string;
  readonly signed: boolean;
}

export interface InstructionSpec {
  readonly name: string;
  /** The name without the number type. */
  readonly base: string;
  /** The number type: `f32`, `v2s16`, … or ''. */
  readonly type: string;
  readonly opcode: number;
  /** Second opcode: bits that must have the given values. */
  readonly secondary: readonly (BitField & { readonly value: number })[];
  readonly dest: boolean;
  readonly staging: readonly StagingSpec[];
  readonly sources: readonly SourceSpec[];
  readonly immediates: readonly ImmediateSpec[];
  readonly modifiers: readonly Modifier[];
  /** Talks to a unit outside the core and may end later, under a scoreboard slot. */
  readonly message: boolean;
}

// Shapes of sources. The place of a source decides where its modifiers stand.

type SourceShape = (place: number, size: 8 | 16 | 32 | 64) => SourceSpec;

const at = (bit: number, width = 1): BitField => ({ bit, width });
const negateAt = (place: number) => at(34 + (2 - place) * 2);
const absoluteAt = (place: number) => at(35 + (2 - place) * 2);

const swizzle = (place: number, size: number): Selector =>
  size === 16
    ? { bit: 24 + (2 - place) * 2, width: 2, values: HALF_SWIZZLE, default: 2 }
    : { bit: 24 + (2 - place) * 2, width: 2, values: WIDEN, default: 0 };

function widen(place: number, size: number): Selector {
  const field = at(place === 1 ? 26 : 36, 4);
  if (size === 8) return { ...field, values: WIDEN_8, default: 0 };
  if (size === 16) return { ...field, values: WIDEN_16, default: 2 };
  return { ...field, values: size === 32 ? WIDEN_32 : WIDEN_64, default: 0 };
}

/** As it is. */
const any: SourceShape = (place, size) => ({ bit: place * 8, size });
const word32: SourceShape = (place) => ({ bit: place * 8, size: 32 });
const pair: SourceShape = (place) => ({ bit: place * 8, size: 64 });
/** Float with sign modifiers, and half-float parts. */
const float: SourceShape = (place, size) => ({
  bit: place * 8,
  size,
  negate: negateAt(place),
  absolute: absoluteAt(place),
  select: swizzle(place, size),
});
const plainFloat: SourceShape = (place, size) => ({
  bit: place * 8,
  size,
  negate: negateAt(place),
  absolute: absoluteAt(place),
});
const swizzled: SourceShape = (place, size) => ({ bit: place * 8, size, select: swizzle(place, size) });
/** A half, written as if it were two until Mesa 25.1. */
const halfOf: SourceShape = (place, size) => ({
  bit: place * 8,
  size,
  select: { ...swizzle(place, size), later: { h0: 'h00', h1: 'h10' } },
});
const integer: SourceShape = (place, size) => ({ bit: place * 8, size, select: widen(place, size) });
/** A lane number: one byte. */
const laneNumber: SourceShape = (place) => ({
  bit: place * 8,
  size: 8,
  select: { bit: place === 1 ? 26 : 36, width: 4, values: SHIFT_BYTES, default: 4, shown: true },
});
/** Shift amounts: a byte for each element. */
const shift: SourceShape = (place, size) => {
  const source = laneNumber(place, size);
  return size === 8 ? { ...source, select: { ...source.select!, values: WIDEN_8, text: SHIFT_BYTES_TEXT } } : source;
};
const inverted: SourceShape = (place, size) => ({ bit: place * 8, size, not: at(35) });
const byteAt =
  (bit: number): SourceShape =>
  (place) => ({ bit: place * 8, size: 8, select: { bit, width: 2, values: BYTE, default: 0, shown: true } });
const halfAt =
  (bit: number): SourceShape =>
  (place) => ({
    bit: place * 8,
    size: 16,
    negate: negateAt(place),
    absolute: absoluteAt(place),
    select: { bit, width: 1, values: HALF, default: 0, shown: true },
  });
const halfBytes: SourceShape = (place) => ({
  bit: place * 8,
  size: 8,
  select: { bit: 36, width: 4, values: HALF_BYTES, default: 0, shown: true },
});
const half: SourceShape = (place) => ({ bit: place * 8, size: 16, select: swizzle(place, 16) });
const halfFloat: SourceShape = (place) => float(place, 16);
const combined: SourceShape = (place) => ({
  bit: place * 8,
  size: 32,
  select: { bit: 37, width: 3, values: COMBINE, default: 0 },
});

/** Bits of one element, from the end of a name. */
function sizeOf(name: string): 8 | 16 | 32 | 64 {
  const digits = /(?:^|[a-z_.])(8|16|32|64)$/.exec(name.toLowerCase());
  return digits ? (Number(digits[1]) as 8 | 16 | 32 | 64) : 32;
}

// Building the table.

interface Shape {
  dest?: boolean;
  staging?: StagingSpec[];
  sources?: SourceShape[];
  /** Places of the sources where they do not follow one another. */
  places?: number[];
  immediates?: ImmediateSpec[];
  modifiers?: Modifier[];
  /** Position and width of the second opcode; by default four bits behind the sources, from bit 16 on. */
  second?: BitField;
}

const table: InstructionSpec[] = [];

function define(name: string, opcode: number, second: number | undefined, shape: Shape): void {
  const dot = name.indexOf('.');
  const sources = shape.sources ?? [];
  const size = sizeOf(name);
  const secondField = shape.second ?? at(Math.max(sources.length * 8, 16), 4);
  table.push({
    name,
    base: dot < 0 ? name : name.slice(0, dot),
    type: dot < 0 ? '' : name.slice(dot + 1),
    opcode,
    secondary: second === undefined ? [] : [{ ...secondField, value: second }],
    dest: shape.dest ?? false,
    staging: shape.staging ?? [],
    sources: sources.map((make, i) => make(shape.places?.[i] ?? i, size)),
    immediates: shape.immediates ?? [],
    modifiers: shape.modifiers ?? [],
    message: !(shape.dest ?? false) && (shape.staging !== undefined || (shape.modifiers ?? []).includes(M.slot)),
  });
}

/** Arithmetic: one destination. `kinds` maps type suffix to opcode. */
function alu(
  name: string,
  kinds: Record<string, number>,
  second: number | undefined,
  sources: SourceShape[],
  modifiers: Modifier[] = [],
  extra: Shape = {},
): void {
  for (const [type, opcode] of Object.entries(kinds)) {
    define(type ? `${name}.${type}` : name, opcode, second, { dest: true, sources, modifiers, ...extra });
  }
}

const M = MODIFIER;
const imm = (name: string, bit: number, width: number, signed = false): ImmediateSpec => ({ name, bit, width, signed });
const writes: StagingSpec = { base: DEST, read: false, write: true, flags: true, counted: 'count' };
const reads: StagingSpec = { base: DEST, read: true, write: false, flags: true, counted: 'count' };

// Control flow.

define('NOP', 0x00, undefined, {});
define('BRANCHZ', 0x1f, undefined, {
  sources: [combined],
  immediates: [imm('offset', 8, 27, true)],
  modifiers: [M.conservative, M.equal],
});
define('DISCARD.f32', 0x20, undefined, { sources: [float, float], modifiers: [M.condition] });
define('BRANCHZI', 0x2f, undefined, {
  sources: [combined, word32],
  modifiers: [M.conservative, M.equal, M.absolute],
});
define('BARRIER', 0x45, undefined, { modifiers: [M.slot] });

// Varyings.

const interpolated = [M.sample, M.update];
define('LD_VAR_SPECIAL', 0x56, undefined, {
  staging: [writes],
  sources: [word32],
  immediates: [imm('index', 12, 4)],
  modifiers: [M.vecsize, M.regfmt, ...interpolated, M.slot],
});
for (const [type, opcode] of [
  ['f32', 0x5c],
  ['f16', 0x5d],
] as const) {
  const modifiers = [M.slot, M.vecsize, M.sourceFormat, ...interpolated];
  define(`LD_VAR_BUF_IMM.${type}`, opcode, undefined, {
    staging: [writes],
    sources: [word32],
    immediates: [imm('index', 16, 8)],
    modifiers,
  });
  define(`LD_VAR_BUF.${type}`, opcode + 0x10, undefined, { staging: [writes], sources: [word32, word32], modifiers });
}
const tableAndIndex = [imm('table', 8, 4), imm('index', 12, 8)];
define('LD_VAR', 0x64, undefined, {
  staging: [writes],
  sources: [word32, word32],
  modifiers: [M.slot, M.vecsize, M.regfmt, ...interpolated],
});
define('LD_VAR_IMM', 0x54, undefined, {
  staging: [writes],
  sources: [word32],
  immediates: tableAndIndex,
  modifiers: [M.slot, M.vecsize, M.regfmt, ...interpolated],
});
define('LD_VAR_FLAT', 0x55, undefined, {
  staging: [writes],
  sources: [word32],
  modifiers: [M.slot, M.vecsize, M.regfmt],
});
define('LD_VAR_FLAT_IMM', 0x41, undefined, {
  staging: [writes],
  immediates: tableAndIndex,
  modifiers: [M.slot, M.vecsize, M.regfmt],
});

// Attributes and images: bit 37 tells attribute (0) from texture (1) descriptors.

const descriptorType = at(37, 2);
const coordinates = [word32, word32];
const wideTable = [imm('index', 20, 4), imm('table', 16, 4)];
for (const [suffix, second] of [
  ['ATTR', 0],
  ['TEX', 1],
] as const) {
  const load = [M.vecsize, M.regfmt, M.slot];
  define(`LD_${suffix}_IMM`, 0x66, second, {
    staging: [writes],
    sources: coordinates,
    immediates: wideTable,
    modifiers: load,
    second: descriptorType,
  });
  define(`LD_${suffix}`, 0x76, second, {
    staging: [writes],
    sources: [...coordinates, word32],
    modifiers: load,
    second: descriptorType,
  });
  define(`LEA_${suffix}_IMM`, 0x67, second, {
    staging: [writes],
    sources: coordinates,
    immediates: [imm('table', 16, 4), imm('index', 20, 4)],
    modifiers: [M.slot],
    second: descriptorType,
  });
  define(`LEA_${suffix}`, 0x77, second, {
    staging: [writes],
    sources: [...coordinates, word32],
    modifiers: [M.vecsize, M.slot],
    second: descriptorType,
  });
}

// Memory.

const memorySize = at(27, 3);
for (const [code, bits] of MEMORY_SIZES.entries()) {
  const lane: Modifier = { name: 'lane', ...LOAD_LANE, ...LOAD_LANES[code]! };
  define(`LD_BUFFER.i${bits}`, 0x6a, code, {
    staging: [writes],
    sources: [word32, word32],
    modifiers: [lane, M.unsigned, M.slot],
    second: memorySize,
  });
  define(`LOAD.i${bits}`, 0x60, code, {
    staging: [writes],
    sources: [pair],
    immediates: [imm('offset', 8, 16, true)],
    modifiers: [M.memoryAccess, lane, M.unsigned, M.slot],
    second: memorySize,
  });
  define(`STORE.i${bits}`, 0x61, code, {
    staging: [reads],
    sources: [pair],
    immediates: [imm('offset', 8, 16, true)],
    modifiers: [M.memoryAccess, M.slot],
    second: memorySize,
  });
}
define('LEA_BUF_IMM', 0x5e, undefined, {
  staging: [writes],
  sources: [word32],
  immediates: tableAndIndex,
  modifiers: [M.slot],
});
// Mesa from 25.2 on calls LD_BUFFER and LEA_BUFFER LD_PKA and LEA_PKA, and has LEA_BUF and LD_CVT too, for texel buffers.
define('LEA_BUFFER', 0x6b, undefined, { staging: [writes], sources: [word32, word32], modifiers: [M.slot] });
define('LEA_BUF', 0x6e, undefined, { staging: [writes], sources: [word32, word32], modifiers: [M.slot] });
for (const [name, opcode, staging] of [
  ['LD_CVT', 0x70, writes],
  ['ST_CVT', 0x71, reads],
] as const) {
  define(name, opcode, undefined, {
    staging: [staging],
    sources: [pair, word32],
    places: [0, 2],
    immediates: [imm('offset', 8, 8)],
    modifiers: [M.slot, M.convertAccess, M.vecsize, M.regfmt],
  });
}
for (const [type, code] of [
  ['i32', 3],
  ['i64', 5],
] as const) {
  const address = { sources: [pair], immediates: [imm('offset', 8, 8)], second: memorySize };
  define(`ATOM1_RETURN.${type}`, 0x69, code, { ...address, staging: [writes], modifiers: [M.slot, M.atomic1] });
  define(`ATOM.${type}`, 0x68, code, { ...address, staging: [reads], modifiers: [M.slot, M.atomic] });
  define(`ATOM_RETURN.${type}`, 0x120, code, {
    ...address,
    staging: [
      { base: SECOND_STAGING, read: false, write: true, flags: false, counted: 'writeCount' },
      { base: DEST, read: true, write: true, flags: true, counted: 'count' },
    ],
    modifiers: [M.slot, M.compare, M.atomic],
  });
}

// The tile buffer and the fragment back end.

const tile = { sources: [word32, word32, word32], modifiers: [M.vecsize, M.regfmt, M.slot] };
define('LD_TILE', 0x78, undefined, { ...tile, staging: [writes], modifiers: [...tile.modifiers, M.depthStencil] });
define('ST_TILE', 0x79, undefined, { ...tile, staging: [reads] });
define('BLEND', 0x7f, undefined, {
  staging: [reads],
  sources: [pair, word32],
  places: [0, 2],
  immediates: [imm('target', 8, 8)],
  modifiers: [M.slot, M.vecsize, M.regfmt],
});
define('ATEST', 0x7d, undefined, { staging: [writes], sources: [word32, (p) => swizzled(p, 32), word32] });
define('ZS_EMIT', 0x7e, undefined, {
  staging: [writes],
  sources: [word32, word32, word32],
  modifiers: [M.z, M.stencil, M.slot],
});

// Conversions: five bits of second opcode, the upper one chooses unsigned.

const conversion = at(16, 5);
function convert(second: Record<string, number>, source: SourceShape, modifiers: Modifier[] = []): void {
  for (const [name, value] of Object.entries(second)) {
    define(name, 0x90, value, { dest: true, sources: [source], modifiers, second: conversion });
  }
}
convert({ V2S16_TO_V2F16: 0x07, V2U16_TO_V2F16: 0x17, S32_TO_F32: 0x09, U32_TO_F32: 0x19 }, integer, [M.round]);
convert({ S16_TO_S32: 0x04, S16_TO_F32: 0x05, U16_TO_U32: 0x14, U16_TO_F32: 0x15 }, half);
convert({ F32_TO_S32: 0x0c, F32_TO_U32: 0x1c }, plainFloat, [M.round]);
convert({ V2F16_TO_V2S16: 0x0e, V2F16_TO_V2U16: 0x1e, F16_TO_S32: 0x0a, F16_TO_U32: 0x1a }, halfFloat, [M.round]);
convert({ F16_TO_F32: 0x0b }, halfAt(28), [M.round]);
convert({ S8_TO_S32: 0x00, S8_TO_F32: 0x01, U8_TO_U32: 0x10, U8_TO_F32: 0x11 }, byteAt(28));
convert({ V2S8_TO_V2S16: 0x02, V2S8_TO_V2F16: 0x03, V2U8_TO_V2U16: 0x12, V2U8_TO_V2F16: 0x13 }, halfBytes);
convert({ 'FROUND.f32': 0x0d, 'FROUND.v2f16': 0x0f }, float, [M.round]);

// One source.

alu('MOV', { i32: 0x91 }, 0x0, [any]);
alu('CLZ', { u32: 0x91 }, 0x4, [any]);
alu('CLZ', { v2u16: 0x91 }, 0x5, [swizzled]);
alu('CLZ', { v4u8: 0x91 }, 0x6, [any]);
alu('IABS', { s32: 0x91 }, 0x8, [integer]);
alu('IABS', { v2s16: 0x91 }, 0x9, [integer]);
alu('IABS', { v4s8: 0x91 }, 0xa, [any]);
alu('POPCOUNT', { i32: 0x91 }, 0xc, [any]);
alu('BITREV', { i32: 0x91 }, 0xd, [any]);
alu('NOT_OLD', { i32: 0x91, i64: 0x191 }, 0xe, [any]);
alu('WMASK', { '': 0x95 }, undefined, [any], [M.subgroup]);
for (const [second, type] of ['f32', 'v2f16'].entries()) {
  alu('FLUSH', { [type]: 0x98 }, second, [float], [M.nanMode, M.ftz, M.flushInf]);
  alu('FREXPM', { [type]: 0x99 }, second, [swizzled], [M.sqrt, M.log]);
  alu('FREXPE', { [type]: 0x99 }, 2 + second, [swizzled], [M.sqrt, M.log]);
}
for (const [name, second] of [
  ['FRCP.f32', 0],
  ['FRCP.f16', 1],
  ['FRSQ.f32', 2],
  ['FRSQ.f16', 3],
  ['FLOGD.f32', 8],
  ['FPCLASS.f32', 10],
  ['FPCLASS.f16', 11],
  ['FLOG_TABLE.f32', 12],
  ['FRCP_APPROX.f32', 14],
  ['FRSQ_APPROX.f32', 15],
] as const) {
  define(name, 0x9c, second, { dest: true, sources: [float] });
}
for (const [name, second] of [
  ['FSIN_TABLE.u6', 4],
  ['FCOS_TABLE.u6', 5],
  ['FSINCOS_OFFSET.u6', 6],
  ['FEXP_TABLE.u4', 13],
] as const) {
  define(name, 0x9c, second, { dest: true, sources: [word32] });
}

// Two sources.

const FLOATS = { f32: 0xa4, v2f16: 0xa5 };
// Mesa names the rounding of sums from 26 on.
alu('FADD', FLOATS, 0, [float, float], [M.round, M.clamp]);
alu('FMIN', FLOATS, 2, [float, float], [M.clamp]);
alu('FMAX', FLOATS, 3, [float, float], [M.clamp]);
define('V2F32_TO_V2F16', 0xa5, 4, {
  dest: true,
  sources: [(p) => plainFloat(p, 32), (p) => plainFloat(p, 32)],
  modifiers: [M.clamp, M.round],
});
alu('LDEXP', FLOATS, 6, [plainFloat, any], [M.round]);
alu('FEXP', { f32: 0xa4 }, 8, [any, plainFloat], [M.clamp]);
alu('FADD_LSCALE', { f32: 0xa4 }, 9, [plainFloat, plainFloat], [M.clamp]);
alu('FATAN_ASSIST', { f32: 0xa4 }, 14, [any, any], [M.second]);

const SIGNED = { s32: 0xa8, v2s16: 0xa9, v4s8: 0xaa };
const UNSIGNED = { u32: 0xa0, v2u16: 0xa1, v4u8: 0xa2 };
const UNTYPED = { i32: 0xa0, v2i16: 0xa1, v4i8: 0xa2 };
const LONG = { u64: 0x1a3, s64: 0x1ab };
const two = [integer, integer];
alu('IADD', { ...UNSIGNED, ...SIGNED, ...LONG }, 0, two, [M.saturate]);
alu('ISUB', { ...UNSIGNED, ...SIGNED, ...LONG }, 1, two, [M.saturate]);
alu('MKVEC', { v2i16: 0xa1 }, 5, [halfOf, halfOf]);
alu('SEG_ADD', { u64: 0x1a3 }, 6, [any, integer], [M.negate, M.preserveNull]);
alu('SHADDX', LONG, 7, [any, integer], [], { immediates: [imm('shift', 20, 3)] });
alu('IMUL', { ...UNTYPED, ...SIGNED }, 10, two, [M.saturate]);
alu('IMULD', { u64: 0x1a3 }, 10, two, [M.saturate]);
alu('HADD', { ...UNSIGNED, ...SIGNED }, 11, two, [M.rhadd]);
alu(
  'CLPER',
  { i32: 0xa0, v2u16: 0xa1, v4u8: 0xa2, ...SIGNED, ...LONG },
  15,
  [any, laneNumber],
  [M.subgroup, M.laneOp, M.inactive],
);

// Three sources.

alu('FMA', { f32: 0xb2, v2f16: 0xb3 }, undefined, [float, float, float], [M.round, M.clamp]);
for (const [operation, value] of [
  ['AND', 0],
  ['OR', 1],
  ['XOR', 2],
] as const) {
  for (const left of [true, false]) {
    for (const [type, opcode] of Object.entries({ i32: 0xb4, v2i16: 0xb5, v4i8: 0xb6, i64: 0x1b7 })) {
      define(`${left ? 'L' : 'R'}SHIFT_${operation}.${type}`, opcode, value, {
        dest: true,
        sources: [integer, shift, inverted],
        modifiers: left ? [M.notResult] : [M.signed, M.notResult],
        second: at(24, 2),
      });
      const last = table.pop()!;
      table.push({ ...last, secondary: [...last.secondary, { bit: 32, width: 1, value: left ? 1 : 0 }] });
    }
  }
}
alu('MUX', { i32: 0xb8 }, undefined, [any, any, any], [M.mux]);
alu('MUX', { v2i16: 0xb9 }, undefined, [swizzled, swizzled, swizzled], [M.mux]);
alu('MUX', { v4i8: 0xba }, undefined, [any, any, any], [M.mux]);
define('CUBE_SSEL', 0xbc, 0, { dest: true, sources: [plainFloat, plainFloat, any] });
define('CUBE_TSEL', 0xbc, 1, { dest: true, sources: [plainFloat, plainFloat, any] });
define('MKVEC.v2i8', 0xbd, undefined, { dest: true, sources: [byteAt(38), byteAt(36), word32] });
define('CUBEFACE1', 0xc0, undefined, { dest: true, sources: [plainFloat, plainFloat, plainFloat] });
define('CUBEFACE2_V9', 0xc1, undefined, { dest: true, sources: [plainFloat, plainFloat, plainFloat] });
alu('IDP', { v4s8: 0xc2 }, 0, [any, any, any], [M.saturate]);
alu('IDP', { v4u8: 0xc2 }, 1, [any, any, any], [M.saturate]);

const comparison = { second: at(24, 2) };
const compared = [M.condition, M.resultType];
for (const [name, second] of [
  ['OR', 0],
  ['AND', 1],
] as const) {
  const integers = { u32: 0xf0, v2u16: 0xf1, v4u8: 0xf2, s32: 0xf8, v2s16: 0xf9, v4s8: 0xfa };
  alu(`ICMP_${name}`, integers, second, [integer, integer, any], compared, comparison);
  alu(`FCMP_${name}`, { f32: 0xf4, v2f16: 0xf5 }, second, [float, float, any], compared, comparison);
}
alu('ICMP_MULTI', { u32: 0xf0, s32: 0xf8 }, 2, [integer, integer, any], compared, comparison);

// With an immediate.

const constant = { immediates: [imm('constant', 8, 32)] };
alu('IADD_IMM', { i32: 0x110, v2i16: 0x111, v4i8: 0x112 }, undefined, [any], [], constant);
alu('FADD_IMM', { f32: 0x114, v2f16: 0x115 }, undefined, [any], [], constant);

// Four sources.

alu(
  'CSEL',
  { u32: 0x150, v2u16: 0x151, f32: 0x154, v2f16: 0x155, s32: 0x158, v2s16: 0x159 },
  undefined,
  [any, any, any, any],
  [M.condition],
);
for (const [i, special] of ['', '_N', '_LEFT', '_SCALE16'].entries()) {
  alu(`FMA_RSCALE${special}`, { f32: 0x160 + i }, undefined, [plainFloat, plainFloat, plainFloat, any], [M.clamp]);
}

// Textures. Sources and results are staging registers.

const textured: StagingSpec[] = [
  { base: SECOND_STAGING, read: false, write: true, flags: false, counted: 'writeCount' },
  { base: DEST, read: true, write: false, flags: false, counted: 'count' },
];
const result = [M.slot, M.skip, M.registerType, M.registerWidth];
const picture = [M.writeMask, M.dimension, M.wideIndices];
const texture = (name: string, opcode: number, modifiers: Modifier[]): void =>
  define(name, opcode, undefined, { staging: textured, sources: [pair], modifiers });
texture('TEX_FETCH', 0x125, [...result, ...picture, M.array, M.texelOffset]);
texture('TEX_SINGLE', 0x128, [...result, ...picture, M.array, M.texelOffset, M.shadow, M.lodMode]);
texture('TEX_GATHER', 0x129, [
  ...result,
  ...picture,
  M.array,
  M.texelOffset,
  M.integerCoordinates,
  M.component,
  M.shadow,
]);
texture('TEX_GRADIENT', 0x12a, [
  ...result,
  ...picture,
  M.forceDelta,
  M.lodBiasDisable,
  M.lodClampDisable,
  M.derivatives,
]);
texture('TEX_DUAL', 0x12f, [...result, M.secondaryWidth, ...picture, M.array, M.texelOffset, M.shadow, M.lodMode]);

for (const [kind, first] of [
  ['VAR_TEX_BUF', 0x130],
  ['VAR_TEX', 0x138],
] as const) {
  const shared = [M.slot, M.skip, M.sampleAndUpdate, M.registerType, M.varyingWidth, M.dimension, M.array];
  for (const [name, offset, modifiers] of [
    ['SINGLE', 0, [M.shadow, M.lodMode]],
    ['GATHER', 1, [M.integerCoordinates, M.component, M.shadow]],
    ['GRADIENT', 2, [M.shadow, M.lodBiasDisable, M.lodClampDisable]],
    ['DUAL', 7, [M.shadow, M.lodMode]],
  ] as const) {
    define(`${kind}_${name}`, first + offset, undefined, {
      staging: [{ ...writes, counted: 'writeCount' }],
      sources: [pair, word32],
      places: [0, 2],
      modifiers: [...shared, ...modifiers],
    });
  }
}

/** Names that Mesa gives some of them from 25.2 on, for the assembler. */
export const LATER_NAMES: Readonly<Record<string, string>> = {
  LD_PKA: 'LD_BUFFER',
  LEA_PKA: 'LEA_BUFFER',
  IDPADD: 'IDP',
};

/** All instructions. */
export const INSTRUCTIONS: readonly InstructionSpec[] = table;
