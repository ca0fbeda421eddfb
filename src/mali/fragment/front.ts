/**
 * Front: the fragment front end of one draw. It goes through a tile's bin, primitive after primitive of its draw: coverage,
 * masks, early tests; what is left becomes quads in a list (engine/quads.ts), ready to be shaded.
 *
 * In emitted code (wasm/front.ts), or in the script below, which is its reference and the interpreter's engine. Both are
 * told and tell by the same words of scratch memory (FRONT).
 */
import type { Engine } from '../engine/engine.ts';
import { LIST_QUADS, PRIMITIVE, QUAD_LIST } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import type { DrawState } from './draw-state.ts';
import { EarlyTests } from './early-tests.ts';
import { type Coverage, Triangle } from './raster.ts';
import { type FrontCode, frontCode } from './wasm/front.ts';
import { FRONT, ROOM } from './wasm/list.ts';

/** Quads of a warp. */
const WARP_QUADS = 4;

export class Front {
  readonly #state: DrawState;
  readonly #tests: EarlyTests;
  readonly #code: FrontCode | undefined;
  readonly #triangle = new Triangle(0);

  constructor(state: DrawState, engine: Engine) {
    this.#state = state;
    this.#tests = new EarlyTests(state);
    if (engine !== 'wasm') return;
    this.#code = frontCode({
      raster: state.pattern,
      front: this.#tests.emitted(false),
      back: this.#tests.emitted(true),
      listed: state.shaded,
    });
  }

  /** The emitted code; undefined: script does it. */
  get code(): FrontCode | undefined {
    return this.#code;
  }

  /** Works off a bin from FRONT.place on, into an empty list. Rests when the draw changes, or list, bin or limit end. */
  run(args: number): void {
    const { u32, f64 } = scratch;
    const at = args / 4;
    u32[at + FRONT.count / 4] = 0;
    u32[at + FRONT.used / 4] = 0;
    u32[at + FRONT.used / 4 + 1] = 0;
    if (!this.#code) {
      this.#script(args);
      return;
    }
    u32[at + FRONT.passed / 4] = 0;
    u32[at + FRONT.tested / 4] = 0;
    const { low, high, raises } = this.#state.test;
    if (raises) this.#state.tile.forget();
    f64[(args + FRONT.low) / 8] = low;
    f64[(args + FRONT.high) / 8] = high;
    this.#code(args);
    this.#state.passed += u32[at + FRONT.passed / 4]!;
    if (u32[at + FRONT.tested / 4] !== 0) this.#state.touchDepth();
  }

  #script(args: number): void {
    const { u32 } = scratch;
    const at = args / 4;
    const { coverage } = this.#state.tile;
    const end = u32[at + FRONT.end / 4]!;
    const draw = u32[at + FRONT.draw / 4]!;
    const left = u32[at + FRONT.left / 4]!;
    const top = u32[at + FRONT.top / 4]!;
    let place = u32[at + FRONT.place / 4]!;
    let limit = u32[at + FRONT.limit / 4]!;
    const triangle = this.#triangle;
    let last = 0;
    for (; place < end && limit > 0 && u32[at + FRONT.count / 4]! <= LIST_QUADS - ROOM; place += 4, limit--) {
      triangle.at = u32[place / 4]!;
      if (u32[(triangle.at + PRIMITIVE.draw) / 4] !== draw) break;
      triangle.cover(left, top, this.#state.pattern, coverage);
      this.#tests.run(triangle.at, coverage, left, top);
      if (this.#state.shaded && this.#append(args, triangle.at, coverage)) last = triangle.at;
    }
    if (last !== 0) pad(args, last);
    u32[at + FRONT.place / 4] = place;
    u32[at + FRONT.limit / 4] = limit;
  }

  /** Appends what is left of a coverage to the list. Whether there was anything. */
  #append(args: number, primitive: number, { count, mask, x, y }: Coverage): boolean {
    const { u16, u32, u8 } = scratch;
    const used = (args + FRONT.used) / 4;
    const list = u32[(args + FRONT.list) / 4]!;
    let any = false;
    for (let quad = 0; quad < count; quad++) {
      const masks = quad * 4;
      if ((mask[masks]! | mask[masks + 1]! | mask[masks + 2]! | mask[masks + 3]!) === 0) continue;
      any = true;
      const place = y[quad]! * 4 + (x[quad]! >> 1);
      const bit = 1 << (place & 31);
      // A place of the tile comes once in a warp.
      if (u32[used + (place >> 5)]! & bit) pad(args, primitive);
      const n = u32[(args + FRONT.count) / 4]!++;
      for (let i = 0; i < 4; i++) u16[(list + QUAD_LIST.mask) / 2 + n * 4 + i] = mask[masks + i]!;
      u32[(list + QUAD_LIST.primitive) / 4 + n] = primitive;
      u8[list + QUAD_LIST.x + n] = x[quad]!;
      u8[list + QUAD_LIST.y + n] = y[quad]!;
      if (n % WARP_QUADS === WARP_QUADS - 1) u32.fill(0, used, used + 2);
      else u32[used + (place >> 5)]! |= bit;
    }
    return any;
  }
}

/** Fills the open warp with quads of nothing. */
function pad(args: number, primitive: number): void {
  const { u32, u8 } = scratch;
  const list = u32[(args + FRONT.list) / 4]!;
  const used = (args + FRONT.used) / 4;
  let n = u32[(args + FRONT.count) / 4]!;
  for (; n % WARP_QUADS !== 0; n++) {
    u32.fill(0, (list + QUAD_LIST.mask) / 4 + n * 2, (list + QUAD_LIST.mask) / 4 + n * 2 + 2);
    u32[(list + QUAD_LIST.primitive) / 4 + n] = primitive;
    u8[list + QUAD_LIST.x + n] = 0;
    u8[list + QUAD_LIST.y + n] = 0;
  }
  u32[(args + FRONT.count) / 4] = n;
  u32.fill(0, used, used + 2);
}
