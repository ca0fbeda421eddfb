/**
 * What is the same for all quads that a draw lists, and what code for its lists is made for: whether tests have been made, and
 * how colours are written. Draws of one shader that differ in it get code of their own; what else differs from draw to draw
 * (addresses, dirty bits) such code finds in STAGE (frame.ts).
 */
import type { FixedBlendCode } from '../fragment/wasm/fixed-blend.ts';
import { targetsOf } from './blend-form.ts';
import type { Unit } from './flow.ts';
import { BLEND_KIND, BLEND_TYPES } from './frame.ts';

/** How a kind of numbers is blended: by code within the shader, by a call (frame.ts: BLEND_RECORD), or the stage does it. */
export type BlendForm = FixedBlendCode | 'call' | 'stage';

export interface BlendWay {
  /** BLEND_KIND. */
  readonly kind: number;
  /** By BLEND_TYPES. */
  readonly forms: readonly BlendForm[];
  /** All of it in words. */
  readonly key: string;
}

export interface DrawWays {
  /** Depth and stencil have been tested before the shader runs, and what ATEST is given is what it leaves. */
  readonly direct: boolean;
  /** Quads may be shaded for one sample alone. */
  readonly multisampled: boolean;
  /** By the number of the blend descriptor. */
  readonly blends: readonly BlendWay[];
}

export interface ListWays extends DrawWays {
  /** The program needs helper lanes. */
  readonly helpers: boolean;
}

export const blendWay = (kind: number, forms: readonly BlendForm[]): BlendWay => ({
  kind,
  forms,
  key: JSON.stringify([kind, forms]),
});

const STAGE_WAY = blendWay(
  BLEND_KIND.STAGE,
  BLEND_TYPES.map(() => 'stage'),
);

/** Of a stage that says nothing of it. */
export const UNKNOWN: DrawWays = { direct: false, multisampled: true, blends: [] };

export const wayOf = ({ blends }: DrawWays, descriptor: number): BlendWay => blends[descriptor] ?? STAGE_WAY;

/** What of it a unit's code depends on. */
export function waysKey(ways: ListWays, unit: Unit): string {
  let key = `${ways.helpers ? 1 : 0}${ways.direct ? 1 : 0}${ways.multisampled ? 1 : 0}`;
  for (const n of targetsOf(unit)) key += ` ${n}${wayOf(ways, n).key}`;
  return key;
}
