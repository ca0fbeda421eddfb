/** Units: what RUN_* instructions start, put together from shader cores, texture unit and fixed-function graphics. */
import type { PhysicalMemory } from '../board/dram.ts';
import { compute } from './compute.ts';
import type { Units } from './contract.ts';
import { type Engine, executorOf } from './engine/engine.ts';
import { graphicsUnits } from './graphics.ts';
import { openShader } from './shader/core.ts';
import { TexturePipe } from './texture/unit.ts';

export function maliUnits(dram: PhysicalMemory, engine: Engine): Units {
  const textures = new TexturePipe(engine);
  const executor = executorOf(engine);
  return {
    ...graphicsUnits(
      dram,
      {
        openVertex: (memory, addresses, stage, slot) => openShader(memory, addresses, stage, textures, slot, executor),
        openFragment: (memory, addresses, stage, slot) =>
          openShader(memory, addresses, stage, textures, slot, executor),
      },
      engine,
    ),
    compute: (request) => compute(request, textures, executor),
    computeIndirect: (request) => compute(request, textures, executor),
  };
}
