/**
 * LD_VAR_SPECIAL in recompiled fragment shaders: depth and 1/w at pixels' centres, which gl_FragCoord is made of. The script of the
 * same is fragment/interpolation.ts; other places than centres, and point coordinates, are the interpreter's.
 *
 * Vector k of a warp is quad k, whose primitive (engine/quads.ts: PRIMITIVE) has the planes, whatever its kind.
 */
import { PRIMITIVE } from '../engine/quads.ts';
import type { Site } from './flow.ts';
import { FRAME, STAGE } from './frame.ts';
import type { Around } from './memory.ts';
import type { QuadFeed } from './quad-feed.ts';
import { WeightCode } from './weights.ts';

/** Numbers of the instruction's index field. */
const SPECIAL = { W: 2, Z: 3 } as const;
/** Pixels to 1/256 pixel, and the centre. */
const SUBPIXEL_SHIFT = 8;
const CENTER = 128;
const VECTOR_BYTES = 16;

export class SpecialVaryingCode {
  readonly #a: Around;
  readonly #feed: QuadFeed | undefined;
  readonly #stage: number;
  readonly #dx: number;
  readonly #dy: number;
  #weights: WeightCode | undefined;

  constructor(around: Around, feed: QuadFeed | undefined) {
    this.#a = around;
    this.#feed = feed;
    const { code } = around;
    this.#stage = feed?.stage ?? code.local('i32');
    this.#dx = code.local('v128');
    this.#dy = code.local('v128');
  }

  /** Emits a load. False: it is another instruction, or a form that is the interpreter's. */
  emit(site: Site): boolean {
    const { instruction: i } = site;
    const { code, lanes, mask } = this.#a;
    const { sample, regfmt, vecsize } = i.modifiers;
    const { index } = i.immediates;
    if (i.spec.name !== 'LD_VAR_SPECIAL' || sample !== 'center' || regfmt !== 'f32' || vecsize !== 'none') return false;
    if (index !== SPECIAL.W && index !== SPECIAL.Z) return false;
    const locals = this.#a.locals(i.staging[0]!.register);
    const done = code.block();
    const slow = code.block();
    if (!this.#feed) code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(slow);
    for (let k = 0; k < lanes.vectors; k++) {
      if (index === SPECIAL.Z) this.#depth(k);
      else this.#inverseW(k);
      if (mask) code.get(locals[k]!).get(mask[k]!).op('v128_bitselect');
      code.set(locals[k]!);
    }
    code.br(done);
    code.end();
    this.#a.interpret(site);
    code.end();
    return true;
  }

  /** Pushes the scratch address of vector k's primitive. */
  #primitive(k: number): void {
    const { code } = this.#a;
    if (this.#feed) code.get(this.#feed.primitive[k]!);
    else code.get(this.#stage).memory('i32_load', STAGE.quads + 4 * k);
  }

  /** Pushes the pixels' places in the window. */
  #axis(k: number, own: readonly number[] | undefined, at: number): void {
    const { code } = this.#a;
    if (own) code.get(own[k]!);
    else code.get(this.#stage).memory('v128_load', at + VECTOR_BYTES * k);
  }

  #inverseW(k: number): void {
    this.#weights ??= new WeightCode(this.#a.lanes);
    this.#weights.inverseW(
      k,
      () => this.#primitive(k),
      () => this.#axis(k, this.#feed?.x, STAGE.x),
      () => this.#axis(k, this.#feed?.y, STAGE.y),
    );
  }

  /** Value and slopes in doubles, two pixels at a time, with the bias. */
  #depth(k: number): void {
    const { code } = this.#a;
    for (const [own, at, local] of [
      [this.#feed?.x, STAGE.x, this.#dx],
      [this.#feed?.y, STAGE.y, this.#dy],
    ] as const) {
      this.#axis(k, own, at);
      code.i32(SUBPIXEL_SHIFT).op('i32x4_shl');
      this.#a.lanes.words(CENTER)(k);
      code.op('v128_or').set(local);
    }
    const plane = (offset: number): void => {
      this.#primitive(k);
      code.memory('v128_load64_splat', offset);
    };
    for (const upper of [false, true]) {
      const move = (local: number, origin: number): void => {
        code.get(local);
        if (upper) code.get(local).shuffle32(2, 3, 2, 3);
        code.op('f64x2_convert_low_i32x4_s');
        plane(origin);
        code.op('f64x2_sub').op('f64x2_mul').op('f64x2_add');
      };
      plane(PRIMITIVE.z);
      plane(PRIMITIVE.dzdx);
      move(this.#dx, PRIMITIVE.x0);
      plane(PRIMITIVE.dzdy);
      move(this.#dy, PRIMITIVE.y0);
      plane(PRIMITIVE.bias);
      code.op('f64x2_add').op('f32x4_demote_f64x2_zero');
    }
    code.shuffle32(0, 1, 4, 5);
  }
}
