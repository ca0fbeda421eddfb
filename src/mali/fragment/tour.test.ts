/** Tiles that emitted code draws by itself, beside those that script draws: whatever makes it ask script. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRAW_MODE, FUNC, PIXEL_KILL } from '../../abi/gpu/raster-descriptors.ts';
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

/** May be hidden by later draws; hides what lies below it. */
const HIDDEN = { allowForwardPixelToBeKilled: true };
const HIDES = { allowForwardPixelToKill: true, ...HIDDEN };
const LONG = loop(9000);

test('what later draws cover for good is not shaded', () => {
  const fuzzer = new PixelFuzzer();
  const slices = (...draws: PictureDraw[]): number => {
    assert.equal(fuzzer.difference({ ...picture(draws), width: 70, height: 8 }), undefined);
    return fuzzer.slices;
  };
  const row = (z: number, how: Partial<PictureDraw>) => draw(z, { scissor: [0, 0, 69, 7], ...how });
  const below = row(0.6, { shader: LONG, state: HIDDEN });
  const above = row(0.5, { state: HIDES });
  const all = slices(below);
  // In the first tile, where draws are met for the first time, nobody waits.
  assert.ok(slices(below, above) < all / 3, 'it is hidden');
  assert.ok(slices(below, row(0.55, { state: HIDDEN }), above) < all / 3, 'with what lies between');
  const { FORCE_LATE } = PIXEL_KILL;
  const late = { pixelKillOperation: FORCE_LATE, zsUpdateOperation: FORCE_LATE };
  for (const [why, draws] of Object.entries({
    'it may not be hidden': [{ ...below, state: {} }, above],
    'nobody hides it': [below, { ...above, state: HIDDEN }],
    'a row of each quad is seen': [below, row(0.5, { state: HIDES, scissor: [0, 0, 69, 6] })],
    'the other is further away': [below, row(0.7, { state: HIDES })],
    'the other comes first': [row(0.7, { state: HIDES }), below],
    'tests come after shading': [{ ...below, state: { ...HIDDEN, ...late } }, above],
  } satisfies Record<string, PictureDraw[]>)) {
    assert.ok(slices(...draws) > (why.startsWith('a row') ? all / 3 : all * 0.8), why);
  }
});

test('draws that wait for each other go on where one has taken longer than a slice', () => {
  const fuzzer = new PixelFuzzer();
  const part = (left: number, shader: string): PictureDraw =>
    draw(0.5, { shader, state: HIDES, scissor: [left, 0, left + 9, 7] });
  const draws = [draw(0.6, { state: HIDDEN }), part(0, LONG), part(10, loop(3000)), part(20, LONG), part(30, loop(1))];
  assert.equal(fuzzer.difference({ ...picture(draws), height: 8 }), undefined);
  assert.ok(fuzzer.slices > 30, `${fuzzer.slices} slices`);
});

test('more quads than a list holds, of draws that hide each other', () => {
  const fuzzer = new PixelFuzzer();
  const layers = Array.from({ length: 12 }, (_, n) =>
    draw(0.9 - n / 20, {
      state: n % 4 === 3 ? HIDDEN : HIDES,
      scissor: [n, n % 5, WIDTH - 1 - ((n * 3) % 11), HEIGHT - 1],
    }),
  );
  assert.equal(fuzzer.difference(picture(layers)), undefined);
});
