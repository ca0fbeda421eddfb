/** Units: what RUN_* instructions start, put together from shader cores, texture unit and fixed-function graphics. */
import type { PhysicalMemory } from '../board/dram.ts';
import { compute } from './compute.ts';
import type { Units } from './contract.ts';
import { type Engine, executorOf } from './engine/engine.ts';
import { type FragmentPool, graphicsUnits, type ShaderCores } from './graphics.ts';
import { openShader } from './shader/core.ts';
import { TexturePipe } from './texture/unit.ts';

/** The shader cores of one thread. `threads`: first of the thread slots that it uses beyond those of the main thread. */
export function shaderCores(engine: Engine, threads = 0, textures = new TexturePipe(engine)): ShaderCores {
  const executor = executorOf(engine);
  return {
    openVertex: (memory, addresses, stage, slot) =>
      openShader(memory, addresses, stage, textures, slot + threads, executor),
    openFragment: (memory, addresses, stage, slot) =>
      openShader(memory, addresses, stage, textures, slot + threads, executor),
  };
}

/** `pool`: who draws fragment jobs on other threads. */
export function maliUnits(dram: PhysicalMemory, engine: Engine, pool?: FragmentPool): Units {
  const textures = new TexturePipe(engine);
  const executor = executorOf(engine);
  return {
    ...graphicsUnits(dram, shaderCores(engine, 0, textures), engine, pool),
    compute: (request) => compute(request, textures, executor),
    computeIndirect: (request) => compute(request, textures, executor),
  };
}
