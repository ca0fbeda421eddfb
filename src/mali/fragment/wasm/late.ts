/**
 * Emitted WebAssembly for depth and stencil tests that come after shading, or in the midst of it: ATEST, ZS_EMIT, and the test
 * before a colour, as fragment/late-tests.ts does them. One module for a state; recompiled shaders call it by its numbers
 * in STAGE (recompiler/frame.ts).
 *
 * Samples come and go in WARP.blended, quad after quad; alpha or the shader's depth in the first channel of WARP.colour, the
 * shader's stencil in the second. A quad's four pixels are of one primitive.
 */
import { STAGE } from '../../recompiler/frame.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { type LateState, type LateTest, CORE as P, Sample, type SampleLocals } from './late-sample.ts';
import { functions } from './modules.ts';
import { WARP } from './raster.ts';
import { faceKey } from './tests.ts';

export interface LateFunctions {
  /** Before a colour: lanes without effect are not among `lanes`. */
  readonly late_left: LateTest;
  readonly late_alpha: LateTest;
  readonly late_emit: LateTest;
}

export const lateTests = (state: LateState): LateFunctions =>
  functions<LateFunctions>(`late ${key(state)}`, (m) => emit(m, state));

function key({ stencil, pattern, ...rest }: LateState): string {
  const { samples, merged, early, fromShader, stencilFromShader, byAlpha, format, func, write, limit } = rest;
  const own = `${samples} ${merged} ${early} ${fromShader} ${stencilFromShader} ${byAlpha} ${format} ${func} ${write}`;
  return `${own} ${limit} ${pattern.x} ${pattern.y} ${stencil ? `${faceKey(stencil[0])} ${faceKey(stencil[1])}` : ''}`;
}

function emit(m: ModuleBuilder, state: LateState): void {
  const core = m.function('late_quad', ['i32', 'i32', 'i32', 'v128', 'v128'], ['v128']);
  new Core(core, state).emit();
  for (const kind of ['late_left', 'late_alpha', 'late_emit'] as const) {
    const f = m.function(kind, ['i32', 'i32', 'i32', 'i32'], [], true);
    new Quads(f, core, state).emit(kind);
  }
}

/** What surrounds the test of each quad. */
class Quads {
  readonly #f: Code;
  readonly #core: Code;
  readonly #state: LateState;

  constructor(f: Code, core: Code, state: LateState) {
    this.#f = f;
    this.#core = core;
    this.#state = state;
  }

  emit(kind: keyof LateFunctions): void {
    const f = this.#f;
    const { merged, fromShader, byAlpha } = this.#state;
    const [stage, lanes, gone, given] = [0, 1, 2, 3];
    const [quad, warp] = [f.local('i32'), f.local('i32')];
    const [bits, active, off, samples, own, left, alpha, zero] = f.locals('v128', 8);
    f.v128(1, 2, 4, 8).set(bits);
    f.get(stage).memory('i32_load', STAGE.pixels).set(warp);
    const done = f.block();
    const again = f.loop();
    f.get(lanes).op('i32_eqz').brIf(done);
    f.get(lanes).i32(15).op('i32_and').if();
    for (const [from, to] of [
      [lanes, active],
      [gone, off],
    ] as const) {
      f.get(from).op('i32x4_splat').get(bits).op('v128_and').get(zero).op('i32x4_ne').set(to);
    }
    f.get(warp).memory('v128_load', WARP.coverage).set(own);
    f.get(warp).memory('v128_load', WARP.blended);
    // Of lanes that come to nothing ZS_EMIT hands on what it was given.
    if (kind !== 'late_emit') f.get(own).op('v128_and');
    f.set(samples);
    if (kind === 'late_alpha' && byAlpha !== 'no') this.#alpha(warp, alpha, samples);
    const test = () => {
      f.get(stage).get(quad).get(given).get(samples).get(active).get(off).op('v128_andnot').call(this.#core);
      if (kind !== 'late_left' && merged) {
        f.set(left).get(samples).get(own).op('v128_and').get(left).get(zero).op('i32x4_ne').op('v128_and');
      }
    };
    f.get(warp);
    if (kind === 'late_left') test();
    else if (kind === 'late_alpha' && fromShader) {
      f.get(warp).get(samples).get(own).get(active).get(off).op('v128_andnot').op('v128_bitselect');
      f.memory('v128_store', WARP.coverage);
      f.get(samples);
    } else {
      f.get(samples);
      test();
      f.get(off).op('v128_bitselect');
    }
    f.memory('v128_store', WARP.blended);
    f.end();
    f.get(quad).i32(16).op('i32_add').set(quad);
    f.get(warp).i32(16).op('i32_add').set(warp);
    for (const local of [lanes, gone]) f.get(local).i32(4).op('i32_shr_u').set(local);
    f.br(again).end().end();
  }

  /** Takes samples away: sample s stays if alpha × samples is s + 1/2 or more, or the other way about. */
  #alpha(warp: number, alpha: number, samples: number): void {
    const f = this.#f;
    const { samples: count, byAlpha } = this.#state;
    f.get(warp).memory('v128_load', WARP.colour).f32(count).op('f32x4_splat').op('f32x4_mul').set(alpha);
    f.get(samples);
    for (let s = 0; s < count; s++) {
      const least = byAlpha === 'last' ? s + 0.5 : count - s - 0.5;
      f.get(alpha).f32(least).op('f32x4_splat').op('f32x4_ge');
      f.i32(1 << s)
        .op('i32x4_splat')
        .op('v128_and');
      if (s > 0) f.op('v128_or');
    }
    if (byAlpha === 'first') {
      f.i32(-1 << count)
        .op('i32x4_splat')
        .op('v128_or');
    }
    f.op('v128_and').set(samples);
  }
}

/**
 * (stage, 16 × quad, given, samples, lanes) → samples that are left. Each lane is tested once: WARP.tested says what was left
 * then, all ones before.
 */
class Core {
  readonly #f: Code;
  readonly #state: LateState;
  readonly #at: number;
  readonly #fresh: number;
  readonly #alive: number;
  readonly #passes: number;
  readonly #z: number;
  readonly #stored: number;
  readonly #zero: number;
  readonly #pixel: number;
  readonly #primitive: number;

  constructor(f: Code, state: LateState) {
    this.#f = f;
    this.#state = state;
    this.#at = f.local('i32');
    this.#pixel = f.local('i32');
    this.#primitive = f.local('i32');
    const v = () => f.local('v128');
    [this.#fresh, this.#alive, this.#passes, this.#z, this.#stored, this.#zero] = [v(), v(), v(), v(), v(), v()];
  }

  emit(): void {
    const f = this.#f;
    const { merged, early, samples: count } = this.#state;
    const samples = P.samples;
    const warp = f.local('i32');
    const [tested, left] = [f.local('v128'), f.local('v128')];
    f.get(P.stage).memory('i32_load', STAGE.pixels).get(P.quad).op('i32_add').set(warp);
    f.get(samples).get(warp).memory('v128_load', WARP.coverage).op('v128_and').set(samples);
    if (merged) {
      f.get(samples).get(this.#zero).op('i32x4_ne');
      f.i32(2 ** count - 1)
        .op('i32x4_splat')
        .op('v128_and')
        .set(samples);
    }
    if (early) {
      f.get(samples);
      return;
    }
    f.get(warp).memory('v128_load', WARP.tested).tee(tested);
    f.get(this.#zero).op('v128_not').op('i32x4_eq').get(P.lanes).op('v128_and').tee(this.#fresh);
    f.op('v128_any_true').if();
    f.get(warp).memory('i32_load', WARP.pixel).set(this.#pixel);
    f.get(P.stage)
      .get(P.quad)
      .i32(2)
      .op('i32_shr_u')
      .op('i32_add')
      .memory('i32_load', STAGE.quads)
      .set(this.#primitive);
    const sample = new Sample(f, this.#state, this.#locals(warp));
    for (let s = 0; s < count; s++) {
      f.get(samples)
        .i32(1 << s)
        .op('i32x4_splat')
        .op('v128_and')
        .get(this.#zero);
      f.op('i32x4_ne').get(this.#fresh).op('v128_and').tee(this.#alive).op('v128_any_true').if();
      sample.emit(s);
      f.get(this.#alive)
        .i32(1 << s)
        .op('i32x4_splat')
        .op('v128_and')
        .get(left)
        .op('v128_or')
        .set(left);
      f.end();
    }
    f.get(warp)
      .get(left)
      .get(tested)
      .get(this.#fresh)
      .op('v128_bitselect')
      .tee(tested)
      .memory('v128_store', WARP.tested);
    f.end();
    f.get(samples).get(tested).op('v128_and');
  }

  #locals(warp: number): SampleLocals {
    return {
      warp,
      at: this.#at,
      pixel: this.#pixel,
      primitive: this.#primitive,
      alive: this.#alive,
      passes: this.#passes,
      z: this.#z,
      stored: this.#stored,
      zero: this.#zero,
    };
  }
}
