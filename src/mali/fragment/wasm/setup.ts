/**
 * Emitted WebAssembly that checks and sets up the primitives of a block of the polygon list: what setup.ts does by script, and
 * the checks of polygon-reader.ts, to the same bytes.
 *
 * It reads records at physical addresses that script has checked. Where it does not know what it needs (another draw, the
 * extent of a vertex packet) or meets a record that is wrong, it says so and is called again.
 */
import { Corner, PRIMITIVE_KIND, PrimitiveRecord } from '../../../abi/gpu/polygon-list.ts';
import { PACKET_VARYINGS_OFFSET } from '../../../abi/gpu/shader-descriptors.ts';
import type { PhysicalMemory } from '../../../board/dram.ts';
import { PRIMITIVE, planeAt, SIMPLE } from '../../engine/quads.ts';
import type { Code, Label, ModuleBuilder } from '../../wasm/builder.ts';
import { MAX_CORNER, SUBPIXEL } from '../raster.ts';
import { MAX_VARYING_BYTES } from '../setup.ts';
import { singles } from './depth-plane.ts';
import { DRAM, functions } from './modules.ts';

/** Extents of vertex packets that are known at once: more than a primitive can need. */
export const EXTENTS = 4;

/** What set-up is told, and tells: byte offsets in scratch memory. */
export const SETUP = {
  /** The draw in work, as records name it (64 bits); what is asked for: a draw, or the packet whose extent is wanted. */
  draw: 0,
  wanted: 8,
  /** A packet that no extent has (64 bits). */
  unmapped: 16,
  biasFactor: 24,
  biasConstant: 32,
  biasClamp: 40,
  /** Extents: first address and the one behind the last (64 bits each), physical address (32 bits). */
  extents: 48,
  /** Address of the block's first record; the next record, and their number. */
  records: 144,
  index: 148,
  count: 152,
  layer: 156,
  /** Pixels of the part of the framebuffer, inclusive: minX, minY, maxX, maxY. */
  part: 160,
  /** The draw's bounds, and the reach of its samples. */
  bounds: 176,
  reach: 192,
  number: 208,
  attributeStride: 212,
  centers: 216,
  /** 0, or one of BIASED. */
  biased: 220,
  /** 0: no draw is known yet. */
  known: 224,
  /** Where the next primitive goes, and the end of the room. */
  to: 228,
  end: 232,
  /** A SETUP_STATUS. */
  status: 236,
  /** A TieBreak (64-bit floats). */
  tieX: 240,
  tieY: 248,
  size: 256,
} as const;
/** What depths are biased. */
export const BIASED = { fixed: 1, floats: 2 } as const;
export const EXTENT_BYTES = 24;
export const EXTENT = { start: 0, end: 8, physical: 16 } as const;

/** Why set-up stopped at SETUP.index. */
export const SETUP_STATUS = { DONE: 0, DRAW: 1, EXTENT: 2, INVALID: 3, FULL: 4 } as const;

export type SetupCode = (args: number) => void;

/** Sets up records that lie in DRAM. */
export const setupCode = (dram: PhysicalMemory): SetupCode =>
  functions<{ setup: SetupCode }>('setup dram', (m) => emit(m, DRAM), dram).setup;

/** Sets up records that have been copied to scratch memory. */
export const setupCopied = (): SetupCode => functions<{ setup: SetupCode }>('setup scratch', (m) => emit(m, 0)).setup;

function emit(m: ModuleBuilder, memory: number): void {
  new SetupEmitter(m.function('setup', ['i32'], [], true), memory).emit();
}

interface CornerLocals {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly w: number;
  readonly weight1: number;
  readonly weight2: number;
}

/** The exponent's bits of a double. */
const EXPONENT = 0x7ff0_0000_0000_0000n;

type Field = keyof typeof PrimitiveRecord.fields;
const ARGS = 0;
const PX = ['x', 'y'] as const;

class SetupEmitter {
  readonly #f: Code;
  readonly #memory: number;
  readonly #index: number;
  readonly #record: number;
  readonly #word: number;
  readonly #kind: number;
  readonly #provoking: number;
  readonly #to: number;
  readonly #status: number;
  /** Corners p, q, r: x, y as integers, then all as doubles. */
  readonly #whole: { x: number; y: number }[];
  readonly #corners: readonly [CornerLocals, CornerLocals, CornerLocals];
  readonly #bounds: number[];
  /** By edge: its slopes, a and b, as doubles. */
  readonly #slopes: readonly number[];

  constructor(f: Code, memory: number) {
    this.#f = f;
    this.#memory = memory;
    const i = () => f.local('i32');
    const d = () => f.local('f64');
    this.#index = i();
    this.#record = i();
    this.#word = i();
    this.#kind = i();
    this.#provoking = i();
    this.#to = i();
    this.#status = i();
    this.#bounds = [i(), i(), i(), i()];
    this.#slopes = f.locals('v128', 3);
    this.#whole = [0, 1, 2].map(() => ({ x: i(), y: i() }));
    const corner = () => ({ x: d(), y: d(), z: d(), w: d(), weight1: d(), weight2: d() });
    this.#corners = [corner(), corner(), corner()];
  }

  #arg(offset: number): Code {
    return this.#f.get(ARGS).memory('i32_load', offset);
  }

  #arg64(offset: number): Code {
    return this.#f.get(ARGS).memory('f64_load', offset);
  }

  /** A field of the record's word in work. */
  #field(name: Field): Code {
    const { bit, width } = PrimitiveRecord.fields[name];
    return this.#f
      .get(this.#word)
      .i32(bit & 31)
      .op('i32_shr_u')
      .i32(2 ** width - 1)
      .op('i32_and');
  }

  emit(): void {
    const f = this.#f;
    this.#arg(SETUP.index).set(this.#index);
    this.#arg(SETUP.to).set(this.#to);
    const stop = f.block();
    const next = f.loop();
    f.get(this.#index);
    this.#arg(SETUP.count).op('i32_ge_u').brIf(stop);
    const skip = f.block();
    this.#arg(SETUP.records).get(this.#index).i32(PrimitiveRecord.size).op('i32_mul').op('i32_add').set(this.#record);
    this.#concerns(skip);
    this.#check(stop);
    this.#draw(stop);
    // Room is asked for before anything else, so that a full store is found as script finds it.
    f.i32(SETUP_STATUS.FULL).set(this.#status);
    f.get(this.#to);
    this.#arg(SETUP.end).op('i32_ge_u').brIf(stop);
    f.i32(SETUP_STATUS.DONE).set(this.#status);
    this.#limit(skip);
    const area = this.#area(skip);
    this.#locate(stop);
    this.#edges();
    this.#planes(area);
    this.#rest();
    f.get(this.#to).i32(PRIMITIVE.size).op('i32_add').set(this.#to);
    f.end();
    f.get(this.#index).i32(1).op('i32_add').set(this.#index).br(next);
    f.end().end();
    f.get(ARGS).get(this.#index).memory('i32_store', SETUP.index);
    f.get(ARGS).get(this.#to).memory('i32_store', SETUP.to);
    f.get(ARGS).get(this.#status).memory('i32_store', SETUP.status);
  }

  /** Skips what is of another layer or elsewhere. Leaves the record's bounds. */
  #concerns(skip: Label): void {
    const f = this.#f;
    const { offset } = PrimitiveRecord;
    f.get(this.#record).memory('i32_load', offset.slot0, this.#memory).set(this.#word);
    this.#field('layer');
    this.#arg(SETUP.layer).op('i32_ne').brIf(skip);
    for (const [k, name] of (['minX', 'minY', 'maxX', 'maxY'] as const).entries()) {
      f.get(this.#record).memory('i32_load16_u', offset[name], this.#memory).tee(this.#bounds[k]!);
      // The least against the part's greatest, and the other way round.
      this.#arg(SETUP.part + ((k + 2) % 4) * 4)
        .op(k < 2 ? 'i32_gt_s' : 'i32_lt_s')
        .brIf(skip);
    }
  }

  /** Stops at a record that no tiler writes. Leaves kind, provoking vertex and corners. */
  #check(stop: Label): void {
    const f = this.#f;
    const { offset } = PrimitiveRecord;
    f.i32(SETUP_STATUS.INVALID).set(this.#status);
    this.#field('kind').tee(this.#kind).op('i32_eqz').brIf(stop);
    this.#field('provoking').tee(this.#provoking).get(this.#kind).op('i32_ge_u').brIf(stop);
    for (const [c, name] of (['corner0', 'corner1', 'corner2'] as const).entries()) {
      for (const axis of PX) {
        f.get(this.#record).memory('i32_load', offset[name] + Corner.offset[axis], this.#memory);
        f.tee(this.#whole[c]![axis]).i32(MAX_CORNER).op('i32_add');
        f.i32(2 * MAX_CORNER)
          .op('i32_gt_u')
          .brIf(stop);
      }
    }
  }

  #draw(stop: Label): void {
    const f = this.#f;
    f.i32(SETUP_STATUS.DRAW).set(this.#status);
    f.get(ARGS).get(this.#record).memory('i64_load', PrimitiveRecord.offset.draw, this.#memory);
    f.memory('i64_store', SETUP.wanted);
    this.#arg(SETUP.known).op('i32_eqz').brIf(stop);
    f.get(ARGS).memory('i64_load', SETUP.wanted).get(ARGS).memory('i64_load', SETUP.draw).op('i64_ne').brIf(stop);
  }

  /** Narrows the bounds by the draw's, and by where the corners are. */
  #limit(skip: Label): void {
    const f = this.#f;
    const other = f.local('i32');
    const fold = (local: number, compare: 'i32_lt_s' | 'i32_gt_s') => {
      f.set(other).get(local).get(other).get(local).get(other).op(compare).op('select').set(local);
    };
    const end = f.local('i32');
    for (const [k, axis] of ([...PX, ...PX] as const).entries()) {
      const least = k < 2;
      const bound = this.#bounds[k]!;
      this.#arg(SETUP.bounds + k * 4);
      fold(bound, least ? 'i32_gt_s' : 'i32_lt_s');
      f.get(this.#whole[0]![axis]).set(end);
      for (const c of [1, 2]) {
        f.get(this.#whole[c]![axis]);
        fold(end, least ? 'i32_lt_s' : 'i32_gt_s');
      }
      f.get(end);
      // Less the sample that reaches farthest the other way: rounded up, or down.
      this.#arg(SETUP.reach + ((k + 2) % 4) * 4).op('i32_sub');
      if (least) f.i32(SUBPIXEL - 1).op('i32_add');
      f.i32(Math.log2(SUBPIXEL)).op('i32_shr_s');
      fold(bound, least ? 'i32_gt_s' : 'i32_lt_s');
    }
    f.get(this.#bounds[0]!).get(this.#bounds[2]!).op('i32_gt_s').brIf(skip);
    f.get(this.#bounds[1]!).get(this.#bounds[3]!).op('i32_gt_s').brIf(skip);
  }

  /** Makes corners doubles, in an order that makes the area positive. Answers the local that holds it. */
  #area(skip: Label): number {
    const f = this.#f;
    const area = f.local('f64');
    const [p, q, r] = this.#corners;
    for (const [c, corner] of this.#corners.entries()) {
      for (const axis of PX) f.get(this.#whole[c]![axis]).op('f64_convert_i32_s').set(corner[axis]);
    }
    f.get(q.x).get(p.x).op('f64_sub').get(r.y).get(p.y).op('f64_sub').op('f64_mul');
    f.get(r.x).get(p.x).op('f64_sub').get(q.y).get(p.y).op('f64_sub').op('f64_mul').op('f64_sub').tee(area);
    f.f64(0).op('f64_eq').brIf(skip);
    for (const [c, name] of (['corner0', 'corner1', 'corner2'] as const).entries()) {
      for (const [to, field] of [
        ['z', 'z'],
        ['w', 'inverseW'],
        ['weight1', 'weight1'],
        ['weight2', 'weight2'],
      ] as const) {
        f.get(this.#record).memory('f32_load', PrimitiveRecord.offset[name] + Corner.offset[field], this.#memory);
        f.op('f64_promote_f32').set(this.#corners[c]![to]);
      }
    }
    f.get(area).f64(0).op('f64_lt').if();
    f.get(area).op('f64_neg').set(area);
    for (const axis of PX) {
      const [second, third] = [this.#whole[1]![axis], this.#whole[2]![axis]];
      f.get(second).get(third).set(second).set(third);
    }
    for (const name of ['x', 'y', 'z', 'w', 'weight1', 'weight2'] as const) {
      f.get(q[name]).get(r[name]).set(q[name]).set(r[name]);
    }
    f.end();
    return area;
  }

  /** Finds the vertices' varyings in DRAM, if recompiled code may read them by itself. */
  #locate(stop: Label): void {
    const f = this.#f;
    const simple = f.local('i32');
    const what = f.local('i32');
    const limit = f.local('i64');
    const packet = f.local('i64');
    const last = f.local('i64');
    const extent = f.local('i32');
    const record = f.local('i64');
    const physical = [f.local('i32'), f.local('i32'), f.local('i32')];
    f.i32(0).set(simple).i32(0).set(what);
    const out = f.block();
    f.get(this.#kind).i32(PRIMITIVE_KIND.POINT).op('i32_eq').brIf(out);
    this.#arg(SETUP.centers).i32(SIMPLE.WEIGHTS).op('i32_or').set(what);
    f.i64(BigInt(MAX_VARYING_BYTES)).set(limit);
    for (const [v, name] of (['packet0', 'packet1', 'packet2'] as const).entries()) {
      f.get(this.#record).memory('i64_load', PrimitiveRecord.offset[name], this.#memory).set(packet);
      const found = f.block();
      if (v > 0) f.get(packet).get(last).op('i64_eq').brIf(found);
      for (let e = 0; e < EXTENTS; e++) {
        const at = SETUP.extents + e * EXTENT_BYTES;
        f.get(ARGS).i32(at).op('i32_add').set(extent);
        f.get(packet)
          .get(ARGS)
          .memory('i64_load', at + EXTENT.start)
          .op('i64_ge_u');
        f.get(packet)
          .get(ARGS)
          .memory('i64_load', at + EXTENT.end)
          .op('i64_lt_u')
          .op('i32_and')
          .brIf(found);
      }
      f.get(packet).get(ARGS).memory('i64_load', SETUP.unmapped).op('i64_eq').brIf(out);
      f.get(ARGS).get(packet).memory('i64_store', SETUP.wanted);
      f.i32(SETUP_STATUS.EXTENT).set(this.#status);
      f.br(stop);
      f.end();
      f.get(packet).set(last);
      f.get(packet).i64(BigInt(PACKET_VARYINGS_OFFSET)).op('i64_add');
      this.#field((['slot0', 'slot1', 'slot2'] as const)[v]!).op('i64_extend_i32_u');
      f.get(ARGS).memory('i64_load32_u', SETUP.attributeStride).op('i64_mul').op('i64_add').set(record);
      // What is left of the extent behind the record, if that is the least.
      f.get(extent).memory('i64_load', EXTENT.end).get(record).op('i64_sub').tee(record);
      f.get(limit).get(record).get(limit).op('i64_lt_s').op('select').set(limit);
      f.get(extent).memory('i32_load', EXTENT.physical);
      f.get(extent).memory('i64_load', EXTENT.end).get(extent).memory('i64_load', EXTENT.start).op('i64_sub');
      f.get(record).op('i64_sub').op('i32_wrap_i64').op('i32_add').set(physical[v]!);
    }
    f.get(limit).i64(0n).op('i64_gt_s').tee(simple);
    f.if();
    f.get(what).i32(SIMPLE.RECORDS).op('i32_or').set(what);
    f.end();
    f.end();
    f.get(this.#to).get(what).memory('i32_store', PRIMITIVE.simple);
    const put = (offset: number, push: () => void) => {
      f.get(this.#to);
      push();
      // Zero where it is not simple.
      f.i32(0).get(simple).op('select').memory('i32_store', offset);
    };
    put(PRIMITIVE.varyingBytes, () => f.get(limit).op('i32_wrap_i64'));
    put(PRIMITIVE.provoking, () => {
      f.get(physical[2]!).get(physical[1]!).get(this.#provoking).i32(2).op('i32_eq').op('select');
      f.get(physical[0]!).get(this.#provoking).op('select');
    });
    for (let v = 0; v < 3; v++) put(PRIMITIVE.vertices + v * 4, () => f.get(physical[v]!));
  }

  /** Edge functions; each lies opposite a corner. */
  #edges(): void {
    const f = this.#f;
    const [dx, dy, c] = f.locals('f64', 3);
    for (let i = 0; i < 3; i++) {
      const first = (i + 1) % 3;
      const last = (i + 2) % 3;
      const from = this.#corners[first]!;
      const to = this.#corners[last]!;
      const difference = (axis: 'x' | 'y', less: number, most: number) =>
        f.get(this.#whole[most]![axis]).get(this.#whole[less]![axis]).op('i32_sub');
      f.get(this.#to);
      difference('y', last, first).memory('i32_store', PRIMITIVE.a + i * 4);
      f.get(this.#to);
      difference('x', first, last).memory('i32_store', PRIMITIVE.b + i * 4);
      f.get(to.x).get(from.x).op('f64_sub').set(dx);
      f.get(to.y).get(from.y).op('f64_sub').set(dy);
      f.get(dy).op('f64_neg').op('f64x2_splat').get(dx).lane('f64x2_replace_lane', 1).set(this.#slopes[i]!);
      f.get(dy).get(from.x).op('f64_mul').get(dx).get(from.y).op('f64_mul').op('f64_sub').set(c);
      f.get(this.#to).get(c).get(c).f64(1).op('f64_sub');
      this.#arg64(SETUP.tieX).get(dx).op('f64_mul');
      this.#arg64(SETUP.tieY).get(dy).op('f64_mul').op('f64_add');
      f.f64(0)
        .op('f64_lt')
        .op('select')
        .memory('f64_store', PRIMITIVE.limit + i * 8);
    }
  }

  /** Depth, its bias, and the planes of the weights. */
  #planes(area: number): void {
    const f = this.#f;
    const [p, q, r] = this.#corners;
    const z1 = f.local('f64');
    const z2 = f.local('f64');
    const [dzdx, dzdy] = [f.local('f64'), f.local('f64')];
    const [bias, constant, clamp] = [f.local('f64'), f.local('f64'), f.local('f64')];
    f.get(q.z).get(p.z).op('f64_sub').set(z1);
    f.get(r.z).get(p.z).op('f64_sub').set(z2);
    f.get(z1).get(r.y).get(p.y).op('f64_sub').op('f64_mul');
    f.get(z2).get(q.y).get(p.y).op('f64_sub').op('f64_mul').op('f64_sub').get(area).op('f64_div').set(dzdx);
    f.get(z2).get(q.x).get(p.x).op('f64_sub').op('f64_mul');
    f.get(z1).get(r.x).get(p.x).op('f64_sub').op('f64_mul').op('f64_sub').get(area).op('f64_div').set(dzdy);
    for (const [offset, local] of [
      [PRIMITIVE.z, p.z],
      [PRIMITIVE.dzdx, dzdx],
      [PRIMITIVE.dzdy, dzdy],
      [PRIMITIVE.originX, p.x],
      [PRIMITIVE.originY, p.y],
    ] as const) {
      f.get(this.#to).get(local).memory('f64_store', offset);
    }
    f.f64(0).set(bias);
    this.#arg(SETUP.biased).if();
    f.get(ARGS).memory('f64_load', SETUP.biasFactor);
    f.get(dzdx).op('f64_abs').get(dzdy).op('f64_abs').op('f64_max').f64(SUBPIXEL).op('f64_mul').op('f64_mul');
    f.get(ARGS).memory('f64_load', SETUP.biasConstant).set(constant);
    this.#arg(SETUP.biased).i32(BIASED.floats).op('i32_eq').if();
    f.get(p.z).op('f64_abs').get(q.z).op('f64_abs').op('f64_max').get(r.z).op('f64_abs').op('f64_max');
    // The power of two alone is left.
    f.op('i64_reinterpret_f64').i64(EXPONENT).op('i64_and').op('f64_reinterpret_i64');
    f.get(constant).op('f64_mul').set(constant).end();
    f.get(constant).op('f64_add').set(bias);
    f.get(ARGS).memory('f64_load', SETUP.biasClamp).tee(clamp).f64(0).op('f64_gt').if();
    f.get(bias).get(clamp).op('f64_min').set(bias).end();
    f.get(clamp).f64(0).op('f64_lt').if();
    f.get(bias).get(clamp).op('f64_max').set(bias).end();
    f.end();
    f.get(this.#to).get(bias).memory('f64_store', PRIMITIVE.bias);
    this.#weights(area);
  }

  /** The planes of the weights; slopes are vectors of x and y. */
  #weights(area: number): void {
    const f = this.#f;
    const value = f.local('f64');
    const [whole, single] = f.locals('v128', 2);
    const [right, down] = [SUBPIXEL, SUBPIXEL];
    const sums = f.locals('v128', 3);
    f.get(area).op('f64x2_splat').set(whole);
    for (const [n, sum] of sums.entries()) {
      f.f64(0).op('f64x2_splat').set(sum);
      for (const [i, corner] of this.#corners.entries()) {
        f.get(corner.w);
        if (n > 0) f.get(n === 1 ? corner.weight1 : corner.weight2).op('f64_mul');
        f.set(value);
        if (i === 0) f.get(this.#to).get(value).memory('f64_store', planeAt(n, 0));
        f.get(sum).get(this.#slopes[i]!).get(value).op('f64x2_splat').op('f64x2_mul').op('f64x2_add').set(sum);
      }
      f.get(sum).get(whole).op('f64x2_div').tee(sum).op('f32x4_demote_f64x2_zero').set(single);
      f.get(this.#to);
      f.get(single)
        .get(single)
        .shuffle32(0, 0, 0, 0)
        .get(singles(f, 0, right, 0, right))
        .op('f32x4_mul');
      f.get(single)
        .get(single)
        .shuffle32(1, 1, 1, 1)
        .get(singles(f, 0, 0, down, down))
        .op('f32x4_mul');
      f.op('f32x4_add').memory('v128_store', PRIMITIVE.steps + n * 16);
    }
    const [first, second, third] = sums;
    f.get(this.#to).get(first).get(second).shuffle32(0, 1, 4, 5).memory('v128_store', planeAt(0, 1));
    f.get(this.#to).get(first).get(second).shuffle32(2, 3, 6, 7).memory('v128_store', planeAt(0, 2));
    f.get(this.#to).get(third).memory('v128_store', planeAt(2, 1));
  }

  #rest(): void {
    const f = this.#f;
    const { offset } = PrimitiveRecord;
    const word = (to: number, push: () => void) => {
      f.get(this.#to);
      push();
      f.memory('i32_store', to);
    };
    for (const [k, bound] of this.#bounds.entries()) {
      f.get(this.#to)
        .get(bound)
        .memory('i32_store16', PRIMITIVE.minX + k * 2);
    }
    word(PRIMITIVE.id, () => f.get(this.#record).memory('i32_load', offset.id, this.#memory));
    word(PRIMITIVE.flags, () => this.#field('backFacing'));
    word(PRIMITIVE.kind, () => f.get(this.#kind));
    word(PRIMITIVE.draw, () => this.#arg(SETUP.number));
    word(PRIMITIVE.provokingVertex, () => f.get(this.#provoking));
    for (const [v, slot] of (['slot0', 'slot1', 'slot2'] as const).entries()) {
      word(PRIMITIVE.slots + v * 4, () => this.#field(slot));
    }
    for (const [v, packet] of (['packet0', 'packet1', 'packet2'] as const).entries()) {
      f.get(this.#to).get(this.#record).memory('i64_load', offset[packet], this.#memory);
      f.op('f64_convert_i64_u').memory('f64_store', PRIMITIVE.packets + v * 8);
    }
  }
}
