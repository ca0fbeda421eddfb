/**
 * sRGB colours of one byte in emitted code, by tables in scratch memory.
 *
 * One table has the linear value of each byte. The other finds the byte of a linear value: for each run of 2^16 singles from
 * 2^-13 up to 1 it has the byte of the first, and the place in the run from which on it is one more; no run has two such
 * places. So each single becomes what the formulas of mali/format.ts make of it.
 */
import { scratch } from '../../engine/scratch.ts';
import { linearToSrgb, srgbToLinear } from '../../format.ts';
import { roundEven } from '../../pack.ts';
import type { Code } from '../../wasm/builder.ts';

/** The linear value of a byte, in singles. */
export const linearOf = (byte: number): number => Math.fround(srgbToLinear(Math.fround(byte / 255)));
/** The byte of a linear value between 0 and 1. */
export const srgbByte = (value: number): number => roundEven(Math.fround(linearToSrgb(value) * 255));

const RUN_BITS = 16;
const RUN = 2 ** RUN_BITS;
const FIRST_RUN = (127 - 13) << (23 - RUN_BITS);
const RUNS = 13 * 2 ** (23 - RUN_BITS) + 1;
/** An entry: the place in its lower bits, RUN if there is none, the byte above. */
const PLACE_BITS = RUN_BITS + 1;

const view = new DataView(new ArrayBuffer(4));
const single = (bits: number): number => {
  view.setUint32(0, bits);
  return view.getFloat32(0);
};

let tables: { readonly linear: number; readonly bytes: number } | undefined;

function makeTables(): { readonly linear: number; readonly bytes: number } {
  const linear = scratch.fixed('sRGB singles', 256 * 4);
  const bytes = scratch.fixed('sRGB bytes', RUNS * 4);
  for (let byte = 0; byte < 256; byte++) scratch.f32[linear / 4 + byte] = linearOf(byte);
  for (let run = 0; run < RUNS; run++) {
    const first = (FIRST_RUN + run) * RUN;
    const byte = srgbByte(single(first));
    // The last run is the number 1 alone.
    const last = run === RUNS - 1 ? byte : srgbByte(single(first + RUN - 1));
    if (last > byte + 1) throw new Error(`mali: sRGB bytes ${byte} to ${last} in one run`);
    let [low, high] = [0, RUN - 1];
    while (last !== byte && low < high) {
      const middle = (low + high) >> 1;
      if (srgbByte(single(first + middle)) > byte) high = middle;
      else low = middle + 1;
    }
    scratch.u32[bytes / 4 + run] = byte * 2 ** PLACE_BITS + (last === byte ? RUN : low);
  }
  return { linear, bytes };
}

export class SrgbCode {
  readonly #f: Code;
  readonly #value: number;
  readonly #index: number;
  readonly #entry: number;
  readonly #tables: { readonly linear: number; readonly bytes: number };

  constructor(f: Code) {
    this.#f = f;
    tables ??= makeTables();
    this.#tables = tables;
    this.#value = f.local('v128');
    this.#index = f.local('v128');
    this.#entry = f.local('v128');
  }

  /** Four bytes in words on the stack become their linear values. */
  toLinear(): void {
    this.#f.set(this.#index);
    this.#gather(this.#tables.linear);
    this.#f.get(this.#entry);
  }

  /** Four linear values between 0 and 1 on the stack become bytes in words. */
  toByte(): void {
    const f = this.#f;
    const word = (value: number) => f.i32(value).op('i32x4_splat');
    f.tee(this.#value).i32(RUN_BITS).op('i32x4_shr_u');
    word(FIRST_RUN).op('i32x4_sub');
    word(0).op('i32x4_max_s').set(this.#index);
    this.#gather(this.#tables.bytes);
    f.get(this.#entry).i32(PLACE_BITS).op('i32x4_shr_u').get(this.#value);
    word(RUN - 1)
      .op('v128_and')
      .get(this.#entry);
    word(2 ** PLACE_BITS - 1).op('v128_and');
    f.op('i32x4_ge_s').op('i32x4_sub');
  }

  /** Fills #entry with the words of a table that #index names. */
  #gather(table: number): void {
    const f = this.#f;
    for (let lane = 0; lane < 4; lane++) {
      f.get(this.#index).lane('i32x4_extract_lane', lane).i32(2).op('i32_shl');
      f.get(this.#entry).memoryLane(false, lane, table).set(this.#entry);
    }
  }
}
