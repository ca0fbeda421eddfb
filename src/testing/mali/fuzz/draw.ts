/**
 * Draws for fuzzed fragment shaders: one render target of any format, and a random state of the back end (output.ts).
 */
import type { Random } from '../random.ts';
import { type BlendInput, blendInput, type DepthInput, depthInput, internalFormat } from './output.ts';

export interface DrawInput {
  readonly samples: 1 | 4;
  /** Bytes of a vertex's varyings. */
  readonly stride: number;
  /** Depth and stencil are tested when the shader has run. */
  readonly late: boolean;
  /** What the tile holds before follows from it. */
  readonly clear: number;
  /** The render target's internal format. */
  readonly internal: number;
  readonly blends: readonly BlendInput[];
  readonly depth: DepthInput;
  readonly alphaToCoverage: boolean;
  readonly alphaToCoverageInvert: boolean;
  readonly multisample: boolean;
}

export function drawInput(random: Random): DrawInput {
  const internal = internalFormat(random);
  return {
    samples: random.chance(65) ? 1 : 4,
    stride: 4 * random.below(32),
    late: random.chance(30),
    clear: random.word(),
    internal,
    blends: [0, 1].map(() => blendInput(random, internal)),
    depth: depthInput(random),
    alphaToCoverage: random.chance(35),
    alphaToCoverageInvert: random.chance(50),
    multisample: random.chance(80),
  };
}
