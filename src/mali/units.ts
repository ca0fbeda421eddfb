/** Units: what RUN_* instructions start, put together from shader cores and fixed-function graphics. */
import { EXCEPTION } from '../abi/gpu/regs.ts';
import type { Dram } from '../board/dram.ts';
import { GpuFault, type Units } from './contract.ts';
import { graphicsUnits } from './graphics.ts';

const missing = (what: string) => (): never => {
  throw new GpuFault(EXCEPTION.CS_INSTR_INVALID, 0, `${what} is not implemented`);
};

export function maliUnits(dram: Dram): Units {
  return {
    ...graphicsUnits(dram, { openVertex: missing('vertex shading'), openFragment: missing('fragment shading') }),
    compute: missing('RUN_COMPUTE'),
    computeIndirect: missing('RUN_COMPUTE_INDIRECT'),
  };
}
