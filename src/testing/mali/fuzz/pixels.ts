/**
 * Random pictures (picture.ts) drawn by both engines, from vertices to what is written back: all of memory has to be the same
 * afterwards (polygon list, render target, depth and stencil, occlusion queries), and so has a fault.
 *
 * A difference is made small before it is told: draws and primitives are left out as long as it stays.
 */

import { WRITEBACK_FORMATS } from '../../../abi/formats.ts';
import { IDVS_REGISTERS } from '../../../abi/gpu/cs-registers.ts';
import { BLEND_MODE, BLOCK_FORMAT, SAMPLE_PATTERN, SamplePosition } from '../../../abi/gpu/raster-descriptors.ts';
import { Dram } from '../../../board/dram.ts';
import { AFBC_BLOCK, AFBC_HEADER_BYTES, AFBC_WIDE, afbcBodyBytes, afbcDecode } from '../../../board/image/afbc.ts';
import { GpuFault } from '../../../mali/contract.ts';
import type { Engine } from '../../../mali/engine/names.ts';
import { shaderCores } from '../../../mali/units.ts';
import { Bench, finish } from '../stage-bench.ts';
import { type Coverage, newCoverage } from './coverage.ts';
import { afbcModeOf, type Picture, type PictureDraw, pictureOf } from './picture.ts';

export interface PixelFinding {
  readonly seed: number;
  readonly report: string;
}

const DRAM_SIZE = 32 << 20;
const VARYING_BYTES = 16;
/** Room for any picture in any layout, with each sample by itself. */
const SURFACE_BYTES = 2 ** 20;
const AFBC_BODY_OFFSET = 2 ** 16;
/** In 1/256 pixel. */
const POSITIONS = [
  [96, 32],
  [224, 96],
  [32, 160],
  [160, 224],
] as const;

const cores = { wasm: shaderCores('wasm'), interpreter: shaderCores('interpreter') };

/** Strides of a surface, for texels of `bytes`. */
function strides({ width, height }: Picture, block: number, bytes: number, wide: boolean) {
  const [across, down] = [Math.ceil(width / 16), Math.ceil(height / 16)];
  if (block === BLOCK_FORMAT.LINEAR) return { rowStride: width * bytes, surfaceStride: width * height * bytes };
  if (block === BLOCK_FORMAT.AFBC) {
    return { rowStride: Math.ceil(width / (wide ? 32 : 16)) * 16, surfaceStride: AFBC_BODY_OFFSET };
  }
  return { rowStride: across * 256 * bytes, surfaceStride: across * down * 256 * bytes };
}

/** More than any texel has. */
const MOST_BYTES = 16;

export class PixelFuzzer {
  readonly #dram = new Dram(DRAM_SIZE);
  /** What has been seen since it was made anew. */
  coverage: Coverage = newCoverage();
  /** Slices that the last fragment job took. */
  slices = 0;

  /** Draws the picture of a seed with both engines. */
  try(seed: number): PixelFinding | undefined {
    const picture = pictureOf(seed);
    if (this.difference(picture) === undefined) return undefined;
    const small = this.#shrink(picture);
    return { seed, report: `seed ${seed}: ${this.difference(small)}\n${JSON.stringify(small)}` };
  }

  /** Draws a picture with both engines. What differs, if anything does. */
  difference(picture: Picture): string | undefined {
    const a = this.#draw(picture, 'interpreter');
    const b = this.#draw(picture, 'wasm');
    const { runs, faults } = this.coverage;
    const kind = picture.samples === 1 ? 'pictures of 1 sample' : `pictures of ${picture.samples} samples`;
    runs.set(kind, (runs.get(kind) ?? 0) + 1);
    if (a.fault) faults.set(kind, (faults.get(kind) ?? 0) + 1);
    if (a.fault !== b.fault) return `the fault: ${a.fault || 'none'}\n  recompiled: ${b.fault || 'none'}`;
    // What a job that a fault has ended has written is nobody's business.
    if (a.fault !== '' || Buffer.compare(a.memory, b.memory) === 0) return undefined;
    const at = a.memory.findIndex((x, i) => x !== b.memory[i]);
    const where = Object.entries(a.places).findLast(([, start]) => at >= start) ?? ['memory', 0];
    return `byte ${at - where[1]} of ${where[0]}: ${a.memory[at]}, recompiled ${b.memory[at]}`;
  }

  #shrink(picture: Picture): Picture {
    let best = picture;
    const better = (draws: readonly PictureDraw[]): boolean => {
      const candidate = { ...best, draws };
      if (this.difference(candidate) === undefined) return false;
      best = candidate;
      return true;
    };
    for (let n = best.draws.length - 1; n >= 0; n--) better(best.draws.toSpliced(n, 1));
    for (let n = 0; n < best.draws.length; n++) {
      for (let v = best.draws[n]!.vertices.length - 3; v >= 0; v -= 3) {
        const draw = best.draws[n]!;
        if (draw.vertices.length > 3) better(best.draws.with(n, { ...draw, vertices: draw.vertices.toSpliced(v, 3) }));
      }
    }
    return best;
  }

  /** Draws with an engine. Memory as it is then, and what lies where there. */
  #draw(picture: Picture, engine: Engine): { fault: string; memory: Buffer; places: Record<string, number> } {
    const bench = new Bench(picture.width, picture.height, 64 << 10, engine, this.#dram);
    let places: Record<string, number> = {};
    let fault = '';
    try {
      const query = bench.alloc(64);
      bench.pair(IDVS_REGISTERS.occlusion, query);
      for (const draw of picture.draws) addDraw(bench, draw);
      const colors = picture.targets.map(() => bench.alloc(SURFACE_BYTES));
      const [zs, stencil] = [bench.alloc(SURFACE_BYTES), bench.alloc(SURFACE_BYTES)];
      places = { 'occlusion query': query };
      for (const [rt, at] of colors.entries()) places[`render target ${rt}`] = at;
      Object.assign(places, { depth: zs, stencil });
      const pointer = framebuffer(bench, picture, { colors, zs, stencil });
      this.slices = finish(bench.fragment(pointer, undefined, cores[engine].openFragment));
    } catch (error) {
      if (!(error instanceof GpuFault)) throw error;
      fault = error.message;
    }
    const memory = Buffer.from(this.#dram.u8.slice(0, bench.end));
    bench.close();
    for (const [rt, { color }] of picture.targets.entries()) {
      if (fault === '' && color.block === BLOCK_FORMAT.AFBC) {
        decode(picture, color.format, memory, places[`render target ${rt}`]!);
      }
    }
    return { fault, memory, places };
  }
}

/** Puts pixels in place of AFBC superblocks, of which there may be several for the same pixels. */
function decode({ width, height, wide }: Picture, format: number, memory: Buffer, at: number): void {
  const { bytes } = WRITEBACK_FORMATS.get(format)!;
  const shape = wide ? AFBC_WIDE : { width: AFBC_BLOCK, height: AFBC_BLOCK };
  const count = Math.ceil(width / shape.width) * Math.ceil(height / shape.height);
  const surface = memory.subarray(at, at + SURFACE_BYTES);
  const blocks = Array.from({ length: count }, (_, n) => {
    const pixels = new Uint8Array(afbcBodyBytes(bytes));
    const header = surface.subarray(n * AFBC_HEADER_BYTES, (n + 1) * AFBC_HEADER_BYTES);
    afbcDecode(header, bytes, (offset, size) => surface.subarray(offset, offset + size), pixels, shape.width);
    return pixels;
  });
  surface.fill(0);
  for (const [n, pixels] of blocks.entries()) surface.set(pixels, n * pixels.length);
}

function addDraw(bench: Bench, draw: PictureDraw): void {
  const { internal: _, clearDepth: _d, clearStencil: _s, ...depth } = draw.depth;
  bench.depthStencil(depth);
  bench.blend(
    draw.blends.map(({ format, raw, ...blend }, rt) => {
      const shader = draw.blendShaders[rt];
      const conversion = { memoryFormat: format, raw, registerFormat: 0 };
      // A shader's address takes the place of the conversion.
      const how = shader === undefined ? { conversion } : { mode: BLEND_MODE.SHADER, internalHigh: bench.code(shader) };
      return { ...blend, numComps: 4, ...how };
    }),
  );
  bench.state(draw.state, draw.shader === undefined ? 0 : bench.program(draw.shader));
  bench.scissor(...draw.scissor);
  bench.float(IDVS_REGISTERS.primitiveSize, draw.size);
  bench.registers[IDVS_REGISTERS.varyingAllocation] = VARYING_BYTES;
  bench.triangles(draw.vertices, { drawMode: draw.mode, secondaryShader: true });
}

interface Bases {
  readonly colors: readonly number[];
  readonly zs: number;
  readonly stencil: number;
}

function framebuffer(bench: Bench, picture: Picture, bases: Bases): number {
  const { samples, zs, stencil, wide } = picture;
  const targets = picture.targets.map(({ internal, color, clears }, rt) => {
    const [clear0, clear1, clear2, clear3] = clears;
    const afbc = color.block === BLOCK_FORMAT.AFBC;
    return bench.rgba8({
      ...strides(picture, color.block, MOST_BYTES, wide),
      ...{ clear0, clear1, clear2, clear3 },
      internalFormat: internal,
      writebackFormat: color.format,
      writebackBlockFormat: color.block,
      writebackMsaa: color.msaa,
      cleanPixelWriteEnable: color.clean,
      srgb: color.srgb,
      ditheringEnable: color.dither,
      swizzle: color.swizzle,
      afbcWideBlock: afbc && wide,
      afbcCompressionMode: (afbc ? afbcModeOf(color.format) : undefined) ?? 0,
      base: bases.colors[rt]!,
    });
  });
  const positions = bench.alloc(64);
  for (const [n, [x, y]] of POSITIONS.entries())
    bench.put(SamplePosition, positions + n * SamplePosition.size, { x, y });
  const depth = zs && strides(picture, zs.block, MOST_BYTES, false);
  const own = stencil && strides(picture, stencil.block, MOST_BYTES, false);
  const extension = {
    zsWriteFormat: zs?.format ?? 0,
    zsBlockFormat: zs?.block ?? 0,
    zsMsaa: zs?.msaa ?? 0,
    zsCleanPixelWriteEnable: zs?.clean ?? false,
    zsWritebackBase: bases.zs,
    zsWritebackRowStride: depth?.rowStride ?? 0,
    zsWritebackSurfaceStride: depth?.surfaceStride ?? 0,
    sWriteFormat: stencil?.format ?? 0,
    sBlockFormat: stencil?.block ?? 0,
    sMsaa: stencil?.msaa ?? 0,
    sWritebackBase: bases.stencil,
    sWritebackRowStride: own?.rowStride ?? 0,
    sWritebackSurfaceStride: own?.surfaceStride ?? 0,
  };
  const parameters = {
    sampleCount: samples,
    samplePattern: samples === 1 ? SAMPLE_PATTERN.SINGLE_SAMPLED : SAMPLE_PATTERN.ROTATED_4X_GRID,
    sampleLocations: positions,
    tieBreakRule: picture.tieBreakRule,
    zInternalFormat: picture.zInternal,
    zClear: picture.zClear,
    sClear: picture.sClear,
    zWriteEnable: zs !== undefined,
    sWriteEnable: stencil !== undefined,
  };
  return bench.framebuffer(parameters, targets, zs || stencil ? extension : undefined);
}
