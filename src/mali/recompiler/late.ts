/**
 * ATEST, ZS_EMIT, and the test before a colour, in recompiled fragment shaders.
 *
 * Where depth and stencil have been tested before the shader (STAGE.direct), ATEST only takes what is left of the coverage.
 * Everywhere else the draw's emitted functions (fragment/wasm/late.ts) are called by their numbers in STAGE; where there are
 * none, the interpreter's step does the instruction.
 */
import { GIVEN } from '../fragment/wasm/late-sample.ts';
import { WARP } from '../fragment/wasm/raster.ts';
import type { Instruction } from '../shader/decode.ts';
import { type Around, setRegister } from './access.ts';
import type { Site } from './flow.ts';
import { FRAME, STAGE } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { Lowering, type Operands } from './lowering.ts';
import type { QuadFeed } from './quad-feed.ts';

/** The parameters and results of LateTest. */
export const LATE_TYPE = [['i32', 'i32', 'i32', 'i32'], []] as const;

const readable = ({ sources }: Instruction, n: number): boolean => sources[n]!.kind !== 'special';

export class LateCode {
  readonly #a: Around & Operands;
  readonly #quads: QuadFeed | undefined;
  readonly #stage: number;
  readonly #slot: number;
  readonly #warp: number;

  /** `quads`: the list that warps come from. */
  constructor(around: Around & Operands, quads: QuadFeed | undefined) {
    this.#a = around;
    this.#quads = quads;
    const { code } = around;
    this.#stage = code.local('i32');
    this.#slot = code.local('i32');
    this.#warp = code.local('i32');
  }

  /** Emits ATEST or ZS_EMIT. False: it is another instruction, or a form that is the interpreter's. */
  emit(site: Site): boolean {
    const { instruction: i } = site;
    const { name } = i.spec;
    if (name === 'ATEST' && readable(i, 0) && readable(i, 1)) this.#alphaTest(site);
    else if (name === 'ZS_EMIT' && [0, 1, 2].every((n) => readable(i, n))) this.#depthStencil(site);
    else return false;
    return true;
  }

  /** Pushes the samples that a vector's lanes stand for, where no late test changes them. */
  own(stage: number, k: number): void {
    const { code } = this.#a;
    if (this.#quads) {
      code.get(this.#quads.samples[k]!);
      return;
    }
    code
      .get(stage)
      .memory('i32_load', STAGE.coverage)
      .memory('v128_load', 16 * k);
  }

  #alphaTest(site: Site): void {
    const { code } = this.#a;
    const { instruction: i } = site;
    const source = new Lowering(this.#a, i);
    const coverage = source.raw(0);
    const { register } = i.staging[0]!;
    const own = (): void =>
      this.#results(register, (k) => {
        coverage(k);
        this.own(this.#stage, k);
        code.op('v128_and');
      });
    if (this.#quads?.ways.direct) {
      own();
      return;
    }
    const done = code.block();
    const slow = code.block();
    // Most draws test before shading. What else there is calls functions, before which all registers have to be stored: it is
    // out of the way, or they would be stored in any case.
    if (!this.#quads) {
      code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(slow);
      code.get(this.#stage).memory('i32_load', STAGE.direct);
      code.likely().if();
      own();
      code.br(done).end();
    }
    if (this.#quads) code.get(this.#quads.stage).set(this.#stage);
    code.get(this.#stage).memory('i32_load', STAGE.alphaTest).tee(this.#slot).op('i32_eqz').unlikely().brIf(slow);
    this.#store(WARP.colour, source.single(1));
    this.#call(this.#stage, coverage, () => code.get(this.#a.bits).get(this.#a.discarded).i32(0));
    this.#results(register, (k) => code.get(this.#warp).memory('v128_load', WARP.blended + 16 * k));
    code.br(done).end();
    this.#a.interpret(site);
    code.end();
  }

  #depthStencil(site: Site): void {
    const { code } = this.#a;
    const { instruction: i } = site;
    const source = new Lowering(this.#a, i);
    const { z, stencil } = i.modifiers;
    const done = code.block();
    const slow = code.block();
    code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').brIf(slow);
    code.get(this.#stage).memory('i32_load', STAGE.emit).tee(this.#slot).op('i32_eqz').brIf(slow);
    if (z) this.#store(WARP.colour, source.single(0));
    if (stencil) this.#store(WARP.colour + 64, source.raw(1));
    const given = (z ? GIVEN.DEPTH : 0) | (stencil ? GIVEN.STENCIL : 0);
    this.#call(this.#stage, source.raw(2), () => code.get(this.#a.bits).get(this.#a.discarded).i32(given));
    this.#results(i.staging[0]!.register, (k) => code.get(this.#warp).memory('v128_load', WARP.blended + 16 * k));
    code.br(done).end();
    this.#a.interpret(site);
    code.end();
  }

  /**
   * The test before a colour, of the lanes in a local; leaves the samples that are left in WARP.blended. Pushes whether there
   * was a function for it.
   */
  left(stage: number, coverage: Lanes, lanes: number): void {
    const { code } = this.#a;
    code.get(stage).memory('i32_load', STAGE.late).tee(this.#slot).if('i32');
    this.#call(stage, coverage, () => code.get(lanes).i32(0).i32(0));
    code.i32(1).else().i32(0).end();
  }

  /** Fills words of the warp. */
  #store(at: number, value: Lanes): void {
    const { code, lanes } = this.#a;
    for (let k = 0; k < lanes.vectors; k++) {
      code.get(this.#stage).memory('i32_load', STAGE.pixels);
      value(k);
      code.memory('v128_store', at + 16 * k);
    }
  }

  #call(stage: number, coverage: Lanes, rest: () => void): void {
    const { code, lanes } = this.#a;
    code.get(stage).memory('i32_load', STAGE.pixels).set(this.#warp);
    for (let k = 0; k < lanes.vectors; k++) {
      code.get(this.#warp);
      coverage(k);
      code.memory('v128_store', WARP.blended + 16 * k);
    }
    code.get(stage);
    rest();
    code.get(this.#slot).callIndirect(this.#a.lateType);
  }

  #results(register: number, push: (k: number) => void): void {
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      push(k);
      setRegister(this.#a, register, k);
    }
  }
}
