import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blend, DepthStencil, Draw, FramebufferParameters, FUNC } from '../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../abi/layout.ts';
import { FlatMemory } from '../../testing/mali/shader-rig.ts';
import { DrawStages } from './draw-stages.ts';
import { CENTER } from './raster.ts';
import { TileBuffer } from './tile-buffer.ts';

const TESTS_AT = 0x2000;
const BLEND_AT = 0x2100;
const ELSEWHERE = 0x1000;

function scene() {
  const memory = new FlatMemory();
  const empty = viewOf(new Uint8Array(FramebufferParameters.size));
  const framebuffer = {
    address: 0,
    parameters: { ...FramebufferParameters.read(empty, 0), width: 16, height: 16 },
    samples: 1,
    raster: CENTER,
    pattern: CENTER,
    targets: [],
    depth: undefined,
    stencil: undefined,
    writeCleanDepth: false,
  };
  const tests = (at: number, depthFunction: number): void =>
    DepthStencil.write(memory.view, at, { type: DESCRIPTOR_TYPE.DEPTH_STENCIL, depthFunction });
  for (const more of [0, ELSEWHERE]) {
    tests(TESTS_AT + more, FUNC.LESS);
    Blend.write(memory.view, BLEND_AT + more, { enable: false });
  }
  const stages = new DrawStages(memory, framebuffer, new TileBuffer(framebuffer, 'wasm'), 'wasm');
  const words = { flags0: 0, depthStencil: TESTS_AT, blend: BLEND_AT, blendCount: 1, maximumZ: 1 };
  const draw = (values: Partial<typeof words>) => {
    const view = viewOf(new Uint8Array(Draw.size));
    Draw.write(view, 0, { ...words, ...values });
    return Draw.read(view, 0);
  };
  return { stages, draw, tests };
}

test('draws have one stage if their tests, colours and range are the same, wherever that is said', () => {
  const { stages, draw, tests } = scene();
  const stage = stages.take(draw({}));
  assert.equal(stages.take(draw({})), stage);
  assert.equal(stages.take(draw({ depthStencil: TESTS_AT + ELSEWHERE, blend: BLEND_AT + ELSEWHERE })), stage);
  assert.notEqual(stages.take(draw({ maximumZ: 0.5 })), stage);
  assert.notEqual(stages.take(draw({ flags0: 1 })), stage);
  tests(TESTS_AT + ELSEWHERE, FUNC.GREATER);
  assert.notEqual(stages.take(draw({ depthStencil: TESTS_AT + ELSEWHERE })), stage);
  stages.close();
});

test('a stage lasts until all draws that have it are over', () => {
  const { stages, draw } = scene();
  const stage = stages.take(draw({}));
  stages.take(draw({}));
  stages.give(stage);
  assert.equal(stages.take(draw({})), stage);
  stages.give(stage);
  stages.give(stage);
  assert.notEqual(stages.take(draw({})), stage);
  stages.close();
});
