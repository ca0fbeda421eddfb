/**
 * What the fragment stage is told of the quads in work (frame.ts: STAGE, and WARP with the tile buffer): places, samples,
 * primitives. Recompiled code has all of it in locals, so it tells only where somebody is going to look: before tests
 * after shading, before the interpreter's step, and where it hands a warp back.
 *
 * A function of the shader's module: (stage, list, first quad), for as many quads as the shader takes at a time.
 */
import { QUAD_LIST } from '../engine/quads.ts';
import type { Code } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { STAGE, TILE_SHIFT } from './frame.ts';

const QUADS = 4;
const VECTOR_BYTES = 16;

export const TOLD: readonly ValueType[] = ['i32', 'i32', 'i32'];

export function emitTold(f: Code, vectors: number): void {
  const [stage, list, quad] = [0, 1, 2];
  const [at, word, wanted] = [f.local('i32'), f.local('i32'), f.local('v128')];
  f.get(list).get(quad).op('i32_add').set(at);
  f.i32(-1).op('i32x4_splat').set(wanted);
  f.get(stage).memory('i32_load', STAGE.sample).tee(word).i32(0).op('i32_ge_s').if();
  f.i32(1).get(word).op('i32_shl').op('i32x4_splat').set(wanted).end();
  for (let k = 0; k < vectors; k++) {
    const within = (axis: 'x' | 'y'): Code => f.get(at).memory('i32_load8_u', QUAD_LIST[axis] + k);
    const field = (offset: number): Code => f.get(stage).memory('i32_load', offset);
    f.get(stage);
    within('x');
    field(STAGE.left).op('i32_add').op('i32x4_splat').v128(0, 1, 0, 1).op('i32x4_add');
    f.memory('v128_store', STAGE.x + VECTOR_BYTES * k).get(stage);
    within('y');
    field(STAGE.top).op('i32_add').op('i32x4_splat').v128(0, 0, 1, 1).op('i32x4_add');
    f.memory('v128_store', STAGE.y + VECTOR_BYTES * k);
    field(STAGE.pixels);
    within('y').i32(TILE_SHIFT).op('i32_shl');
    within('x').op('i32_add').op('i32x4_splat');
    f.v128(0, 1, 1 << TILE_SHIFT, (1 << TILE_SHIFT) + 1).op('i32x4_add');
    f.memory('v128_store', VECTOR_BYTES * k);
    field(STAGE.coverage).get(list).get(quad).i32(3).op('i32_shl').op('i32_add');
    f.memory('v128_load64_zero', QUAD_LIST.mask + 8 * k)
      .op('i32x4_extend_low_i16x8_u')
      .get(wanted)
      .op('v128_and');
    f.memory('v128_store', VECTOR_BYTES * k);
    field(STAGE.tested)
      .i32(-1)
      .op('i32x4_splat')
      .memory('v128_store', VECTOR_BYTES * k);
    f.get(list)
      .get(quad)
      .i32(2)
      .op('i32_shl')
      .op('i32_add')
      .memory('i32_load', QUAD_LIST.primitive + 4 * k)
      .set(word);
    // The lanes of fewer quads may go on as those of a warp.
    for (let q = k; q < QUADS; q += vectors)
      f.get(stage)
        .get(word)
        .memory('i32_store', STAGE.quads + 4 * q);
  }
}
