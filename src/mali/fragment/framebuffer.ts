/**
 * The framebuffer of a fragment job: its descriptors decoded, checked and made handy.
 *
 * What is not implemented is a DATA_INVALID_FAULT that names descriptor, field and value. Transaction elimination (CRC)
 * needs nothing here: its purpose is to save the writing of tiles that did not change, and this GPU always writes; CRC buffers
 * are neither read nor written.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_desc.c`, `src/panfrost/lib/genxml/v10.xml`.
 */
import {
  AFBC_MODES,
  type AfbcMode,
  INTERNAL_FORMATS,
  type InternalFormat,
  WRITEBACK_FORMATS,
  type WritebackFormat,
} from '../../abi/formats.ts';
import {
  BLOCK_FORMAT,
  FRAMEBUFFER_SIZE,
  FramebufferParameters,
  FramebufferPointer,
  MAX_RENDER_TARGETS,
  MSAA,
  nameOf,
  RenderTarget,
  S_FORMAT,
  SAMPLE_GRIDS,
  SAMPLE_PATTERN,
  SamplePosition,
  WRITEBACK_MODE,
  ZS_FORMAT,
  ZsCrcExtension,
} from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { CENTER, type SamplePattern, SUBPIXEL } from './raster.ts';

/** Where an image lies, whatever it holds. */
export interface Surface {
  readonly block: number;
  readonly msaa: number;
  readonly base: number;
  readonly rowStride: number;
  /** Bytes between the surfaces of samples, if layered. */
  readonly surfaceStride: number;
  /** AFBC: bytes from the headers to the bodies, and whether superblocks are 32×8 pixels. */
  readonly bodyOffset: number;
  readonly wide: boolean;
}

export interface Target {
  readonly index: number;
  readonly internal: InternalFormat;
  /** 32-bit words of a sample in the tile buffer. */
  readonly words: number;
  /** The clear colour in the tile buffer's form. */
  readonly clear: Uint32Array;
  /** Write tiles that no draw has touched. */
  readonly writeClean: boolean;
  /** Absent if the target is not written back. */
  readonly surface: Surface | undefined;
  readonly format: WritebackFormat | undefined;
  readonly afbc: AfbcMode | undefined;
  /** Tile channel (4: zero, 5: one) that each channel of memory takes. */
  readonly swizzle: readonly number[];
  readonly srgb: boolean;
  readonly dither: boolean;
}

export interface DepthTarget {
  /** Both false: nothing is written. */
  readonly depth: boolean;
  readonly stencil: boolean;
  readonly surface: Surface;
  /** A ZS_FORMAT or S_FORMAT. */
  readonly format: number;
  readonly bytes: number;
}

export interface Framebuffer {
  readonly address: number;
  readonly parameters: Infer<typeof FramebufferParameters>;
  /** Samples that the tile buffer keeps of a pixel. */
  readonly samples: number;
  /**
   * Samples at which primitives are rastered: as many; or one that stands for all of them; or more than the one that is kept,
   * so that shaders can see how much of a pixel is covered.
   */
  readonly raster: SamplePattern;
  /** Where shaders find the kept samples. */
  readonly pattern: SamplePattern;
  readonly targets: readonly Target[];
  /** Depth, with stencil if they share a surface; then stencil of its own. */
  readonly depth: DepthTarget | undefined;
  readonly stencil: DepthTarget | undefined;
  readonly writeCleanDepth: boolean;
}

const hex = (value: number): string => `0x${value.toString(16)}`;
/** Reads the framebuffer that RUN_FRAGMENT's register names. */
export function loadFramebuffer(memory: VirtualMemory, pointer: number): Framebuffer {
  const low = new DataView(new ArrayBuffer(FramebufferPointer.size));
  low.setUint32(0, pointer % 2 ** 32, true);
  low.setUint32(4, Math.floor(pointer / 2 ** 32), true);
  const address = FramebufferPointer.fields.pointer.read(low, 0);
  const parameters = memory.descriptor(FramebufferParameters, address);
  const invalid = (at: number, message: string) => new GpuFault(EXCEPTION.DATA_INVALID_FAULT, at, message);
  const refuse = (field: string, value: string | number) =>
    invalid(address, `Framebuffer Parameters at ${hex(address)}: ${field} ${value} is not implemented`);
  const { sampleCount, samplePattern } = parameters;
  if (parameters.downscaleGeometry !== 0) throw refuse('downscale geometry', parameters.downscaleGeometry);
  const raster = rasterPattern(samplePattern);
  if (!raster || (raster.count !== sampleCount && raster.count !== 1 && sampleCount !== 1)) {
    throw refuse('sample count', `${sampleCount} with pattern ${nameOf(SAMPLE_PATTERN, samplePattern)}`);
  }
  if (parameters.zPreloadEnable || parameters.sPreloadEnable) throw refuse('Z/S preload enable', 1);
  if (parameters.renderTargetCount > MAX_RENDER_TARGETS)
    throw refuse('render target count', parameters.renderTargetCount);
  const extension = address + FRAMEBUFFER_SIZE;
  let at = extension;
  let depth: DepthTarget | undefined;
  let stencil: DepthTarget | undefined;
  let writeCleanDepth = false;
  if (parameters.hasZsCrcExtension) {
    const zs = memory.decode(ZsCrcExtension, extension);
    depth = depthTarget(parameters, zs, extension);
    stencil = stencilTarget(parameters, zs, extension, depth);
    writeCleanDepth = zs.zsCleanPixelWriteEnable;
    at += ZsCrcExtension.size;
  }
  const targets: Target[] = [];
  for (let i = 0; i < parameters.renderTargetCount; i++) {
    targets.push(loadTarget(memory, at, i));
    at += RenderTarget.size;
  }
  return {
    address,
    parameters,
    samples: sampleCount,
    raster,
    pattern: loadPattern(memory, parameters),
    targets,
    depth,
    stencil,
    writeCleanDepth,
  };
}

function rasterPattern(pattern: number): SamplePattern | undefined {
  const grid = SAMPLE_GRIDS[pattern];
  const place = (n: number) => SUBPIXEL / 2 + (n * SUBPIXEL) / 16;
  return (
    grid && {
      count: grid.length,
      x: Int32Array.from(grid, ([x]) => place(x)),
      y: Int32Array.from(grid, ([, y]) => place(y)),
    }
  );
}

function loadPattern(memory: VirtualMemory, p: Infer<typeof FramebufferParameters>): SamplePattern {
  if (p.sampleCount === 1) return CENTER;
  const x = new Int32Array(p.sampleCount);
  const y = new Int32Array(p.sampleCount);
  for (let i = 0; i < p.sampleCount; i++) {
    const position = memory.descriptor(SamplePosition, p.sampleLocations + i * SamplePosition.size);
    x[i] = position.x & 0xff;
    y[i] = position.y & 0xff;
  }
  return { count: p.sampleCount, x, y };
}

function loadTarget(memory: VirtualMemory, at: number, index: number): Target {
  const rt = memory.decode(RenderTarget, at);
  const refuse = (field: string, value: string | number) =>
    new GpuFault(
      EXCEPTION.DATA_INVALID_FAULT,
      at,
      `Render Target ${index} at ${hex(at)}: ${field} ${value} is not implemented`,
    );
  if (rt.writebackMode !== WRITEBACK_MODE.COMPAT) {
    throw refuse('writeback mode', nameOf(WRITEBACK_MODE, rt.writebackMode));
  }
  if (rt.yuvEnable) throw refuse('YUV enable', 1);
  const internal = INTERNAL_FORMATS.get(rt.internalFormat);
  if (!internal) throw refuse('internal format', rt.internalFormat);
  const words = Math.max(1, internal.bytes / 4);
  const base = {
    index,
    internal,
    words,
    clear: Uint32Array.of(rt.clear0, rt.clear1, rt.clear2, rt.clear3).subarray(0, words),
    writeClean: rt.cleanPixelWriteEnable,
    swizzle: [0, 1, 2, 3].map((i) => (rt.swizzle >>> (i * 3)) & 7),
    srgb: rt.srgb,
    dither: rt.ditheringEnable,
  };
  if (!rt.writeEnable || rt.writebackBlockFormat === BLOCK_FORMAT.NO_WRITE) {
    return { ...base, surface: undefined, format: undefined, afbc: undefined };
  }
  const format = WRITEBACK_FORMATS.get(rt.writebackFormat);
  if (!format) throw refuse('writeback format', rt.writebackFormat);
  if ((format.bits === undefined) !== (internal.tile === undefined)) {
    throw refuse('writeback format', `${format.name} of internal format ${internal.name}`);
  }
  if (format.bits === undefined && format.bytes > internal.bytes) {
    throw refuse('writeback format', `${format.name} of internal format ${internal.name}`);
  }
  if (rt.writebackMsaa === MSAA.MULTIPLE) throw refuse('writeback MSAA', 'MULTIPLE');
  const compressed = isAfbc(rt.writebackBlockFormat);
  if (compressed && rt.writebackMsaa === MSAA.LAYERED) throw refuse('writeback MSAA', 'LAYERED with AFBC');
  const afbc = compressed ? AFBC_MODES.get(rt.afbcCompressionMode) : undefined;
  if (compressed && !afbc) throw refuse('AFBC compression mode', rt.afbcCompressionMode);
  if (afbc && afbc.bytes !== format.bytes) throw refuse('AFBC compression mode', `${afbc.name} of ${format.name}`);
  checkBlock(rt.writebackBlockFormat, (value) => refuse('writeback block format', value));
  return {
    ...base,
    format,
    afbc,
    surface: {
      block: rt.writebackBlockFormat,
      msaa: rt.writebackMsaa,
      base: rt.base,
      rowStride: rt.rowStride,
      surfaceStride: rt.surfaceStride,
      bodyOffset: rt.afbcBodyOffset,
      wide: compressed && rt.afbcWideBlock,
    },
  };
}

export const isAfbc = (block: number): boolean => block === BLOCK_FORMAT.AFBC || block === BLOCK_FORMAT.AFBC_TILED;

function checkBlock(block: number, refuse: (value: string) => GpuFault): void {
  if (block === BLOCK_FORMAT.LINEAR || block === BLOCK_FORMAT.TILED_U_INTERLEAVED || isAfbc(block)) return;
  throw refuse(nameOf(BLOCK_FORMAT, block));
}

const ZS_BYTES: Readonly<Record<number, number>> = {
  [ZS_FORMAT.D16]: 2,
  [ZS_FORMAT.D24]: 3,
  [ZS_FORMAT.D24X8]: 4,
  [ZS_FORMAT.D24S8]: 4,
  [ZS_FORMAT.D32]: 4,
};
const S_BYTES: Readonly<Record<number, number>> = { [S_FORMAT.S8]: 1, [S_FORMAT.X24S8]: 4 };

function depthTarget(
  p: Infer<typeof FramebufferParameters>,
  zs: Infer<typeof ZsCrcExtension>,
  at: number,
): DepthTarget | undefined {
  // Of a combined format both halves are written when depth is: Mesa then leaves the stencil flag unset.
  const stencil = zs.zsWriteFormat === ZS_FORMAT.D24S8 && (p.zWriteEnable || p.sWriteEnable);
  if (!p.zWriteEnable && !stencil) return undefined;
  const refuse = (field: string, value: string | number) =>
    new GpuFault(
      EXCEPTION.DATA_INVALID_FAULT,
      at,
      `ZS CRC Extension at ${hex(at)}: ${field} ${value} is not implemented`,
    );
  const bytes = ZS_BYTES[zs.zsWriteFormat];
  if (!bytes) throw refuse('ZS write format', nameOf(ZS_FORMAT, zs.zsWriteFormat));
  if (zs.zsMsaa === MSAA.MULTIPLE) throw refuse('ZS MSAA', 'MULTIPLE');
  checkBlock(zs.zsBlockFormat, (value) => refuse('ZS block format', value));
  const compressed = isAfbc(zs.zsBlockFormat);
  if (compressed && zs.zsMsaa === MSAA.LAYERED) throw refuse('ZS MSAA', 'LAYERED with AFBC');
  return {
    depth: p.zWriteEnable,
    stencil,
    format: zs.zsWriteFormat,
    bytes,
    surface: {
      block: zs.zsBlockFormat,
      msaa: zs.zsMsaa,
      base: zs.zsWritebackBase,
      rowStride: zs.zsWritebackRowStride,
      surfaceStride: compressed ? 0 : zs.zsWritebackSurfaceStride,
      bodyOffset: compressed ? zs.zsAfbcBodyOffset : 0,
      wide: false,
    },
  };
}

function stencilTarget(
  p: Infer<typeof FramebufferParameters>,
  zs: Infer<typeof ZsCrcExtension>,
  at: number,
  depth: DepthTarget | undefined,
): DepthTarget | undefined {
  // Combined formats name the surface twice.
  if (!p.sWriteEnable || depth?.stencil) return undefined;
  const refuse = (field: string, value: string | number) =>
    new GpuFault(
      EXCEPTION.DATA_INVALID_FAULT,
      at,
      `ZS CRC Extension at ${hex(at)}: ${field} ${value} is not implemented`,
    );
  const bytes = S_BYTES[zs.sWriteFormat];
  if (!bytes) throw refuse('S write format', nameOf(S_FORMAT, zs.sWriteFormat));
  if (zs.sMsaa === MSAA.MULTIPLE) throw refuse('S MSAA', 'MULTIPLE');
  if (isAfbc(zs.sBlockFormat)) throw refuse('S block format', nameOf(BLOCK_FORMAT, zs.sBlockFormat));
  checkBlock(zs.sBlockFormat, (value) => refuse('S block format', value));
  return {
    depth: false,
    stencil: true,
    format: zs.sWriteFormat,
    bytes,
    surface: {
      block: zs.sBlockFormat,
      msaa: zs.sMsaa,
      base: zs.sWritebackBase,
      rowStride: zs.sWritebackRowStride,
      surfaceStride: zs.sWritebackSurfaceStride,
      bodyOffset: 0,
      wide: false,
    },
  };
}
