/** Page tables for tests and benches, written by hand: no driver. */
import { LEVELS, PAGE_SIZE, PTE_AP, PTE_TYPE, Pte, tableIndex } from '../../abi/gpu/lpae.ts';
import type { Dram } from '../../board/dram.ts';

/** One address space's tables. */
export class Tables {
  readonly root: number;
  readonly #dram: Dram;

  constructor(dram: Dram) {
    this.#dram = dram;
    this.root = dram.alloc(PAGE_SIZE).physical;
  }

  /** Maps `size` bytes of fresh memory at `va` and returns their physical address. */
  map(va: number, size: number, options: { write?: boolean; execute?: boolean } = {}): number {
    const { physical } = this.#dram.alloc(size);
    for (let at = 0; at < size; at += PAGE_SIZE) {
      this.set(va + at, {
        type: PTE_TYPE.PAGE,
        address: physical + at,
        accessFlag: true,
        ap: options.write === false ? PTE_AP.UNPRIVILEGED_RO : PTE_AP.UNPRIVILEGED_RW,
        executeNever: !options.execute,
      });
    }
    return physical;
  }

  /** Writes the entry for `va` at `level`, with tables down to it. */
  set(va: number, values: Parameters<typeof Pte.write>[2], level = LEVELS - 1): void {
    const { view } = this.#dram;
    let table = this.root;
    for (let l = 0; l < level; l++) {
      const entry = table + tableIndex(va, l) * Pte.size;
      if (Pte.fields.type.read(view, entry) !== PTE_TYPE.TABLE) {
        Pte.write(view, entry, { type: PTE_TYPE.TABLE, address: this.#dram.alloc(PAGE_SIZE).physical });
      }
      table = Pte.fields.address.read(view, entry);
    }
    const entry = table + tableIndex(va, level) * Pte.size;
    view.setBigUint64(entry, 0n, true);
    Pte.write(view, entry, values);
  }
}
