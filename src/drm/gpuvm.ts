/**
 * GpuVm: what is mapped where in a GPU address space: never overlapping, sorted by address.
 * After Linux `drivers/gpu/drm/drm_gpuvm.c`.
 *
 * A new mapping replaces what lies in its way, an unmapping cuts it out. Both are planned first: `planMap` and `planUnmap`
 * say which mappings come, go, or keep only their ends, and change nothing. The driver brings its page tables in line
 * (which may fail), then `commit` makes the plan true. Between the two nobody else may commit.
 *
 * Addresses and sizes are in bytes, plain numbers below 2^53. A mapping holds a reference of its object.
 */
import { must } from './error.ts';
import type { GemObject } from './gem.ts';

/** A range of addresses, of an object or of none (`object` undefined: reserved without memory). `D`: the driver's data. */
export interface Mapping<D> {
  readonly va: number;
  readonly size: number;
  readonly object: GemObject | undefined;
  /** Byte of the object that lies at `va`. */
  readonly offset: number;
  readonly data: D;
}

export type Operation<D> =
  /** A mapping that is new in a range where nothing is by now. */
  | { readonly kind: 'map'; readonly mapping: Mapping<D> }
  /** A mapping that goes as a whole. `keep`: the new one maps the same memory there, so the entries may stay. */
  | { readonly kind: 'unmap'; readonly mapping: Mapping<D>; readonly keep: boolean }
  /** A mapping that loses its middle or an end: `hole` is unmapped, `previous` and `next` are what stays. */
  | {
      readonly kind: 'remap';
      readonly mapping: Mapping<D>;
      readonly previous: Mapping<D> | undefined;
      readonly next: Mapping<D> | undefined;
      readonly hole: { readonly va: number; readonly size: number };
      readonly keep: boolean;
    };

export interface GpuVmOptions {
  /** The addresses that clients may map: [start, start + size). */
  readonly start: number;
  readonly size: number;
  /** A part of them, or a range of its own, that is not theirs. */
  readonly kernel?: { readonly start: number; readonly size: number };
}

const end = (range: { va: number; size: number }): number => range.va + range.size;

export class GpuVm<D> {
  readonly start: number;
  readonly size: number;
  readonly kernel: { readonly start: number; readonly size: number } | undefined;
  /** Sorted by address. */
  readonly #mappings: Mapping<D>[] = [];

  constructor(options: GpuVmOptions) {
    this.start = options.start;
    this.size = options.size;
    this.kernel = options.kernel;
  }

  /** How many mappings there are. */
  get count(): number {
    return this.#mappings.length;
  }

  /** All mappings, by address. */
  get mappings(): readonly Mapping<D>[] {
    return this.#mappings;
  }

  /** Throws EINVAL unless a client may map [va, va + size). */
  check(va: number, size: number): void {
    const { kernel } = this;
    const named = (): string => `[0x${va.toString(16)}, +0x${size.toString(16)})`;
    must(
      Number.isSafeInteger(va) && Number.isSafeInteger(size) && size > 0 && Number.isSafeInteger(va + size),
      'EINVAL',
      () => `${named()} is no range of addresses`,
    );
    must(
      va >= this.start && va + size <= this.start + this.size,
      'EINVAL',
      () => `${named()} leaves the address space`,
    );
    must(
      !kernel || va + size <= kernel.start || va >= kernel.start + kernel.size,
      'EINVAL',
      () => `${named()} touches addresses that are the driver's own`,
    );
  }

  /** The mapping that holds address `va`. */
  find(va: number): Mapping<D> | undefined {
    const mapping = this.#mappings[this.#firstAfter(va)];
    return mapping && mapping.va <= va ? mapping : undefined;
  }

  /** The mappings that touch [va, va + size), by address. */
  *inRange(va: number, size: number): Generator<Mapping<D>> {
    for (let i = this.#firstAfter(va); i < this.#mappings.length; i++) {
      const mapping = this.#mappings[i]!;
      if (mapping.va >= va + size) return;
      yield mapping;
    }
  }

  isFree(va: number, size: number): boolean {
    const next = this.#mappings[this.#firstAfter(va)];
    return !next || next.va >= va + size;
  }

  /** What it takes to make `mapping` true: first what goes, then the mapping itself. */
  planMap(mapping: Mapping<D>): Operation<D>[] {
    return [...this.#planCut(mapping.va, mapping.size, mapping), { kind: 'map', mapping }];
  }

  /** What it takes to have nothing in [va, va + size). */
  planUnmap(va: number, size: number): Operation<D>[] {
    return this.#planCut(va, size, undefined);
  }

  /** Makes planned operations true. References: new mappings take one of their object, those that go drop theirs. */
  commit(operations: readonly Operation<D>[]): void {
    const cuts = operations.filter((operation) => operation.kind !== 'map');
    if (cuts.length > 0) this.#cut(cuts);
    for (const operation of operations) if (operation.kind === 'map') this.#insert(operation.mapping);
    // Last, so that an object which stays mapped does not go and come back.
    for (const { mapping } of cuts) mapping.object?.put();
  }

  /** Forgets all mappings, and drops what they hold. */
  clear(): void {
    for (const { object } of this.#mappings.splice(0)) object?.put();
  }

  #planCut(va: number, size: number, by: Mapping<D> | undefined): Operation<D>[] {
    const operations: Operation<D>[] = [];
    const stop = va + size;
    for (const mapping of this.inRange(va, size)) {
      const keep =
        by !== undefined &&
        by.object !== undefined &&
        by.object === mapping.object &&
        by.offset - by.va === mapping.offset - mapping.va;
      if (mapping.va >= va && end(mapping) <= stop) {
        operations.push({ kind: 'unmap', mapping, keep });
        continue;
      }
      const previous = mapping.va < va ? { ...mapping, size: va - mapping.va } : undefined;
      const next =
        end(mapping) > stop
          ? { ...mapping, va: stop, size: end(mapping) - stop, offset: mapping.offset + (stop - mapping.va) }
          : undefined;
      const from = Math.max(va, mapping.va);
      const hole = { va: from, size: Math.min(stop, end(mapping)) - from };
      operations.push({ kind: 'remap', mapping, previous, next, hole, keep });
    }
    return operations;
  }

  /** The index of the first mapping that ends after `va`. */
  #firstAfter(va: number): number {
    let low = 0;
    let high = this.#mappings.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (end(this.#mappings[mid]!) <= va) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  #insert(mapping: Mapping<D>): void {
    const index = this.#firstAfter(mapping.va);
    const next = this.#mappings[index];
    if (next && next.va < end(mapping)) throw new Error(`gpuvm: 0x${mapping.va.toString(16)} is mapped already`);
    mapping.object?.get();
    this.#mappings.splice(index, 0, mapping);
  }

  /** Takes out neighbours, of which the first and the last may keep an end: in one go, for there may be thousands. */
  #cut(cuts: readonly Exclude<Operation<D>, { kind: 'map' }>[]): void {
    const index = this.#firstAfter(cuts[0]!.mapping.va);
    const kept: Mapping<D>[] = [];
    for (const [i, cut] of cuts.entries()) {
      if (this.#mappings[index + i] !== cut.mapping) throw new Error('gpuvm: the plan is older than the address space');
      if (cut.kind !== 'remap') continue;
      for (const part of [cut.previous, cut.next]) if (part) kept.push(part);
    }
    for (const part of kept) part.object?.get();
    this.#mappings.splice(index, cuts.length, ...kept);
  }
}
