/** Code for lists of quads is made for what a draw does with its colours: draws of one program that differ in it draw as the interpreter does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IDVS_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import { BLEND_A, BLEND_B, BLEND_C, BLEND_MODE, Blend, FUNC, PIXEL_KILL } from '../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { Bench, blendBits, finish, RGBA8_TILE } from '../../testing/mali/stage-bench.ts';
import type { Engine } from '../engine/names.ts';
import { shaderCores } from '../units.ts';

const SIZE = 48;

/** A colour that changes from pixel to pixel, of both halves and singles. */
const PROGRAM = `LD_VAR_BUF_IMM.f32.slot0.v4.src_f32.center.store.wait0 @r0:r1:r2:r3, r61, index:0
  ATEST.discard @r60, r60, 0x3f800000, atest_datum.w0
  BLEND.slot0.v4.f32.end @r0:r1:r2:r3, blend_descriptor_0.w0, r60, target:0`;

const over = blendBits({ a: BLEND_A.DEST, b: BLEND_B.SRC_MINUS_DEST, c: BLEND_C.SRC_ALPHA });
const constant = blendBits({ a: BLEND_A.DEST, b: BLEND_B.SRC_MINUS_DEST, c: BLEND_C.CONSTANT });
const add = blendBits({ a: BLEND_A.DEST, b: BLEND_B.SRC, c: BLEND_C.SRC_X_2, invertC: true });

interface DrawCase {
  readonly blend: Partial<Infer<typeof Blend>>;
  readonly late?: boolean;
}

const FIXED = { mode: BLEND_MODE.FIXED_FUNCTION, loadDestination: true };
const CASES: readonly DrawCase[] = [
  { blend: {} },
  { blend: { ...FIXED, rgb: over, alpha: over } },
  { blend: { ...FIXED, rgb: constant, alpha: over, constant: 0x3fff } },
  { blend: { ...FIXED, rgb: constant, alpha: over, constant: 0xbfff } },
  { blend: { ...FIXED, rgb: add, alpha: over, colorMask: 5 } },
  { blend: { mode: BLEND_MODE.OFF } },
  { blend: { ...FIXED, rgb: over, alpha: add }, late: true },
  { blend: {}, late: true },
];

function draw(engine: Engine): Uint8Array {
  const bench = new Bench(SIZE, SIZE, 1 << 20, engine);
  const program = bench.program(PROGRAM);
  bench.registers[IDVS_REGISTERS.varyingAllocation] = 16;
  for (const [n, { blend, late }] of CASES.entries()) {
    bench.depthStencil({ depthFunction: FUNC.LESS, depthWriteEnable: true });
    const descriptor = bench.put(Blend, bench.alloc(Blend.size), {
      enable: true,
      mode: BLEND_MODE.OPAQUE,
      colorMask: 15,
      numComps: 4,
      conversion: { memoryFormat: RGBA8_TILE, raw: false, registerFormat: 1 },
      ...blend,
    });
    bench.pair(IDVS_REGISTERS.blend, descriptor + 1);
    const kill = late ? PIXEL_KILL.FORCE_LATE : PIXEL_KILL.FORCE_EARLY;
    bench.state({ pixelKillOperation: kill, zsUpdateOperation: kill }, program);
    // Each draw reaches less far, so that all of them show.
    const end = SIZE - 5 * n;
    bench.vertex = (index) => ({
      position: [index === 1 ? end : 0, index === 2 ? end : 0, 0.9 - 0.1 * n, 1],
      varyings: [index / 2, 1.5 - index, 0.2 + 0.1 * n, 0.4 + index / 4],
    });
    bench.draw(3, { secondaryShader: true });
  }
  const base = bench.alloc(SIZE * SIZE * 4);
  // Tiles are written back only where a draw says that it has written to them.
  const clean = { cleanPixelWriteEnable: false };
  const target = bench.rgba8({
    base,
    ...clean,
    clear0: 0x80402010,
    clear1: 0x80402010,
    clear2: 0x80402010,
    clear3: 0x80402010,
  });
  const pointer = bench.framebuffer({ zClear: 1 }, [target]);
  finish(bench.fragment(pointer, undefined, shaderCores(engine).openFragment));
  return bench.memory.read(base, SIZE * SIZE * 4).slice();
}

test('draws of one program, each with its own blending and tests, leave the same picture on both engines', () => {
  const expected = draw('interpreter');
  assert.ok(Buffer.from(draw('wasm')).equals(expected), 'the pictures differ');
  const colours = new Set(new Uint32Array(expected.buffer));
  assert.ok(colours.size > 100, `only ${colours.size} colours`);
});
