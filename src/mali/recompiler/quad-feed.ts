/**
 * How recompiled code takes its next quads from the fragment front end's list (engine/quads.ts): which lanes live, what is
 * preloaded, and what the fragment stage is told of the warp in work (quad-told.ts). The same in script, which is the
 * reference: shader/quad-list.ts.
 *
 * Code for whole warps takes four quads at a time, other code fewer, as the first lanes of a warp; where it stops within a
 * warp of the list, STAGE.part says at which quad.
 */
import { FRAGMENT_PRELOAD as P } from '../../abi/isa/preload.ts';
import { PRIMITIVE, QUAD_LIST, WEIGHTS_BYTES } from '../engine/quads.ts';
import { pushStep, toCenter } from '../fragment/wasm/depth-plane.ts';
import { WARP } from '../fragment/wasm/raster.ts';
import type { Callable, Code, Label, ModuleBuilder } from '../wasm/builder.ts';
import type { ListWays } from './draw-ways.ts';
import type { Body, Feed } from './flow-code.ts';
import { FRAME, STAGE, STATUS, TILE_SHIFT } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { emitTold, TOLD } from './quad-told.ts';
import { bringsAddresses } from './quadwise.ts';

const QUADS = 4;
const VECTOR_BYTES = 16;
/** What taking a quad costs, in instructions. */
const QUAD_COST = 4;

export class QuadFeed implements Feed {
  /**
   * Locals: scratch address of STAGE; of each quad in work the primitive, the samples, and the number of the first pixel in
   * the tile.
   */
  readonly stage: number;
  readonly primitive: readonly number[];
  readonly samples: readonly number[];
  readonly pixel: readonly number[];
  readonly #b: Body;
  /** What the draw does; where tests have been made before shading nobody looks at the warp but steps of the interpreter. */
  readonly ways: ListWays;
  readonly #told: Callable;
  readonly #left: number;
  readonly #top: number;
  /** The centre of the tile's first pixel in the window, in 1/256 pixel (doubles), and the quads' places in the tile. */
  readonly #center: { readonly x: number; readonly y: number };
  readonly #within: { readonly x: readonly number[]; readonly y: readonly number[] };
  readonly #list: number;
  /** The next quad, and the end of the list's. */
  readonly #quad: number;
  readonly #end: number;
  /** Samples that count, and the number of the only one, both in all lanes. */
  readonly #wanted: number;
  readonly #sample: number;
  readonly #at: number;
  readonly #covered: number;

  constructor(body: Body, module: ModuleBuilder, ways: ListWays) {
    this.#b = body;
    this.ways = ways;
    const { code, lanes } = body;
    const told = module.function('told', [...TOLD], []);
    emitTold(told, lanes.vectors);
    this.#told = told;
    this.#left = code.local('v128');
    this.#top = code.local('v128');
    const each = (type: 'i32' | 'v128'): number[] => code.locals(type, lanes.vectors);
    this.#center = { x: code.local('f64'), y: code.local('f64') };
    this.#within = { x: each('i32'), y: each('i32') };
    this.primitive = each('i32');
    this.pixel = each('i32');
    this.samples = each('v128');
    this.stage = code.local('i32');
    this.#list = code.local('i32');
    this.#quad = code.local('i32');
    this.#end = code.local('i32');
    this.#wanted = code.local('v128');
    this.#sample = code.local('v128');
    this.#at = code.local('i32');
    this.#covered = code.local('i32');
  }

  open(): void {
    const { code } = this.#b;
    const stage = (field: number): void => {
      code.get(this.stage).memory('i32_load', field);
    };
    code.get(1).memory('i32_load', FRAME.stage).set(this.stage);
    stage(STAGE.list);
    code.set(this.#list);
    stage(STAGE.warp);
    code.i32(2).op('i32_shl');
    stage(STAGE.part);
    code.op('i32_add').set(this.#quad);
    stage(STAGE.warps);
    code.i32(2).op('i32_shl').set(this.#end);
    stage(STAGE.left);
    code.op('i32x4_splat').v128(0, 1, 0, 1).op('i32x4_add').set(this.#left);
    for (const axis of ['x', 'y'] as const) {
      stage(axis === 'x' ? STAGE.left : STAGE.top);
      toCenter(code).set(this.#center[axis]);
    }
    stage(STAGE.top);
    code.op('i32x4_splat').v128(0, 0, 1, 1).op('i32x4_add').set(this.#top);
    if (!this.ways.multisampled) return;
    code.i32(-1).op('i32x4_splat').set(this.#wanted);
    stage(STAGE.sample);
    code.i32(0).op('i32_ge_s');
    code.if();
    code.i32(1);
    stage(STAGE.sample);
    code.op('i32_shl').op('i32x4_splat').set(this.#wanted);
    stage(STAGE.sample);
    code.i32(16).op('i32_shl').op('i32x4_splat').set(this.#sample);
    code.end();
  }

  take(again: Label): void {
    const { code, lanes, bits, live, discarded, fuel, running } = this.#b;
    const { vectors } = lanes;
    code.get(this.#quad).get(this.#end).op('i32_ge_u');
    code.unlikely().if();
    this.#b.quit(STATUS.DONE);
    code.end();
    code.get(fuel).i32(1).op('i32_lt_s');
    code.unlikely().if();
    this.#b.quit(STATUS.SLICE);
    code.end();
    code.get(this.#list).get(this.#quad).op('i32_add').set(this.#at);
    code.get(fuel).i32(QUAD_COST).op('i32_sub').set(fuel);
    for (let k = 0; k < vectors; k++) {
      code.get(this.#list).get(this.#quad).i32(3).op('i32_shl').op('i32_add');
      code.memory('v128_load64_zero', QUAD_LIST.mask + 8 * k).op('i32x4_extend_low_i16x8_u');
      if (this.ways.multisampled) code.get(this.#wanted).op('v128_and');
      code.tee(this.samples[k]!);
      lanes.words(0)(k);
      code.op('i32x4_gt_s').set(running[k]!);
      code.get(this.#list).get(this.#quad).i32(2).op('i32_shl').op('i32_add');
      code.memory('i32_load', QUAD_LIST.primitive + 4 * k).set(this.primitive[k]!);
    }
    code.get(this.#quad).i32(vectors).op('i32_add').set(this.#quad);
    lanes.bitmask((k) => code.get(running[k]!));
    code.tee(this.#covered).op('i32_eqz').unlikely().brIf(again);
    code.get(this.#covered).set(live).i32(0).set(discarded);
    if (this.ways.helpers) {
      for (let k = 0; k < vectors; k++) {
        code.i32(0).get(running[k]!).op('v128_any_true').op('i32_sub').op('i32x4_splat').set(running[k]!);
      }
      lanes.bitmask((k) => code.get(running[k]!));
      code.tee(live).get(this.#covered).op('i32_xor').set(discarded);
    }
    if (bits !== live) code.get(live).set(bits);
    if (vectors < QUADS && bringsAddresses(this.#b.unit)) {
      code
        .get(1)
        .get(this.#quad)
        .i32(vectors)
        .op('i32_sub')
        .i32(QUADS - 1)
        .op('i32_and')
        .i32(2)
        .op('i32_shl');
      code.memory('i32_store', FRAME.lane);
    }
    for (let k = 0; k < vectors; k++) this.#place(k);
    if (!this.ways.direct) this.#tell();
  }

  /** Where the quad lies that vector k holds. */
  #place(k: number): void {
    const { code } = this.#b;
    const { x, y } = this.#within;
    for (const axis of ['x', 'y'] as const) {
      code
        .get(this.#at)
        .memory('i32_load8_u', QUAD_LIST[axis] + k)
        .set(this.#within[axis][k]!);
    }
    code.get(y[k]!).i32(TILE_SHIFT).op('i32_shl').get(x[k]!).op('i32_add').set(this.pixel[k]!);
  }

  /** Pushes the window's x or y of the pixels of quad k. */
  #window(k: number, axis: 'x' | 'y'): Code {
    return this.#b.code
      .get(this.#within[axis][k]!)
      .op('i32x4_splat')
      .get(axis === 'x' ? this.#left : this.#top)
      .op('i32x4_add');
  }

  /** Pushes a coordinate of the centre of quad k's first pixel in the window, in 1/256 pixel, as a double. */
  place(k: number, axis: 'x' | 'y'): void {
    const { code } = this.#b;
    pushStep(code, () => code.get(this.#within[axis][k]!))
      .get(this.#center[axis])
      .op('f64_add');
  }

  /** Pushes what weights of the quads in work are counted from: those of quad k lie at `weightsOf(k)`. */
  pushWeights(): void {
    this.#b.code.get(this.#list).get(this.#quad).i32(WEIGHTS_BYTES).op('i32_mul').op('i32_add');
  }

  weightsOf(k: number): number {
    return QUAD_LIST.weights + (k - this.#b.lanes.vectors) * WEIGHTS_BYTES;
  }

  #tell(): void {
    const { code, lanes } = this.#b;
    code.get(this.stage).get(this.#list).get(this.#quad).i32(lanes.vectors).op('i32_sub').call(this.#told);
  }

  /** Sees to it that the fragment stage has been told of the quads in work. */
  told(): void {
    if (this.ways.direct) this.#tell();
  }

  preload(register: number): Lanes | undefined {
    const { code } = this.#b;
    switch (register) {
      case P.PRIMITIVE_ID:
        return (k) => code.get(this.primitive[k]!).memory('v128_load32_splat', PRIMITIVE.id);
      case P.PRIMITIVE_FLAGS:
        return (k) => code.get(this.primitive[k]!).memory('v128_load32_splat', PRIMITIVE.flags);
      case P.PIXEL:
        return (k) => {
          this.#window(k, 'y').i32(16).op('i32x4_shl');
          this.#window(k, 'x').op('v128_or');
        };
      case P.COVERAGE:
        return (k) => code.get(this.samples[k]!);
      case P.SAMPLE:
        if (!this.ways.multisampled) return (k) => code.get(this.samples[k]!);
        return (k) => code.get(this.samples[k]!).get(this.#sample).op('v128_or');
      case P.FRAME_ARGUMENT:
        return () => code.get(this.stage).memory('v128_load32_splat', STAGE.argumentLow);
      case P.FRAME_ARGUMENT + 1:
        return () => code.get(this.stage).memory('v128_load32_splat', STAGE.argumentHigh);
      default:
        return undefined;
    }
  }

  save(): void {
    const { code } = this.#b;
    code.get(this.stage).get(this.#quad).i32(2).op('i32_shr_u').memory('i32_store', STAGE.warp);
    code
      .get(this.stage)
      .get(this.#quad)
      .i32(QUADS - 1)
      .op('i32_and')
      .memory('i32_store', STAGE.part);
  }
}

/** Pushes the number of the first pixel of vector k's quad in the tile; `stage`: a local, for who has no list. */
export function pushPixel(code: Code, feed: QuadFeed | undefined, stage: number, k: number): Code {
  if (feed) return code.get(feed.pixel[k]!);
  return code
    .get(stage)
    .memory('i32_load', STAGE.pixels)
    .memory('i32_load', WARP.pixel + VECTOR_BYTES * k);
}

/**
 * What pushes a coordinate of the centre of quad k's first pixel in the window, in 1/256 pixel, as a double: from a list, or from
 * what a warp's STAGE, whose address is in a local, says.
 */
export const placeOf =
  (code: Code, feed: QuadFeed | undefined, stage: number, k: number) => (axis: 'x' | 'y') => (): void => {
    if (feed) feed.place(k, axis);
    else toCenter(code.get(stage).memory('i32_load', STAGE[axis] + VECTOR_BYTES * k));
  };
