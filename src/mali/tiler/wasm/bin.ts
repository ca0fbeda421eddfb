/**
 * Emitted code for a batch's triangles: culls them and writes the records of those that are visible to the polygon list.
 *
 *     bin(state) → BINNED
 *
 * It goes on at `TILER.due` and stops at a triangle that must be clipped (script does: shape.ts), and where a visible one has no
 * room for its record: there script sees to packets and block. Vertices of visible ones are marked, so that their varyings are shaded. Positions are read where the vertex shader has put
 * them; all that a client can change meanwhile is what this draw's own triangles look like. Numbers are those of shape.ts, bit for
 * bit: snapped coordinates are integers, and their area is exact in doubles.
 */
import { Corner, PRIMITIVE_KIND, PrimitiveRecord } from '../../../abi/gpu/polygon-list.ts';
import { PACKET_VERTICES } from '../../../abi/gpu/shader-descriptors.ts';
import type { PhysicalMemory } from '../../../board/dram.ts';
import { DRAM, functions } from '../../fragment/wasm/modules.ts';
import type { ModuleBuilder } from '../../wasm/builder.ts';
import { GUARD_BAND } from '../clip.ts';
import { PRIMITIVE_BITS } from '../primitive-words.ts';
import { BINNED, MARK, SLOTS_BYTES, TILER } from '../state.ts';

export type Bin = (state: number) => number;

/** What of a draw the function is made of. */
export interface BinForm {
  /** Each position is followed by an extension, four vertices at a time. */
  readonly extended: boolean;
  /** Extensions hold layers. */
  readonly layers: boolean;
  readonly lowDepthCull: boolean;
  readonly highDepthCull: boolean;
  readonly frontFaceCcw: boolean;
  readonly cullFrontFace: boolean;
  readonly cullBackFace: boolean;
}

export function binner(dram: PhysicalMemory, form: BinForm): Bin {
  const { extended, layers, lowDepthCull, highDepthCull, frontFaceCcw, cullFrontFace, cullBackFace } = form;
  const bits = [extended, layers, lowDepthCull, highDepthCull, frontFaceCcw, cullFrontFace, cullBackFace];
  const key = `bin ${bits.map((bit) => (bit ? 1 : 0)).join('')}`;
  return functions<{ bin: Bin }>(key, (m) => emitBin(m, form), dram).bin;
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
/** Window coordinates to 1/256 pixel. */
const SUBPIXEL = 256;
const PIXEL = 8;

function emitBin(m: ModuleBuilder, form: BinForm): void {
  const { extended, layers, lowDepthCull, highDepthCull, frontFaceCcw, cullFrontFace, cullBackFace } = form;
  const f = m.function('bin', ['i32'], ['i32'], true);
  const due = f.local('i32');
  const result = f.local('i32');
  const at = f.local('i32');
  const word = f.local('i32');
  const layer = f.local('i32');
  const back = f.local('i32');
  const mark = f.local('i32');
  const slots = f.locals('i32', 3);
  const places = f.locals('i32', 3);
  const p = f.locals('v128', 3);
  const snapped = f.locals('v128', 3);
  const integers = f.locals('v128', 3);
  const vector = f.local('v128');
  const area = f.local('f64');
  const [scale, half, guard, magnitude] = f.locals('v128', 4);
  const double = (x: number): void => {
    f.f64(x).op('f64x2_splat');
  };
  double(SUBPIXEL);
  f.set(scale);
  double(0.5);
  f.set(half);
  // 1/w has no bound.
  f.f32x4(GUARD_BAND, GUARD_BAND, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY).set(guard);
  f.v128(0x7fffffff).set(magnitude);
  f.get(0).memory('i32_load', TILER.due).set(due);
  const done = f.block();
  const next = f.loop();
  f.i32(BINNED.DONE).set(result);
  f.get(due).get(0).memory('i32_load', TILER.primitives).op('i32_ge_u').brIf(done);
  const gone = f.block();
  f.get(0).get(due).i32(Math.log2(SLOTS_BYTES)).op('i32_shl').op('i32_add').set(at);
  for (const [n, slot] of slots.entries()) {
    f.get(at).memory('i32_load16_u', TILER.slots + 2 * n);
    f.tee(slot);
    if (extended) f.get(slot).i32(-4).op('i32_and').op('i32_add');
    f.i32(POSITION_SHIFT).op('i32_shl').get(0).memory('i32_load', TILER.positions).op('i32_add');
    f.tee(places[n]!).memory('v128_load', 0, DRAM).set(p[n]!);
  }
  depth();
  // Numbers that are none, and w without end.
  for (const [n, v] of p.entries()) {
    f.get(v).get(v).op('f32x4_sub').f32x4(0, 0, 0, 0).op('f32x4_eq');
    f.get(v).f32x4(1, 1, 1, 0).op('f32x4_ne');
    f.v128(-1, -1, -1, 0).op('v128_or').op('v128_and');
    if (n > 0) f.op('v128_and');
  }
  f.op('i32x4_all_true').op('i32_eqz').brIf(gone);
  // Behind the eye, or outside of the guard band.
  for (const [n, v] of p.entries()) {
    f.get(v).get(magnitude).op('v128_and').get(guard).op('f32x4_le');
    f.get(v).f32x4(0, 0, 0, 0).op('f32x4_gt').v128(-1, -1, -1, 0).op('v128_or').op('v128_and');
    if (n > 0) f.op('v128_and');
  }
  f.op('i32x4_all_true').op('i32_eqz').if();
  f.i32(BINNED.CLIP).set(result).br(done);
  f.end();
  for (const [n, v] of p.entries()) {
    f.get(v).op('f64x2_promote_low_f32x4').get(scale).op('f64x2_mul').get(half).op('f64x2_add').op('f64x2_floor');
    f.tee(snapped[n]!).op('i32x4_trunc_sat_f64x2_s_zero').set(integers[n]!);
  }
  facing();
  bounds();
  layered();
  f.get(0).memory('i32_load', TILER.room).op('i32_eqz').if();
  f.i32(BINNED.ROOM).set(result).br(done);
  f.end();
  record();
  f.end();
  f.get(due).i32(1).op('i32_add').set(due).br(next);
  f.end();
  f.end();
  f.get(0).get(due).memory('i32_store', TILER.due);
  f.get(result);

  /** Whether all vertices are beyond the same end of the depth range. */
  function depth(): void {
    if (!lowDepthCull && !highDepthCull) return;
    const inFront = f.block();
    for (const [n, v] of p.entries()) {
      f.get(v).lane('f32x4_extract_lane', 3).f32(0).op('f32_gt');
      if (n > 0) f.op('i32_and');
    }
    f.op('i32_eqz').brIf(inFront);
    for (const [cull, name, limit] of [
      [lowDepthCull, 'f32_lt', TILER.minimumZ],
      [highDepthCull, 'f32_gt', TILER.maximumZ],
    ] as const) {
      if (!cull) continue;
      for (const [n, v] of p.entries()) {
        f.get(v).lane('f32x4_extract_lane', 2).get(0).memory('f32_load', limit).op(name);
        if (n > 0) f.op('i32_and');
      }
      f.brIf(gone);
    }
    f.end();
  }

  /** Twice the area: positive is clockwise on a screen with y down. */
  function facing(): void {
    for (const n of [0, 1, 2]) {
      const [here, there] = [snapped[n]!, snapped[(n + 1) % 3]!];
      f.get(here).lane('f64x2_extract_lane', 0).get(there).lane('f64x2_extract_lane', 1).op('f64_mul');
      f.get(there).lane('f64x2_extract_lane', 0).get(here).lane('f64x2_extract_lane', 1).op('f64_mul');
      f.op('f64_sub');
      if (n > 0) f.op('f64_add');
    }
    f.tee(area).f64(0).op('f64_eq').brIf(gone);
    f.get(area)
      .f64(0)
      .op(frontFaceCcw ? 'f64_gt' : 'f64_lt')
      .set(back);
    if (cullFrontFace) f.get(back).op('i32_eqz').brIf(gone);
    if (cullBackFace) f.get(back).brIf(gone);
  }

  /** Pixels that it may touch: their two words, or it is gone. */
  function bounds(): void {
    f.get(integers[0]!).get(integers[1]!).op('i32x4_min_s').get(integers[2]!).op('i32x4_min_s');
    f.get(integers[0]!).get(integers[1]!).op('i32x4_max_s').get(integers[2]!).op('i32x4_max_s');
    f.shuffle32(0, 1, 4, 5).i32(PIXEL).op('i32x4_shr_s').set(vector);
    f.get(vector).get(0).memory('v128_load64_zero', TILER.minX).op('i32x4_max_s');
    f.get(vector).get(0).memory('v128_load', TILER.minX).op('i32x4_min_s');
    f.shuffle32(0, 1, 6, 7).set(vector);
    // Minima beyond maxima.
    f.get(vector).get(vector).get(vector).shuffle32(2, 3, 2, 3).op('i32x4_gt_s').op('i32x4_bitmask');
    f.i32(3).op('i32_and').brIf(gone);
  }

  function layered(): void {
    f.get(0).memory('i32_load', TILER.layerOffset);
    if (extended && layers) {
      f.get(at)
        .memory('i32_load16_u', TILER.slots + 6)
        .set(word);
      f.get(places[1]!).get(places[2]!).get(word).i32(1).op('i32_eq').op('select');
      f.get(places[0]!).get(word).op('select');
      f.memory('i32_load8_u', EXTENSION + LAYER_BYTE, DRAM).op('i32_add');
    }
    f.tee(layer).get(0).memory('i32_load', TILER.layerCount).op('i32_ge_u').brIf(gone);
  }

  function record(): void {
    const out = word;
    f.get(0).memory('i32_load', TILER.out).set(out);
    f.get(out).get(0).memory('i64_load', TILER.draw).memory('i64_store', offset.draw, DRAM);
    for (const [n, slot] of slots.entries()) {
      f.get(out).get(0).memory('i64_load', TILER.packet);
      f.get(slot).i32(PACKET_SHIFT).op('i32_shr_u').get(0).memory('i32_load', TILER.packetStride).op('i32_mul');
      f.op('i64_extend_i32_u').op('i64_add').memory('i64_store', PACKETS[n]!, DRAM);
      f.get(0).get(slot).op('i32_add').tee(mark).get(mark).memory('i32_load8_u', TILER.marks);
      f.i32(MARK.WANTED).op('i32_or').memory('i32_store8', TILER.marks);
    }
    const within = (slot: number) =>
      f
        .get(slot)
        .i32(PACKET_VERTICES - 1)
        .op('i32_and');
    f.get(out);
    within(slots[0]!);
    within(slots[1]!).i32(PRIMITIVE_BITS.slot1).op('i32_shl').op('i32_or');
    within(slots[2]!).i32(PRIMITIVE_BITS.slot2).op('i32_shl').op('i32_or');
    f.get(at)
      .memory('i32_load16_u', TILER.slots + 6)
      .i32(PRIMITIVE_BITS.provoking)
      .op('i32_shl')
      .op('i32_or');
    f.get(back).i32(PRIMITIVE_BITS.backFacing).op('i32_shl').op('i32_or');
    f.get(layer).i32(PRIMITIVE_BITS.layer).op('i32_shl').op('i32_or');
    f.i32(PRIMITIVE_KIND.TRIANGLE << PRIMITIVE_BITS.kind).op('i32_or');
    f.memory('i32_store', offset.slot0, DRAM);
    f.get(out).get(0).get(due).i32(2).op('i32_shl').op('i32_add').memory('i32_load', TILER.ids);
    f.memory('i32_store', offset.id, DRAM);
    for (const [n, corner] of CORNERS.entries()) {
      // x, y, z and 1/w are neighbours.
      f.get(out).get(integers[n]!).get(p[n]!).shuffle32(0, 1, 6, 7);
      f.memory('v128_store', corner + Corner.offset.x, DRAM);
      f.get(out)
        .f32(n === 0 ? 1 : 0)
        .memory('f32_store', corner + Corner.offset.weight0, DRAM);
      f.get(out)
        .f32(n === 1 ? 1 : 0)
        .memory('f32_store', corner + Corner.offset.weight1, DRAM);
    }
    for (const [first, to] of [
      [0, offset.minX],
      [2, offset.maxX],
    ] as const) {
      f.get(out).get(vector).lane('i32x4_extract_lane', first);
      f.get(vector)
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
