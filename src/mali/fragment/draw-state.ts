/**
 * DrawState: what a draw's descriptors say to its fragment stage, decoded and checked once.
 *
 * Blend descriptors that the draw does not have are off. Depth and stencil are tested early unless the draw forces them to come
 * late, with the triangle's depth also where a shader is said to supply it: Mesa forces late tests for a shader that does, and leaves
 * the depth source as it is for one that asks for early tests and whose depth is therefore ignored.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_earlyzs.c`, `src/panfrost/lib/pan_blend.c`.
 */
import { BLEND_MODE, Blend, type Draw, MAX_RENDER_TARGETS, PIXEL_KILL } from '../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';
import { BlendEquation } from './blend.ts';
import { DepthStencilTest, loadDepthStencil } from './depth-stencil.ts';
import type { Framebuffer } from './framebuffer.ts';
import { CENTER, type SamplePattern } from './raster.ts';
import type { TileBuffer } from './tile-buffer.ts';

/** What the stage keeps of a Blend descriptor. */
export interface BlendState {
  readonly enabled: boolean;
  readonly alphaToOne: boolean;
  readonly equation: BlendEquation | undefined;
  /** All that the descriptor says of the three: the same for equal ones. */
  readonly key: string;
}

export class DrawState {
  readonly draw: Infer<typeof Draw>;
  readonly framebuffer: Framebuffer;
  readonly tile: TileBuffer;
  readonly test: DepthStencilTest;
  /** Samples at which this draw is rastered, and the mask that a covered one stands for if that is not itself. */
  readonly pattern: SamplePattern;
  /** More samples are rastered than the tile buffer keeps: all of them stand for its only one. */
  readonly merged: boolean;
  /** Shade each sample by itself. */
  readonly perSample: boolean;
  /** Whether it has a shader; without one it only tests depth and stencil. */
  readonly shaded: boolean;
  /** Test and update before shading; else after. */
  readonly early: boolean;
  /** By render target, as the draw has them. */
  readonly blends: readonly BlendState[];
  /** Two words a render target: what the shader is given. */
  readonly blendDescriptors: Uint32Array;
  /** Samples that have passed, for occlusion queries. */
  passed = 0;

  constructor(memory: VirtualMemory, draw: Infer<typeof Draw>, framebuffer: Framebuffer, tile: TileBuffer) {
    this.draw = draw;
    this.framebuffer = framebuffer;
    this.tile = tile;
    const { parameters, samples } = framebuffer;
    const zs = loadDepthStencil(memory, draw.depthStencil);
    const { depth, stencil } = tile;
    this.test = new DepthStencilTest(zs, parameters.zInternalFormat, draw.minimumZ, draw.maximumZ, depth, stencil);
    this.pattern = draw.multisampleEnable ? framebuffer.raster : CENTER;
    this.merged = this.pattern.count > samples;
    this.perSample = samples > 1 && draw.multisampleEnable && draw.evaluatePerSample;
    this.shaded = draw.shader.shader !== 0;
    this.early =
      !this.shaded ||
      (draw.pixelKillOperation !== PIXEL_KILL.FORCE_LATE && draw.zsUpdateOperation !== PIXEL_KILL.FORCE_LATE);
    const blends: BlendState[] = [];
    this.blendDescriptors = loadBlends(memory, draw, blends);
    this.blends = blends;
  }

  /** The kept samples that covered raster samples stand for. */
  kept(mask: number): number {
    const { samples } = this.framebuffer;
    return this.pattern.count === samples || mask === 0 ? mask : 2 ** samples - 1;
  }

  /** Depth of a triangle at a kept sample of a pixel is taken here. */
  get depthPattern(): SamplePattern {
    return this.merged ? CENTER : this.pattern;
  }

  /** Depth or stencil of the tile may have been written. */
  touchDepth(): void {
    this.tile.dirtyDepth ||= !this.draw.cleanFragmentWrite;
  }

  /** Colours of a render target have been written. */
  touch(rt: number): void {
    if (!this.draw.cleanFragmentWrite) this.tile.dirtyColors |= 1 << rt;
  }

  /** Alpha takes samples out of the coverage. */
  get byAlpha(): boolean {
    const { alphaToCoverage, multisampleEnable } = this.draw;
    return alphaToCoverage && multisampleEnable && this.framebuffer.samples > 1;
  }

  /** Alpha is one whatever the shader says. */
  alphaToOne(rt: number): boolean {
    return this.blends[rt]?.alphaToOne === true && this.draw.multisampleEnable;
  }
}

/** The shader's blend descriptors. Targets that the draw has none for are off. */
function loadBlends(
  memory: VirtualMemory,
  { blend, blendCount }: Infer<typeof Draw>,
  blends: BlendState[],
): Uint32Array {
  const descriptors = Uint32Array.from({ length: MAX_RENDER_TARGETS * 2 }, (_, i) => (i % 2 ? 0 : BLEND_MODE.OFF));
  for (let i = 0; i < Math.min(blendCount, MAX_RENDER_TARGETS); i++) {
    const descriptor = memory.descriptor(Blend, blend + i * Blend.size);
    descriptors[i * 2] = descriptor.internalLow;
    descriptors[i * 2 + 1] = descriptor.internalHigh;
    const { enable, alphaToOne, rgb, alpha, colorMask, constant } = descriptor;
    blends.push({
      enabled: enable,
      alphaToOne,
      key: `${enable} ${alphaToOne} ${rgb} ${alpha} ${colorMask} ${constant}`,
      equation:
        descriptor.enable && descriptor.mode === BLEND_MODE.FIXED_FUNCTION
          ? new BlendEquation(descriptor.rgb, descriptor.alpha, descriptor.colorMask, descriptor.constant)
          : undefined,
    });
  }
  return descriptors;
}
