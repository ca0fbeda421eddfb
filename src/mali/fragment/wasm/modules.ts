/**
 * The fixed functions' emitted modules: made once for each key, which says all that a module's code depends on.
 *
 * Their memories are scratch (number 0: tiles, quads, warps) and, for those that ask, DRAM (number 1). Script checks every
 * physical address before a module sees it.
 */
import type { PhysicalMemory } from '../../../board/dram.ts';
import { scratch } from '../../engine/scratch.ts';
import { functionTable } from '../../engine/table.ts';
import { ModuleBuilder } from '../../wasm/builder.ts';

export const DRAM = 1;
/** Modules of one kind kept before all are forgotten: keys come from guests' state. */
const MAX_MODULES = 1024;
const DRAM_PAGES = 65536;

const modules = new Map<string, WebAssembly.Module>();
const instances = new Map<string, Record<string, unknown>>();
const ofDram = new WeakMap<PhysicalMemory, Map<string, Record<string, unknown>>>();

/** Functions of the module that `key` names; `emit` fills it if there is none yet. */
export function functions<T>(key: string, emit: (m: ModuleBuilder) => void, dram?: PhysicalMemory): T {
  let known = instances;
  if (dram) {
    known = ofDram.get(dram) ?? new Map();
    ofDram.set(dram, known);
  }
  let exported = known.get(key);
  if (!exported) {
    const module = modules.get(key) ?? compile(emit, dram !== undefined);
    if (modules.size >= MAX_MODULES) modules.clear();
    modules.set(key, module);
    const imports: Record<string, WebAssembly.Memory | WebAssembly.Table> = {
      scratch: scratch.memory,
      table: functionTable.table,
    };
    if (dram) imports.dram = dram.memory;
    exported = new WebAssembly.Instance(module, { gpu: imports }).exports;
    if (known.size >= MAX_MODULES) known.clear();
    known.set(key, exported);
  }
  return exported as T;
}

function compile(emit: (m: ModuleBuilder) => void, dram: boolean): WebAssembly.Module {
  const m = new ModuleBuilder();
  m.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
  if (dram) m.importMemory('gpu', 'dram', 1, DRAM_PAGES);
  emit(m);
  return new WebAssembly.Module(m.build());
}
