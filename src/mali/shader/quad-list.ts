/**
 * Warps from a list of quads (engine/quads.ts), by script: what the fragment front end has listed becomes preloaded registers, lanes that
 * live, and the stage's words of the warp in work (recompiler/frame.ts: STAGE). Recompiled code does the same by itself; this
 * is its reference, and what runs where it cannot.
 *
 * A quad without a covered pixel has no lanes. Of the others all four live if the program needs helpers, else those with
 * samples.
 */
import { FRAGMENT_PRELOAD as P } from '../../abi/isa/preload.ts';
import { PRIMITIVE, QUAD_LIST } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { STAGE, TILE_SHIFT } from '../recompiler/frame.ts';
import { LANES, QUADS, type ShaderRun } from './contract.ts';

const QUAD_LANES = 4;
const WHOLE_QUAD = 0xf;
/** The late test has not been made (draw-stage.ts). */
const NOT_TESTED = -1;

/** Begins the next warp of a stage's list that has covered pixels. False: the list is at its end. */
export function beginListed(run: ShaderRun, stage: number): boolean {
  const words = scratch.i32;
  const at = stage / 4;
  const list = words[at + STAGE.list / 4]!;
  const helpers = words[at + STAGE.helpers / 4]!;
  while (words[at + STAGE.warp / 4]! < words[at + STAGE.warps / 4]!) {
    const first = words[at + STAGE.warp / 4]!++ * QUADS;
    let live = 0;
    let covered = 0;
    run.reset();
    for (let q = 0; q < QUADS; q++) {
      const lanes = loadQuad(run.warp.u32, stage, list, first + q, q);
      covered |= lanes << (q * QUAD_LANES);
      if (lanes) live |= WHOLE_QUAD << (q * QUAD_LANES);
    }
    if (covered === 0) continue;
    if (helpers) run.start(live, live & ~covered);
    else run.start(covered);
    return true;
  }
  return false;
}

/** Puts a quad of the list into the four lanes of quad q. Answers those with samples. */
function loadQuad(registers: Uint32Array, stage: number, list: number, quad: number, q: number): number {
  const words = scratch.i32;
  const at = stage / 4;
  const primitive = words[(list + QUAD_LIST.primitive) / 4 + quad]!;
  words[at + STAGE.quads / 4 + q] = primitive;
  const left = scratch.u8[list + QUAD_LIST.x + quad]!;
  const top = scratch.u8[list + QUAD_LIST.y + quad]!;
  const sample = words[at + STAGE.sample / 4]!;
  const pixels = words[at + STAGE.pixels / 4]! / 4;
  const coverage = words[at + STAGE.coverage / 4]! / 4;
  const tested = words[at + STAGE.tested / 4]! / 4;
  let covered = 0;
  for (let n = 0; n < QUAD_LANES; n++) {
    const lane = q * QUAD_LANES + n;
    const x = left + (n & 1);
    const y = top + (n >> 1);
    let samples = scratch.u16[(list + QUAD_LIST.mask) / 2 + quad * QUAD_LANES + n]!;
    if (sample >= 0) samples &= 1 << sample;
    if (samples !== 0) covered |= 1 << n;
    const windowX = x + words[at + STAGE.left / 4]!;
    const windowY = y + words[at + STAGE.top / 4]!;
    words[at + STAGE.x / 4 + lane] = windowX;
    words[at + STAGE.y / 4 + lane] = windowY;
    words[pixels + lane] = (y << TILE_SHIFT) + x;
    words[coverage + lane] = samples;
    words[tested + lane] = NOT_TESTED;
    registers[P.PRIMITIVE_ID * LANES + lane] = words[(primitive + PRIMITIVE.id) / 4]!;
    registers[P.PRIMITIVE_FLAGS * LANES + lane] = words[(primitive + PRIMITIVE.flags) / 4]!;
    registers[P.PIXEL * LANES + lane] = windowX | (windowY << 16);
    registers[P.COVERAGE * LANES + lane] = samples;
    registers[P.SAMPLE * LANES + lane] = samples | (Math.max(sample, 0) << 16);
    registers[P.FRAME_ARGUMENT * LANES + lane] = words[at + STAGE.argumentLow / 4]!;
    registers[(P.FRAME_ARGUMENT + 1) * LANES + lane] = words[at + STAGE.argumentHigh / 4]!;
  }
  return covered;
}
