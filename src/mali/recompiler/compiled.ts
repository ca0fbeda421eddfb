/**
 * Compiled code by content: the same shader is compiled once whatever address space or address it lies in, and bound to each
 * board's memory once.
 */
import type { PhysicalMemory } from '../../board/dram.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import { emitUnit, type Mode } from './emit.ts';
import type { Unit } from './flow.ts';
import { bind, refill, step } from './outside.ts';
import { parts } from './parts.ts';

export type Run = (registers: number, frame: number) => number;

/** Code by content: the same for all address spaces. */
export interface Compiled {
  readonly module: WebAssembly.Module;
  /** The module bound to a board's memory. */
  readonly instances: WeakMap<PhysicalMemory, Run>;
  readonly records: object;
  /** Quads at a time. */
  readonly vectors: number;
  /** Offsets from the entry of the instructions that the interpreter is called for. */
  readonly steps: readonly number[];
}

const compiled = new Map<string, Compiled>();
/** Compiled units kept before all are forgotten. */
const MAX_COMPILED = 4096;
export function compileUnit(unit: Unit, mode: Mode): Compiled {
  const { entry, words } = unit;
  const masked = mode.parted || parts(unit);
  let key = `${mode.flush32 ? 1 : 0}${mode.flush16 ? 1 : 0}${masked ? 1 : 0}${mode.list ?? ''}${mode.vectors}`;
  for (const root of unit.roots) key += `,${root - entry}`;
  key += ';';
  for (const [pc, low, high] of words) key += `,${pc - entry},${low},${high}`;
  let code = compiled.get(key);
  if (!code) {
    const { bytes, steps, records, vectors } = emitUnit(unit, mode);
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    code = {
      module: new WebAssembly.Module(bytes),
      instances: new WeakMap(),
      records,
      vectors,
      steps: steps.map(({ pc }) => pc - entry),
    };
    compiled.set(key, code);
  }
  return code;
}

export function instantiate({ module, instances }: Compiled, dram: PhysicalMemory): Run {
  let run = instances.get(dram);
  if (!run) {
    const { table } = functionTable;
    const imports = { gpu: { scratch: scratch.memory, dram: dram.memory, table, step, refill, bind } };
    run = new WebAssembly.Instance(module, imports).exports.run as Run;
    instances.set(dram, run);
  }
  return run;
}
