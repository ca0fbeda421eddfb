/**
 * What one thread emits for a program, to be compared with what another does: run as a worker, it first does something else, so that
 * whatever is handed out in turn is not handed out alike.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { constantVector } from '../../mali/engine/constants.ts';
import { UNKNOWN } from '../../mali/recompiler/draw-ways.ts';
import { emitUnit, type Mode } from '../../mali/recompiler/emit.ts';
import { findUnit } from '../../mali/recompiler/flow.ts';
import { PAIR_VECTORS, WARP_VECTORS } from '../../mali/recompiler/lanes.ts';
import { assemble } from '../../mali/shader/assemble.ts';
import { FlatMemory, PROGRAM_AT } from './shader-rig.ts';

const common = { flush32: false, flush16: false, fused: true, parted: false };
const MODES: readonly Mode[] = [
  { ...common, list: undefined, ways: undefined, vectors: WARP_VECTORS },
  { ...common, list: 'compute', ways: undefined, vectors: PAIR_VECTORS },
  { ...common, list: 'fragment', ways: { ...UNKNOWN, helpers: true }, vectors: PAIR_VECTORS },
];

export interface ThreadBytes {
  /** The program's modules, one a mode. */
  readonly modules: readonly Uint8Array[];
  /** Addresses of vectors of a constant. */
  readonly constants: readonly (number | undefined)[];
}

export function threadBytes(program: string): ThreadBytes {
  const memory = new FlatMemory();
  memory.write(PROGRAM_AT, new Uint8Array(assemble(program).buffer));
  const unit = findUnit(memory, PROGRAM_AT);
  return {
    modules: MODES.map((mode) => emitUnit(unit, mode).bytes),
    constants: [0.5, 1, 255, 1 / 255].map(constantVector),
  };
}

if (!isMainThread && parentPort) {
  const { program, other } = workerData as { program: string; other: string };
  for (let n = 0; n < 10; n++) constantVector(n / 7);
  threadBytes(other);
  parentPort.postMessage(threadBytes(program));
}
