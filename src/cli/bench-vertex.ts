/**
 * `tyr bench vertex`: what RUN_IDVS costs, in nanoseconds a primitive of a draw: fetch of indices, shading of positions and varyings,
 * clipping, culling, and records of the polygon list.
 *
 * Shaders are real, and recompiled: a position is an attribute, a varying another load of it. Nothing is rastered. The heap is
 * emptied before each draw.
 */
import { IDVS_REGISTERS } from '../abi/gpu/cs-registers.ts';
import {
  DRAW_MODE,
  FIFO_FORMAT,
  INDEX_TYPE,
  type PrimitiveFlags,
  TilerContext,
} from '../abi/gpu/raster-descriptors.ts';
import {
  ATTRIBUTE_TYPE,
  AttributeDescriptor,
  BUFFER_TYPE,
  BufferDescriptor,
  DESCRIPTOR_TYPE,
  Resource,
  ShaderProgram,
} from '../abi/gpu/shader-descriptors.ts';
import { HeapChunkHeader, TilerHeapDescriptor } from '../abi/gpu/tiler-heap.ts';
import type { Infer } from '../abi/layout.ts';
import { Problem } from '../host/userland/problem.ts';
import { assemble } from '../mali/shader/assemble.ts';
import { shaderCores } from '../mali/units.ts';
import { finish, Bench as Pipeline } from '../testing/mali/stage-bench.ts';
import type { Bench, Result } from './bench-programs.ts';
import { shortestRun } from './shortest-run.ts';

const SIZE = 512;
const CHUNK = 16 << 20;
const POSITION_BYTES = 16;
/** Squares of a grid in width and height: vertices have numbers of 16 bits. */
const GRID = 100;
/** Pixel format RGBA32F. */
const FOUR_FLOATS = 191 << 12;

/** Loads the vertex's four floats and stores them where its results go. */
const SHADER = `
  LD_ATTR_IMM.v4.f32.slot0 @r0:r1:r2:r3, r60, r61, index:0, table:1
  LEA_BUF_IMM.slot1.wait0126 @r4:r5, r59, table:13, index:0
  STORE.i128.estream.slot0.end @r0:r1:r2:r3, r4, offset:0`;

type Vertex = readonly [x: number, y: number, z: number, inverseW: number];

export interface Case {
  readonly name: string;
  readonly vertices: readonly Vertex[];
  readonly indices?: readonly number[];
  readonly primitives: number;
  readonly flags?: Partial<Infer<typeof PrimitiveFlags>>;
  /** What shows its back is culled. */
  readonly culled?: boolean;
  /** Records that it leaves. */
  readonly records: number;
}

const STEP = SIZE / (GRID + 1);
const corner = (x: number, y: number): Vertex => [x * STEP + 0.3, y * STEP + 0.4, 0.5, 1];
const squares = Array.from({ length: GRID * GRID }, (_, n) => [n % GRID, Math.floor(n / GRID)] as const);
const grid = Array.from({ length: (GRID + 1) ** 2 }, (_, n) => corner(n % (GRID + 1), Math.floor(n / (GRID + 1))));
const number = (x: number, y: number): number => y * (GRID + 1) + x;
const shared = squares.flatMap(([x, y]) => {
  const [a, b, c, d] = [number(x, y), number(x + 1, y), number(x, y + 1), number(x + 1, y + 1)];
  return [a, b, c, b, d, c];
});
const apart = shared.map((n) => grid[n]!);
/** The third vertex of each triangle is behind the eye. */
const crossing = apart.map(([x, y, z], n): Vertex => [x, y, z, n % 3 === 2 ? -1 : 1]);
const TRIANGLES = shared.length / 3;
/** The plane of the eye and the guard band leave two triangles of one half of a square, three of the other. */
const CLIPPED = 2.5 * TRIANGLES;

export const CASES: readonly Case[] = [
  { name: 'triangle', vertices: apart, primitives: TRIANGLES, records: TRIANGLES },
  { name: 'triangle_indexed', vertices: grid, indices: shared, primitives: TRIANGLES, records: TRIANGLES },
  { name: 'triangle_culled', vertices: apart, primitives: TRIANGLES, culled: true, records: 0 },
  { name: 'triangle_clipped', vertices: crossing, primitives: TRIANGLES, records: CLIPPED },
  {
    name: 'line',
    vertices: apart,
    primitives: apart.length / 2,
    flags: { drawMode: DRAW_MODE.LINES },
    records: apart.length,
  },
  {
    name: 'point',
    vertices: grid,
    primitives: grid.length,
    flags: { drawMode: DRAW_MODE.POINTS },
    records: 2 * grid.length,
  },
];

interface Prepared {
  readonly draw: () => void;
  /** Records in the polygon list. */
  readonly records: () => number;
}

export function prepare({ vertices, indices, flags, culled }: Case): Prepared {
  const pipeline = new Pipeline(SIZE, SIZE, CHUNK, 'wasm');
  const { memory, registers, context, heap } = pipeline;
  const size = vertices.length * POSITION_BYTES;
  const data = pipeline.alloc(size);
  memory.write(data, new Uint8Array(Float32Array.from(vertices.flat()).buffer));
  const attributes = pipeline.put(AttributeDescriptor, pipeline.alloc(AttributeDescriptor.size), {
    type: DESCRIPTOR_TYPE.ATTRIBUTE,
    attributeType: ATTRIBUTE_TYPE.LINEAR,
    format: FOUR_FLOATS,
    stride: POSITION_BYTES,
  });
  const buffers = pipeline.put(BufferDescriptor, pipeline.alloc(BufferDescriptor.size), {
    type: DESCRIPTOR_TYPE.BUFFER,
    bufferType: BUFFER_TYPE.SIMPLE,
    size,
    address: data,
  });
  const tables = pipeline.alloc(2 * Resource.size);
  const table = (n: number, address: number, bytes: number) =>
    pipeline.put(Resource, tables + n * Resource.size, { address, containsDescriptors: true, size: bytes });
  table(0, buffers, BufferDescriptor.size);
  table(1, attributes, AttributeDescriptor.size);
  pipeline.pair(IDVS_REGISTERS.positionSrt, tables + 2);
  const code = assemble(SHADER);
  const binary = pipeline.alloc(code.byteLength);
  memory.write(binary, new Uint8Array(code.buffer, code.byteOffset, code.byteLength));
  const program = pipeline.put(ShaderProgram, pipeline.alloc(ShaderProgram.size), {
    type: DESCRIPTOR_TYPE.SHADER,
    stage: 3,
    binary,
  });
  pipeline.pair(IDVS_REGISTERS.positionSpd, program);
  pipeline.pair(IDVS_REGISTERS.varyingSpd, program);
  registers[IDVS_REGISTERS.varyingAllocation] = POSITION_BYTES;
  if (indices) pipeline.indices(indices);
  pipeline.state({ frontFaceCcw: culled === true, cullBackFace: culled === true });
  const cores = shaderCores('wasm');
  const bottom = memory.load64(heap + TilerHeapDescriptor.offset.base) + HeapChunkHeader.size;
  const all = {
    secondaryShader: true,
    positionFifoFormat: FIFO_FORMAT.BASIC,
    indexType: indices ? INDEX_TYPE.UINT16 : INDEX_TYPE.NONE,
    ...flags,
  };
  const count = indices?.length ?? vertices.length;
  return {
    draw: () => {
      memory.store64(heap + TilerHeapDescriptor.offset.bottom, bottom);
      memory.store64(context + TilerContext.offset.polygonList, 0);
      finish(pipeline.idvs(count, all, 1, cores.openVertex));
    },
    records: () => pipeline.records(),
  };
}

export const vertex: Bench = async (_userland, { vs, engine }) => {
  if (vs) throw new Problem(`there is nothing in vertex that ${vs} could do`);
  if (engine === 'interpreter') throw new Problem('vertex measures emitted code; the interpreter has none');
  return CASES.map((one): Result => {
    const milliseconds = shortestRun(prepare(one).draw);
    return { metric: one.name, value: (milliseconds * 1e6) / one.primitives, unit: 'ns' };
  });
};
