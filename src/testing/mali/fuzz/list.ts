/**
 * Lists of quads for the fuzzer: fragment shaders that work off several warps, of quads of two triangles mixed, as the fragment
 * front end lists them (engine/quads.ts).
 *
 * A warp of a list begins with what is preloaded and zeros, so the program first makes registers of all kinds from that and
 * from uniforms. It ends with colours instead of a barrier: what is compared is what it leaves in tile buffer and memory. In which
 * order quads meet their faults is nobody's business: two runs that fault are equal.
 */
import { FRAGMENT_PRELOAD as P } from '../../../abi/isa/preload.ts';
import { LIST_QUADS, QUAD_LIST } from '../../../mali/engine/quads.ts';
import { scratch } from '../../../mali/engine/scratch.ts';
import { STAGE } from '../../../mali/recompiler/frame.ts';
import { QUADS } from '../../../mali/shader/contract.ts';
import type { Random } from '../random.ts';
import type { Triangle } from './fragment.ts';
import { ADDRESSES, DISTANCE, RANGES, ROUNDS, UNIFORM_ADDRESS } from './input.ts';
import { HANDLE_REGISTER } from './texture.ts';

export interface ListInput {
  /** The second triangle; the first is the input's own. */
  readonly second: Triangle;
  /** Four for each warp. */
  readonly quads: readonly ListQuad[];
  readonly sample: number;
}

export interface ListQuad {
  readonly x: number;
  readonly y: number;
  readonly masks: readonly number[];
  readonly second: boolean;
}

const MOST_WARPS = 6;
const PLACES = 64;

export function listInput(random: Random, samples: number, second: Triangle): ListInput {
  const quads: ListQuad[] = [];
  const all = 2 ** samples - 1;
  for (let warps = 1 + random.below(MOST_WARPS); warps > 0; warps--) {
    // No two quads of a warp are at the same place.
    const places = new Set<number>();
    while (places.size < QUADS) places.add(random.below(PLACES));
    const filled = random.chance(70) ? QUADS : 1 + random.below(QUADS);
    for (const place of places) {
      const padding = quads.length % QUADS >= filled;
      const whole = random.chance(50);
      const mask = () => (padding ? 0 : whole || random.chance(60) ? all : random.below(all + 1));
      quads.push({
        x: 2 * (place % 8),
        y: 2 * (place >> 3),
        masks: [mask(), mask(), mask(), mask()],
        second: random.chance(40),
      });
    }
  }
  return { second, quads, sample: samples > 1 && random.chance(30) ? random.below(samples) : -1 };
}

/** Lists the quads for a stage whose frame is at `stage`. */
export function writeList(input: ListInput, stage: number, list: number, primitives: readonly [number, number]): void {
  const { u8, u16, u32, i32 } = scratch;
  if (input.quads.length > LIST_QUADS) throw new Error('fuzz: too many quads');
  for (const [n, { x, y, masks, second }] of input.quads.entries()) {
    u16.set(masks, (list + QUAD_LIST.mask) / 2 + 4 * n);
    u32[(list + QUAD_LIST.primitive) / 4 + n] = primitives[second ? 1 : 0];
    u8[list + QUAD_LIST.x + n] = x;
    u8[list + QUAD_LIST.y + n] = y;
  }
  const at = stage / 4;
  i32[at + STAGE.list / 4] = list;
  i32[at + STAGE.warp / 4] = 0;
  i32[at + STAGE.warps / 4] = input.quads.length / QUADS;
  i32[at + STAGE.weighed / 4] = 0;
  i32[at + STAGE.left / 4] = 0;
  i32[at + STAGE.top / 4] = 0;
  i32[at + STAGE.sample / 4] = input.sample;
}

/** Lines that fill registers from what a list's warp begins with, and from uniforms. */
export function listPrologue(random: Random): string[] {
  const lines: string[] = [];
  const uniform = (): string => `u${random.below(UNIFORM_ADDRESS)}`;
  const preloaded = [P.PRIMITIVE_ID, P.PRIMITIVE_FLAGS, P.PIXEL, P.COVERAGE, P.SAMPLE];
  for (const [first, count] of Object.values(RANGES)) {
    for (let r = first; r < first + count; r++) if (random.chance(40)) lines.push(`MOV.i32 r${r}, ${uniform()}`);
  }
  for (let r = RANGES.bits[0]; r < RANGES.bits[0] + RANGES.bits[1]; r++) {
    if (random.chance(30)) lines.push(`MOV.i32 r${r}, r${random.pick(preloaded)}`);
  }
  for (let r = RANGES.single[0]; r < RANGES.single[1]; r++) {
    if (random.chance(30)) lines.push(`U32_TO_F32 r${r}, r${random.pick(preloaded)}`);
  }
  lines.push(`MOV.i32 r${HANDLE_REGISTER}, ${uniform()}`);
  for (const r of ADDRESSES) {
    lines.push(`MOV.i32 r${r}, u${UNIFORM_ADDRESS}`, `MOV.i32 r${r + 1}, u${UNIFORM_ADDRESS + 1}`);
  }
  lines.push(`MOV.i32 r${DISTANCE}, 0x0`, `MOV.i32 r${ROUNDS}, r${P.PIXEL}`);
  // Whoever retrieves weights finds some.
  lines.push(`LD_VAR_BUF_IMM.f32.slot0.src_f32.center.store @r0, r${P.SAMPLE}, index:0`);
  return lines;
}

/** Lines that show what registers hold as colours, and end the program. */
export function listEpilogue(random: Random): string[] {
  const show = (r: number, format: string): string =>
    `BLEND.slot0.v4.${format} @r${r}:r${r + 1}${format.endsWith('32') ? `:r${r + 2}:r${r + 3}` : ''}, blend_descriptor_${random.below(2)}.w0, r60, target:0`;
  const lines = Array.from({ length: 3 }, () => {
    const r = 2 * random.below(5);
    return random.pick([show(r, 'f32'), show(r + 14, 'f16'), show(r + 28, 'u32')]);
  });
  return [...lines, 'NOP.end'];
}
