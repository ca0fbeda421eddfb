/**
 * Blend shaders for the fuzzer: what drivers make for colours that fixed function cannot blend. One loads what the tile buffer holds,
 * by a conversion of its own, adds the fragment's colour or keeps one of both, stores that by a descriptor of its own, and goes back.
 */
import { BLEND_MODE, Blend } from '../../../abi/gpu/raster-descriptors.ts';
import { PIXEL_CURRENT, PixelIndices } from '../../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../../abi/layout.ts';
import type { Random } from '../random.ts';
import type { BlendInput } from './output.ts';

/** Numbers that the fragment shader sends and the blend shader takes. */
export type BlendFormat = 'f32' | 'auto' | 'f16' | 'u32' | 's32' | 'u16' | 's16';

const hex = (word: number): string => `#0x${word.toString(16)}`;
const list = (first: number, format: BlendFormat): string =>
  Array.from({ length: format.endsWith('16') ? 2 : 4 }, (_, n) => `r${first + n}`).join(':');

/** Registers: the fragment's colour, what the tile holds, and words that say which. */
const [COLOUR, HELD, WORDS] = [0, 4, 16] as const;

export function blendShader(
  random: Random,
  { format, raw }: BlendInput,
  samples: number,
  numbers: BlendFormat,
  rt: number,
): string {
  const view = viewOf(new Uint8Array(Blend.size));
  Blend.write(view, 0, {
    mode: BLEND_MODE.OPAQUE,
    rt,
    numComps: 4,
    conversion: { memoryFormat: format, raw, registerFormat: 0 },
  });
  const sample = random.chance(70) ? 0 : random.below(samples);
  const pixel = { sample, renderTarget: rt, x: PIXEL_CURRENT, y: PIXEL_CURRENT };
  const indices = viewOf(PixelIndices.pack(pixel)).getUint32(0, true);
  const [low, conversion] = [view.getUint32(8, true), view.getUint32(12, true)];
  const load = random.pick(random.chance(70) ? [numbers] : (['f32', 'auto', 'f16', 'u16', 's32'] as const));
  const channels = random.chance(80) ? 4 : 1 + random.below(3);
  const sums: Partial<Record<BlendFormat, string>> = { f32: 'FADD.f32', f16: 'FADD.v2f16' };
  const operation = load === numbers && random.chance(70) ? (sums[numbers] ?? 'IADD.u32') : undefined;
  const words = numbers.endsWith('16') ? 2 : 4;
  const mixed = Array.from({ length: words }, (_, n) => {
    const [colour, held] = [`r${COLOUR + n}`, `r${HELD + n}`];
    return operation
      ? `${operation} ${colour}, ${colour}, ${held}`
      : `MOV.i32 ${colour}, ${random.pick([colour, held])}`;
  });
  const staging = Array.from(
    { length: load.endsWith('16') ? Math.ceil(channels / 2) : channels },
    (_, n) => `r${HELD + n}`,
  );
  const vector = channels === 1 ? '' : `.v${channels}`;
  return [
    `IADD_IMM.i32 r${WORDS}, 0x0, ${hex(indices)}`,
    `IADD_IMM.i32 r${WORDS + 2}, 0x0, ${hex(low)}`,
    `IADD_IMM.i32 r${WORDS + 3}, 0x0, ${hex(conversion)}`,
    ...[0, 1, 2, 3].map((n) => `IADD_IMM.i32 r${HELD + n}, 0x0, #0`),
    `LD_TILE${vector}.${load}.slot0.wait0 @${staging.join(':')}, r${WORDS}, r60, r${WORDS + 3}`,
    ...mixed,
    `BLEND.slot0.v4.${numbers} @${list(COLOUR, numbers)}, r${WORDS + 2}, r60, target:0`,
    'BRANCHZI.absolute.end r48, r48',
  ].join('\n');
}

/** What a compiler puts behind the BLEND that calls for a render target: the jump, with the link register set. `last`: nothing comes after. */
export function callOf(random: Random, rt: number, last: boolean): string {
  const jump = `BRANCHZI.eq.absolute 0x0, blend_descriptor_${rt}.w1`;
  if (last && random.chance(50)) return `IADD_IMM.i32 r48, 0x0, #0\n${jump}`;
  return `IADD_IMM.i32 r48, program_counter.w0, #8\n${jump}${last ? '\nNOP.end' : ''}`;
}
