/** What fuzzed shaders start with: which register is for what, and random values for all of them, for the uniforms and the data. */
import { PIXEL_CURRENT, PixelIndices, resourceHandle } from '../../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../../abi/layout.ts';
import { ALL_LANES, LANES } from '../../../mali/shader/contract.ts';
import { THREAD_LOCAL_TAG } from '../../../mali/shader/warp.ts';
import type { Random } from '../random.ts';
import type { FragmentInput, Triangle } from './fragment.ts';
import { listInput } from './list.ts';
import { ATTRIBUTE_TABLE, DATA_AT, DATA_SIZE, UNIFORM_WORDS } from './memory.ts';
import { dataOf, type Pool } from './pool.ts';
import { HANDLE_REGISTER, handleOf, setHandles, type Textures } from './texture.ts';
import { type ThreadKind, type ThreadsInput, threadsInput } from './threads.ts';
import { type Kind, wordOf } from './values.ts';

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
/** Uniforms that hold places in images, and the one that names a pixel's sample in the tile buffer. */
export const UNIFORM_PLACES = [36, 37] as const;
export const UNIFORM_PIXEL = 38;
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
  /** Whose tables are in memory. */
  readonly pool: Pool;
  /** Tables of textures and samplers, and of attributes and the buffers that they read. */
  readonly textures: number;
  readonly attributes: number;
  readonly live: number;
  readonly helpers: number;
  /** The registers are cleared as a stage does, and then only those written that are not zero in all lanes. */
  readonly clear: boolean;
  /** The program needs helper threads: a list says which lanes these are. */
  readonly requiresHelpers: boolean;
  /** Instructions of one slice. */
  readonly budget: number;
  /** The output buffer of a vertex shader. */
  readonly output: { readonly base: number; readonly stride: number; readonly count: number } | undefined;
  /** Threads to be worked off instead of one warp, for a vertex or compute shader. */
  readonly threads: ThreadsInput | undefined;
  /** For a fragment shader. */
  readonly fragment: FragmentInput | undefined;
}

/** Whether a triangle has no area, which set-up refuses. */
const isFlat = (corners: readonly { readonly x: number; readonly y: number }[]): boolean => {
  const [a, b, c] = corners as [(typeof corners)[0], (typeof corners)[0], (typeof corners)[0]];
  return (b.x - a.x) * (c.y - a.y) === (c.x - a.x) * (b.y - a.y);
};

/** A triangle in and around the tile, in records that mostly lie in the data. */
function triangle(random: Random): Triangle {
  const fraction = () => random.word() / 2 ** 32;
  const weights = random.pick(['vertices', 'inside'] as const);
  const corners = [0, 1, 2].map((n) => ({
    x: random.below(32 * 256) - 2048,
    y: random.below(32 * 256) - 2048,
    z: fraction(),
    inverseW: random.chance(50) ? 1 : random.chance(5) ? 0 : 2 ** (random.below(16) - 8) * (1 + fraction()),
    weight1: weights === 'vertices' ? (n === 1 ? 1 : 0) : fraction() / 2,
    weight2: weights === 'vertices' ? (n === 2 ? 1 : 0) : fraction() / 2,
  }));
  if (isFlat(corners)) return triangle(random);
  const packet = DATA_AT + 16 * random.below(DATA_SIZE / 16 - 64);
  return {
    corners,
    packets: [0, 1, 2].map(() => (random.chance(90) ? packet : DATA_AT + 16 * random.below(DATA_SIZE / 16))),
    slots: [0, 1, 2].map(() => random.below(16)),
    provoking: random.below(3),
    backFacing: random.chance(30),
  };
}

function fragmentInput(random: Random, { draws }: Pool, list: boolean): FragmentInput {
  const draw = random.pick(draws);
  const quads = Array.from({ length: LANES / 4 }, () => [2 * random.below(8), 2 * random.below(8)] as const);
  const lanes = Array.from({ length: LANES }, (_, n) => n);
  const everything = 2 ** draw.samples - 1;
  return {
    ...triangle(random),
    draw,
    coverage: lanes.map(() => (random.chance(70) ? everything : random.below(everything + 1))),
    x: lanes.map((n) => quads[n >> 2]![0] + (n & 1)),
    y: lanes.map((n) => quads[n >> 2]![1] + ((n >> 1) & 1)),
    list: list ? listInput(random, draw.samples, triangle(random)) : undefined,
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

const REGISTERS = 64;

/** Any values, now and then one for all lanes of a register. */
function anyRegisters(random: Random, { values }: Pool): Uint32Array {
  const registers = new Uint32Array(REGISTERS * LANES);
  for (let r = 0; r < REGISTERS; r++) {
    const table = values[kindOf(r)];
    if (random.chance(15)) registers.fill(wordOf(random, table), r * LANES, (r + 1) * LANES);
    else for (let n = 0; n < LANES; n++) registers[r * LANES + n] = wordOf(random, table);
  }
  return registers;
}

const KINDS = ['bits', 'single', 'half'] as const;

function anyUniforms(random: Random, { values }: Pool): Uint32Array {
  const words = new Uint32Array(UNIFORM_WORDS);
  for (let n = 0; n < UNIFORM_WORDS; n++) words[n] = wordOf(random, values[random.pick(KINDS)]);
  return words;
}

/** Whole register files for warps that begin with any. */
function registersOf(random: Random, pool: Pool, textures: Textures, clear: boolean): Uint32Array {
  const registers = anyRegisters(random, pool);
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
  const handle = handleOf(random, textures);
  const other = random.chance(20) ? handleOf(random, textures) : handle;
  for (let n = 0; n < LANES; n++) set(HANDLE_REGISTER, n, random.chance(40) ? other : handle);
  return registers;
}

/** The sample of the current pixel that accesses to the tile buffer name; now and then none. */
function pixelIndices(random: Random, samples: number): number {
  const bytes = viewOf(new Uint8Array(PixelIndices.size));
  PixelIndices.write(bytes, 0, {
    sample: random.chance(97) ? random.below(samples) : random.below(256),
    renderTarget: random.chance(98) ? 0 : random.below(3),
    x: random.chance(50) ? 0 : random.below(256),
    y: random.chance(98) ? PIXEL_CURRENT : random.below(256),
  });
  return bytes.getUint32(0, true);
}

const NO_REGISTERS = new Uint32Array(REGISTERS * LANES);

export function input(random: Random, pool: Pool, stage: FuzzStage): Input {
  const fragment = isFragment(stage);
  const clear = random.chance(30);
  const table = random.below(pool.textures.length);
  const textures = pool.textures[table]!;
  const uniforms = anyUniforms(random, pool);
  const shared = DATA_AT + 4 * random.below(DATA_SIZE / 8);
  uniforms[UNIFORM_ADDRESS] = shared % 2 ** 32;
  uniforms[UNIFORM_ADDRESS + 1] = Math.floor(shared / 2 ** 32);
  setHandles(random, textures, uniforms);
  for (let n = 0; n < HANDLES; n++) uniforms[UNIFORM_HANDLES + n] = resourceHandle(ATTRIBUTE_TABLE, n);
  for (const u of UNIFORM_PLACES) uniforms[u] = random.below(40) | (random.below(40) << 16);
  const drawn = fragment ? fragmentInput(random, pool, stage === 'list') : undefined;
  uniforms[UNIFORM_PIXEL] = pixelIndices(random, drawn?.draw.samples ?? 1);
  const live = random.chance(60) ? ALL_LANES : random.word() & ALL_LANES || 1;
  const helpers = random.chance(70) ? 0 : random.word() & live;
  return {
    registers: stage === undefined || stage === 'warp' ? registersOf(random, pool, textures, clear) : NO_REGISTERS,
    uniforms,
    data: dataOf(random, pool),
    pool,
    textures: table,
    attributes: random.below(pool.attributes.length),
    live,
    helpers,
    clear,
    budget: random.pick([7, 60, 1000]),
    requiresHelpers: random.chance(50),
    output: stage === 'vertex' || (stage === undefined && random.chance(50)) ? output(random) : undefined,
    threads: stage === 'vertex' || stage === 'compute' ? threadsInput(random, stage) : undefined,
    fragment: drawn,
  };
}
