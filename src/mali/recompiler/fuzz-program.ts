/**
 * Random shaders for the fuzzer (fuzz.ts), from a seed: the same seed gives the same shader and the same inputs for good.
 *
 * Instructions are random valid fields of the ISA table; what the interpreter does not model is drawn again. Programs
 * branch forward as they like, and backward only behind a counter that all loops share and nothing else writes, so they end.
 *
 * A NaN's sign and payload are fixed neither by JavaScript nor by WebAssembly, so no register that may hold a computed NaN may
 * be looked at as bits: registers have a kind. Those of `single` and `half` receive float results and are read as such
 * floats only, where any NaN is as good as another; all else (integers, addresses, branches, what is stored) reads and
 * writes registers of `bits`, which are compared bit by bit. Two ways lead out of a float kind: instructions whose result
 * does not depend on which NaN they see (comparisons, conversions to integers), and CSEL, where x == x ? x : y lets all
 * pass but NaNs. Of instructions whose treatment of NaN payloads nobody has looked at, sources are `bits` too.
 */
import { COMPONENT_ORDER } from '../../abi/formats.ts';
import { BLEND_MODE } from '../../abi/gpu/raster-descriptors.ts';
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
} from '../../abi/isa/encoding.ts';
import { INSTRUCTIONS, type InstructionSpec, type SourceSpec } from '../../abi/isa/instructions.ts';
import { assembleLine } from '../shader/assemble.ts';
import { ALL_LANES, LANES } from '../shader/contract.ts';
import { compile } from '../shader/control.ts';
import { decode, EncodingError } from '../shader/decode.ts';
import { THREAD_LOCAL_TAG } from '../shader/warp.ts';
import type { FragmentInput } from './fuzz-fragment.ts';
import { DATA_AT, DATA_SIZE, UNIFORM_WORDS } from './fuzz-memory.ts';

/** Random numbers from a seed: a counter whose bits are mixed (Steele, Lea and Flood's SplitMix, for 32 bits). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 32 random bits, unsigned. */
  word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  }

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    return this.word() % n;
  }

  /** True in so many of a hundred cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

export type Kind = 'bits' | 'single' | 'half';

/** Registers by use: [first, number]. */
const RANGES: Record<Kind, readonly [first: number, count: number]> = {
  single: [0, 14],
  half: [14, 14],
  bits: [28, 20],
};
/** Pairs that hold an address of the data for each lane. */
const ADDRESSES = [48, 50, 52, 54] as const;
/** Registers from here on are addresses and counters. */
const FIXED = 48;
/** The first of two uniforms that hold an address for all lanes. */
const UNIFORM_ADDRESS = 60;
const STAGED_WORDS = 4;
/** How far each lane's indirect branches go, and how many rounds its loops have. */
const DISTANCE = 61;
const ROUNDS = 62;

/** What a register holds. */
export const kindOf = (register: number): Kind => {
  const inside = ([first, count]: readonly [number, number]) => register >= first && register < first + count;
  return inside(RANGES.single) ? 'single' : inside(RANGES.half) ? 'half' : 'bits';
};

/** One run's inputs. */
export interface Input {
  /** register * 16 + lane. */
  readonly registers: Uint32Array;
  readonly uniforms: Uint32Array;
  readonly data: Uint8Array;
  readonly live: number;
  readonly helpers: number;
  /** The registers are cleared as a stage does, and then only those written that are not zero in all lanes. */
  readonly clear: boolean;
  /** Instructions of one slice. */
  readonly budget: number;
  /** For a fragment shader. */
  readonly fragment: FragmentInput | undefined;
}

export interface Shader {
  readonly code: Uint32Array;
  readonly flushToZero: number;
  readonly inputs: readonly Input[];
}

// Which kinds an instruction reads and writes.

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

// One instruction.

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
function draw(random: Random, spec: InstructionSpec): Uint32Array {
  const words = new Uint32Array(2);
  const set = (field: Parameters<typeof setField>[1], value: number) => setField(words, field, value);
  const kinds = kindsOf(random, spec);
  set(OPCODE, spec.opcode);
  // Uniforms of the first page are the ones that are supplied; specials are everywhere.
  const page = random.chance(60) ? 0 : random.below(4);
  set(FAU_PAGE, page);
  set(FLOW, flow(random));
  if (spec.dest) {
    const [first, count] = RANGES[kinds.dest];
    const long = /64$/.test(spec.type);
    set(DEST, long ? first + 2 * random.below(count / 2) : first + random.below(count));
    // A half of a NaN is none, so singles are written whole.
    const whole = kinds.dest === 'single' || random.chance(75);
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

function valid(words: Uint32Array, spec: InstructionSpec): boolean {
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
function instruction(random: Random, spec: InstructionSpec): Uint32Array | undefined {
  for (let n = 0; n < ATTEMPTS; n++) {
    const words = draw(random, spec);
    if (valid(words, spec)) return words;
  }
  return undefined;
}

/** Those of `specs` that are modelled at all. */
const modelled = (specs: readonly InstructionSpec[]): InstructionSpec[] => {
  const random = new Random(1);
  return specs.filter((spec) => instruction(random, spec) !== undefined);
};
const ARITHMETIC = modelled(INSTRUCTIONS.filter(({ dest }) => dest));
const MEMORY = modelled(INSTRUCTIONS.filter(({ base }) => /^(LOAD|STORE|ATOM|LD_BUFFER|LEA_BUFFER)/.test(base)));
const VARYINGS = modelled(INSTRUCTIONS.filter(({ base }) => /^(LD_VAR_BUF|LD_VAR_BUF_IMM|ATEST)$/.test(base)));
const BLENDS = INSTRUCTIONS.filter(({ name }) => name === 'BLEND');
const named = (name: string): InstructionSpec => INSTRUCTIONS.find((spec) => spec.name === name)!;
const BRANCH = named('BRANCHZ');
const INDIRECT = named('BRANCHZI');
const DISCARD = named('DISCARD.f32');

// Programs.

/** The instruction that ends a program, and the barrier before it, at which the fuzzer looks at the lanes that are left. */
const EPILOGUE = ['BARRIER.slot7.wait', 'NOP.end'];

class Writer {
  readonly code: Uint32Array[] = [];
  readonly #random: Random;
  readonly #fragment: boolean;
  /** Branches whose target is still to come. */
  readonly #open: number[] = [];

  constructor(random: Random, fragment: boolean) {
    this.#random = random;
    this.#fragment = fragment;
  }

  statements(count: number, depth: number): void {
    for (let n = 0; n < count; n++) {
      while (this.#open.length > 0 && this.#random.chance(25)) this.#close(this.#open.pop()!);
      this.#statement(depth);
    }
  }

  finish(): Uint32Array {
    for (const at of this.#open) this.#close(at);
    for (const line of EPILOGUE) this.code.push(assembleLine(line));
    const words = new Uint32Array(this.code.length * 2);
    for (const [n, pair] of this.code.entries()) words.set(pair, n * 2);
    return words;
  }

  #statement(depth: number): void {
    const random = this.#random;
    const choice = random.below(1000);
    if (this.#fragment && random.chance(20)) this.#varying();
    else if (choice < 830) this.#one(random.pick(ARITHMETIC));
    else if (choice < 900) this.#memory();
    else if (choice < 925) this.#one(DISCARD);
    else if (choice < 930) this.code.push(assembleLine(EPILOGUE[0]!));
    else if (choice < 940) this.#indirect();
    else if (choice < 945) this.#line(`MOV.i32 r${random.pick(ADDRESSES) + random.below(2)}, u${random.below(64)}`);
    else if (choice < 970) this.#branch();
    else if (depth > 2) this.#one(random.pick(ARITHMETIC));
    else if (choice < 985) this.#loop(depth);
    else this.#launder();
  }

  /** Singles become bits, but for NaNs. */
  #launder(): void {
    const random = this.#random;
    const [first, count] = RANGES.bits;
    const from = `r${RANGES.single[0] + random.below(RANGES.single[1])}`;
    this.#line(`CSEL.f32.eq r${first + random.below(count)}, ${from}, ${from}, ${from}, u${random.below(64)}`);
  }

  #line(text: string): void {
    this.code.push(assembleLine(text));
  }

  #one(spec: InstructionSpec): void {
    const words = instruction(this.#random, spec);
    if (words) this.code.push(words);
  }

  /** Mostly through an address that is good. */
  #memory(): void {
    const words = instruction(this.#random, this.#random.pick(MEMORY));
    if (!words) return;
    const { spec } = decode(words[0]!, words[1]!);
    if (spec.sources[0]!.size === 64 && this.#random.chance(90)) {
      const shared = this.#random.chance(15);
      const uniform = (SOURCE_KIND.UNIFORM << SOURCE_KIND_SHIFT) | UNIFORM_ADDRESS;
      setField(words, { bit: spec.sources[0]!.bit, width: 8 }, shared ? uniform : this.#random.pick(ADDRESSES));
      if (shared) setField(words, FAU_PAGE, 0);
    }
    if (/BUFFER/.test(spec.base) && this.#random.chance(80)) {
      setField(words, { bit: spec.sources[0]!.bit, width: 8 }, this.#random.pick(ADDRESSES));
      // Handle 0: the buffer.
      setField(words, { bit: spec.sources[1]!.bit, width: 8 }, SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT);
    }
    this.code.push(words);
  }

  /** Mostly at an offset that is in the record. */
  #varying(): void {
    if (this.#random.chance(25)) {
      this.#blend();
      return;
    }
    const words = instruction(this.#random, this.#random.pick(VARYINGS));
    if (!words) return;
    const offset = decode(words[0]!, words[1]!).spec.sources[1];
    if (offset && this.#random.chance(80)) {
      setField(words, { bit: offset.bit, width: 8 }, SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT);
    }
    this.code.push(words);
  }

  /** A colour to one of the draw's targets, which ends the lanes, leads them on, or neither. */
  #blend(): void {
    const random = this.#random;
    const [spec] = BLENDS as [InstructionSpec];
    const words = instruction(random, spec);
    if (!words) return;
    const { modifiers } = decode(words[0]!, words[1]!);
    const kind: Kind = modifiers.regfmt === 'f32' ? 'single' : modifiers.regfmt === 'f16' ? 'half' : 'bits';
    const [first, count] = RANGES[kind];
    setField(words, spec.staging[0]!.base, first + random.below(count - STAGED_WORDS));
    if (random.chance(90)) {
      const place = SPECIALS[0]!.indexOf('blend_descriptor_0') + random.below(3);
      const byte = (SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT) | (SPECIAL_FIRST + 2 * place);
      setField(words, { bit: spec.sources[0]!.bit, width: 8 }, byte);
      setField(words, FAU_PAGE, 0);
    }
    setField(words, spec.immediates[0]!, random.chance(70) ? 0 : 1 + random.below(2));
    if (random.chance(80)) setField(words, FLOW, 0);
    if (!valid(words, spec)) return;
    this.code.push(words);
    for (let n = 0; n < 2; n++) this.#one(random.pick(ARITHMETIC));
  }

  #branch(): void {
    const words = instruction(this.#random, BRANCH);
    if (!words) return;
    this.#open.push(this.code.length);
    this.code.push(words);
  }

  #close(at: number): void {
    setField(this.code[at]!, BRANCH.immediates[0]!, this.code.length - at - 1);
  }

  /** Up to three instructions forward, each lane by its own distance. */
  #indirect(): void {
    const words = instruction(this.#random, INDIRECT);
    if (!words) return;
    setField(words, { bit: INDIRECT.sources[1]!.bit, width: 8 }, DISTANCE);
    setField(words, INDIRECT.modifiers.find(({ name }) => name === 'absolute')!, 0);
    this.code.push(words);
    // Now and then nothing else leads to the next ones.
    if (this.#random.chance(40)) this.#line('BRANCHZ.eq 0x0, offset:3');
    for (let n = 0; n < 4; n++) this.#one(this.#random.pick(ARITHMETIC));
    while (this.#open.length > 0 && this.#random.chance(50)) this.#close(this.#open.pop()!);
  }

  #loop(depth: number): void {
    const top = this.code.length;
    this.statements(1 + this.#random.below(6), depth + 1);
    // Branches within these two would miss the count.
    this.#line(`RSHIFT_OR.i32 r${ROUNDS}, r${ROUNDS}, 0x1000000.b33, 0x0`);
    this.#line(`BRANCHZ r${ROUNDS}, offset:${top - this.code.length - 1}`);
  }
}

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f812345, 1, 0x80000001,
  0x007fffff, 0x00800000, 0x7f7fffff, 0x3effffff, 0x3f000000, 0x3f7fffff, 0x4b000000, 0x4b7fffff, 0x4effffff,
  0x4f000000, 0xcf000000, 0x4f7fffff, 0x4f800000, 0x33000000, 0x33800000, 0x387fc000, 0x38800000, 0x477fe000,
  0x477ff000, 0x3f800001, 0x40490fdb,
];
const HALF_VALUES = [
  0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 0xfd23, 1, 0x8001, 0x3ff, 0x400, 0x7bff, 0x3800,
];
const WORDS = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000];

function value(random: Random, kind: Kind): number {
  const choice = random.below(100);
  if (choice < 25) return random.word();
  const half = () => (random.chance(60) ? random.pick(HALF_VALUES) : random.below(65536));
  if (kind === 'half' || choice < 30) return (half() | (half() << 16)) >>> 0;
  if (kind === 'single' || choice < 50) {
    if (choice < 60) return random.pick(SINGLES);
    // A float of everyday size, with few or many bits of fraction.
    const exponent = 117 + random.below(24);
    const fraction = random.word() & (random.chance(50) ? 0x7fffff : 0x7c0000);
    return ((random.below(2) << 31) | (exponent << 23) | fraction) >>> 0;
  }
  return random.chance(60) ? random.pick(WORDS) : -random.pick(WORDS) >>> 0;
}

/** A triangle in and around the tile, in records that mostly lie in the data. */
function fragmentInput(random: Random): FragmentInput {
  const fraction = () => random.word() / 2 ** 32;
  const weights = random.pick(['vertices', 'inside'] as const);
  const corners = [0, 1, 2].map((n) => ({
    x: random.below(32 * 256) - 2048,
    y: random.below(32 * 256) - 2048,
    z: fraction(),
    inverseW: random.chance(50) ? 1 : random.chance(5) ? 0 : 2 ** (random.below(16) - 8) * (1 + fraction()),
    weight0: weights === 'vertices' ? (n === 0 ? 1 : 0) : fraction() / 2,
    weight1: weights === 'vertices' ? (n === 1 ? 1 : 0) : fraction() / 2,
  }));
  const packet = DATA_AT + 16 * random.below(DATA_SIZE / 16 - 64);
  const quads = Array.from({ length: LANES / 4 }, () => [2 * random.below(8), 2 * random.below(8)] as const);
  const lanes = Array.from({ length: LANES }, (_, n) => n);
  return {
    samples: random.chance(80) ? 1 : 4,
    corners,
    packets: [0, 1, 2].map(() => (random.chance(90) ? packet : DATA_AT + 16 * random.below(DATA_SIZE / 16))),
    slots: [0, 1, 2].map(() => random.below(16)),
    stride: 4 * random.below(32),
    provoking: random.below(3),
    x: lanes.map((n) => quads[n >> 2]![0] + (n & 1)),
    y: lanes.map((n) => quads[n >> 2]![1] + ((n >> 1) & 1)),
    late: random.chance(20),
    clear: random.word(),
    blends: [0, 1].map(() => ({
      mode: random.pick([BLEND_MODE.OPAQUE, BLEND_MODE.OPAQUE, BLEND_MODE.OPAQUE, BLEND_MODE.OFF]),
      order: random.chance(60) ? 0 : Number(random.pick(Object.keys(COMPONENT_ORDER))),
      raw: random.chance(5),
      alphaToOne: random.chance(10),
    })),
  };
}

function input(random: Random, fragment: boolean): Input {
  const registers = new Uint32Array(64 * LANES);
  for (let r = 0; r < 64; r++) {
    const kind = kindOf(r);
    const same = random.chance(15);
    const first = value(random, kind);
    for (let n = 0; n < LANES; n++) registers[r * LANES + n] = same ? first : value(random, kind);
  }
  const set = (r: number, lane: number, word: number) => {
    registers[r * LANES + lane] = word;
  };
  for (const r of ADDRESSES) {
    const bad = random.chance(2);
    const step = random.pick([0, 1, 2, 4, 8, 16, 64, 256]);
    const start = random.below(DATA_SIZE - 1024) & -random.pick([1, 2, 4, 8, 16]);
    const scattered = random.chance(20);
    for (let n = 0; n < LANES; n++) {
      let offset = scattered ? random.below(DATA_SIZE - 256) & -4 : (start + n * step) % (DATA_SIZE - 128);
      if (bad && random.chance(20)) offset = DATA_SIZE - 8 + random.below(8192);
      const address = DATA_AT + offset;
      set(r, n, address % 2 ** 32);
      set(r + 1, n, Math.floor(address / 2 ** 32));
    }
  }
  // Thread storage has addresses of its own.
  if (random.chance(10)) {
    const r = random.pick(ADDRESSES);
    for (let n = 0; n < LANES; n++) {
      set(r, n, random.chance(3) ? 64 : 4 * random.below(12));
      set(r + 1, n, THREAD_LOCAL_TAG);
    }
  }
  // Registers with the same values here and there, so that comparisons meet equals.
  for (let times = 0; times < 10; times++) {
    const [to, from] = [random.below(FIXED), random.below(FIXED)];
    if (kindOf(to) !== kindOf(from)) continue;
    for (let n = 0; n < LANES; n++) if (random.chance(70)) set(to, n, registers[from * LANES + n]!);
  }
  const clear = random.chance(30);
  if (clear) for (let r = 0; r < FIXED; r++) if (random.chance(60)) registers.fill(0, r * LANES, (r + 1) * LANES);
  const rounds = random.below(32);
  for (let n = 0; n < LANES; n++) {
    set(DISTANCE, n, random.below(4));
    set(ROUNDS, n, random.chance(50) ? rounds : random.below(32));
  }
  const uniforms = Uint32Array.from({ length: UNIFORM_WORDS }, () =>
    value(random, random.pick(['bits', 'single', 'half'])),
  );
  const shared = DATA_AT + 4 * random.below(DATA_SIZE / 8);
  uniforms[UNIFORM_ADDRESS] = shared % 2 ** 32;
  uniforms[UNIFORM_ADDRESS + 1] = Math.floor(shared / 2 ** 32);
  const data = Uint32Array.from({ length: DATA_SIZE / 4 }, () => random.word());
  const live = random.chance(60) ? ALL_LANES : random.word() & ALL_LANES || 1;
  const helpers = random.chance(70) ? 0 : random.word() & live;
  return {
    registers,
    uniforms,
    data: new Uint8Array(data.buffer),
    live,
    helpers,
    clear,
    budget: random.pick([7, 60, 1000]),
    fragment: fragment ? fragmentInput(random) : undefined,
  };
}

const INPUTS = 3;

export function shaderOf(seed: number): Shader {
  const random = new Random(seed);
  const fragment = random.chance(25);
  const writer = new Writer(random, fragment);
  writer.statements(4 + random.below(24), 0);
  return {
    code: writer.finish(),
    flushToZero: random.chance(60) ? 0 : 1 + random.below(3),
    inputs: Array.from({ length: INPUTS }, () => input(random, fragment)),
  };
}
