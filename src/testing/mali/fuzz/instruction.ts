/**
 * Random instructions for the fuzzer: random valid fields of the ISA table; what the interpreter does not model is drawn again.
 *
 * A NaN's sign and payload are fixed neither by JavaScript nor by WebAssembly, so no register that may hold a computed NaN may
 * be looked at as bits: registers have a kind. Those of `single` and `half` receive float results and are read as such
 * floats only, where any NaN is as good as another; all else (integers, addresses, branches, what is stored) reads and
 * writes registers of `bits`, which are compared bit by bit. Two ways lead out of a float kind: instructions whose result
 * does not depend on which NaN they see (comparisons, conversions to integers), and CSEL, where x == x ? x : y lets all
 * pass but NaNs. Of instructions whose treatment of NaN payloads nobody has looked at, sources are `bits` too.
 */
import {
  CONSTANTS,
  DEST,
  DEST_HALVES,
  FAU_PAGE,
  FLOW,
  FLOW_DISCARD,
  FLOW_END,
  FLOW_RECONVERGE,
  HALVES,
  NO_DEST,
  OPCODE,
  SOURCE_KIND,
  SOURCE_KIND_SHIFT,
  SPECIAL_FIRST,
  SPECIALS,
  STAGING_COUNT,
  STAGING_READ,
  STAGING_WRITE,
  STAGING_WRITE_COUNT,
  setField,
} from '../../../abi/isa/encoding.ts';
import type { InstructionSpec, SourceSpec } from '../../../abi/isa/instructions.ts';
import { compile } from '../../../mali/shader/control.ts';
import { decode, EncodingError } from '../../../mali/shader/decode.ts';
import { Random } from '../random.ts';
import { ADDRESSES, RANGES, STAGED_WORDS } from './input.ts';
import type { Kind } from './values.ts';

interface Kinds {
  readonly sources: readonly Kind[];
  readonly dest: Kind;
  /** What a message writes; bits if it is not said. */
  readonly staged?: Kind;
}

const SAME_FLOAT = new Set(['FADD', 'FMIN', 'FMAX', 'FMA', 'FADD_IMM', 'FROUND', 'FLUSH', 'FRCP', 'FRSQ']);
const TO_INTEGER: Record<string, Kind> = {
  F32_TO_S32: 'single',
  F32_TO_U32: 'single',
  F16_TO_S32: 'half',
  F16_TO_U32: 'half',
  V2F16_TO_V2S16: 'half',
  V2F16_TO_V2U16: 'half',
};

function kindsOf(random: Random, { name, base, type, sources }: InstructionSpec): Kinds {
  const float: Kind = type === 'f32' ? 'single' : 'half';
  const all = (kind: Kind) => sources.map(() => kind);
  if (SAME_FLOAT.has(base) && (type === 'f32' || type === 'v2f16')) return { sources: all(float), dest: float };
  const integer = TO_INTEGER[name];
  if (integer) return { sources: all(integer), dest: 'bits' };
  if (name === 'F16_TO_F32') return { sources: ['half'], dest: 'single' };
  if (name === 'V2F32_TO_V2F16') return { sources: ['single', 'single'], dest: 'half' };
  if (base === 'FCMP_OR' || base === 'FCMP_AND') return { sources: [float, float, 'bits'], dest: 'bits' };
  if (name === 'CSEL.f32' || name === 'CSEL.v2f16') {
    const moved = random.chance(50) ? 'bits' : float;
    return { sources: [float, float, moved, moved], dest: moved };
  }
  if (name === 'MOV.i32' || name === 'CLPER.i32') {
    const moved = random.pick<Kind>(['bits', 'single', 'half']);
    return { sources: all('bits').with(0, moved), dest: moved };
  }
  if (name === 'MKVEC.v2i16') {
    const moved = random.pick<Kind>(['bits', 'half']);
    return { sources: all(moved), dest: moved };
  }
  if (base.startsWith('LD_VAR')) return { sources: all('bits'), dest: 'bits', staged: float };
  if (name === 'DISCARD.f32') return { sources: all('single'), dest: 'bits' };
  const dest = type === 'f32' || base.startsWith('CUBE') ? 'single' : type.endsWith('f16') ? 'half' : 'bits';
  return { sources: all('bits'), dest };
}

function register(random: Random, kind: Kind, even: boolean): number {
  // What has fixed bits can be read as anything.
  const from = kind !== 'bits' && random.chance(20) ? 'bits' : kind;
  const [first, count] = RANGES[from];
  if (from === 'bits' && random.chance(10)) return random.pick(ADDRESSES) + (even ? 0 : random.below(2));
  return even ? first + 2 * random.below(count / 2) : first + random.below(count);
}

function sourceByte(random: Random, spec: SourceSpec, kind: Kind, page: number): number {
  const special = (value: number) => (SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT) | value;
  const choice = random.below(100);
  if (choice < 12) return (SOURCE_KIND.UNIFORM << SOURCE_KIND_SHIFT) | (random.below(32) * 2);
  if (choice < 18 && spec.size !== 64) return (SOURCE_KIND.UNIFORM << SOURCE_KIND_SHIFT) | random.below(64);
  if (choice < 32) return special(random.below(CONSTANTS.length));
  if (choice < 38) {
    const places = SPECIALS[page]!.flatMap((name, place) => (name ? [place * 2, place * 2 + 1] : []));
    const usable = spec.size === 64 ? places.filter((place) => place % 2 === 0) : places;
    if (usable.length > 0) return special(SPECIAL_FIRST + random.pick(usable));
  }
  const last = random.chance(10) ? SOURCE_KIND.LAST : SOURCE_KIND.REGISTER;
  return (last << SOURCE_KIND_SHIFT) | register(random, kind, spec.size === 64);
}

function flow(random: Random): number {
  if (random.chance(85)) return 0;
  if (random.chance(15)) return FLOW_DISCARD;
  if (random.chance(3)) return FLOW_END;
  return random.chance(20) ? FLOW_RECONVERGE : 1 + random.below(9);
}

const LITTLE = [0, 1, 2, 4, 0x3f800000, 0x3c003c00, 0x80000000, 0xffffffff, 0x7f800000];

/** Random fields for an instruction; the words may be none that the GPU takes. */
export function draw(random: Random, spec: InstructionSpec): Uint32Array {
  const words = new Uint32Array(2);
  const set = (field: Parameters<typeof setField>[1], value: number) => setField(words, field, value);
  const kinds = kindsOf(random, spec);
  set(OPCODE, spec.opcode);
  // Uniforms of the first page are the ones that are supplied; specials are everywhere.
  const page = random.chance(60) ? 0 : random.below(4);
  set(FAU_PAGE, page);
  set(FLOW, flow(random));
  if (spec.dest) {
    // Arithmetic on singles may round into a half.
    const narrows = kinds.dest === 'single' && SAME_FLOAT.has(spec.base) && random.chance(10);
    const [first, count] = RANGES[narrows ? 'half' : kinds.dest];
    const long = /64$/.test(spec.type);
    set(DEST, long ? first + 2 * random.below(count / 2) : first + random.below(count));
    // A half of a NaN is none, so other singles are written whole.
    const whole = !narrows && (kinds.dest === 'single' || random.chance(75));
    set(DEST_HALVES, whole ? HALVES.BOTH : random.pick([HALVES.LOW, HALVES.HIGH]));
  } else if (spec.staging.length === 0) set(DEST_HALVES, NO_DEST);
  for (const staging of spec.staging) {
    const [first, count] = RANGES[kinds.staged ?? 'bits'];
    const size = 1 + random.below(STAGED_WORDS);
    const even = random.chance(50) ? 2 : 1;
    const base = first + even * random.below((count - STAGED_WORDS) / even);
    // Now and then the address itself is loaded over.
    set(staging.base, !kinds.staged && random.chance(3) ? random.pick(ADDRESSES) : base);
    if (staging.counted === 'writeCount') set(STAGING_WRITE_COUNT, size - 1);
    else set(STAGING_COUNT, size);
    if (staging.flags) set(DEST_HALVES, (staging.write ? STAGING_WRITE : 0) | (staging.read ? STAGING_READ : 0));
  }
  for (const [n, source] of spec.sources.entries()) {
    const { select } = source;
    let kind = kinds.sources[n]!;
    if (select) {
      const usual = random.chance(50);
      const values = select.values.flatMap((name, value) => (name === undefined ? [] : [value]));
      const value = usual ? select.default : random.pick(values);
      set(select, value);
      // A half of a single.
      if (kind === 'single' && select.values[value] !== 'none') kind = 'half';
    }
    set({ bit: source.bit, width: 8 }, sourceByte(random, source, kind, page));
    for (const flag of [source.negate, source.absolute, source.not]) if (flag && random.chance(25)) set(flag, 1);
  }
  for (const field of spec.modifiers) {
    if (field.values) {
      const values = field.values.flatMap((name, value) => (name === undefined ? [] : [value]));
      set(field, field.default !== undefined && random.chance(40) ? field.default : random.pick(values));
    } else if (random.chance(40)) set(field, 1);
  }
  for (const field of spec.immediates) {
    if (field.name === 'offset') set(field, random.chance(60) ? 0 : random.below(64));
    else set(field, field.width === 32 && random.chance(50) ? random.pick(LITTLE) : random.word());
  }
  // Last, as modifiers may lie over it in the table.
  for (const field of spec.secondary) set(field, field.value);
  return words;
}

export function valid(words: Uint32Array, spec: InstructionSpec): boolean {
  try {
    const instruction = decode(words[0]!, words[1]!);
    compile(instruction);
    return instruction.spec === spec;
  } catch (error) {
    if (error instanceof EncodingError) return false;
    throw error;
  }
}

const ATTEMPTS = 40;
/** An instruction that both engines know, or undefined where none was found. */
export function instruction(random: Random, spec: InstructionSpec): Uint32Array | undefined {
  for (let n = 0; n < ATTEMPTS; n++) {
    const words = draw(random, spec);
    if (valid(words, spec)) return words;
  }
  return undefined;
}

/** Those of `specs` that are modelled at all. */
export const modelled = (specs: readonly InstructionSpec[]): InstructionSpec[] => {
  const random = new Random(1);
  return specs.filter((spec) => instruction(random, spec) !== undefined);
};
