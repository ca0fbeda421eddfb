/** Emitted set-up against the script: random and hostile records, the same primitives byte for byte, the same faults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DRAW_RECORD_MAGIC,
  DrawRecord,
  POLYGON_BLOCK_MAGIC,
  POLYGON_LIST_MAGIC,
  PolygonBlock,
  PolygonList,
  PrimitiveRecord,
} from '../../../abi/gpu/polygon-list.ts';
import { DepthStencil, FramebufferParameters, Z_INTERNAL_FORMAT } from '../../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../../abi/gpu/shader-descriptors.ts';
import { type Layout, viewOf } from '../../../abi/layout.ts';
import { Dram } from '../../../board/dram.ts';
import { Random } from '../../../testing/mali/random.ts';
import { FlatMemory } from '../../../testing/mali/shader-rig.ts';
import type { Extent } from '../../contract.ts';
import { PRIMITIVE } from '../../engine/quads.ts';
import { scratch } from '../../engine/scratch.ts';
import { BlockSetup } from '../block-setup.ts';
import { DrawTable } from '../draw-table.ts';
import type { Framebuffer } from '../framebuffer.ts';
import { PolygonReader } from '../polygon-reader.ts';
import { PrimitiveStore } from '../primitive-store.ts';
import { CENTER, type SamplePattern } from '../raster.ts';
import { Setup } from '../setup.ts';

const source = new Random(11);
const random = (n: number): number => source.below(n);
const pick = <T>(list: readonly T[]): T => source.pick(list);
const flag = () => source.chance(50);

/** Memory whose extents are short, and some of which no extent has. */
const PIECE = 1 << 14;
class Pieces extends FlatMemory {
  override extent = (va: number): Extent | undefined => {
    const piece = Math.floor(va / PIECE);
    if (va < 4096 || va >= this.dram.size || piece % 7 === 5) return undefined;
    const start = Math.max(piece * PIECE, 4096);
    return { start, size: (piece + 1) * PIECE - start, physical: start };
  };
}

const dram = new Dram(4 << 20);
const memory = new Pieces(dram);
const PATTERN: SamplePattern = { count: 4, x: Int32Array.of(96, 224, 32, 160), y: Int32Array.of(32, 96, 160, 224) };
const LIST = 1 << 16;
const DRAWS = 1 << 18;
const put = (layout: Layout<any>, at: number, values: object) => memory.write(at, layout.pack(values));

function randomRecord(hostile: boolean): object {
  const reach = pick([300, 2048, 2 ** 18, 2 ** 24]);
  const grid = pick([1, 128]);
  const corner = () => ({
    x: Math.floor((random(2 * reach) - reach) / grid) * grid + 2048,
    y: Math.floor((random(2 * reach) - reach) / grid) * grid + 2048,
    z: pick([Math.fround(random(1000) / 900 - 0.05), 0, Number.POSITIVE_INFINITY]),
    inverseW: Math.fround((1 + random(100)) / 50),
    weight1: random(3) - 1,
    weight2: random(2),
  });
  const corners = [corner(), corner(), corner()];
  if (random(12) === 0) corners[2] = corners[1]!;
  if (hostile && random(3) === 0) corners[random(3)]!.x = pick([0x7fffffff, -0x80000000, 67 * 65536]);
  const packets = [0, 1, 2].map(() => pick([0, 4096, 100000, 100000, 100000, 200000, 300000, 2 ** 47, 2 ** 50]));
  const kind = hostile ? random(4) : 1 + random(3);
  return {
    draw: DRAWS + pick([0, 0, 0, 256, 512]),
    packet0: packets[0]!,
    packet1: flag() ? packets[0]! : packets[1]!,
    packet2: flag() ? packets[0]! : packets[2]!,
    slot0: random(64),
    slot1: random(64),
    slot2: random(64),
    provoking: hostile ? random(4) : random(kind),
    kind,
    backFacing: random(2),
    layer: random(8) === 0 ? 1 : 0,
    id: random(2 ** 32),
    corner0: corners[0]!,
    corner1: corners[1]!,
    corner2: corners[2]!,
    minX: pick([0, 0, random(80)]),
    minY: pick([0, 0, random(80)]),
    maxX: pick([63, 63, 65535, random(80)]),
    maxY: pick([63, 63, 65535, random(80)]),
  };
}

/** A list of some blocks, and draws. */
function randomList(): void {
  const blocks = 1 + random(4);
  // Blocks that begin where they please lie across extents.
  const at = Array.from({ length: blocks }, (_, i) => LIST + 64 + i * 16384 + random(3) * 4064);
  put(PolygonList, LIST, { magic: POLYGON_LIST_MAGIC, blocks, first: at[0]!, last: at.at(-1)! });
  const hostile = random(3) === 0;
  at.forEach((block, i) => {
    const count = random(65);
    const values = { magic: POLYGON_BLOCK_MAGIC, sequence: i, count, capacity: 64, next: at[i + 1] ?? 0 };
    put(PolygonBlock, block, values);
    for (let n = 0; n < count; n++) {
      put(
        PrimitiveRecord,
        block + PolygonBlock.size + n * PrimitiveRecord.size,
        randomRecord(hostile && random(40) === 0),
      );
    }
  });
  for (let d = 0; d < 3; d++) {
    const depthStencil = DRAWS + 4096 + d * 64;
    put(DepthStencil, depthStencil, {
      type: DESCRIPTOR_TYPE.DEPTH_STENCIL,
      depthBiasEnable: flag(),
      depthFactor: random(3) / 10,
      depthUnits: random(3),
      depthBiasClamp: pick([0, 0.01, -0.01]),
    });
    put(DrawRecord, DRAWS + d * 256, {
      magic: DRAW_RECORD_MAGIC,
      scissorMinX: random(20),
      scissorMaxX: 40 + random(40),
      scissorMaxY: 40 + random(40),
      draw: { depthStencil, vertexAttributeStride: random(100), multisampleEnable: flag() },
    });
  }
}

function framebuffer(samples: number): Framebuffer {
  const pattern = samples === 1 ? CENTER : PATTERN;
  return {
    address: 0,
    parameters: FramebufferParameters.read(
      viewOf(
        FramebufferParameters.pack({
          width: 70,
          height: 70,
          sampleCount: samples,
          zInternalFormat: pick(Object.values(Z_INTERNAL_FORMAT)),
          tieBreakRule: random(8),
        }),
      ),
      0,
    ),
    samples,
    raster: PATTERN,
    pattern,
    targets: [],
    depth: undefined,
    stencil: undefined,
    writeCleanDepth: false,
  };
}

/** The bytes of all primitives; what a NaN's bits are nobody says. */
function contents(store: PrimitiveStore): Uint8Array[] {
  // A piece may have been begun for nothing.
  const pieces = [...store.pieces()].filter(([from, to]) => from < to);
  return pieces.map(([from, to]) => {
    const bytes = scratch.u8.slice(from, to);
    const doubles = new Float64Array(bytes.buffer);
    const canonical = (numbers: Float64Array | Float32Array, from: number, to: number) => {
      const size = numbers.BYTES_PER_ELEMENT;
      for (let i = 0; i < numbers.length; i++) {
        const offset = (i * size) % PRIMITIVE.size;
        if (offset >= from && offset < to && Number.isNaN(numbers[i])) numbers[i] = Number.NaN;
      }
    };
    canonical(doubles, PRIMITIVE.z, PRIMITIVE.provoking);
    canonical(doubles, PRIMITIVE.planes, PRIMITIVE.simple);
    canonical(new Float32Array(bytes.buffer), PRIMITIVE.steps, PRIMITIVE.id);
    return bytes;
  });
}

/** The primitives that a way to set up makes, each by its bytes, in as many goes as a small store takes; or its fault. */
function made(fast: boolean, frame: Framebuffer, room: number): unknown {
  const rect = { column: 1, row: 0, columns: 3, rows: 4 };
  const reader = new PolygonReader(memory);
  const draws = new DrawTable(memory, reader, frame);
  const store = new PrimitiveStore(room);
  const seen: Uint8Array[] = [];
  try {
    const setup = new Setup(memory);
    const blocks = new BlockSetup(memory, dram);
    blocks.begin(0, rect);
    reader.open(LIST);
    while (reader.block()) {
      const all = fast ? reader.takeBlock(blocks, store, draws) : reader.take(setup, store, draws, 0, rect);
      if (all) continue;
      seen.push(...contents(store));
      store.reset();
    }
    seen.push(...contents(store));
    return seen;
  } catch (error) {
    return (error as Error).message;
  } finally {
    store.close();
  }
}

test('the same primitives come of the same records, and the same faults', () => {
  let faults = 0;
  let bytes = 0;
  for (let n = 0; n < 400; n++) {
    randomList();
    const frame = framebuffer(pick([1, 4]));
    const room = pick([Number.POSITIVE_INFINITY, 20]);
    const expected = made(false, frame, room);
    assert.deepEqual(made(true, frame, room), expected, `case ${n}`);
    if (typeof expected === 'string') faults++;
    else bytes += (expected as Uint8Array[]).reduce((sum, { length }) => sum + length, 0);
  }
  assert.ok(faults > 20, `${faults} faults`);
  assert.ok(bytes > 1e6, `${bytes} bytes`);
});
