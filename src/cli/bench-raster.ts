/**
 * `tyr bench raster`: what a pixel costs beside long shaders, in nanoseconds: clearing and write-back in
 * each layout, one large surface by kind of shader and state, surfaces over one another, and small triangles.
 *
 * Polygon lists are made once a case; what is measured is RUN_FRAGMENT alone, with recompiled shaders, on one thread. Figures
 * are by pixel of the picture, clearing and write-back (u-interleaved) included; those of small triangles by pixel covered.
 */
import { IDVS_REGISTERS } from '../abi/gpu/cs-registers.ts';
import {
  BLEND_A,
  BLEND_B,
  BLEND_C,
  BLEND_MODE,
  BLOCK_FORMAT,
  Blend,
  FUNC,
  type RenderTarget,
} from '../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE, ShaderProgram } from '../abi/gpu/shader-descriptors.ts';
import type { Infer } from '../abi/layout.ts';
import { Problem } from '../host/userland/problem.ts';
import { assemble } from '../mali/shader/assemble.ts';
import { shaderCores } from '../mali/units.ts';
import { blendBits, finish, Bench as Pipeline, RGBA8_TILE } from '../testing/mali/stage-bench.ts';
import type { Bench, Result } from './bench-programs.ts';
import { shortestRun } from './shortest-run.ts';

const WIDTH = 800;
const HEIGHT = 600;
const AFBC_HEADER = 16;
const AFBC_BODY = 1024;

const END = `
  ATEST.discard @r60, r60, 0x3f800000, atest_datum.w0
  BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0`;
const CONSTANT = `
  MOV.i32 r0, 0x3f800000
  MOV.i32 r1, 0x3f800000
  MOV.i32 r2, 0x0
  MOV.i32 r3, 0x3f800000${END}`;
const VARYING = `LD_VAR_BUF_IMM.f32.slot0.v4.src_f32.center.store.wait0 @r0:r1:r2:r3, r61, index:0${END}`;
const VARYING_BYTES = 16;

type Target = Partial<Infer<typeof RenderTarget>>;
type Place = readonly [x: number, y: number, z: number];

export interface Case {
  readonly name: string;
  readonly layout?: 'linear' | 'tiled' | 'afbc';
  /** None: nothing is drawn. */
  readonly triangles?: readonly Place[];
  /** Pixels that are covered, if not the picture's. */
  readonly pixels?: number;
  readonly shader?: string;
  readonly depth?: boolean;
  readonly blended?: boolean;
}

/** Two triangles that cover the picture. */
const surface = (z: number): readonly Place[] => [
  [0, 0, z],
  [WIDTH, 0, z],
  [0, HEIGHT, z],
  [WIDTH, 0, z],
  [WIDTH, HEIGHT, z],
  [0, HEIGHT, z],
];

/** A net of triangles of half a square of so many pixels, moved a little off the pixels' raster. */
function net(side: number): readonly Place[] {
  const places: Place[] = [];
  for (let y = 0; y + side <= HEIGHT; y += side) {
    for (let x = 0; x + side <= WIDTH; x += side) {
      const corner = (dx: number, dy: number): Place => [x + dx + 0.3, y + dy + 0.4, 0.5];
      places.push(corner(0, 0), corner(side, 0), corner(0, side), corner(side, 0), corner(side, side), corner(0, side));
    }
  }
  return places;
}

const LAYERS = [0.2, 0.4, 0.6, 0.8];

export const CASES: readonly Case[] = [
  { name: 'clear_linear', layout: 'linear' },
  { name: 'clear_tiled' },
  { name: 'clear_afbc', layout: 'afbc' },
  { name: 'constant_linear', layout: 'linear', triangles: surface(0.5), shader: CONSTANT },
  { name: 'constant', triangles: surface(0.5), shader: CONSTANT },
  { name: 'constant_afbc', layout: 'afbc', triangles: surface(0.5), shader: CONSTANT },
  { name: 'varying', triangles: surface(0.5), shader: VARYING },
  { name: 'depth', triangles: surface(0.5), shader: VARYING, depth: true },
  { name: 'blended', triangles: surface(0.5), shader: VARYING, blended: true },
  { name: 'depth_alone', triangles: surface(0.5), depth: true },
  { name: 'front_to_back_4', triangles: LAYERS.flatMap(surface), shader: VARYING, depth: true },
  { name: 'back_to_front_4', triangles: LAYERS.toReversed().flatMap(surface), shader: VARYING, depth: true },
  { name: 'small_16', triangles: net(16), shader: VARYING, depth: true },
  { name: 'small_6', triangles: net(6), shader: VARYING, depth: true },
  { name: 'small_6_depth_alone', triangles: net(6), depth: true },
];

/** An RGBA8 render target that is cleared. */
function target(pipeline: Pipeline, layout: Case['layout'] = 'tiled'): Target {
  const [across, down] = [Math.ceil(WIDTH / 16), Math.ceil(HEIGHT / 16)];
  const base = pipeline.alloc(across * down * (AFBC_HEADER + AFBC_BODY) + 4096);
  const common = { base, clear0: 0xff808080, clear1: 0xff808080, clear2: 0xff808080, clear3: 0xff808080 };
  if (layout === 'linear') return pipeline.rgba8(common);
  if (layout === 'tiled') {
    const rowStride = across * AFBC_BODY;
    return pipeline.rgba8({ ...common, writebackBlockFormat: BLOCK_FORMAT.TILED_U_INTERLEAVED, rowStride });
  }
  return pipeline.rgba8({
    ...common,
    writebackBlockFormat: BLOCK_FORMAT.AFBC,
    rowStride: across * AFBC_HEADER,
    afbcBodyOffset: Math.ceil((across * down * AFBC_HEADER) / 4096) * 4096,
    afbcCompressionMode: 10,
  });
}

function program(pipeline: Pipeline, text: string): number {
  const code = assemble(text);
  const at = pipeline.alloc(code.byteLength);
  pipeline.memory.write(at, new Uint8Array(code.buffer));
  return pipeline.put(ShaderProgram, pipeline.alloc(ShaderProgram.size), {
    type: DESCRIPTOR_TYPE.SHADER,
    stage: 2,
    binary: at,
  });
}

/** A case whose polygon list is made: what draws it, and the word in the middle of the picture. */
interface Prepared {
  readonly draw: () => void;
  readonly middle: () => number;
}

export function prepare({ layout, triangles, shader, depth, blended }: Case): Prepared {
  const pipeline = new Pipeline(WIDTH, HEIGHT, 8 << 20, 'wasm');
  const cores = shaderCores('wasm');
  if (depth) pipeline.depthStencil({ depthFunction: FUNC.LESS, depthWriteEnable: true });
  const sourceOver = { a: BLEND_A.DEST, b: BLEND_B.SRC_MINUS_DEST, c: BLEND_C.SRC_ALPHA };
  const descriptor = pipeline.put(Blend, pipeline.alloc(Blend.size), {
    enable: true,
    mode: blended ? BLEND_MODE.FIXED_FUNCTION : BLEND_MODE.OPAQUE,
    rgb: blendBits(sourceOver),
    alpha: blendBits(sourceOver),
    colorMask: 15,
    numComps: 4,
    loadDestination: blended === true,
    conversion: { memoryFormat: RGBA8_TILE, raw: false, registerFormat: 1 },
  });
  pipeline.pair(IDVS_REGISTERS.blend, descriptor + 1);
  pipeline.state({}, shader === undefined ? 0 : program(pipeline, shader));
  pipeline.registers[IDVS_REGISTERS.varyingAllocation] = VARYING_BYTES;
  const clip = 60 * 1024;
  for (let i = 0; i < (triangles?.length ?? 0); i += clip - (clip % 3)) {
    const part = triangles!.slice(i, i + clip - (clip % 3));
    pipeline.vertex = (index) => ({
      position: [...part[index]!, 1],
      varyings: [part[index]![0] / WIDTH, part[index]![1] / HEIGHT, 0.5, 0.75],
    });
    pipeline.draw(part.length, { secondaryShader: true });
  }
  const picture = target(pipeline, layout);
  const pointer = pipeline.framebuffer({ zClear: 1 }, [picture]);
  const block = ((HEIGHT / 2) >> 4) * Math.ceil(WIDTH / 16) + ((WIDTH / 2) >> 4);
  return {
    draw: () => finish(pipeline.fragment(pointer, undefined, cores.openFragment)),
    middle: () => pipeline.memory.load32(picture.base! + block * AFBC_BODY) >>> 0,
  };
}

export const raster: Bench = async (_userland, { vs, engine }) => {
  if (vs) throw new Problem(`there is nothing in raster that ${vs} could do`);
  if (engine === 'interpreter') throw new Problem('raster measures emitted code; the interpreter has none');
  return CASES.map((one): Result => {
    const milliseconds = shortestRun(prepare(one).draw);
    return { metric: one.name, value: (milliseconds * 1e6) / (WIDTH * HEIGHT), unit: 'ns' };
  });
};
