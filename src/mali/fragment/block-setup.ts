/**
 * BlockSetup: sets up the primitives of the polygon list's blocks by emitted code (wasm/setup.ts), and answers what that asks for.
 *
 * A block whose records one extent holds is read where it lies in DRAM; any other is copied first, page by page.
 */
import { MAX_BLOCK_PRIMITIVES, PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import type { PhysicalMemory } from '../../board/dram.ts';
import type { VirtualMemory } from '../contract.ts';
import { SIMPLE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import type { TileRect } from './bins.ts';
import type { DrawTable, ListedDraw } from './draw-table.ts';
import type { PrimitiveStore } from './primitive-store.ts';
import { TILE } from './raster.ts';
import { reach } from './setup.ts';
import {
  BIASED,
  EXTENT,
  EXTENT_BYTES,
  EXTENTS,
  SETUP,
  SETUP_STATUS,
  type SetupCode,
  setupCode,
  setupCopied,
} from './wasm/setup.ts';

const COPY = SETUP.size;
const SIZE = COPY + MAX_BLOCK_PRIMITIVES * PrimitiveRecord.size;
const WORD = 2 ** 32;

export class BlockSetup {
  readonly #memory: VirtualMemory;
  readonly #piece = scratch.take(SIZE, false);
  readonly #args = this.#piece.at;
  readonly #inPlace: SetupCode;
  readonly #copied: SetupCode;
  #generation = -1;
  /** The extent that is replaced next. */
  #oldest = 0;

  constructor(memory: VirtualMemory, dram: PhysicalMemory) {
    this.#memory = memory;
    this.#inPlace = setupCode(dram);
    this.#copied = setupCopied();
  }

  #put(offset: number, value: number): void {
    scratch.i32[(this.#args + offset) / 4] = value;
  }

  #get(offset: number): number {
    return scratch.u32[(this.#args + offset) / 4]!;
  }

  #put64(offset: number, value: number): void {
    this.#put(offset, (value % WORD) | 0);
    this.#put(offset + 4, Math.floor(value / WORD));
  }

  /** Begins a walk over the list: what concerns primitives of this layer and part of the framebuffer. */
  begin(layer: number, { column, row, columns, rows }: TileRect): void {
    this.#put(SETUP.layer, layer);
    this.#four(SETUP.part, column * TILE, row * TILE, (column + columns) * TILE - 1, (row + rows) * TILE - 1);
    this.#put(SETUP.known, 0);
  }

  /**
   * Sets up the records at `from` from number `index` up to `count`; answers the number where it stopped, because the store is
   * full. `invalid` throws what is wrong with the record at an address.
   */
  take(
    from: number,
    index: number,
    count: number,
    store: PrimitiveStore,
    draws: DrawTable,
    invalid: (at: number) => void,
  ): number {
    this.#renew();
    const code = this.#records(from, index, count);
    this.#put(SETUP.index, index);
    this.#put(SETUP.count, count);
    while (store.reserve()) {
      this.#put(SETUP.to, store.next);
      this.#put(SETUP.end, store.end);
      code(this.#args);
      store.keep(this.#get(SETUP.to));
      switch (this.#get(SETUP.status)) {
        case SETUP_STATUS.DONE:
          return count;
        case SETUP_STATUS.DRAW:
          this.#draw(draws.of(this.#wanted()));
          break;
        case SETUP_STATUS.EXTENT:
          this.#extent(this.#wanted());
          break;
        case SETUP_STATUS.INVALID:
          invalid(from + this.#get(SETUP.index) * PrimitiveRecord.size);
          break;
      }
    }
    return this.#get(SETUP.index);
  }

  /** Says where the records are, and gives the code that reads there. */
  #records(from: number, index: number, count: number): SetupCode {
    const end = from + count * PrimitiveRecord.size;
    const extent = this.#memory.extent(from, 'read');
    if (extent && end <= extent.start + extent.size) {
      this.#put(SETUP.records, extent.physical + (from - extent.start));
      return this.#inPlace;
    }
    const begin = from + index * PrimitiveRecord.size;
    scratch.u8.set(this.#memory.read(begin, end - begin), this.#args + COPY + index * PrimitiveRecord.size);
    this.#put(SETUP.records, this.#args + COPY);
    return this.#copied;
  }

  #wanted(): number {
    return this.#get(SETUP.wanted) + this.#get(SETUP.wanted + 4) * WORD;
  }

  /** Takes up the draw that has been asked for. */
  #draw({ number, bounds, pattern, tieBreak, bias, attributeStride, centers }: ListedDraw): void {
    const { f64 } = scratch;
    const out = reach(pattern);
    this.#put(SETUP.draw, this.#get(SETUP.wanted));
    this.#put(SETUP.draw + 4, this.#get(SETUP.wanted + 4));
    this.#four(SETUP.bounds, bounds.minX, bounds.minY, bounds.maxX, bounds.maxY);
    this.#four(SETUP.reach, out.minX, out.minY, out.maxX, out.maxY);
    this.#put(SETUP.number, number);
    this.#put(SETUP.attributeStride, attributeStride);
    this.#put(SETUP.centers, centers ? SIMPLE.CENTERS : 0);
    this.#put(SETUP.biased, bias ? (bias.floats ? BIASED.floats : BIASED.fixed) : 0);
    f64[(this.#args + SETUP.tieX) / 8] = tieBreak.x;
    f64[(this.#args + SETUP.tieY) / 8] = tieBreak.y;
    f64[(this.#args + SETUP.biasFactor) / 8] = bias?.factor ?? 0;
    f64[(this.#args + SETUP.biasConstant) / 8] = bias?.constant ?? 0;
    f64[(this.#args + SETUP.biasClamp) / 8] = bias?.clamp ?? 0;
    this.#put(SETUP.known, 1);
  }

  #extent(packet: number): void {
    const extent = this.#memory.extent(packet, 'read');
    if (!extent) {
      this.#put(SETUP.unmapped, this.#get(SETUP.wanted));
      this.#put(SETUP.unmapped + 4, this.#get(SETUP.wanted + 4));
      return;
    }
    const at = SETUP.extents + this.#oldest * EXTENT_BYTES;
    this.#oldest = (this.#oldest + 1) % EXTENTS;
    this.#put64(at + EXTENT.start, extent.start);
    this.#put64(at + EXTENT.end, extent.start + extent.size);
    this.#put(at + EXTENT.physical, extent.physical);
  }

  /** What is known of extents is good for one generation. */
  #renew(): void {
    const { generation } = this.#memory;
    if (generation === this.#generation) return;
    this.#generation = generation;
    const from = (this.#args + SETUP.extents) / 4;
    scratch.u32.fill(0, from, from + (EXTENTS * EXTENT_BYTES) / 4);
    // No packet is at the last address.
    this.#put(SETUP.unmapped, -1);
    this.#put(SETUP.unmapped + 4, -1);
  }

  #four(offset: number, a: number, b: number, c: number, d: number): void {
    this.#put(offset, a);
    this.#put(offset + 4, b);
    this.#put(offset + 8, c);
    this.#put(offset + 12, d);
  }

  /** The job is over. */
  close(): void {
    scratch.give(this.#piece);
  }
}
