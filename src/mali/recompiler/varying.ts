/**
 * Varyings of recompiled fragment shaders: LD_VAR_BUF_IMM.
 *
 * The fragment stage leaves in scratch memory (frame.ts: STAGE) where the warp's lanes are, the planes of the triangle's weights, and where in
 * DRAM its vertices' records lie. Where those suffice (`simple`: a triangle at pixel centres, records that one extent
 * holds) weights and sums are computed here, in the same steps as fragment/raster.ts and shader/varying.ts; everywhere else the
 * interpreter's step does the instruction.
 */

import type { Site } from './flow.ts';
import { FRAME, STAGE } from './frame.ts';
import { type Lanes, WARP_VECTORS } from './lanes.ts';
import type { Around } from './memory.ts';

const VERTICES = 3;
/** Pixels to 1/256 pixel, and the centre. */
const SUBPIXEL = 256;
const CENTER = 128;

export class VaryingCode {
  readonly #a: Around;
  readonly #weights: number[][];
  readonly #corners: number[];
  readonly #value: number[];
  readonly #stage: number;
  readonly #wide: { dx: number; dy: number; sum: number };

  constructor(around: Around) {
    this.#a = around;
    const { code } = around;
    const vectors = (n: number): number[] => Array.from({ length: n }, () => code.local('v128'));
    this.#weights = Array.from({ length: VERTICES }, () => vectors(around.lanes.vectors));
    this.#corners = vectors(VERTICES);
    this.#value = vectors(around.lanes.vectors * 2);
    this.#stage = code.local('i32');
    const [dx, dy, sum] = vectors(3) as [number, number, number];
    this.#wide = { dx, dy, sum };
  }

  /** Emits a varying load. False: this form is the interpreter's. */
  emit(site: Site): boolean {
    const { instruction: i } = site;
    const { base } = i.spec;
    // Offsets in registers may differ from lane to lane.
    if (base !== 'LD_VAR_BUF_IMM') return false;
    if (i.modifiers.sample === 'explicit') return false;
    const { code, lanes } = this.#a;
    const channels = i.modifiers.vecsize === 'none' ? 1 : Number(i.modifiers.vecsize![1]);
    const source = i.modifiers.sourceFormat!;
    const halfSource = source.endsWith('16');
    const flat = source.startsWith('src_flat');
    const half = i.spec.type === 'f16';
    // Flat words narrowed to 16 bits are clamped as integers: seldom, and the interpreter's.
    if (flat && half !== halfSource) return false;
    const offset = i.immediates.index!;
    const bytes = channels * (halfSource ? 2 : 4);
    const { register } = i.staging[0]!;

    const done = code.block();
    const slow = code.block();
    code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').brIf(slow);
    code.get(this.#stage).memory('i32_load', STAGE.simple).op('i32_eqz').brIf(slow);
    code
      .get(this.#stage)
      .memory('i32_load', STAGE.limit)
      .i32(offset + bytes)
      .op('i32_lt_u')
      .brIf(slow);
    if (!flat) {
      if (i.modifiers.update === 'retrieve') this.#retrieve();
      else this.#weigh();
    }
    for (let c = 0; c < channels; c++) {
      for (let v = 0; v < (flat ? 1 : VERTICES); v++) {
        code.get(this.#stage).memory('i32_load', flat ? STAGE.provoking : STAGE.vertices + 4 * v);
        code.memory(
          halfSource ? 'v128_load16_splat' : 'v128_load32_splat',
          offset + c * (halfSource ? 2 : 4),
          this.#a.dram,
        );
        code.set(this.#corners[v]!);
        if (halfSource && !flat) {
          const word = this.#corners[v]!;
          lanes.widenLow(() => code.get(word))(0);
          lanes.release();
          code.set(word);
        }
      }
      for (let k = 0; k < this.#a.lanes.vectors; k++) {
        const to = this.#value[k + (half && c % 2 ? this.#a.lanes.vectors : 0)]!;
        if (flat) code.get(this.#corners[0]!);
        else this.#sum(k);
        code.set(to);
        if (!half) this.#write(register + c, k, () => code.get(to));
        else if (c % 2 === 1 || c === channels - 1) this.#pair(register + (c >> 1), k, c % 2 === 1, flat);
      }
    }
    code.br(done);
    code.end();
    this.#a.interpret(site);
    code.end();
    return true;
  }

  /** Pushes a vector's weighted sum of the corners. */
  #sum(k: number): void {
    const { code } = this.#a;
    for (let v = 0; v < VERTICES; v++) {
      code.get(this.#corners[v]!).get(this.#weights[v]![k]!).op('f32x4_mul');
      if (v > 0) code.op('f32x4_add');
    }
  }

  /** Writes one or two channels of 16 bits to a register. */
  #pair(register: number, k: number, both: boolean, flat: boolean): void {
    const { code, lanes } = this.#a;
    const narrow = (local: number): Lanes => {
      const value: Lanes = () => code.get(local);
      return flat ? lanes.and(value, lanes.words(0xffff)) : lanes.narrow(value);
    };
    const low = narrow(this.#value[k]!);
    if (both) this.#write(register, k, () => lanes.pair(low, narrow(this.#value[k + this.#a.lanes.vectors]!))(k));
    else {
      // The upper half stays.
      const old = this.#a.locals(register)[k]!;
      this.#write(register, k, () =>
        lanes.or(
          low,
          lanes.and(() => code.get(old), lanes.words(0xffff0000)),
        )(k),
      );
    }
    lanes.release();
  }

  #write(register: number, k: number, push: () => void): void {
    const { code, mask } = this.#a;
    const local = this.#a.locals(register)[k]!;
    push();
    if (mask) code.get(local).get(mask[k]!).op('v128_bitselect');
    code.set(local);
  }

  #retrieve(): void {
    const { code } = this.#a;
    for (let v = 0; v < VERTICES; v++) {
      for (let k = 0; k < this.#a.lanes.vectors; k++) {
        code
          .get(1)
          .memory('v128_load', FRAME.weights + (v * WARP_VECTORS + k) * 16)
          .set(this.#weights[v]![k]!);
      }
    }
  }

  /** Computes the weights at the pixels' centres, and keeps them for instructions that retrieve them. */
  #weigh(): void {
    const { code, lanes, mask } = this.#a;
    const one = lanes.single(1);
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      for (let v = 0; v < 2; v++) {
        this.#weight(k, v, false);
        this.#weight(k, v, true);
        code.shuffle32(0, 1, 4, 5).set(this.#weights[v]![k]!);
      }
      one(k);
      code.get(this.#weights[0]![k]!).op('f32x4_sub').get(this.#weights[1]![k]!).op('f32x4_sub');
      code.set(this.#weights[2]![k]!);
      for (let v = 0; v < VERTICES; v++) {
        const at = FRAME.weights + (v * WARP_VECTORS + k) * 16;
        code.get(1).get(this.#weights[v]![k]!);
        if (mask) code.get(1).memory('v128_load', at).get(mask[k]!).op('v128_bitselect');
        code.memory('v128_store', at);
      }
    }
  }

  /** Pushes a weight of two lanes of a vector, in its lower half. */
  #weight(k: number, vertex: number, upper: boolean): void {
    const { code } = this.#a;
    const { dx, dy, sum } = this.#wide;
    for (const [local, at, origin] of [
      [dx, STAGE.x, STAGE.originX],
      [dy, STAGE.y, STAGE.originY],
    ] as const) {
      code.get(this.#stage).memory('v128_load', at + 16 * k);
      if (upper) code.get(dx).shuffle32(2, 3, 2, 3);
      code.op('f64x2_convert_low_i32x4_s');
      this.#double(SUBPIXEL);
      code.op('f64x2_mul');
      this.#double(CENTER);
      code.op('f64x2_add');
      code.get(this.#stage).memory('v128_load64_splat', origin).op('f64x2_sub').set(local);
    }
    this.#plane(0);
    code.set(sum);
    this.#plane(1 + vertex);
    code.get(sum).op('f64x2_div').op('f32x4_demote_f64x2_zero');
  }

  #double(x: number): void {
    const words = new DataView(new ArrayBuffer(8));
    words.setFloat64(0, x);
    const high = words.getInt32(0);
    const low = words.getInt32(4);
    this.#a.lanes.words(low, high, low, high)(0);
  }

  /** Pushes value + slope x × dx + slope y × dy of plane n. */
  #plane(n: number): void {
    const { code } = this.#a;
    const at = STAGE.planes + n * 24;
    code.get(this.#stage).memory('v128_load64_splat', at);
    code
      .get(this.#stage)
      .memory('v128_load64_splat', at + 8)
      .get(this.#wide.dx)
      .op('f64x2_mul')
      .op('f64x2_add');
    code
      .get(this.#stage)
      .memory('v128_load64_splat', at + 16)
      .get(this.#wide.dy)
      .op('f64x2_mul')
      .op('f64x2_add');
  }
}
