import assert from 'node:assert/strict';
import { test } from 'node:test';
import { geometricMean, sceneRate } from './bench-programs.ts';

const output = (size: string, line: string) => `    GL_RENDERER:    Mali-G610 (Panfrost)
    Surface Size:   ${size} fullscreen
=======
${line}
`;

test("a scene's rate is that of its frame time, which glmark2 does not round to whole frames", () => {
  const rate = sceneRate(output('800x600', '[build] use-vbo=true: FPS: 2 FrameTime: 400.000 ms'));
  assert.equal(rate, 2.5);
});

test('a scene that was not drawn, or in another size, has no rate', () => {
  assert.equal(sceneRate(output('1920x1080', '[build] <default>: FPS: 74 FrameTime: 13.688 ms')), undefined);
  assert.equal(sceneRate(output('800x600', '[build] <default>: Unsupported')), undefined);
  assert.equal(sceneRate(output('800x600', '[build] <default>: Set up failed')), undefined);
});

test('the geometric mean of ratios is the ratio of geometric means', () => {
  assert.ok(Math.abs(geometricMean([2, 8]) - 4) < 1e-12);
});
