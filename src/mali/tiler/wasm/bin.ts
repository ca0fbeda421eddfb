/**
 * Emitted code for a batch's primitives: culls them and writes the records of those that are visible to the polygon list.
 *
 *     bin(state) → BINNED
 *
 * Triangles of three vertices are the way through it; what must be clipped, lines and points are made corners first (shape.ts),
 * whose triangles then come one by one. It goes on at `TILER.due`, and at `TILER.triangle` of such corners, and stops where a
 * visible triangle has no room for its record: there script sees to packets and block. Vertices of visible ones are marked, so that
 * their varyings are shaded. Positions are read where the vertex shader has put them; all that a client can change meanwhile is
 * what this draw's own primitives look like. Numbers are those of ../shape.ts, bit for bit: snapped coordinates are integers, and
 * their area is exact in doubles.
 */
import { Corner, PRIMITIVE_KIND, PrimitiveRecord } from '../../../abi/gpu/polygon-list.ts';
import { PACKET_VERTICES } from '../../../abi/gpu/shader-descriptors.ts';
import type { PhysicalMemory } from '../../../board/dram.ts';
import { DRAM, functions } from '../../fragment/wasm/modules.ts';
import type { Callable, ModuleBuilder } from '../../wasm/builder.ts';
import type { Code, Label } from '../../wasm/code.ts';
import type { Arity } from '../assemble.ts';
import { CORNER, GUARD_BAND } from '../clip.ts';
import { PRIMITIVE_BITS } from '../primitive-words.ts';
import { PIXEL, SUBPIXEL } from '../shape.ts';
import { BINNED, MARK, SLOTS_BYTES, TILER } from '../state.ts';
import { emitShape, emitSnap } from './shape.ts';

export type Bin = (state: number) => number;

/** What of a draw the function is made of. */
export interface BinForm {
  readonly arity: Arity;
  /** Each position is followed by an extension, four vertices at a time. */
  readonly extended: boolean;
  /** Vertices have places for a position and varyings in each of so many views. */
  readonly places: number;
  /** Extensions hold layers, and sizes. */
  readonly layers: boolean;
  readonly sizes: boolean;
  readonly lowDepthCull: boolean;
  readonly highDepthCull: boolean;
  readonly frontFaceCcw: boolean;
  readonly cullFrontFace: boolean;
  readonly cullBackFace: boolean;
  readonly rectangularLines: boolean;
}

export function binner(dram: PhysicalMemory, form: BinForm): Bin {
  const { arity, places, extended, layers, sizes, lowDepthCull, highDepthCull, frontFaceCcw } = form;
  const { cullFrontFace, cullBackFace, rectangularLines } = form;
  const culls = [lowDepthCull, highDepthCull, frontFaceCcw, cullFrontFace, cullBackFace];
  const bits = [extended, layers, sizes, ...culls, rectangularLines];
  const key = `bin ${arity} ${places} ${bits.map((bit) => (bit ? 1 : 0)).join('')}`;
  return functions<{ bin: Bin }>(
    key,
    (m) => {
      const shape = emitShape(m, form);
      new BinEmitter(m, form, shape).emit();
    },
    dram,
  ).bin;
}

const { offset } = PrimitiveRecord;
const HALF = 16;
const CORNERS = [offset.corner0, offset.corner1, offset.corner2];
const PACKETS = [offset.packet0, offset.packet1, offset.packet2];
const PACKET_SHIFT = Math.log2(PACKET_VERTICES);
/** Log2 of a position's bytes. */
const POSITION_SHIFT = 4;
/** Bytes from a position to its extension, and in it to the layer. */
const EXTENSION = 64;
const LAYER_BYTE = 2;
const CORNER_BYTES = CORNER * 8;
/** Weights of a vertex itself: two singles each. */
const OWN_WEIGHTS = [0n, 0x3f800000n, 0x3f800000n << 32n];
const KINDS: Record<Arity, number> = { 1: PRIMITIVE_KIND.POINT, 2: PRIMITIVE_KIND.LINE, 3: PRIMITIVE_KIND.TRIANGLE };

class BinEmitter {
  readonly #f: Code;
  readonly #form: BinForm;
  readonly #shape: Callable;
  readonly #due: number;
  readonly #result: number;
  readonly #at: number;
  readonly #word: number;
  readonly #layer: number;
  readonly #back: number;
  readonly #mark: number;
  readonly #slots: number[];
  readonly #places: number[];
  /** Positions; of corners, only z and 1/w. */
  readonly #p: number[];
  readonly #snapped: number[];
  readonly #integers: number[];
  readonly #bounds: number;
  readonly #weights: number[];

  constructor(m: ModuleBuilder, form: BinForm, shape: Callable) {
    const f = m.function('bin', ['i32'], ['i32'], true);
    this.#f = f;
    this.#form = form;
    this.#shape = shape;
    const i = () => f.local('i32');
    const three = (make: () => number) => [make(), make(), make()];
    const v = () => f.local('v128');
    [this.#due, this.#result, this.#at, this.#word, this.#layer, this.#back, this.#mark] = [
      ...three(i),
      ...three(i),
      i(),
    ] as [number, number, number, number, number, number, number];
    this.#slots = three(i);
    this.#places = three(i);
    this.#p = three(v);
    this.#snapped = three(v);
    this.#integers = three(v);
    this.#bounds = v();
    this.#weights = three(v);
  }

  emit(): void {
    const f = this.#f;
    const [due, result, at] = [this.#due, this.#result, this.#at];
    const { arity, extended, places } = this.#form;
    const entries = places * (extended ? 2 : 1);
    f.get(0).memory('i32_load', TILER.due).set(due);
    const done = f.block();
    const next = f.loop();
    f.i32(BINNED.DONE).set(result);
    f.get(due).get(0).memory('i32_load', TILER.primitives).op('i32_ge_u').brIf(done);
    const gone = f.block();
    f.get(0).get(due).i32(Math.log2(SLOTS_BYTES)).op('i32_shl').op('i32_add').set(at);
    for (const [n, slot] of this.#slots.entries()) {
      // Points and lines have fewer vertices: the first one stands for those that they lack.
      f.get(at).memory('i32_load16_u', TILER.slots + (n < arity ? 2 * n : 0));
      f.tee(slot);
      if (entries > 1) f.get(slot).i32(-4).op('i32_and');
      if (entries > 2) f.i32(entries - 1).op('i32_mul');
      if (entries > 1) f.op('i32_add');
      f.i32(POSITION_SHIFT).op('i32_shl').get(0).memory('i32_load', TILER.positions).op('i32_add');
      f.tee(this.#places[n]!).memory('v128_load', 0, DRAM).set(this.#p[n]!);
    }
    const pieces = f.block();
    f.get(0).memory('i32_load', TILER.triangles).brIf(pieces);
    this.#depth(gone);
    if (arity === 3) this.#whole(gone, done);
    this.#corners(gone);
    f.end();
    this.#pieces(done);
    f.end();
    f.get(due).i32(1).op('i32_add').set(due).br(next);
    f.end();
    f.end();
    f.get(0).get(due).memory('i32_store', TILER.due);
    f.get(result);
  }

  /** The way of a triangle that is nothing but its vertices; falls through if it must be clipped. */
  #whole(gone: Label, done: Label): void {
    const f = this.#f;
    // Numbers that are none, and w without end.
    for (const [n, v] of this.#p.entries()) {
      f.get(v).get(v).op('f32x4_sub').f32x4(0, 0, 0, 0).op('f32x4_eq');
      f.get(v).f32x4(1, 1, 1, 0).op('f32x4_ne');
      f.v128(-1, -1, -1, 0).op('v128_or').op('v128_and');
      if (n > 0) f.op('v128_and');
    }
    f.op('i32x4_all_true').op('i32_eqz').brIf(gone);
    // Before the eye, and inside of the guard band; 1/w has no bound.
    const guard = f.held(...words(GUARD_BAND, GUARD_BAND, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY));
    for (const [n, v] of this.#p.entries()) {
      f.get(v).op('f32x4_abs').get(guard).op('f32x4_le');
      f.get(v).f32x4(0, 0, 0, 0).op('f32x4_gt').v128(-1, -1, -1, 0).op('v128_or').op('v128_and');
      if (n > 0) f.op('v128_and');
    }
    f.op('i32x4_all_true').likely().if();
    const scale = f.held(...doubles(SUBPIXEL));
    const half = f.held(...doubles(0.5));
    for (const [n, v] of this.#p.entries()) {
      f.get(v).op('f64x2_promote_low_f32x4').get(scale).op('f64x2_mul').get(half).op('f64x2_add').op('f64x2_floor');
      f.tee(this.#snapped[n]!).op('i32x4_trunc_sat_f64x2_s_zero').set(this.#integers[n]!);
    }
    this.#facing(gone);
    this.#bound(gone);
    this.#layered(gone);
    this.#room(done);
    this.#record(undefined);
    f.br(gone);
    f.end();
  }

  /** Makes corners of a primitive. */
  #corners(gone: Label): void {
    const f = this.#f;
    const { arity, sizes } = this.#form;
    f.get(0).get(0).get(this.#p[0]!);
    if (arity === 1 && sizes) f.get(this.#places[0]!).memory('i32_load16_u', EXTENSION, DRAM).op('i32x4_splat');
    else f.get(this.#p[1]!);
    f.get(this.#p[2]!).call(this.#shape).tee(this.#word).memory('i32_store', TILER.triangles);
    f.get(0).i32(0).memory('i32_store', TILER.triangle);
    f.get(this.#word).op('i32_eqz').brIf(gone);
  }

  /** The triangles of corners, from TILER.triangle on. */
  #pieces(done: Label): void {
    const f = this.#f;
    const fan = this.#form.arity === 3;
    const triangle = f.local('i32');
    const from = f.local('i32');
    f.get(0).memory('i32_load', TILER.back).set(this.#back);
    const again = f.loop();
    const gone = f.block();
    f.get(0).memory('i32_load', TILER.triangle).set(triangle);
    for (const n of [0, 1, 2] as const) {
      // Of a fan 0, t + 1, t + 2; of four corners 0, 1, 2 and 1, 3, 2.
      if (n === 0) fan ? f.i32(0) : f.get(triangle);
      else if (n === 1)
        fan ? f.get(triangle).i32(1).op('i32_add') : f.i32(1).get(triangle).i32(1).op('i32_shl').op('i32_add');
      else fan ? f.get(triangle).i32(2).op('i32_add') : f.i32(2);
      f.i32(CORNER_BYTES).op('i32_mul').get(0).op('i32_add').i32(TILER.corners).op('i32_add').set(from);
      emitSnap(f, from).op('i32x4_trunc_sat_f64x2_s_zero').set(this.#integers[n]!);
      f.get(from).memory('v128_load', 16).op('f32x4_demote_f64x2_zero').set(this.#p[n]!);
      f.get(this.#p[n]!).get(this.#p[n]!).shuffle32(0, 1, 0, 1).set(this.#p[n]!);
      f.get(from).memory('v128_load', 32).op('f32x4_demote_f64x2_zero').set(this.#weights[n]!);
    }
    this.#bound(gone);
    this.#layered(gone);
    this.#room(done);
    this.#record(this.#weights);
    f.end();
    f.get(0).get(triangle).i32(1).op('i32_add').tee(triangle).memory('i32_store', TILER.triangle);
    f.get(triangle).get(0).memory('i32_load', TILER.triangles).op('i32_lt_u').brIf(again);
    f.end();
    f.get(0).i32(0).memory('i32_store', TILER.triangles);
  }

  /** Whether all vertices are beyond the same end of the depth range. */
  #depth(gone: Label): void {
    const f = this.#f;
    const { lowDepthCull, highDepthCull } = this.#form;
    if (!lowDepthCull && !highDepthCull) return;
    const inFront = f.block();
    for (const [n, v] of this.#p.entries()) {
      f.get(v).lane('f32x4_extract_lane', 3).f32(0).op('f32_gt');
      if (n > 0) f.op('i32_and');
    }
    f.op('i32_eqz').brIf(inFront);
    for (const [cull, name, limit] of [
      [lowDepthCull, 'f32_lt', TILER.minimumZ],
      [highDepthCull, 'f32_gt', TILER.maximumZ],
    ] as const) {
      if (!cull) continue;
      for (const [n, v] of this.#p.entries()) {
        f.get(v).lane('f32x4_extract_lane', 2).get(0).memory('f32_load', limit).op(name);
        if (n > 0) f.op('i32_and');
      }
      f.brIf(gone);
    }
    f.end();
  }

  /** Twice the area: positive is clockwise on a screen with y down. */
  #facing(gone: Label): void {
    const f = this.#f;
    const area = f.local('f64');
    const { frontFaceCcw, cullFrontFace, cullBackFace } = this.#form;
    for (const n of [0, 1, 2]) {
      const [here, there] = [this.#snapped[n]!, this.#snapped[(n + 1) % 3]!];
      f.get(here).lane('f64x2_extract_lane', 0).get(there).lane('f64x2_extract_lane', 1).op('f64_mul');
      f.get(there).lane('f64x2_extract_lane', 0).get(here).lane('f64x2_extract_lane', 1).op('f64_mul');
      f.op('f64_sub');
      if (n > 0) f.op('f64_add');
    }
    f.tee(area).f64(0).op('f64_eq').brIf(gone);
    f.get(area)
      .f64(0)
      .op(frontFaceCcw ? 'f64_gt' : 'f64_lt')
      .set(this.#back);
    if (cullFrontFace) f.get(this.#back).op('i32_eqz').brIf(gone);
    if (cullBackFace) f.get(this.#back).brIf(gone);
  }

  /** Pixels that it may touch: their two words, or it is gone. */
  #bound(gone: Label): void {
    const f = this.#f;
    const [a, b, c] = this.#integers as [number, number, number];
    const vector = this.#bounds;
    f.get(a).get(b).op('i32x4_min_s').get(c).op('i32x4_min_s');
    f.get(a).get(b).op('i32x4_max_s').get(c).op('i32x4_max_s');
    f.shuffle32(0, 1, 4, 5).i32(PIXEL).op('i32x4_shr_s').set(vector);
    f.get(vector).get(0).memory('v128_load64_zero', TILER.minX).op('i32x4_max_s');
    f.get(vector).get(0).memory('v128_load', TILER.minX).op('i32x4_min_s');
    f.shuffle32(0, 1, 6, 7).set(vector);
    // Minima beyond maxima.
    f.get(vector).get(vector).get(vector).shuffle32(2, 3, 2, 3).op('i32x4_gt_s').op('i32x4_bitmask');
    f.i32(3).op('i32_and').brIf(gone);
  }

  #layered(gone: Label): void {
    const f = this.#f;
    const { extended, layers } = this.#form;
    const places = this.#places;
    const word = this.#word;
    f.get(0).memory('i32_load', TILER.layerOffset);
    if (extended && layers) {
      f.get(this.#at)
        .memory('i32_load16_u', TILER.slots + 6)
        .set(word);
      f.get(places[1]!).get(places[2]!).get(word).i32(1).op('i32_eq').op('select');
      f.get(places[0]!).get(word).op('select');
      f.memory('i32_load8_u', EXTENSION + LAYER_BYTE, DRAM).op('i32_add');
    }
    f.tee(this.#layer).get(0).memory('i32_load', TILER.layerCount).op('i32_ge_u').brIf(gone);
  }

  #room(done: Label): void {
    const f = this.#f;
    f.get(0).memory('i32_load', TILER.room).op('i32_eqz').unlikely().if();
    f.i32(BINNED.ROOM).set(this.#result).br(done);
    f.end();
  }

  /** Where the vertices' varyings are in the packets: in one view, at their slots. */
  #varyingIds(): readonly number[] {
    const f = this.#f;
    const { places } = this.#form;
    if (places === 1) return this.#slots;
    return this.#slots.map((slot) => {
      const id = f.local('i32');
      f.get(slot).get(slot).i32(-4).op('i32_and');
      f.i32(places - 1)
        .op('i32_mul')
        .op('i32_add');
      f.get(0).memory('i32_load', TILER.view).op('i32_add').set(id);
      return id;
    });
  }

  /** `weights`: of its corners; undefined: they are the vertices. */
  #record(weights: readonly number[] | undefined): void {
    const f = this.#f;
    const out = this.#word;
    const mark = this.#mark;
    const slots = this.#slots;
    f.get(0).memory('i32_load', TILER.out).set(out);
    f.get(out).get(0).memory('i64_load', TILER.draw).memory('i64_store', offset.draw, DRAM);
    const ids = this.#varyingIds();
    for (const [n, slot] of slots.entries()) {
      f.get(out).get(0).memory('i64_load', TILER.packet);
      f.get(ids[n]!).i32(PACKET_SHIFT).op('i32_shr_u').get(0).memory('i32_load', TILER.packetStride).op('i32_mul');
      f.op('i64_extend_i32_u').op('i64_add').memory('i64_store', PACKETS[n]!, DRAM);
      f.get(0).get(slot).op('i32_add').tee(mark).get(mark).memory('i32_load8_u', TILER.marks);
      f.i32(MARK.WANTED).op('i32_or').memory('i32_store8', TILER.marks);
    }
    const within = (id: number) =>
      f
        .get(id)
        .i32(PACKET_VERTICES - 1)
        .op('i32_and');
    f.get(out);
    within(ids[0]!);
    within(ids[1]!).i32(PRIMITIVE_BITS.slot1).op('i32_shl').op('i32_or');
    within(ids[2]!).i32(PRIMITIVE_BITS.slot2).op('i32_shl').op('i32_or');
    f.get(this.#at)
      .memory('i32_load16_u', TILER.slots + 6)
      .i32(PRIMITIVE_BITS.provoking)
      .op('i32_shl')
      .op('i32_or');
    f.get(this.#back).i32(PRIMITIVE_BITS.backFacing).op('i32_shl').op('i32_or');
    f.get(this.#layer).i32(PRIMITIVE_BITS.layer).op('i32_shl').op('i32_or');
    f.i32(KINDS[this.#form.arity] << PRIMITIVE_BITS.kind).op('i32_or');
    f.memory('i32_store', offset.slot0, DRAM);
    f.get(out).get(0).get(this.#due).i32(2).op('i32_shl').op('i32_add').memory('i32_load', TILER.ids);
    f.memory('i32_store', offset.id, DRAM);
    for (const [n, corner] of CORNERS.entries()) {
      // x, y, z and 1/w are neighbours, and so are weights.
      f.get(out).get(this.#integers[n]!).get(this.#p[n]!).shuffle32(0, 1, 6, 7);
      f.memory('v128_store', corner + Corner.offset.x, DRAM);
      f.get(out);
      if (weights) f.get(weights[n]!).lane('i64x2_extract_lane', 0);
      else f.i64(OWN_WEIGHTS[n]!);
      f.memory('i64_store', corner + Corner.offset.weight1, DRAM);
    }
    for (const [first, to] of [
      [0, offset.minX],
      [2, offset.maxX],
    ] as const) {
      f.get(out).get(this.#bounds).lane('i32x4_extract_lane', first);
      f.get(this.#bounds)
        .lane('i32x4_extract_lane', first + 1)
        .i32(HALF)
        .op('i32_shl')
        .op('i32_or');
      f.memory('i32_store', to, DRAM);
    }
    f.get(0).get(out).i32(PrimitiveRecord.size).op('i32_add').memory('i32_store', TILER.out);
    f.get(0).get(0).memory('i32_load', TILER.room).i32(1).op('i32_sub').memory('i32_store', TILER.room);
  }
}

/** The bits of singles, and of a double twice. */
const words = (...values: number[]): Int32Array => new Int32Array(Float32Array.from(values).buffer);
const doubles = (value: number): Int32Array => new Int32Array(Float64Array.of(value, value).buffer);
