/**
 * Random pictures for the fuzzer (pixels.ts), from a seed: render targets of any format and layout, samples, a depth
 * buffer, and draws of random primitives with random states of raster, tests, blending and multisampling.
 */
import { AFBC_MODES, INTERNAL_FORMATS, WRITEBACK_FORMATS } from '../../../abi/formats.ts';
import {
  BLEND_MODE,
  BLOCK_FORMAT,
  DRAW_MODE,
  type Draw,
  MSAA,
  OCCLUSION_MODE,
  PIXEL_KILL,
  S_FORMAT,
  TIE_BREAK_RULE,
  Z_INTERNAL_FORMAT,
  ZS_FORMAT,
} from '../../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../../abi/layout.ts';
import { Random } from '../random.ts';
import { type BlendFormat, blendShader, callOf } from './blend-shader.ts';
import { type BlendInput, blendInput, type DepthInput, depthInput, internalFormat } from './output.ts';

export interface Surface {
  readonly block: number;
  readonly format: number;
  readonly msaa: number;
  readonly clean: boolean;
}

export interface PictureTarget {
  readonly internal: number;
  readonly color: Surface & { readonly srgb: boolean; readonly dither: boolean; readonly swizzle: number };
  readonly clears: readonly number[];
}

export interface PictureDraw {
  readonly mode: number;
  /** Of a vertex: x, y, z, 1/w and four varyings. */
  readonly vertices: readonly (readonly number[])[];
  readonly scissor: readonly [number, number, number, number];
  readonly size: number;
  readonly state: Partial<Infer<typeof Draw>>;
  readonly depth: DepthInput;
  /** By render target. */
  readonly blends: readonly BlendInput[];
  /** Undefined: without a shader. */
  readonly shader: string | undefined;
  /** By render target: called for the shader's colours, in place of blending by fixed function. */
  readonly blendShaders: readonly (string | undefined)[];
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly samples: 1 | 4;
  readonly targets: readonly PictureTarget[];
  /** AFBC superblocks of 32×8 pixels. */
  readonly wide: boolean;
  readonly zInternal: number;
  readonly zs: Surface | undefined;
  readonly stencil: Surface | undefined;
  readonly zClear: number;
  readonly sClear: number;
  readonly draws: readonly PictureDraw[];
  readonly tieBreakRule: number;
}

const { LINEAR, TILED_U_INTERLEAVED, AFBC } = BLOCK_FORMAT;
const MOST_EDGE = 70;

/** A writeback format that a render target of an internal format may have. */
function writebackFormat(random: Random, internal: number): number {
  const { tile, bytes } = INTERNAL_FORMATS.get(internal)!;
  const fits = [...WRITEBACK_FORMATS.values()].filter((format) =>
    tile ? format.bits !== undefined : format.bits === undefined && format.bytes <= bytes,
  );
  return random.pick(fits).index;
}

/** An AFBC mode for texels of a writeback format, if there is one. */
export const afbcModeOf = (format: number): number | undefined =>
  [...AFBC_MODES.values()].find(({ bytes }) => bytes === WRITEBACK_FORMATS.get(format)!.bytes)?.index;

const layered = (random: Random, block: number, samples: number): number =>
  samples === 1 ? MSAA.SINGLE : block !== AFBC && random.chance(40) ? MSAA.LAYERED : MSAA.AVERAGE;

function constant(random: Random): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, random.chance(50) ? random.below(5) / 4 : random.word() / 2 ** 31 - 0.5);
  return view.getUint32(0);
}

/**
 * A program: colours that are constant or interpolated, perhaps lanes that are discarded or have a depth of their own. `calls`: by
 * render target, what the blend shader takes that is called for it. `whole`: it leaves no lane out.
 */
function program(random: Random, calls: readonly (BlendFormat | undefined)[], whole: boolean): string {
  const lines = random.chance(50)
    ? [0, 1, 2, 3].map((r) => `IADD_IMM.i32 r${r}, 0x0, #0x${constant(random).toString(16)}`)
    : ['LD_VAR_BUF_IMM.f32.slot0.v4.src_f32.center.store.wait0 @r0:r1:r2:r3, r61, index:0'];
  if (!whole && random.chance(25)) {
    lines.push(`IADD_IMM.i32 r5, 0x0, #0x${constant(random).toString(16)}`, 'DISCARD.f32.lt r0, r5');
  }
  if (!whole && random.chance(20)) {
    lines.push('IADD_IMM.i32 r6, 0x0, #0x2', 'FADD.f32 r7, r1, r2');
    lines.push(`ZS_EMIT.${random.pick(['z', 'stencil', 'z.stencil'])}.slot0.wait0 @r60, r7, r6, r60`);
  }
  if (random.chance(60)) lines.push(`ATEST.discard @r60, r60, ${random.pick(['r3', '0x3f800000'])}, atest_datum.w0`);
  for (const [rt, called] of calls.entries()) {
    const format = called ?? random.pick(['f32', 'f32', 'f32', 'auto', 'f16', 'u32', 's32']);
    const registers = format.endsWith('16') ? 'r0:r1' : 'r0:r1:r2:r3';
    const last = rt === calls.length - 1;
    // Compilers do not know what draws do: where fixed function blends, the call is skipped, or the thread ends before it.
    const jumps = called !== undefined || random.chance(60);
    const skip = jumps && !last ? 2 : 0;
    lines.push(
      `BLEND.slot0.v4.${format}${last && !called ? '.end' : ''} @${registers}, blend_descriptor_${rt}.w0, r60, target:${skip}`,
    );
    if (jumps) lines.push(callOf(random, rt, last));
  }
  return lines.join('\n');
}

const MODES = [DRAW_MODE.TRIANGLES, DRAW_MODE.TRIANGLES, DRAW_MODE.TRIANGLES, DRAW_MODE.TRIANGLE_STRIP] as const;

function vertices(random: Random, width: number, height: number, count: number): number[][] {
  const fraction = () => random.word() / 2 ** 32;
  const reach = random.pick([0.2, 1, 1, 3]);
  const [x0, y0] = [fraction() * width, fraction() * height];
  // On the raster of pixels, of their centres, or anywhere.
  const grid = random.pick([0, 0.5, 1 / 256]);
  const flat = random.chance(30) ? fraction() : undefined;
  const place = (middle: number, edge: number): number => {
    const at = middle + (fraction() - 0.5) * edge * reach * 2;
    return grid ? Math.round(at / grid) * grid : at;
  };
  return Array.from({ length: count }, () => [
    place(x0, width),
    place(y0, height),
    flat ?? fraction() * 1.2 - 0.1,
    random.chance(60) ? 1 : 0.1 + fraction(),
    ...[0, 1, 2, 3].map(() => fraction() * 1.5 - 0.25),
  ]);
}

function drawOf(
  random: Random,
  { width, height, samples, targets }: Pick<Picture, 'width' | 'height' | 'samples' | 'targets'>,
): PictureDraw {
  const kind = random.below(20);
  const mode = kind === 0 ? DRAW_MODE.LINES : kind === 1 ? DRAW_MODE.POINTS : random.pick(MODES);
  const count = mode === DRAW_MODE.TRIANGLE_STRIP ? 3 + random.below(6) : 6 * (1 + random.below(3));
  const everything = random.chance(70);
  const edge = (size: number): [number, number] => {
    const first = random.below(size);
    return everything ? [0, size - 1] : [first, first + random.below(size - first)];
  };
  const [x, y] = [edge(width), edge(height)];
  // Every pixel that it passes the tests at is overwritten in all targets: as much as drivers ask of who may kill.
  const opaque = random.chance(35);
  const blends = targets.map(({ internal }) => {
    const blend = blendInput(random, internal);
    return opaque ? { ...blend, mode: BLEND_MODE.OPAQUE, enable: true } : blend;
  });
  const calls = targets.map(() => (!opaque && random.chance(25) ? random.pick(BLEND_FORMATS) : undefined));
  const called = calls.some((format) => format !== undefined);
  const { FORCE_EARLY, STRONG_EARLY, WEAK_EARLY, FORCE_LATE } = PIXEL_KILL;
  return {
    mode,
    vertices: vertices(random, width, height, count),
    scissor: [x[0], y[0], x[1], y[1]],
    size: 1 + random.below(8) / 2,
    state: {
      multisampleEnable: samples > 1 && random.chance(80),
      evaluatePerSample: random.chance(10),
      allowForwardPixelToKill: opaque && random.chance(80),
      allowForwardPixelToBeKilled: random.chance(70),
      alphaToCoverage: !opaque && random.chance(15),
      alphaToCoverageInvert: random.chance(20),
      frontFaceCcw: random.chance(50),
      cullFrontFace: random.chance(10),
      cullBackFace: random.chance(10),
      cleanFragmentWrite: random.chance(5),
      pixelKillOperation: random.pick([FORCE_EARLY, STRONG_EARLY, WEAK_EARLY, FORCE_LATE]),
      zsUpdateOperation: random.pick([FORCE_EARLY, STRONG_EARLY, WEAK_EARLY, FORCE_LATE]),
      occlusionQuery: random.pick([OCCLUSION_MODE.DISABLED, OCCLUSION_MODE.PREDICATE, OCCLUSION_MODE.COUNTER]),
    },
    depth: depthInput(random),
    blends,
    shader: called || random.chance(85) ? program(random, calls, opaque) : undefined,
    blendShaders: calls.map((numbers, rt) => numbers && blendShader(random, blends[rt]!, samples, numbers, rt)),
  };
}

const BLEND_FORMATS = ['f32', 'f32', 'auto', 'f16', 'u32', 's16'] as const;
const MOST_DRAWS = 5;
const MOST_TARGETS = 3;

export function pictureOf(seed: number): Picture {
  const random = new Random(seed);
  const samples = random.chance(60) ? 1 : 4;
  const surface = (format: number, blocks: readonly number[]): Surface => {
    const block = random.pick(blocks);
    return { block, format, msaa: layered(random, block, samples), clean: random.chance(70) };
  };
  const target = (): PictureTarget => {
    const internal = internalFormat(random);
    const format = writebackFormat(random, internal);
    const blocks = [LINEAR, TILED_U_INTERLEAVED, ...(afbcModeOf(format) === undefined ? [] : [AFBC])];
    const color = surface(format, blocks);
    // Raw samples cannot be averaged.
    const raw = samples > 1 && INTERNAL_FORMATS.get(internal)!.tile === undefined;
    return {
      internal,
      color: {
        ...color,
        msaa: raw ? (color.block === AFBC ? MSAA.SINGLE : random.pick([MSAA.SINGLE, MSAA.LAYERED])) : color.msaa,
        srgb: random.chance(15),
        dither: random.chance(15),
        swizzle: random.chance(60) ? 0o3210 : random.below(4096) & 0o3333,
      },
      clears: [0, 1, 2, 3].map(() => random.word()),
    };
  };
  const targets = Array.from({ length: random.chance(70) ? 1 : 2 + random.below(MOST_TARGETS - 1) }, target);
  const frame = { width: 1 + random.below(MOST_EDGE), height: 1 + random.below(MOST_EDGE), samples, targets } as const;
  return {
    ...frame,
    wide: random.chance(40),
    zInternal: random.pick(Object.values(Z_INTERNAL_FORMAT)),
    zs: random.chance(60) ? surface(random.pick(Object.values(ZS_FORMAT)), [LINEAR, TILED_U_INTERLEAVED]) : undefined,
    stencil: random.chance(40)
      ? surface(random.pick(Object.values(S_FORMAT)), [LINEAR, TILED_U_INTERLEAVED])
      : undefined,
    zClear: random.chance(50) ? 1 : random.word() / 2 ** 32,
    sClear: random.below(256),
    draws: Array.from({ length: random.below(MOST_DRAWS + 1) }, () => drawOf(random, frame)),
    tieBreakRule: random.pick(Object.values(TIE_BREAK_RULE)),
  };
}
