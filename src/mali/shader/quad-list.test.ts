import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLEND_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { ADDRESS_MODE, LocalStorage } from '../../abi/gpu/shader-descriptors.ts';
import { FlatMemory, open } from '../../testing/mali/shader-rig.ts';
import { LIST_QUADS, PRIMITIVE, QUAD_LIST } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { STAGE, STAGE_BYTES } from '../recompiler/frame.ts';
import { type BlendRequest, type FragmentStage, LANES, type ShaderRun, type Warp } from './contract.ts';

const owner = {};
const stage = scratch.owned(owner, STAGE_BYTES);
const list = scratch.owned(owner, QUAD_LIST.size);
const lanes = scratch.owned(owner, 3 * LANES * 4);
const primitives = [0, 1].map(() => scratch.owned(owner, PRIMITIVE.size)) as [number, number];

/** What a BLEND was given by a lane that has an effect. */
interface Seen {
  readonly quadLane: number;
  readonly id: number;
  readonly flags: number;
  readonly pixel: number;
  readonly coverage: number;
  readonly primitive: number;
}

interface Quad {
  readonly x: number;
  readonly y: number;
  readonly masks: readonly [number, number, number, number];
  readonly primitive: number;
}

function write(quads: readonly Quad[], sample = -1): void {
  assert.ok(quads.length <= LIST_QUADS);
  scratch.u8.fill(0, list, list + QUAD_LIST.size);
  for (const [n, primitive] of primitives.entries()) {
    scratch.i32[(primitive + PRIMITIVE.id) / 4] = 100 + n;
    scratch.i32[(primitive + PRIMITIVE.flags) / 4] = n;
  }
  const warps = Math.ceil(quads.length / 4);
  for (let n = 0; n < warps * 4; n++) {
    const { x, y, masks, primitive } = quads[n] ?? { x: 0, y: 0, masks: [0, 0, 0, 0], primitive: 0 };
    scratch.u16.set(masks, (list + QUAD_LIST.mask) / 2 + 4 * n);
    scratch.u32[(list + QUAD_LIST.primitive) / 4 + n] = primitives[primitive]!;
    scratch.u8[list + QUAD_LIST.x + n] = x;
    scratch.u8[list + QUAD_LIST.y + n] = y;
  }
  const words = scratch.i32;
  const at = stage / 4;
  for (const [field, value] of [
    [STAGE.list, list],
    [STAGE.warp, 0],
    [STAGE.warps, warps],
    [STAGE.left, 160],
    [STAGE.top, 320],
    [STAGE.sample, sample],
    [STAGE.argumentLow, 7],
    [STAGE.argumentHigh, 8],
    [STAGE.pixels, lanes],
    [STAGE.coverage, lanes + 4 * LANES],
    [STAGE.tested, lanes + 8 * LANES],
  ] as const) {
    words[at + field / 4] = value;
  }
}

function makeStage(seen: Seen[]): FragmentStage {
  const unused = (): never => {
    throw new Error('not asked for here');
  };
  return {
    kind: 'fragment',
    frame: stage,
    primitives: [undefined, undefined, undefined, undefined],
    attributeStride: 0,
    framebufferSize: 0,
    samplePositions: 0,
    atestDatum: [0, 0],
    blendDescriptors: new Uint32Array(16).fill(BLEND_MODE.FIXED_FUNCTION),
    barycentrics: unused,
    special: unused,
    alphaTest: unused,
    emitDepthStencil: unused,
    loadTile: unused,
    storeTile: unused,
    blend(warp: Warp, mask: number, { colour, coverage }: BlendRequest) {
      for (let lane = 0; lane < LANES; lane++) {
        if (!(mask & ~warp.discarded & (1 << lane))) continue;
        const at = (lanes / 4) | 0;
        assert.equal(scratch.i32[at + LANES + lane], coverage[lane], 'the stage knows the coverage');
        const [id, flags, pixel] = [0, 1, 2].map((c) => colour.u32[c * LANES + lane]!) as [number, number, number];
        assert.equal(scratch.i32[stage / 4 + lane], pixel & 0xffff);
        assert.equal(scratch.i32[at + lane], ((pixel >>> 16) - 320) * 16 + (pixel & 0xffff) - 160);
        assert.equal(scratch.i32[at + 2 * LANES + lane], -1, 'no late test yet');
        const primitive = scratch.u32[(stage + STAGE.quads) / 4 + (lane >> 2)]!;
        seen.push({ quadLane: lane & 3, id, flags, pixel, coverage: coverage[lane]!, primitive });
      }
    },
  };
}

const BLEND = 'BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0';
const PROGRAM = `MOV.i32 r0, r57
  MOV.i32 r1, r58
  MOV.i32 r2, r59
  MOV.i32 r3, r61
  ${BLEND}`;

function run(text: string, seen: Seen[], helpers: boolean): ShaderRun {
  return open(text, { stage: makeStage(seen), requiresHelperThreads: helpers, live: 0 });
}

const full = [1, 1, 1, 1] as const;

test('a list of quads is worked off warp by warp, each lane with its own primitive, pixel and samples', () => {
  const seen: Seen[] = [];
  const shader = run(PROGRAM, seen, false);
  write([
    { x: 0, y: 0, masks: full, primitive: 0 },
    { x: 2, y: 0, masks: [0, 1, 0, 0], primitive: 1 },
    { x: 4, y: 2, masks: [0, 0, 0, 0], primitive: 0 },
    { x: 14, y: 14, masks: [0, 0, 0, 3], primitive: 1 },
    { x: 0, y: 0, masks: full, primitive: 1 },
  ]);
  assert.equal(shader.resumeList(1000), true);
  assert.deepEqual(
    seen.map(({ quadLane, id, flags, pixel, coverage }) => [
      quadLane,
      id,
      flags,
      pixel & 0xffff,
      pixel >>> 16,
      coverage,
    ]),
    [
      [0, 100, 0, 160, 320, 1],
      [1, 100, 0, 161, 320, 1],
      [2, 100, 0, 160, 321, 1],
      [3, 100, 0, 161, 321, 1],
      [1, 101, 1, 163, 320, 1],
      [3, 101, 1, 175, 335, 3],
      [0, 101, 1, 160, 320, 1],
      [1, 101, 1, 161, 320, 1],
      [2, 101, 1, 160, 321, 1],
      [3, 101, 1, 161, 321, 1],
    ],
  );

  for (const { id, primitive } of seen) assert.equal(primitive, primitives[id - 100]);
  assert.equal(shader.resumeList(1000), true, 'a list that is done stays so');
  assert.equal(seen.length, 10);
});

test('lists go on where a slice ended, also within a shader that loops', () => {
  const seen: Seen[] = [];
  // Counts r4 up to 40, then blends.
  const shader = run(
    `${PROGRAM.replace(BLEND, '')}IADD_IMM.i32 r4, r4, #1\nIADD_IMM.i32 r5, r4, #0xffffffd8\nBRANCHZ r5, offset:-3\n${BLEND}`,
    seen,
    false,
  );
  write(Array.from({ length: 10 }, (_, n) => ({ x: 2 * (n % 8), y: 2 * (n >> 3), masks: full, primitive: n & 1 })));
  let slices = 1;
  while (!shader.resumeList(30)) assert.ok(++slices < 100);
  assert.ok(slices > 3, `${slices} slices`);
  assert.equal(seen.length, 40);
});

test('only one sample of a list is shaded where each is by itself; warps without it are left out', () => {
  const seen: Seen[] = [];
  const shader = run(PROGRAM, seen, false);
  write([{ x: 0, y: 0, masks: [1, 2, 3, 4], primitive: 0 }], 1);
  assert.equal(shader.resumeList(1000), true);
  assert.deepEqual(
    seen.map(({ quadLane, coverage }) => [quadLane, coverage]),
    [
      [1, 2],
      [2, 2],
    ],
  );
});

test('helpers live for derivatives only where the program asks for them', () => {
  for (const helpers of [false, true]) {
    const seen: Seen[] = [];
    // r3 becomes the x of the quad's neighbour, which only a lane that lives has.
    const shader = run(`${PROGRAM.replace(BLEND, '')}CLPER.i32.subgroup4 r3, r59, 0x0\n${BLEND}`, seen, helpers);
    write([{ x: 0, y: 0, masks: [0, 1, 0, 0], primitive: 0 }]);
    assert.equal(shader.resumeList(1000), true);
    assert.equal(seen.length, 1);
    assert.equal(shader.warp.live, 0);
  }
});

test('each lane of a list has the storage of its place in the warp, whoever names it', () => {
  const memory = new FlatMemory();
  const [STORAGE_AT, WORDS_AT] = [0xa000, 0xb000];
  memory.encode(LocalStorage, STORAGE_AT, { tlsSize: 0, tlsBase: WORDS_AT, tlsAddressMode: ADDRESS_MODE.FLAT });
  for (let lane = 0; lane < LANES; lane++) memory.store32(WORDS_AT + 16 * lane, 700 + lane);
  const seen: Seen[] = [];
  const load = 'IADD_IMM.i32 r5, 0x0, #0x10000000\nMOV.i32 r4, 0x0\nLOAD.i32.unsigned.slot0 @r0, r4, offset:0';
  const pointers = { threadStorage: STORAGE_AT };
  const shader = open(PROGRAM.replace('MOV.i32 r0, r57', load), { memory, stage: makeStage(seen), live: 0, pointers });
  write(Array.from({ length: 6 }, (_, n) => ({ x: 2 * n, y: 0, masks: full, primitive: 0 })));
  assert.equal(shader.resumeList(1000), true);
  assert.deepEqual(
    seen.map(({ id }) => id - 700),
    Array.from({ length: 24 }, (_, n) => n % LANES),
  );
});
