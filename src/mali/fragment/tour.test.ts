/** Tiles that emitted code draws by itself, beside those that script draws: whatever makes it ask script. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRAW_MODE, FUNC } from '../../abi/gpu/raster-descriptors.ts';
import { type Picture, type PictureDraw, pictureOf } from '../../testing/mali/fuzz/picture.ts';
import { PixelFuzzer } from '../../testing/mali/fuzz/pixels.ts';

const [WIDTH, HEIGHT] = [40, 24];
const VARYING = 'LD_VAR_BUF_IMM.f32.slot0.v4.src_f32.center.store.wait0 @r0:r1:r2:r3, r61, index:0';
const BLEND = 'BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0';

/** A random picture with depth and one plain render target. */
const base = ((): Picture => {
  for (let seed = 0; ; seed++) {
    const picture = pictureOf(seed);
    const { samples, targets, wide, zs, draws } = picture;
    if (samples === 1 && targets.length === 1 && !wide && zs && draws[0]?.blendShaders[0] === undefined) return picture;
  }
})();

const picture = (draws: readonly PictureDraw[]): Picture => ({
  ...base,
  width: WIDTH,
  height: HEIGHT,
  zClear: 1,
  draws,
});

/** A triangle over all pixels, at a depth, with varyings of 0 to 1. */
function draw(z: number, how: Partial<PictureDraw> & { readonly test?: number }): PictureDraw {
  const [drawn] = base.draws as [PictureDraw];
  const colours = [
    [0, 1, 0.5, 1],
    [1, 0, 0.25, 1],
    [0.5, 0.25, 1, 1],
  ];
  const corners = [
    [0, 0],
    [2 * WIDTH, 0],
    [0, 2 * HEIGHT],
  ];
  const depth = { depthFunction: how.test ?? FUNC.LESS, depthWriteEnable: true, stencilTestEnable: false };
  return {
    ...drawn,
    mode: DRAW_MODE.TRIANGLES,
    vertices: corners.map(([x, y], n) => [x!, y!, z, 1, ...colours[n]!]),
    scissor: [0, 0, WIDTH - 1, HEIGHT - 1],
    state: {},
    blends: [{ ...drawn.blends[0]!, enable: false, colorMask: 15 }],
    depth: { ...drawn.depth, ...depth, depthBiasEnable: false },
    shader: `${VARYING}\n${BLEND}`,
    ...how,
  };
}

/** Adds to a colour as often as its alpha and `rounds` say: quads of a warp part. */
const loop = (rounds: number): string =>
  [
    VARYING,
    `IADD_IMM.i32 r4, 0x0, #${rounds}`,
    'F32_TO_S32.rtz r5, r0',
    'IADD.s32 r4, r4, r5',
    ...[0, 1].flatMap((r) => [`FADD.f32 r${r}, r${r}, r2`, `FMIN.f32 r${r}, r${r}, 0x3f800000`]),
    'IADD_IMM.i32 r4, r4, #0xffffffff',
    'BRANCHZ r4, offset:-6',
    BLEND,
  ].join('\n');

test('a draw that makes depths greater lets later ones through that were behind before', () => {
  const fuzzer = new PixelFuzzer();
  const colour = (value: string) => ({ shader: `IADD_IMM.i32 r0, 0x0, #0x${value}\n${BLEND}` });
  const draws = [
    draw(0.2, {}),
    draw(0.8, { test: FUNC.ALWAYS }),
    draw(0.5, colour('3f000000')),
    draw(0.6, colour('0')),
  ];
  assert.equal(fuzzer.difference(picture(draws)), undefined);
});

test('a shader that takes longer than a slice goes on where it was, between draws that do not', () => {
  const fuzzer = new PixelFuzzer();
  for (const rounds of [3000, 9000]) {
    const draws = [
      draw(0.6, {}),
      draw(0.5, { shader: loop(rounds) }),
      draw(0.4, { test: FUNC.GREATER }),
      draw(0.4, {}),
    ];
    const small = { ...picture([...draws, draw(0.3, { shader: loop(rounds - 1) })]), width: 20, height: 8 };
    assert.equal(fuzzer.difference(small), undefined, `${rounds} rounds`);
    assert.ok(fuzzer.slices > 10, `${fuzzer.slices} slices`);
  }
});

test('a tile of many primitives rests among them', () => {
  const fuzzer = new PixelFuzzer();
  const [first] = [draw(0.5, {})];
  const vertices = Array.from({ length: 600 }, (_, n) => first!.vertices[n % 3]!);
  assert.equal(fuzzer.difference(picture([draw(0.5, { vertices, test: FUNC.ALWAYS })])), undefined);
  assert.ok(fuzzer.slices > 30, `${fuzzer.slices} slices`);
});
