/**
 * Addresses of texels in AFBC superblocks, in emitted samplers.
 *
 * A superblock of this board's AFBC is one colour or plain, so its texels have addresses too, once its header has been read. The
 * function remembers the header that it has read last. Where a quad's footprint lies in one superblock, one header does; where
 * it lies in two by two neighbours, up to four are read; else, and where lanes name different layers, one for each texel. Any header that
 * is neither makes the record say that the sampler has failed.
 * Source: board/image/afbc.ts.
 */
import {
  AFBC_HEADER_BYTES,
  AFBC_PIXELS,
  AFBC_PLAIN_WORDS,
  AFBC_SUBBLOCK,
  AFBC_TILE,
  afbcBodyBytes,
  afbcHeaderIndex,
} from '../../board/image/afbc.ts';
import type { Code, ModuleBuilder } from '../wasm/builder.ts';
import type { TexelLayout } from './emit-address.ts';
import { pushPlace } from './emit-afbc-place.ts';
import { LEVEL, RECORD, type SamplerCode } from './emit-code.ts';

/** The first size in a header's second word; zero means one colour. */
const SIZE_MASK = 63;
/** Where a header of one colour has it. */
const COLOUR = 8;

/** Of a column or row: the number of the superblock, and the texel's place in it. */
interface Part {
  readonly block: number;
  readonly offset: number;
}

/** Bytes to the layers: of all lanes, and of the first one as a scalar; and the lanes that have another one than that. */
interface Layers {
  readonly plane: number;
  readonly first: number;
  readonly others: number;
}

export class AfbcEmitter {
  readonly #c: SamplerCode;
  readonly #layout: TexelLayout;
  readonly #width: number;
  readonly #height: number;
  /** The last header's address; the address of the first texel and the mask for places, in all lanes. */
  readonly #header: number;
  readonly #body: number;
  readonly #plain: number;

  constructor(c: SamplerCode, layout: TexelLayout) {
    this.#c = c;
    this.#layout = layout;
    this.#width = layout.superblock;
    this.#height = AFBC_PIXELS / layout.superblock;
    this.#header = c.f.local('i32');
    this.#body = c.f.local('v128');
    this.#plain = c.f.local('v128');
  }

  /** Another level: what is known of headers does not count. */
  reset(): void {
    this.#c.f.i32(0).set(this.#header);
  }

  /** `plane`: bytes from the level's address to the layer, if there are any. */
  footprint(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    const { f } = this.#c;
    const layers = plane === undefined ? undefined : this.#layers(plane);
    const across = columns.map((x) => this.#part(x, this.#width, 1, AFBC_SUBBLOCK * AFBC_SUBBLOCK));
    const down = rows.map((y) => this.#part(y, this.#height, AFBC_SUBBLOCK, this.#width * AFBC_SUBBLOCK));
    const places = down.flatMap((row) =>
      across.map((column) => ({
        row,
        column,
        offset: this.#c.vector(() => {
          f.get(column.offset).get(row.offset).op('v128_or');
          this.#c.times(this.#layout.bytes);
        }),
        address: f.local('v128'),
      })),
    );
    const [x, y] = [f.local('i32'), f.local('i32')];
    f.get(across[0]!.block).lane('i32x4_extract_lane', 0).set(x);
    f.get(down[0]!.block).lane('i32x4_extract_lane', 0).set(y);
    this.#differ(across, x);
    this.#differ(down, y);
    f.op('v128_or');
    if (layers) f.get(layers.others).op('v128_or');
    f.op('v128_any_true').op('i32_eqz').if();
    const at = f.local('i32');
    this.#headerAt(x, y, layers?.first);
    f.tee(at).get(this.#header).op('i32_ne').if();
    f.get(at).tee(this.#header);
    this.#read(layers?.first);
    f.op('i32x4_splat').set(this.#plain).op('i32x4_splat').set(this.#body);
    f.end();
    for (const { offset, address } of places) {
      f.get(offset).get(this.#plain).op('v128_and').get(this.#body).op('i32x4_add').set(address);
    }
    f.else();
    this.#neighbours(across, down, places, layers);
    f.end();
    return places.map(({ address }) => address);
  }

  #layers(plane: number): Layers {
    const { f } = this.#c;
    const first = f.local('i32');
    f.get(plane).lane('i32x4_extract_lane', 0).set(first);
    const others = this.#c.vector(() => f.get(plane).get(first).op('i32x4_splat').op('i32x4_ne'));
    return { plane, first, others };
  }

  /** Leaves what the blocks differ in from `first`. */
  #differ(parts: readonly Part[], first: number): void {
    const { f } = this.#c;
    const splat = this.#c.vector(() => f.get(first).op('i32x4_splat'));
    for (const [n, { block }] of parts.entries()) {
      f.get(block).get(splat).op('v128_xor');
      if (n > 0) f.op('v128_or');
    }
  }

  /** A superblock is rows of 4×4 subblocks: so many texels a step, so many a subblock. */
  #part(index: number, size: number, step: number, subblock: number): Part {
    const { f } = this.#c;
    const block = this.#c.vector(() => f.get(index).i32(Math.log2(size)).op('i32x4_shr_u'));
    const offset = this.#c.vector(() => pushPlace(this.#c, index, size, step, subblock, 1));
    return { block, offset };
  }

  /** Pushes the address of the header of superblock (x, y) of a layer, scalars. */
  #headerAt(x: number, y: number, layer: number | undefined): void {
    const { f, level } = this.#c;
    const tile = Math.log2(AFBC_TILE);
    if (!this.#layout.tiledHeaders) {
      f.get(y).get(level).memory('i32_load', LEVEL.rowStride).op('i32_mul');
      f.get(x).i32(Math.log2(AFBC_HEADER_BYTES)).op('i32_shl').op('i32_add');
    } else {
      f.get(y).i32(tile).op('i32_shr_u').get(level).memory('i32_load', LEVEL.rowStride).op('i32_mul');
      f.get(x)
        .i32(tile)
        .op('i32_shr_u')
        .i32(2 * tile + Math.log2(AFBC_HEADER_BYTES))
        .op('i32_shl')
        .op('i32_add');
      for (let bit = 0; bit < tile; bit++) {
        const [one, two] = [afbcHeaderIndex(1 << bit, 0, 0, true), afbcHeaderIndex(0, 1 << bit, 0, true)];
        for (const [of, index] of [
          [x, one],
          [y, two],
        ] as const) {
          const shift = Math.log2(index * AFBC_HEADER_BYTES) - bit;
          f.get(of)
            .i32(1 << bit)
            .op('i32_and')
            .i32(shift)
            .op('i32_shl')
            .op('i32_or');
        }
      }
    }
    f.get(level).memory('i32_load', LEVEL.base).op('i32_add');
    if (layer !== undefined) f.get(layer).op('i32_add');
  }

  /** From the address of a layer's header on the stack to the address of the first texel and the mask for places. */
  #read(layer: number | undefined): void {
    const { f } = this.#c;
    f.get(this.#c.level);
    if (layer === undefined) f.i32(0);
    else f.get(layer);
    f.get(this.#c.record).call(this.#c.header!);
  }

  /** Superblocks that are not all the same. */
  #neighbours(
    across: readonly Part[],
    down: readonly Part[],
    places: readonly { row: Part; column: Part; offset: number; address: number }[],
    layers: Layers | undefined,
  ): void {
    const { f } = this.#c;
    const [left, top] = [f.local('i32'), f.local('i32')];
    const lefts = this.#least(across, left);
    const tops = this.#least(down, top);
    // One if a block is not the first; more: then it is far.
    const beyond = (parts: readonly Part[], first: number): number[] =>
      parts.map(({ block }) => this.#c.vector(() => f.get(block).get(first).op('i32x4_sub')));
    const right = beyond(across, lefts);
    const below = beyond(down, tops);
    for (const [n, local] of [...right, ...below, ...(layers ? [layers.others] : [])].entries()) {
      f.get(local);
      if (n > 0) f.op('v128_or');
    }
    this.#c.words(1).op('i32x4_gt_u').op('v128_any_true').op('i32_eqz').if();
    const found: { body: number; plain: number }[] = [];
    const [x, y] = [f.local('i32'), f.local('i32')];
    for (const j of [0, 1]) {
      for (const i of [0, 1]) {
        // What is not needed is read from the first.
        const add = (to: number, from: number, step: number, used: readonly number[]): void => {
          f.get(from);
          if (step) {
            for (const [n, local] of used.entries()) {
              f.get(local);
              if (n > 0) f.op('v128_or');
            }
            f.op('v128_any_true').op('i32_add');
          }
          f.set(to);
        };
        add(x, left, i, right);
        add(y, top, j, below);
        this.#headerAt(x, y, layers?.first);
        this.#read(layers?.first);
        const [plain, body] = [f.local('v128'), f.local('v128')];
        f.op('i32x4_splat').set(plain).op('i32x4_splat').set(body);
        found.push({ body, plain });
      }
    }
    const masks = (of: readonly number[]): number[] =>
      of.map((local) =>
        this.#c.vector(() => {
          f.get(local);
          this.#c.words(0).op('i32x4_ne');
        }),
      );
    const [rights, belows] = [masks(right), masks(below)];
    for (const { row, column, offset, address } of places) {
      const [r, b] = [rights[across.indexOf(column)]!, belows[down.indexOf(row)]!];
      const pick = (what: 'body' | 'plain'): void => {
        f.get(found[3]![what]).get(found[2]![what]).get(r).op('v128_bitselect');
        f.get(found[1]![what]).get(found[0]![what]).get(r).op('v128_bitselect');
        f.get(b).op('v128_bitselect');
      };
      f.get(offset);
      pick('plain');
      f.op('v128_and');
      pick('body');
      f.op('i32x4_add').set(address);
    }
    f.else();
    const layer = layers && f.local('i32');
    for (const { row, column, offset, address } of places) {
      for (const lane of [0, 1, 2, 3]) {
        const [body, plain] = [f.local('i32'), f.local('i32')];
        f.get(column.block).lane('i32x4_extract_lane', lane).set(x);
        f.get(row.block).lane('i32x4_extract_lane', lane).set(y);
        if (layers) f.get(layers.plane).lane('i32x4_extract_lane', lane).set(layer!);
        this.#headerAt(x, y, layer);
        this.#read(layer);
        f.set(plain).set(body);
        f.get(address).get(offset).lane('i32x4_extract_lane', lane).get(plain).op('i32_and').get(body).op('i32_add');
        f.lane('i32x4_replace_lane', lane).set(address);
      }
    }
    f.end();
  }

  /** The least of the blocks, also as a scalar. */
  #least(parts: readonly Part[], scalar: number): number {
    const { f } = this.#c;
    const least = f.local('v128');
    for (const [n, { block }] of parts.entries()) {
      f.get(block);
      if (n > 0) f.op('i32x4_min_u');
    }
    f.tee(least).get(least).get(least).shuffle32(2, 3, 0, 1).op('i32x4_min_u');
    f.tee(least).get(least).get(least).shuffle32(1, 0, 3, 2).op('i32x4_min_u');
    f.tee(least).lane('i32x4_extract_lane', 0).set(scalar);
    return least;
  }
}

/**
 * Reads the header at an address, of the layer so many bytes behind the level's address: answers the address of the superblock's first
 * texel, and -1 as a mask for places in it, or 0 where there is one colour. After a header that is neither, the record says so, and
 * the address is harmless.
 */
export function headerFunction(m: ModuleBuilder, { bytes }: TexelLayout, dram: number): Code {
  const f = m.function('texture_afbc', ['i32', 'i32', 'i32', 'i32'], ['i32', 'i32']);
  const [at, level, layer, record] = [0, 1, 2, 3];
  const header = f.local('v128');
  const body = f.local('i32');
  f.get(at).memory('v128_load', 0, dram).tee(header);
  f.lane('i32x4_extract_lane', 1).i32(SIZE_MASK).op('i32_and').if();
  // The body must end inside the surface.
  f.get(header)
    .v128(0, ...AFBC_PLAIN_WORDS.slice(1))
    .op('v128_xor')
    .v128(0, -1, -1, -1)
    .op('v128_and');
  f.op('v128_any_true').op('i32_eqz').if();
  f.get(header).lane('i32x4_extract_lane', 0).tee(body);
  f.get(level).memory('i32_load', LEVEL.size).i32(afbcBodyBytes(bytes)).op('i32_sub').op('i32_le_u').if();
  f.get(level).memory('i32_load', LEVEL.base).get(layer).op('i32_add').get(body).op('i32_add').i32(-1).op('return');
  f.end().end();
  f.get(record).i32(1).memory('i32_store', RECORD.failed);
  f.end();
  f.get(at).i32(COLOUR).op('i32_add').i32(0);
  return f;
}
