/**
 * Compiled code by content: the same shader is compiled once whatever address space or address it lies in, and bound to each
 * board's memory once.
 */
import type { PhysicalMemory } from '../../board/dram.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import { Budget, type Holder } from './budget.ts';
import { waysKey } from './draw-ways.ts';
import { emitUnit, type Mode } from './emit.ts';
import type { Unit } from './flow.ts';
import { RECORD_BYTES } from './frame.ts';
import { bind, refill, step } from './outside.ts';
import { parts } from './parts.ts';
import type { TextureWant } from './texture.ts';

export type Run = (registers: number, frame: number) => number;

/** Code by content: the same for all address spaces. */
export interface Compiled {
  readonly module: WebAssembly.Module;
  /** The module bound to a board's memory. */
  readonly instances: WeakMap<PhysicalMemory, Run>;
  /** Keeps its records in scratch memory, and where they are. */
  readonly records: object;
  readonly recordsAt: number;
  readonly wants: readonly TextureWant[];
  /** Bytes that keeping it takes, roughly. */
  readonly bytes: number;
  /** Quads at a time. */
  readonly vectors: number;
  /** Offsets from the entry of the instructions that the interpreter is called for. */
  readonly steps: readonly number[];
}

const compiled = new Map<string, Compiled>();
const content: Holder = { drop: () => compiled.clear() };

/**
 * Room for compiled code and what it stands for, in all address spaces together. V8's machine code takes some three times as much
 * again.
 */
export const codeBudget = new Budget(2 ** 27);
/** What a module takes besides its code, and an instruction, with its key here and its place in a unit. */
const MODULE_BYTES = 2 ** 14;
const INSTRUCTION_BYTES = 256;
/** Scratch memory is smaller, and comes back late. */
const RECORD_WEIGHT = 2;

export function compileUnit(unit: Unit, mode: Mode): Compiled {
  const { entry, words } = unit;
  const masked = mode.parted || parts(unit);
  let key = `${mode.flush32 ? 1 : 0}${mode.flush16 ? 1 : 0}${masked ? 1 : 0}${mode.list ?? ''}${mode.vectors}`;
  if (mode.ways) key += waysKey(mode.ways, unit);
  for (const root of unit.roots) key += `,${root - entry}`;
  for (const [pc, { always, target }] of unit.resolved) key += `;${pc - entry},${always ? target - entry : ''}`;
  key += ';';
  for (const [pc, low, high] of words) key += `,${pc - entry},${low},${high}`;
  let code = compiled.get(key);
  if (!code) {
    const { bytes, steps, wants, recordBytes, vectors } = emitUnit(unit, mode);
    const records = {};
    const size = MODULE_BYTES + bytes.byteLength + words.length * INSTRUCTION_BYTES + recordBytes * RECORD_WEIGHT;
    codeBudget.hold(content, size);
    code = {
      module: new WebAssembly.Module(bytes),
      instances: new WeakMap(),
      records,
      recordsAt: scratch.owned(records, Math.max(RECORD_BYTES, recordBytes)),
      wants,
      bytes: size,
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
