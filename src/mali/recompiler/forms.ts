/**
 * Functions that are emitted for forms: what a descriptor's format and an instruction say together. Equal forms share one, whose code is
 * all machines', and whose instance belongs to one DRAM. Forms are the guests', so what is kept is bounded, and the table of functions
 * keeps room for others.
 */
import type { PhysicalMemory } from '../../board/dram.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { type Code, ModuleBuilder } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';

/** Forms kept before all are forgotten, and places in the table that they leave to others. */
const MOST_FORMS = 4096;
const PLACES_LEFT = 16384;
/** Pages of 64 KiB that a 32-bit memory can have. */
const MAX_PAGES = 65536;

/** A function to be emitted. */
export interface FormCode {
  /** What profiles call it. */
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Emits the body. `dram`: the number of DRAM's memory; scratch memory is number 0. */
  emit(code: Code, dram: number): void;
}

export class Forms {
  readonly #modules = new Map<number, WebAssembly.Module | undefined>();
  readonly #instances = new WeakMap<PhysicalMemory, Map<number, Place>>();

  /**
   * The place of the function of form `key`, which `make` tells the code of, if there is any; undefined: there is none, or no room for it.
   * Whoever writes its number down holds it. Throws what `make` throws.
   */
  place(dram: PhysicalMemory, key: number, make: () => FormCode | undefined): Place | undefined {
    let places = this.#instances.get(dram);
    if (!places) {
      places = new Map();
      this.#instances.set(dram, places);
    }
    const known = places.get(key);
    if (known) return known;
    if (functionTable.room < PLACES_LEFT) return undefined;
    if (!this.#modules.has(key)) {
      if (this.#modules.size >= MOST_FORMS) this.#modules.clear();
      this.#modules.set(key, compile(make()));
    }
    const module = this.#modules.get(key);
    if (!module) return undefined;
    if (places.size >= MOST_FORMS) places.clear();
    const { run } = new WebAssembly.Instance(module, { gpu: { scratch: scratch.memory, dram: dram.memory } }).exports;
    const place = functionTable.place(run as CallableFunction);
    places.set(key, place);
    return place;
  }
}

function compile(form: FormCode | undefined): WebAssembly.Module | undefined {
  if (!form) return undefined;
  const m = new ModuleBuilder();
  m.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
  const dram = m.importMemory('gpu', 'dram', 1, MAX_PAGES);
  const code = m.function(form.name, [...form.params], [...form.results]);
  m.exportFunction('run', code);
  form.emit(code, dram);
  return new WebAssembly.Module(m.build());
}
