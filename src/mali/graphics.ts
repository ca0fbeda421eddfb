/**
 * The fixed-function graphics units as the command-stream unit starts them: tiler and fragment front end, bound to DRAM and
 * to the shader cores.
 */
import type { CsOperands } from '../abi/gpu/cs.ts';
import { EXCEPTION } from '../abi/gpu/regs.ts';
import type { PhysicalMemory } from '../board/dram.ts';
import type { ComputeRequest } from './compute.ts';
import { type Claim, GpuFault, type RunRequest, type Units, type Work } from './contract.ts';
import type { Engine } from './engine/engine.ts';
import { type FragmentRequest, FragmentWork, type OpenFragmentShader } from './fragment/fragment.ts';
import { ClaimedTiles } from './fragment/tile-share.ts';
import { FullscreenWork } from './tiler/fullscreen.ts';
import { IdvsWork, type OpenVertexShader } from './tiler/idvs.ts';

export interface ShaderCores {
  readonly openVertex: OpenVertexShader;
  readonly openFragment: OpenFragmentShader;
}

/**
 * Lets other threads take part in jobs. Undefined: this one is none for it. `begin` makes this thread's part of the job, which
 * claims its pieces.
 */
export interface JobPool {
  fragment(request: FragmentRequest, begin: (claim: Claim) => Work): Work | undefined;
  compute(request: ComputeRequest, begin: (claim: Claim) => Work): Work | undefined;
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
  pool?: JobPool,
): Pick<Units, 'idvs' | 'tiling' | 'fullscreen' | 'finishTiling' | 'fragment'> {
  return {
    idvs: (request: RunRequest<CsOperands<'RUN_IDVS'>>) => new IdvsWork(request, cores.openVertex, engine),
    fragment: (request: RunRequest<CsOperands<'RUN_FRAGMENT'>>) =>
      pool?.fragment(
        request,
        (claim) => new FragmentWork(request, dram, cores.openFragment, engine, undefined, new ClaimedTiles(claim)),
      ) ?? new FragmentWork(request, dram, cores.openFragment, engine),
    // Every draw leaves its primitives in memory; the tiler holds nothing back.
    finishTiling: () => NOTHING,
    tiling: () => missing('RUN_TILING'),
    fullscreen: (request: RunRequest<CsOperands<'RUN_FULLSCREEN'>>) => new FullscreenWork(request),
  };
}
