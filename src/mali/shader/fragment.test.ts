import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ATTRIBUTE_TYPE, AttributeDescriptor, DESCRIPTOR_TYPE, Resource } from '../../abi/gpu/shader-descriptors.ts';
import { execute, FlatMemory, f16x2, f32, lane0, noTextures, register } from '../../testing/mali/shader-rig.ts';
import { assemble } from './assemble.ts';
import {
  type FragmentStage,
  LANES,
  type PrimitiveVertices,
  type TextureRequest,
  type TextureUnit,
} from './contract.ts';

const ids = Array.from({ length: LANES }, (_, i) => i);
const PACKET = 0x50000;
const STRIDE = 32;

/** A stage that remembers what it is asked, and interpolates with weights l/16 and 0 of the second and third vertex for lane l. */
function makeStage(log: string[] = []): FragmentStage {
  const triangle: PrimitiveVertices = { count: 3, packets: [PACKET, PACKET, PACKET], slots: [1, 2, 5], provoking: 2 };
  return {
    kind: 'fragment',
    frame: 0,
    primitives: [triangle, triangle, triangle, triangle],
    attributeStride: STRIDE,
    framebufferSize: 0,
    samplePositions: 0,
    atestDatum: [0, 0],
    blendDescriptors: new Uint32Array(16),
    barycentrics(_warp, _mask, mode, _source, out) {
      log.push(`barycentrics ${mode}`);
      for (const l of ids) {
        out[l] = l / 16;
        out[LANES + l] = 0;
      }
    },
    special(_warp, _mask, what, _mode, _source, out) {
      out.f32.fill(what === 'w' ? 0.5 : 0.25);
      out.f32.fill(0.75, LANES, 2 * LANES);
    },
    alphaTest(_warp, mask, coverage, alpha, out) {
      log.push(`atest ${mask.toString(16)} ${coverage[0]} ${alpha[0]}`);
      for (const l of ids) out[l] = coverage[l]! & 3;
    },
    emitDepthStencil(_warp, _mask, coverage, depth, stencil, out) {
      log.push(`zs ${depth?.[0]} ${stencil?.[0]}`);
      out.set(coverage);
    },
    blend(_warp, mask, request) {
      const { colour, type, bits, coverage } = request;
      const values = [0, 1, 2, 3].map((c) => (type === 'float' ? colour.f32 : colour.i32)[c * LANES]);
      log.push(`blend ${mask.toString(16)} ${type}${bits} ${values.join(' ')} coverage ${coverage[0]}`);
    },
    loadTile(_warp, _mask, request) {
      for (let c = 0; c < 4; c++) request.values.f32.fill(c + 0.5, c * LANES, (c + 1) * LANES);
    },
    storeTile(_warp, _mask, request) {
      log.push(`store ${request.values.f32[0]} of ${(request.indices[0]! >>> 0).toString(16)}`);
    },
  };
}

/** Vertex n of the packet has varyings n, n + 1/8, … as singles, and at byte 16 the same as halves. */
function packets(): FlatMemory {
  const memory = new FlatMemory();
  for (const n of ids) {
    const record = PACKET + 1024 + n * STRIDE;
    for (let c = 0; c < 4; c++) memory.store32(record + c * 4, f32(n + c / 8));
    memory.store32(record + 16, f16x2(n, n + 0.125));
  }
  return memory;
}

test('varyings are weighed by the barycentrics, flat ones come from the provoking vertex', () => {
  const log: string[] = [];
  const options = { memory: packets(), stage: makeStage(log) };
  const smooth = execute('LD_VAR_BUF_IMM.f32.slot0.v2.src_f32.centroid.store @r0:r1, r61, index:4\nNOP.end', options);
  assert.equal(smooth.warp.f32[0], 1.125);
  assert.equal(smooth.warp.f32[8], 1.625);
  assert.equal(smooth.warp.f32[LANES + 8], 1.75);
  assert.deepEqual(log, ['barycentrics centroid']);
  const half = execute('LD_VAR_BUF_IMM.f16.slot0.v2.src_f16.center.store @r0, r61, index:16\nNOP.end', options);
  assert.equal(register(half, 0)[8], f16x2(1.5, 1.625));
  const narrowed = execute('LD_VAR_BUF_IMM.f16.slot0.v2.src_f32.center.store @r0, r61, index:0\nNOP.end', options);
  assert.equal(register(narrowed, 0)[8], f16x2(1.5, 1.625));
  const flat = execute('LD_VAR_BUF_IMM.f32.slot0.v2.src_flat32.center.store @r0:r1, r61, index:0\nNOP.end', options);
  assert.deepEqual([lane0(flat, 0), register(flat, 1)[15]], [f32(5), f32(5.125)]);
});

test('what is the same at all vertices is that everywhere, whatever the weights', () => {
  const memory = new FlatMemory();
  const value = Math.fround(2.1);
  for (const n of ids) memory.store32(PACKET + 1024 + n * STRIDE, f32(value));
  const stage: FragmentStage = {
    ...makeStage(),
    barycentrics(_warp, mask, _mode, _source, out) {
      for (let lane = 0; lane < LANES; lane++) {
        if (!(mask & (1 << lane))) continue;
        out[lane] = Math.fround(lane / 37);
        out[LANES + lane] = Math.fround(1 / (lane + 3));
      }
    },
  };
  const { warp } = execute('LD_VAR_BUF_IMM.f32.slot0.src_f32.center.store @r0, r61, index:0\nNOP.end', {
    memory,
    stage,
  });
  assert.deepEqual([...warp.f32.subarray(0, LANES)], Array(LANES).fill(value));
});

test('a retrieved position needs no new barycentrics', () => {
  const log: string[] = [];
  execute(
    `LD_VAR_BUF_IMM.f32.slot0.src_f32.sample.store @r0, r61, index:0
    LD_VAR_BUF_IMM.f32.slot0.src_f32.sample.retrieve @r1, r61, index:4
    NOP.end`,
    { memory: packets(), stage: makeStage(log) },
  );
  assert.deepEqual(log, ['barycentrics sample']);
});

test('varyings through attribute descriptors find the same packets', () => {
  const memory = packets();
  memory.encode(Resource, 0xa000, { address: 0xa100, containsDescriptors: true, size: 64 });
  memory.encode(AttributeDescriptor, 0xa100, {
    type: DESCRIPTOR_TYPE.ATTRIBUTE,
    attributeType: ATTRIBUTE_TYPE.VERTEX_PACKET,
    format: 175 << 12,
    table: 61,
    offset: 1024 + 8,
    attributeStride: STRIDE,
    packetStride: STRIDE + 16,
  });
  const run = execute('LD_VAR_IMM.slot0.v2.f32.center.store @r0:r1, r61, table:0, index:0\nNOP.end', {
    memory,
    stage: makeStage(),
    pointers: { resources: 0xa001 },
  });
  assert.equal(run.warp.f32[8], 1.75);
});

test('coverage goes through ATEST to BLEND, helpers included in no mask of effect', () => {
  const log: string[] = [];
  const stage = makeStage(log);
  stage.blendDescriptors[0] = 2;
  const run = execute(
    `ATEST.discard @r60, r60, 0x3f800000, atest_datum.w0
    ZS_EMIT.z.slot0 @r60, r1, r2, r60
    BLEND.slot0.v4.f16.end @r0:r1, blend_descriptor_0.w0, r60, target:0`,
    { stage, registers: { 0: [f16x2(0.5, 1)], 1: [f16x2(0.25, 1)], 60: ids.map(() => 7) }, helpers: 0xff00 },
  );
  assert.equal(run.warp.live, 0);
  assert.deepEqual(log, [
    'atest ffff 7 1',
    `zs ${new Float32Array(new Uint32Array([f16x2(0.25, 1)]).buffer)[0]} undefined`,
    'blend ff float16 0.5 1 0.25 1 coverage 3',
  ]);
});

/** What a compiler puts behind a BLEND: set the link register, call the blend shader. */
const CALL = `
  IADD_IMM.i32 r48, program_counter.w0, #8
  BRANCHZI.eq.absolute 0x0, blend_descriptor_0.w1`;

test('fixed-function blending skips the call of the blend shader', () => {
  const log: string[] = [];
  const stage = makeStage(log);
  stage.blendDescriptors.set([1, 0x20000]);
  execute(
    `BLEND.slot0.v4.f32 @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:2${CALL}\nBLEND.slot0.v4.u32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0`,
    {
      stage,
      registers: { 0: [f32(1)], 60: [1] },
    },
  );
  assert.deepEqual(log, ['blend ffff float32 1 0 0 0 coverage 1', `blend ffff uint32 ${f32(1)} 0 0 0 coverage 1`]);
});

test('LD_TILE.z_stencil asks for depth or stencil, LD_TILE for a colour', () => {
  const asked: string[] = [];
  const stage: FragmentStage = {
    ...makeStage(),
    loadTile(_warp, _mask, { depthStencil, type, channels, indices, values }) {
      asked.push(
        `${depthStencil ? 'depth or stencil' : 'colour'} ${type} ${channels} ${(indices[0]! >>> 0).toString(16)}`,
      );
      values.u32.fill(0x5a + asked.length, 0, LANES);
    },
  };
  const run = execute(
    'LD_TILE.f32.slot0.z_stencil @r4, r1, r60, 0x0\nLD_TILE.u32.slot0.z_stencil @r5, r2, r60, 0x0\nLD_TILE.u32.slot0 @r6, r2, r60, 0x0\nNOP.end',
    { stage, registers: { 1: [0xff00ff00], 2: [0xff00fe00] } },
  );
  assert.deepEqual(asked, [
    'depth or stencil float 1 ff00ff00',
    'depth or stencil uint 1 ff00fe00',
    'colour uint 1 ff00fe00',
  ]);
  assert.deepEqual(
    [4, 5, 6].map((r) => register(run, r)[0]),
    [0x5b, 0x5c, 0x5d],
  );
});

test('a blend shader is called with the colour, and returns or ends the thread', () => {
  const log: string[] = [];
  const stage = makeStage(log);
  stage.blendDescriptors.set([0, 0x20000]);
  const memory = new FlatMemory();
  const blendShader = `
    LD_TILE.v4.f32.slot0 @r4:r5:r6:r7, 0x0, r60, 0x0
    FADD.f32 r0, r0, r4
    BLEND.slot0.v4.f32 @r0:r1:r2:r3, u0, r60, target:0
    BRANCHZI.absolute r48, r48
    NOP.end`;
  memory.write(0x20000, new Uint8Array(assemble(blendShader).buffer));
  const options = { stage, memory, fau: [1, 0], registers: { 0: [f32(1)], 60: [1] } };
  execute(
    `BLEND.slot0.v4.f32 @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:2${CALL}\nZS_EMIT.stencil.slot0 @r9, r1, r60, r60\nNOP.end`,
    options,
  );
  assert.deepEqual(log, ['blend ffff float32 1.5 0 0 0 coverage 1', 'zs undefined 1']);
  log.length = 0;
  execute(
    `BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0\nIADD_IMM.i32 r48, 0x0, #0\nBRANCHZI.eq.absolute 0x0, blend_descriptor_0.w1`,
    options,
  );
  assert.deepEqual(log, ['blend ffff float32 1.5 0 0 0 coverage 1']);
});

test('special varyings and the tile buffer', () => {
  const log: string[] = [];
  const run = execute(
    `LD_VAR_SPECIAL.f32.center.clobber.slot0 @r0, r61, index:2
    LD_VAR_SPECIAL.v2.f32.center.clobber.slot0 @r8:r9, r61, index:0
    LD_VAR_SPECIAL.f32.center.clobber.slot0 @r10, r61, index:1
    LD_TILE.v3.f16.slot0 @r2:r3, r1, r60, 0x0
    ST_TILE.v4.f32.slot0 @r4:r5:r6:r7, r1, r60, 0x0
    NOP.end`,
    { stage: makeStage(log), registers: { 1: [0xff000000], 4: [f32(9)] } },
  );
  assert.equal(run.warp.f32[0], 0.5);
  assert.deepEqual([lane0(run, 8), lane0(run, 9), lane0(run, 10)], [f32(0.25), f32(0.75), f32(0.75)]);
  assert.deepEqual([lane0(run, 2), lane0(run, 3)], [f16x2(0.5, 1.5), f16x2(2.5, 0)]);
  assert.deepEqual(log, ['store 9 of ff000000']);
});

test('texture operands are taken from the staging registers that the instruction uses', () => {
  const seen: TextureRequest[] = [];
  const textures: TextureUnit = {
    ...noTextures,
    execute(_environment, _warp, _mask, request, out) {
      seen.push({ ...request, deltas: [...request.deltas] });
      for (let c = 0; c < 4; c++) out.f32.fill(c + 1, c * LANES, (c + 1) * LANES);
    },
  };
  const narrow = (2 << 27) | (5 << 16) | (3 << 11) | 7;
  const run = execute(
    `TEX_SINGLE.slot0.f.16.rba.2d.array_enable.shadow.computed_bias @r0:r1, @r4:r5:r6:r7:r8, u0
    TEX_FETCH.slot0.u.32.g.3d.wide_indices.texel_offset @r2, @r4:r5:r6:r7, u2
    TEX_GRADIENT.slot0.u.32.rg.2d.lod_bias_disable.lod_clamp_disable.derivative_enable @r10:r11, @r4:r5:r6:r7, u0
    NOP.end`,
    { textures, fau: [narrow, 0, 0x01000002, 0x03000004], registers: { 4: [f32(4)], 5: [5], 6: [6], 7: [7], 8: [8] } },
  );
  const [single, fetch, gradient] = seen as [TextureRequest, TextureRequest, TextureRequest];
  assert.deepEqual(
    [single.texture[0], single.sampler[0], single.x[0], single.array![0], single.shadow !== undefined, single.lod![0]],
    [0x02000005, 0x03000007, 4, 6, true, 8],
  );
  assert.equal(single.kind.lodMode, 'computed_bias');
  assert.deepEqual([lane0(run, 0), lane0(run, 1) & 0xffff], [f16x2(1, 3), f16x2(4, 0)]);
  assert.deepEqual(
    [fetch.texture[0], fetch.sampler[0], fetch.offset![0], fetch.kind.operation],
    [0x03000004, 0x01000002, 7, 'fetch'],
  );
  assert.equal(lane0(run, 2), f32(2));
  assert.equal(gradient.deltas.length, 4);
  assert.equal(lane0(run, 11), f32(2));
});
