/**
 * The fixed-function graphics units as the command-stream unit starts them: tiler and fragment front end, bound to DRAM and
 * to the shader cores.
 */
import type { CsOperands } from '../abi/gpu/cs.ts';
import { EXCEPTION } from '../abi/gpu/regs.ts';
import type { PhysicalMemory } from '../board/dram.ts';
import { GpuFault, type RunRequest, type Units, type Work } from './contract.ts';
import type { Engine } from './engine/engine.ts';
import { FragmentJob, FragmentWork, type OpenFragmentShader } from './fragment/fragment.ts';
import type { TileShare } from './fragment/tile-share.ts';
import { IdvsWork, type OpenVertexShader } from './tiler/idvs.ts';

export interface ShaderCores {
  readonly openVertex: OpenVertexShader;
  readonly openFragment: OpenFragmentShader;
}

/** Draws fragment jobs on other threads. Undefined: this one it cannot take. `begin` makes this thread's part of the job. */
export interface FragmentPool {
  fragment(request: RunRequest<CsOperands<'RUN_FRAGMENT'>>, begin: (share: TileShare) => FragmentJob): Work | undefined;
}

/** Work that is done at once. */
const NOTHING: Work = { step: () => 'done' };

function missing(name: string): never {
  throw new GpuFault(EXCEPTION.CS_INSTR_INVALID, 0, `${name} is not implemented`);
}

export function graphicsUnits(
  dram: PhysicalMemory,
  cores: ShaderCores,
  engine: Engine,
  pool?: FragmentPool,
): Pick<Units, 'idvs' | 'tiling' | 'fullscreen' | 'finishTiling' | 'fragment'> {
  return {
    idvs: (request: RunRequest<CsOperands<'RUN_IDVS'>>) => new IdvsWork(request, cores.openVertex, engine),
    fragment: (request: RunRequest<CsOperands<'RUN_FRAGMENT'>>) =>
      pool?.fragment(
        request,
        (share) => new FragmentJob(request, dram, cores.openFragment, engine, undefined, share),
      ) ?? new FragmentWork(request, dram, cores.openFragment, engine),
    // Every draw leaves its primitives in memory; the tiler holds nothing back.
    finishTiling: () => NOTHING,
    tiling: () => missing('RUN_TILING'),
    fullscreen: () => missing('RUN_FULLSCREEN'),
  };
}
