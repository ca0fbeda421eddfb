/**
 * LD_VAR_SPECIAL in recompiled fragment shaders: depth and 1/w at pixels' centres, which gl_FragCoord is made of. The script of the
 * same is fragment/interpolation.ts; other places than centres, and point coordinates, are the interpreter's.
 *
 * Vector k of a warp is quad k, whose primitive (engine/quads.ts: PRIMITIVE) has the planes, whatever its kind.
 */
import { CENTER } from '../fragment/raster.ts';
import { pushBias, pushDepthBase, pushDepthSteps } from '../fragment/wasm/depth-plane.ts';
import { type Around, setRegister } from './access.ts';
import type { Site } from './flow.ts';
import { FRAME, STAGE } from './frame.ts';
import { placeOf, type QuadFeed } from './quad-feed.ts';
import { WeightCode } from './weights.ts';

/** Numbers of the instruction's index field. */
const SPECIAL = { W: 2, Z: 3 } as const;

export class SpecialVaryingCode {
  readonly #a: Around;
  readonly #feed: QuadFeed | undefined;
  readonly #stage: number;
  readonly #at: number;
  #weights: WeightCode | undefined;

  constructor(around: Around, feed: QuadFeed | undefined) {
    this.#a = around;
    this.#feed = feed;
    const { code } = around;
    this.#stage = feed?.stage ?? code.local('i32');
    this.#at = code.local('i32');
  }

  /** Emits a load. False: it is another instruction, or a form that is the interpreter's. */
  emit(site: Site): boolean {
    const { instruction: i } = site;
    const { code, lanes } = this.#a;
    const { sample, regfmt, vecsize } = i.modifiers;
    const { index } = i.immediates;
    if (i.spec.name !== 'LD_VAR_SPECIAL' || sample !== 'center' || regfmt !== 'f32' || vecsize !== 'none') return false;
    if (index !== SPECIAL.W && index !== SPECIAL.Z) return false;
    const done = code.block();
    const slow = code.block();
    if (!this.#feed) code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(slow);
    for (let k = 0; k < lanes.vectors; k++) {
      if (index === SPECIAL.Z) this.#depth(k);
      else this.#inverseW(k);
      setRegister(this.#a, i.staging[0]!.register, k);
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

  #inverseW(k: number): void {
    this.#weights ??= new WeightCode(this.#a.lanes);
    const place = placeOf(this.#a.code, this.#feed, this.#stage, k);
    this.#weights.inverseW(() => this.#primitive(k), place('x'), place('y'));
  }

  #depth(k: number): void {
    const { code } = this.#a;
    const primitive = this.#at;
    this.#primitive(k);
    code.set(primitive);
    const place = placeOf(code, this.#feed, this.#stage, k);
    pushDepthBase(code, primitive, place('x'), place('y'));
    pushDepthSteps(code, primitive, CENTER.x[0]!, CENTER.y[0]!).op('f32x4_add');
    pushBias(code, primitive).op('f32x4_add');
  }
}
