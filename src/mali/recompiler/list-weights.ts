/**
 * The weights of a whole list of quads (engine/quads.ts: QUAD_LIST), computed before the first of them is shaded.
 *
 * One after the other they are independent of each other, and the host computes several at once; within a shader each would wait for
 * its own, a chain as long as what a short shader does with it.
 */
import { QUAD_LIST, WEIGHTS_BYTES } from '../engine/quads.ts';
import { pushStep, toCenter } from '../fragment/wasm/depth-plane.ts';
import { functions } from '../fragment/wasm/modules.ts';
import type { ModuleBuilder } from '../wasm/builder.ts';
import { LaneCode } from './lanes.ts';
import { fromLocals, WeightCode } from './weights.ts';

const VECTOR_BYTES = 16;

/** Parameters: the list, the first of its quads and the end of them, the tile's first pixel in the window. */
export const LIST_WEIGHTS = [['i32', 'i32', 'i32', 'i32', 'i32'], []] as const;

export const listWeights = (): CallableFunction =>
  functions<{ list_weights: CallableFunction }>('list weights', emit).list_weights;

function emit(m: ModuleBuilder): void {
  const f = m.function('list_weights', [...LIST_WEIGHTS[0]], [], true);
  const [list, quad, end, left, top] = [0, 1, 2, 3, 4];
  const [at, primitive] = f.locals('i32', 2);
  const last = f.local('i32');
  const centers = f.locals('f64', 2);
  const within = (axis: 'x' | 'y') => (): void => {
    pushStep(f, () => f.get(list).get(quad).op('i32_add').memory('i32_load8_u', QUAD_LIST[axis]));
  };
  const code = new WeightCode(new LaneCode(f, false, 1));
  const planes = fromLocals(f, centers, [within('x'), within('y')]);
  toCenter(f.get(left)).set(centers[0]);
  toCenter(f.get(top)).set(centers[1]);
  f.get(quad).i32(WEIGHTS_BYTES).op('i32_mul').get(list).op('i32_add').set(at);
  const done = f.block();
  const again = f.loop();
  f.get(quad).get(end).op('i32_ge_u').brIf(done);
  f.get(list).get(quad).i32(2).op('i32_shl').op('i32_add').memory('i32_load', QUAD_LIST.primitive).set(primitive);
  f.get(primitive).get(last).op('i32_ne').if();
  planes.set(primitive);
  f.get(primitive).set(last);
  f.end();
  code.emit(0, planes.source);
  for (const [v, [local]] of code.weights.entries()) {
    f.get(at)
      .get(local!)
      .memory('v128_store', QUAD_LIST.weights + v * VECTOR_BYTES);
  }
  f.get(at).i32(WEIGHTS_BYTES).op('i32_add').set(at);
  f.get(quad).i32(1).op('i32_add').set(quad).br(again);
  f.end().end();
}
