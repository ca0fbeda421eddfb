/**
 * What fuzzed shaders start with: which register is for what, and random values for all of them, for the uniforms and the data.
 *
 * Values are those at which arithmetic has edges (zeros, infinities, NaNs, subnormals, powers of two), everyday ones, and any.
 */

import { ALL_LANES, LANES } from '../../../mali/shader/contract.ts';
import { THREAD_LOCAL_TAG } from '../../../mali/shader/warp.ts';
import type { Random } from '../random.ts';
import { descriptors } from './descriptors.ts';
import type { FragmentInput, Triangle } from './fragment.ts';
import { listInput } from './list.ts';
import { ATTRIBUTE_TABLE, DATA_AT, DATA_SIZE, TEXTURES_AT, UNIFORM_WORDS } from './memory.ts';
import { blendInput, depthInput, internalFormat } from './output.ts';
import { HANDLE_REGISTER, handleOf, setHandles, textureBytes } from './texture.ts';
import { type ThreadKind, type ThreadsInput, threadsInput } from './threads.ts';

/** How a register may be looked at: instruction.ts says why. */
export type Kind = 'bits' | 'single' | 'half';

/** Registers by use: [first, number]. */
export const RANGES: Record<Kind, readonly [first: number, count: number]> = {
  single: [0, 14],
  half: [14, 14],
  bits: [28, 20],
};
/** Pairs that hold an address of the data for each lane. */
export const ADDRESSES = [48, 50, 52, 54] as const;
/** Registers from here on are addresses and counters. */
const FIXED = 48;
/** The first of two uniforms that hold an address for all lanes. */
export const UNIFORM_ADDRESS = 60;
/** The first of the uniforms that hold handles of attributes. */
export const UNIFORM_HANDLES = 56;
export const HANDLES = 4;
export const STAGED_WORDS = 4;
/** How far each lane's indirect branches go, and how many rounds its loops have. */
export const DISTANCE = 61;
export const ROUNDS = 62;

/** A small number for each lane, and one that most of them share. */
export const INDICES = [56, 57] as const;

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
  /** Descriptors of textures and samplers. */
  readonly textures: Uint8Array;
  readonly live: number;
  readonly helpers: number;
  /** The registers are cleared as a stage does, and then only those written that are not zero in all lanes. */
  readonly clear: boolean;
  /** The program needs helper threads: a list says which lanes these are. */
  readonly requiresHelpers: boolean;
  /** Instructions of one slice. */
  readonly budget: number;
  /** Attribute descriptors and the buffers that they read. */
  readonly descriptors: Uint8Array;
  /** The output buffer of a vertex shader. */
  readonly output: { readonly base: number; readonly stride: number; readonly count: number } | undefined;
  /** Threads to be worked off instead of one warp, for a vertex or compute shader. */
  readonly threads: ThreadsInput | undefined;
  /** For a fragment shader. */
  readonly fragment: FragmentInput | undefined;
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
function triangle(random: Random): Triangle {
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
  return {
    corners,
    packets: [0, 1, 2].map(() => (random.chance(90) ? packet : DATA_AT + 16 * random.below(DATA_SIZE / 16))),
    slots: [0, 1, 2].map(() => random.below(16)),
    provoking: random.below(3),
    backFacing: random.chance(30),
  };
}

function fragmentInput(random: Random, list: boolean): FragmentInput {
  const quads = Array.from({ length: LANES / 4 }, () => [2 * random.below(8), 2 * random.below(8)] as const);
  const lanes = Array.from({ length: LANES }, (_, n) => n);
  const internal = internalFormat(random);
  const samples = random.chance(65) ? 1 : 4;
  const everything = 2 ** samples - 1;
  return {
    ...triangle(random),
    samples,
    coverage: lanes.map(() => (random.chance(70) ? everything : random.below(everything + 1))),
    stride: 4 * random.below(32),
    x: lanes.map((n) => quads[n >> 2]![0] + (n & 1)),
    y: lanes.map((n) => quads[n >> 2]![1] + ((n >> 1) & 1)),
    late: random.chance(30),
    clear: random.word(),
    internal,
    blends: [0, 1].map(() => blendInput(random, internal)),
    depth: depthInput(random),
    alphaToCoverage: random.chance(35),
    alphaToCoverageInvert: random.chance(50),
    multisample: random.chance(80),
    list: list ? listInput(random, samples, triangle(random)) : undefined,
  };
}

/** Where a vertex shader's outputs go: 64 elements, and as many again 2 KiB further on. */
const output = (random: Random) => ({
  base: DATA_AT + 16 * random.below(DATA_SIZE / 16),
  stride: 4 * random.below(16),
  count: random.pick([64, 128]),
});

/** What is fuzzed: one warp of a fragment shader or a list of quads, a list of threads, or a warp that begins with any registers. */
export type FuzzStage = 'warp' | 'list' | ThreadKind | undefined;

export const isFragment = (stage: FuzzStage): stage is 'warp' | 'list' => stage === 'warp' || stage === 'list';

export function input(random: Random, stage: FuzzStage): Input {
  const fragment = isFragment(stage);
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
  const common = random.below(40);
  for (let n = 0; n < LANES; n++) {
    set(INDICES[0], n, random.chance(8) ? random.pick([63, 64, 127, 128, 70_000]) : random.below(100));
    set(INDICES[1], n, random.chance(95) ? common : random.word());
  }
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
  setHandles(random, uniforms);
  const [handle, other] = [handleOf(random), random.chance(20) ? handleOf(random) : undefined];
  for (let n = 0; n < LANES; n++) set(HANDLE_REGISTER, n, random.chance(40) ? (other ?? handle) : handle);
  const textures = textureBytes(random, TEXTURES_AT, DATA_AT, DATA_SIZE);
  for (let n = 0; n < HANDLES; n++) uniforms[UNIFORM_HANDLES + n] = ATTRIBUTE_TABLE * 2 ** 24 + n;
  const data = Uint32Array.from({ length: DATA_SIZE / 4 }, () => random.word());
  const live = random.chance(60) ? ALL_LANES : random.word() & ALL_LANES || 1;
  const helpers = random.chance(70) ? 0 : random.word() & live;
  return {
    registers,
    uniforms,
    data: new Uint8Array(data.buffer),
    textures,
    live,
    helpers,
    clear,
    budget: random.pick([7, 60, 1000]),
    requiresHelpers: random.chance(50),
    descriptors: descriptors(random),
    output: stage === 'vertex' || (stage === undefined && random.chance(50)) ? output(random) : undefined,
    threads: stage === 'vertex' || stage === 'compute' ? threadsInput(random, stage) : undefined,
    fragment: fragment ? fragmentInput(random, stage === 'list') : undefined,
  };
}
