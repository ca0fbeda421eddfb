/** Units: what RUN_* instructions start, put together from shader cores, texture unit and fixed-function graphics. */
import type { PhysicalMemory } from '../board/dram.ts';
import { type ComputePart, type ComputeRequest, compute } from './compute.ts';
import type { Units, Work } from './contract.ts';
import { type Engine, executorOf } from './engine/engine.ts';
import { graphicsUnits, type JobPool, type ShaderCores } from './graphics.ts';
import { openShader } from './shader/core.ts';
import { TexturePipe } from './texture/unit.ts';

/** Runs a thread's part of compute jobs. */
export function computeCore(
  engine: Engine,
  textures = new TexturePipe(engine),
): (request: ComputeRequest, part?: ComputePart) => Work {
  const executor = executorOf(engine);
  return (request, part) => compute(request, textures, executor, part);
}

/** The shader cores of one thread. `threads`: first of the thread slots that it uses beyond those of the main thread. */
export function shaderCores(engine: Engine, threads = 0, textures = new TexturePipe(engine)): ShaderCores {
  const executor = executorOf(engine);
  return {
    openVertex: (memory, addresses, stage, slot, other) =>
      openShader(memory, addresses, stage, textures, slot + threads, executor, other),
    openFragment: (memory, addresses, stage, slot) =>
      openShader(memory, addresses, stage, textures, slot + threads, executor),
  };
}

/** `pool`: who gives jobs to other threads too. */
export function maliUnits(dram: PhysicalMemory, engine: Engine, pool?: JobPool): Units {
  const textures = new TexturePipe(engine);
  const core = computeCore(engine, textures);
  const run = (request: ComputeRequest): Work =>
    pool?.compute(request, (claim) => core(request, { claim, core: 0 })) ?? core(request);
  return {
    ...graphicsUnits(dram, shaderCores(engine, 0, textures), engine, pool),
    compute: run,
    computeIndirect: run,
  };
}
