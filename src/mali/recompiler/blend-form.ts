/**
 * What a BLEND instruction says of itself: whose descriptor it names, what kind of numbers it sends, and its four channels.
 */
import { SPECIALS } from '../../abi/isa/encoding.ts';
import type { Instruction } from '../shader/decode.ts';
import { channelCount } from '../shader/vector.ts';
import type { Unit } from './flow.ts';
import { BLEND_RECORD_BYTES, BLEND_TYPES, STAGE } from './frame.ts';
import type { LaneCode, Lanes } from './lanes.ts';

const FIRST_BLEND = SPECIALS[0]!.indexOf('blend_descriptor_0');
const TARGETS = 8;

/** The render target whose own descriptor a BLEND names, or -1. */
export function targetOfBlend({ sources, page }: Instruction): number {
  const { kind, index } = sources[0]!;
  const rt = kind === 'special' && page === 0 ? (index >>> 1) - FIRST_BLEND : -1;
  return rt >= 0 && rt < TARGETS && (index & 1) === 0 ? rt : -1;
}

/** Register formats, and the kind of number that they are: raw ones are what the render target has. */
const TYPES: Readonly<Record<string, (typeof BLEND_TYPES)[number]>> = {
  auto: 'raw',
  f32: 'float',
  f16: 'float',
  s32: 'sint',
  s16: 'sint',
  u32: 'uint',
  u16: 'uint',
};

/** In BLEND_TYPES, the kind of numbers that an instruction moves, or -1. */
export const typeOf = ({ modifiers }: Instruction): number => BLEND_TYPES.indexOf(TYPES[modifiers.regfmt!]!);

/** A BLEND that may have code: its render target, the kind of its numbers, the register of its coverage, and where its record is. */
export interface BlendSite {
  /** Whose own descriptor it names, or -1: it brings one. */
  readonly rt: number;
  /** In BLEND_TYPES. */
  readonly type: number;
  readonly coverage: number;
  readonly record: number;
}

export function blendSite(i: Instruction): BlendSite | undefined {
  if (i.spec.name !== 'BLEND') return undefined;
  const rt = targetOfBlend(i);
  const { kind, index } = i.sources[1]!;
  const type = typeOf(i);
  if (type < 0 || kind !== 'register') return undefined;
  if (rt < 0 && i.sources[0]!.kind === 'special') return undefined;
  // What a raw channel that is not sent holds is the target's to say.
  if (BLEND_TYPES[type] === 'raw' && channelCount(i.modifiers.vecsize!) < 4) return undefined;
  return { rt, type, coverage: index, record: STAGE.blend + rt * BLEND_RECORD_BYTES };
}

/** The four channels that are sent: as singles, or as integers of 32 bits. Those that are not are 0, 0, 0, 1. */
export function channelsOf(i: Instruction, lanes: LaneCode, registerOf: (index: number) => Lanes): Lanes[] {
  const format = i.modifiers.regfmt!;
  const { register } = i.staging[0]!;
  const count = channelCount(i.modifiers.vecsize!);
  return Array.from({ length: 4 }, (_, c) => {
    if (c >= count) return c < 3 ? lanes.words(0) : TYPES[format] === 'float' ? lanes.single(1) : lanes.words(1);
    if (format.endsWith('32') || format === 'auto') return registerOf(register + c);
    const pair = registerOf(register + (c >> 1));
    if (format === 'f16') return c & 1 ? lanes.widenHigh(pair) : lanes.widenLow(pair);
    if (format === 'u16') {
      return c & 1 ? lanes.shift('i32x4_shr_u', pair, 16) : lanes.and(pair, lanes.words(0xffff));
    }
    return lanes.shift('i32x4_shr_s', c & 1 ? pair : lanes.shift('i32x4_shl', pair, 16), 16);
  });
}

/** By unit, the render targets whose descriptors its BLENDs name; they live as long as their code. */
const targets = new WeakMap<Unit, readonly number[]>();

export function targetsOf(unit: Unit): readonly number[] {
  let known = targets.get(unit);
  if (!known) {
    const sites = unit.blocks.flatMap((block) => block.sites);
    const all = sites.flatMap(({ instruction }) => blendSite(instruction)?.rt ?? []);
    known = [...new Set(all)].filter((rt) => rt >= 0).sort();
    targets.set(unit, known);
  }
  return known;
}
