/**
 * Random draws by emitted code and by script, in two machines that are alike: whatever is in their memories afterwards (polygon
 * lists, packets, heap) must be the same, byte for byte, and so must faults.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDVS_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import {
  DRAW_MODE,
  FIFO_FORMAT,
  INDEX_TYPE,
  POINT_SIZE_FORMAT,
  type PrimitiveFlags,
  TilerContext,
} from '../../abi/gpu/raster-descriptors.ts';
import { TilerHeapDescriptor } from '../../abi/gpu/tiler-heap.ts';
import type { Infer } from '../../abi/layout.ts';
import { Random } from '../../testing/mali/random.ts';
import { Bench } from '../../testing/mali/stage-bench.ts';
import type { Work } from '../contract.ts';
import type { Engine } from '../engine/names.ts';
import { TilerHeap } from '../tiler-heap.ts';

const MOST_VERTICES = 400;
const MODES = [DRAW_MODE.TRIANGLES, DRAW_MODE.TRIANGLE_STRIP, DRAW_MODE.TRIANGLE_FAN];
const OTHER_MODES = [DRAW_MODE.POINTS, DRAW_MODE.LINES, DRAW_MODE.LINE_STRIP, DRAW_MODE.LINE_LOOP];
const WIDTHS: Record<number, number> = { [INDEX_TYPE.UINT8]: 1, [INDEX_TYPE.UINT16]: 2, [INDEX_TYPE.UINT32]: 4 };

/** A window coordinate: mostly on the screen, on pixels' edges and halves, far out, or none at all. */
function coordinate(random: Random): number {
  const choice = random.below(100);
  if (choice < 60) return random.below(64 * 256) / 256 + random.below(3) / 512;
  if (choice < 85) return random.below(200) - 60;
  if (choice < 96) return (random.word() / 2 ** 32 - 0.5) * 2000;
  if (choice < 98) return (random.word() / 2 ** 32 - 0.5) * 300000;
  return random.pick([65536, -65536, 65537, Number.NaN, Number.POSITIVE_INFINITY, -0]);
}

function inverseW(random: Random): number {
  const choice = random.below(100);
  if (choice < 88) return random.pick([1, 0.5, 3, 1e-3]);
  return random.pick([-1, -0.5, -2, 0, -0.25, Number.NaN, Number.POSITIVE_INFINITY, 1e30]);
}

/** Everything that one draw leaves: its states, its fault, and memory. */
function draw(seed: number, engine: Engine): { states: string; memory: Uint8Array } {
  const random = new Random(seed);
  const bench = new Bench(64, 64, random.chance(70) ? 256 << 10 : 12 << 10, engine);
  const vertices = Array.from({ length: MOST_VERTICES }, () => ({
    position: [coordinate(random), coordinate(random), random.below(5) / 2 - 0.5, inverseW(random)] as const,
    varyings: [random.word()],
    pointSize: random.below(8),
    layer: random.below(random.chance(90) ? 2 : 256),
  }));
  bench.vertex = (i, instance, view) => vertices[(i + instance + 7 * view) % MOST_VERTICES]!;
  const { memory } = bench;
  // Pages of which none follows another one in DRAM, so far as anybody may count on.
  const chopped = random.chance(40);
  const { extent } = memory;
  memory.extent = (va: number) => {
    const page = va - (va % PAGE_SIZE);
    return chopped ? extent(va) && { start: page, size: PAGE_SIZE, physical: page } : extent(va);
  };
  const indexType = random.pick([INDEX_TYPE.NONE, INDEX_TYPE.UINT8, INDEX_TYPE.UINT16, INDEX_TYPE.UINT32]);
  const bytes = WIDTHS[indexType] ?? 0;
  const count = random.below(random.chance(70) ? 60 : 900);
  const at = bench.alloc(2 * PAGE_SIZE) + random.below(2 * PAGE_SIZE);
  const spread = random.chance(50) ? 20 : MOST_VERTICES;
  for (let i = 0; i < count * bytes; i++) {
    const low = bytes === 1 || i % bytes === 0;
    memory.store8(at + i, random.chance(3) ? 0xff : low ? random.below(Math.min(spread, 256)) : 0);
    if (bytes > 1 && random.chance(3))
      for (let k = 0; k < bytes && i + k < count * bytes; k++) memory.store8(at + i, 255);
  }
  bench.pair(IDVS_REGISTERS.indices, at);
  bench.registers[IDVS_REGISTERS.indexArraySize] = count * bytes - (random.chance(10) ? 5 : 0);
  bench.registers[IDVS_REGISTERS.indexOffset] = random.chance(20) ? random.below(4) : 0;
  bench.registers[IDVS_REGISTERS.vertexOffset] = random.chance(20) ? random.below(9) : 0;
  bench.registers[IDVS_REGISTERS.varyingAllocation] = 4 * random.below(3);
  if (random.chance(50))
    bench.scissor(random.below(40), random.below(40), 20 + random.below(80), 20 + random.below(80));
  memory.encode(TilerContext, bench.context, {
    firstProvokingVertex: random.chance(50),
    layerCount: random.pick([1, 2, 200]),
    layerOffset: random.chance(80) ? 0 : random.below(5) - 2,
  });
  const extended = random.chance(40);
  bench.state({
    frontFaceCcw: random.chance(50),
    cullFrontFace: random.chance(20),
    cullBackFace: random.chance(20),
    multisampleEnable: random.chance(50),
    singleSampledLines: random.chance(50),
  });
  const flags: Partial<Infer<typeof PrimitiveFlags>> = {
    drawMode: random.chance(60) ? random.pick(MODES) : random.pick(OTHER_MODES),
    positionFifoFormat: extended ? FIFO_FORMAT.EXTENDED : FIFO_FORMAT.BASIC,
    pointSizeArrayFormat: extended && random.chance(50) ? POINT_SIZE_FORMAT.FP16 : POINT_SIZE_FORMAT.NONE,
    layerIndexEnable: random.chance(50),
    lowDepthCull: random.chance(30),
    highDepthCull: random.chance(30),
    primitiveRestart: random.chance(50),
    secondaryShader: random.chance(70),
    indexType,
    viewMask: random.chance(70) ? 0 : random.below(256),
  };
  // Indices that cannot be read, behind the last byte of DRAM.
  if (random.chance(3)) bench.pair(IDVS_REGISTERS.indices, bench.dram.size - 20);
  let states = '';
  try {
    const work = bench.idvs(count, flags, 1 + random.below(3));
    states = run(bench, work);
  } catch (error) {
    states += `${error}`;
  }
  return { states, memory: bench.dram.u8 };
}

function run(bench: Bench, work: Work): string {
  const { memory } = bench;
  for (let ooms = 0; ; ) {
    const state = work.step();
    if (state === 'done') return `done after ${ooms}`;
    if (state !== 'oom') continue;
    ooms++;
    const heap = new TilerHeap(memory, bench.context, 0);
    if (ooms % 3 === 0) {
      // The list is drawn and dropped meanwhile.
      heap.retire();
      memory.store64(bench.context + TilerContext.offset.polygonList, 0);
    }
    heap.grow(bench.chunk(12 << 10));
    assert.ok(memory.load64(bench.heap + TilerHeapDescriptor.offset.base) > 0);
  }
}

const DRAWS = 200;

test('random draws leave the same memory whether script tiles them or emitted code', () => {
  for (let seed = 0; seed < DRAWS; seed++) {
    const script = draw(seed, 'interpreter');
    const emitted = draw(seed, 'wasm');
    assert.equal(emitted.states, script.states, `seed ${seed}`);
    if (Buffer.compare(emitted.memory, script.memory) === 0) continue;
    const at = emitted.memory.findIndex((byte, i) => byte !== script.memory[i]);
    assert.fail(`seed ${seed}: byte 0x${at.toString(16)}: ${script.memory[at]}, emitted ${emitted.memory[at]}`);
  }
});
