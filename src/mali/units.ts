/** Units: what RUN_* instructions start, put together from shader cores, texture unit and fixed-function graphics. */
import type { Dram } from '../board/dram.ts';
import { compute } from './compute.ts';
import type { Units } from './contract.ts';
import { graphicsUnits } from './graphics.ts';
import { openShader } from './shader/core.ts';
import { TexturePipe } from './texture/unit.ts';

export function maliUnits(dram: Dram): Units {
  const textures = new TexturePipe();
  return {
    ...graphicsUnits(dram, {
      openVertex: (memory, addresses, stage, slot) => openShader(memory, addresses, stage, textures, slot),
      openFragment: (memory, addresses, stage, slot) => openShader(memory, addresses, stage, textures, slot),
    }),
    compute: (request) => compute(request, textures),
    computeIndirect: (request) => compute(request, textures),
  };
}
