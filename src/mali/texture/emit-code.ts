/**
 * What the parts of a sampler's emitter share: the function, constants, and the records that it reads.
 *
 * Constants lie in scratch memory, sixteen bytes each: loading one is cheaper than a `v128.const`, and a processor reads it as
 * an operand. For the same reason all numbers of a record (`RECORD`, `LEVEL`) stand there four times, once a lane.
 */
import { constantWords } from '../engine/constants.ts';
import { scratch } from '../engine/scratch.ts';
import type { Code } from '../wasm/builder.ts';

const AXES = 3;

/** What a level knows of an axis: byte offsets. Sizes are in texels; those with 256 in 1/256 texel, as floats. */
export const AXIS = {
  /** Texels, and the last one's index. */
  count: 0,
  last: 16,
  /** Texels as a float. */
  size: 32,
  /** What a coordinate is multiplied by: the size, or 1. */
  scale256: 48,
  size256: 64,
  last256: 80,
  bytes: 96,
} as const;

/** A level of a texture: byte offsets. */
export const LEVEL = {
  base: 0,
  rowStride: 16,
  /** Bytes between layers, and between slices or samples. */
  layerStride: 32,
  sliceStride: 48,
  /** AFBC: bytes that bodies lie in. */
  size: 64,
  /** YUV: the planes of chroma, bytes between their rows, and their last column and row. */
  chroma: 80,
  chromaSecond: 96,
  chromaStride: 112,
  chromaLastX: 128,
  chromaLastY: 144,
  axes: 160,
  bytes: 160 + AXES * AXIS.bytes,
} as const;

/** A texture and a sampler: bounds of levels of detail, then the levels. */
export const RECORD = {
  bias: 0,
  minimumLod: 16,
  maximumLod: 32,
  /** What levels of detail may not be above: the texture's bound, the last level, or the lower of both, as the instruction has it. */
  lastLod: 48,
  /** Floats: what one of x, y and z is in texels of level 0. */
  scale: 64,
  /** Set when texels cannot be had: the script has to do it. */
  failed: 112,
  /** Layers, less one as a float. */
  layers: 128,
  lastLayer: 144,
  /** Slices or samples of a texture that is fetched from. */
  slices: 160,
  /** Samples at most of an anisotropic filter, as a float. */
  anisotropy: 176,
  /** R, G, B and A. */
  border: 192,
  levels: 256,
} as const;

/** Fills a vector of a record with an integer, or with a single. */
export function setInteger(at: number, value: number): void {
  scratch.i32.fill(value, at / 4, at / 4 + 4);
}
export function setSingle(at: number, value: number): void {
  scratch.f32.fill(value, at / 4, at / 4 + 4);
}

const view = new DataView(new ArrayBuffer(4));

/** Functions beside a sampler's own, where it needs them. */
export interface Helpers {
  readonly header?: Code | undefined;
  readonly block?: Code | undefined;
}

/** Indices that one look-up tells apart. */
export const LOOKED = 16;

/** Sixteen bytes as words. */
export const wordsOfBytes = (byte: (i: number) => number): number[] =>
  [0, 4, 8, 12].map((at) => [0, 1, 2, 3].reduce((word, i) => word | (byte(at + i) << (8 * i)), 0));

/** The memory that texels are in: its number among the module's, its bytes. */
export interface DramMemory {
  readonly dram: number;
  readonly dramBytes: number;
}

export class SamplerCode {
  readonly f: Code;
  readonly dram: number;
  readonly dramBytes: number;
  /** Which of the quads that are sampled at a time. */
  readonly quad: number;
  /** Locals: addresses of the binding's record, and of the level's. */
  readonly record: number;
  readonly level: number;
  /** What reads AFBC headers (emit-afbc.ts), or finds compressed blocks (block-cache.ts). */
  readonly header: Code | undefined;
  readonly block: Code | undefined;
  /** Two addresses in work. */
  readonly #pair: number;
  /** Vectors that are being computed within others. */
  #nesting = 0;

  constructor(f: Code, quad: number, { dram, dramBytes }: DramMemory, record: number, { header, block }: Helpers) {
    this.f = f;
    this.quad = quad;
    this.dramBytes = dramBytes;
    this.header = header;
    this.block = block;
    this.dram = dram;
    this.record = record;
    this.level = f.local('i32');
    this.#pair = f.local('i64');
  }

  /** A new local of what `emit` leaves on the stack. Outside of other vectors, nothing else is on the stack. */
  vector(emit: () => void): number {
    const local = this.f.local('v128');
    this.#nesting++;
    emit();
    this.#nesting--;
    this.f.set(local);
    this.seam();
    return local;
  }

  /** A statement ends: other strands may come between (`Code.weave`), unless this is within a vector that is being computed. */
  seam(): void {
    if (this.#nesting === 0) this.f.seam();
  }

  /** Pushes four words, or one for all lanes. */
  words(...words: number[]): Code {
    const [a, b = a, c = a, d = a] = words as [number, number?, number?, number?];
    const at = constantWords(a, b, c, d);
    return at === undefined ? this.f.v128(a, b, c, d) : this.f.i32(0).memory('v128_load', at);
  }

  single(x: number): Code {
    view.setFloat32(0, x);
    return this.words(view.getInt32(0));
  }

  /** Number of the memory in which texels are: decoded blocks lie in scratch memory. */
  get texels(): number {
    return this.block ? 0 : this.dram;
  }

  /** Pushes a number of the level's record. */
  field(offset: number): Code {
    return this.f.get(this.level).memory('v128_load', offset);
  }

  /** Pushes a number of the binding's record. */
  known(offset: number): Code {
    return this.f.get(this.record).memory('v128_load', offset);
  }

  /** Pushes `order` of indices modulo LOOKED; it must be a byte, and 0 for 0. */
  look(index: number, order: (i: number) => number): void {
    this.words(...wordsOfBytes(order)).get(index);
    // The upper bytes of each word look up 0.
    this.words(LOOKED - 1)
      .op('v128_and')
      .op('i8x16_relaxed_swizzle');
  }

  /**
   * A local of the words at each lane's address and so many bytes behind it. Two addresses leave the vector at once: processors
   * are slow at moves from vectors to integers.
   */
  gather(address: number, offset: number, memory: number): number {
    const { f } = this;
    const words = f.local('v128');
    for (const half of [0, 1]) {
      f.get(address).lane('i64x2_extract_lane', half).set(this.#pair);
      f.get(this.#pair).op('i32_wrap_i64');
      if (half === 0) f.memory('v128_load32_zero', offset, memory);
      else f.get(words).memoryLane(false, 2, offset, memory);
      f.set(words);
      f.get(this.#pair).i64(32n).op('i64_shr_u').op('i32_wrap_i64').get(words);
      f.memoryLane(false, 2 * half + 1, offset, memory).set(words);
      this.seam();
    }
    return words;
  }

  /** The vector on the stack times a number. */
  times(factor: number): void {
    const shift = Math.log2(factor);
    if (!Number.isInteger(shift)) this.words(factor).op('i32x4_mul');
    else if (shift) this.f.i32(shift).op('i32x4_shl');
  }
}
