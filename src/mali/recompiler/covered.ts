/**
 * The samples of a quad's lanes that a colour is for: what the shader says is covered, less what tests and discards have taken.
 */
import { WARP } from '../fragment/wasm/raster.ts';
import type { Label } from '../wasm/builder.ts';
import type { Around } from './access.ts';
import type { Unit } from './flow.ts';
import { STAGE } from './frame.ts';
import type { LateCode } from './late.ts';
import type { QuadFeed } from './quad-feed.ts';

export class CoveredCode {
  /** By vector. */
  readonly samples: readonly number[];
  readonly #a: Around;
  readonly #late: LateCode;
  readonly #quads: QuadFeed | undefined;
  /** Lanes may come to nothing on their way. */
  readonly #discards: boolean;
  readonly #lanes: number;

  /** `quads`: the list that warps come from. */
  constructor(around: Around, late: LateCode, { blocks }: Unit, quads: QuadFeed | undefined) {
    this.#a = around;
    this.#late = late;
    this.#quads = quads;
    const sites = blocks.flatMap((block) => block.sites);
    this.#discards = sites.some(({ instruction }) => instruction.spec.base === 'DISCARD');
    this.samples = around.code.locals('v128', around.lanes.vectors);
    this.#lanes = around.code.local('i32');
  }

  /** Fills `samples`; to `out` if nobody here can test them. `register`: what the shader says; `stage`: a local. */
  emit(register: number, stage: number, out: Label): void {
    const { code } = this.#a;
    if (this.#quads) {
      if (this.#quads.ways.direct) this.#direct(register, stage);
      else this.#tested(register, stage, out);
      return;
    }
    code.get(stage).memory('i32_load', STAGE.direct);
    code.likely().if();
    this.#direct(register, stage);
    code.else();
    this.#tested(register, stage, out);
    code.end();
  }

  /** Where all tests have been made: lanes without effect have no samples in a list's warp. */
  #direct(register: number, stage: number): void {
    const { code, lanes, mask } = this.#a;
    const coverage = this.#a.register(register);
    for (let k = 0; k < lanes.vectors; k++) {
      coverage(k);
      this.#late.own(stage, k);
      code.op('v128_and').set(this.samples[k]!);
    }
    if (!mask && !this.#discards && this.#quads) return;
    this.#effect();
    this.#masked();
  }

  #tested(register: number, stage: number, out: Label): void {
    const { code, lanes } = this.#a;
    this.#effect();
    this.#late.left(stage, this.#a.register(register), this.#lanes);
    code.op('i32_eqz').brIf(out);
    for (let k = 0; k < lanes.vectors; k++) {
      code
        .get(stage)
        .memory('i32_load', STAGE.pixels)
        .memory('v128_load', WARP.blended + 16 * k)
        .set(this.samples[k]!);
    }
    this.#masked();
  }

  /** Fills #lanes with those that run and do not come to nothing. */
  #effect(): void {
    const { code } = this.#a;
    code.get(this.#a.bits).get(this.#a.discarded).i32(-1).op('i32_xor').op('i32_and').set(this.#lanes);
  }

  /** Leaves the samples of #lanes. */
  #masked(): void {
    const { code, lanes } = this.#a;
    for (let k = 0; k < lanes.vectors; k++) {
      const bits = lanes.words(...[0, 1, 2, 3].map((lane) => 1 << (4 * k + lane)));
      code.get(this.#lanes).op('i32x4_splat');
      bits(k);
      code.op('v128_and');
      bits(k);
      code.op('i32x4_eq').get(this.samples[k]!).op('v128_and').set(this.samples[k]!);
    }
  }
}
