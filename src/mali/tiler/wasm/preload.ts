/**
 * Emitted code for the registers that a vertex warp starts with (abi/isa/preload.ts).
 *
 *     preload(batch, registers, first vertex, extended, vertex offset, instance offset, draw id)
 */
import { VERTEX_PRELOAD as PRELOAD } from '../../../abi/isa/preload.ts';
import { functions } from '../../fragment/wasm/modules.ts';
import { LANES } from '../../shader/contract.ts';
import type { ModuleBuilder } from '../../wasm/builder.ts';
import { TILER } from '../state.ts';

type Preload = (
  batch: number,
  registers: number,
  first: number,
  extended: number,
  vertexOffset: number,
  instanceOffset: number,
  drawId: number,
) => void;

const REGISTER_BYTES = LANES * 4;
let known: Preload | undefined;

export const preloader = (): Preload => {
  known ??= functions<{ preload: Preload }>('vertex preload', emit).preload;
  return known;
};

function emit(m: ModuleBuilder): void {
  const f = m.function('preload', Array(7).fill('i32'), [], true);
  const [batch, registers, first, extended, vertexOffset, instanceOffset, drawId] = [0, 1, 2, 3, 4, 5, 6] as const;
  const [v, mask, count, pairs] = f.locals('v128', 4);
  f.get(batch).memory('i32_load', TILER.vertices).op('i32x4_splat').set(count);
  // Extended: four positions, four extensions.
  f.i32(0).get(extended).op('i32_sub').op('i32x4_splat').v128(-4).op('v128_and').set(pairs);
  f.get(batch).get(first).i32(2).op('i32_shl').op('i32_add').set(batch);
  for (let k = 0; k < LANES / 4; k++) {
    const lane = 4 * k;
    f.get(first)
      .op('i32x4_splat')
      .v128(lane, lane + 1, lane + 2, lane + 3)
      .op('i32x4_add')
      .tee(v)
      .get(count)
      .op('i32x4_lt_u')
      .set(mask);
    // Lanes without a vertex have zeros, as in all other registers.
    const register = (number: number, push: () => void): void => {
      f.get(registers);
      push();
      f.get(mask)
        .op('v128_and')
        .memory('v128_store', number * REGISTER_BYTES + 16 * k);
    };
    register(PRELOAD.LINEAR_ID, () => f.get(v).get(v).get(pairs).op('v128_and').op('i32x4_add'));
    register(PRELOAD.VERTEX_ID, () => {
      f.get(batch).memory('v128_load', TILER.index + 16 * k);
      f.get(vertexOffset).op('i32x4_splat').op('i32x4_add');
    });
    register(PRELOAD.INSTANCE_ID, () => {
      f.get(batch).memory('v128_load', TILER.instance + 16 * k);
      f.get(instanceOffset).op('i32x4_splat').op('i32x4_add');
    });
    register(PRELOAD.DRAW_ID, () => f.get(drawId).op('i32x4_splat'));
  }
}
