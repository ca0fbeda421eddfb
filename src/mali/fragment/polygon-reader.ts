/**
 * PolygonReader: the fragment front end's way through a polygon list.
 *
 * The list is walked block by block, and of the primitives those of the wanted layer and part of the framebuffer are set up
 * (setup.ts). Whoever owns the address space may have written there: magic numbers, block numbers (which make
 * loops impossible), counts and coordinates are checked before they are used.
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import {
  Corner,
  DRAW_RECORD_MAGIC,
  DrawRecord,
  MAX_BLOCK_PRIMITIVES,
  MAX_LIST_PRIMITIVES,
  POLYGON_BLOCK_MAGIC,
  POLYGON_LIST_MAGIC,
  PolygonBlock,
  PolygonList,
  PRIMITIVE_KIND,
  PrimitiveRecord,
} from '../../abi/gpu/polygon-list.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { PRIMITIVE } from '../engine/quads.ts';
import type { TileRect } from './bins.ts';
import type { BlockSetup } from './block-setup.ts';
import type { DrawTable } from './draw-table.ts';
import type { PrimitiveStore } from './primitive-store.ts';
import { MAX_CORNER, TILE } from './raster.ts';
import type { Setup } from './setup.ts';

const CORNERS = ['corner0', 'corner1', 'corner2'] as const;

export class PolygonReader {
  readonly #memory: VirtualMemory;
  #list = 0;
  /** The next block, and how many came before. */
  #next = 0;
  #sequence = 0;
  /** Primitives of all blocks so far. */
  #total = 0;
  /** The block in work, its primitives, and those that have been taken. */
  #block = 0;
  #count = 0;
  #taken = 0;

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  /** Begins the list at `list` (0: empty). */
  open(list: number): void {
    this.#list = list;
    this.#next = 0;
    this.#sequence = 0;
    this.#total = 0;
    this.#count = 0;
    this.#taken = 0;
    if (list === 0) return;
    const head = this.#memory.decode(PolygonList, list);
    if (head.magic !== POLYGON_LIST_MAGIC) throw invalid(list, 'no polygon list of this tiler');
    this.#next = head.first;
  }

  /** Goes to the next block unless something is left of this one. False: the list is at its end. */
  block(): boolean {
    while (this.#taken === this.#count) {
      const block = this.#next;
      if (block === 0) return false;
      const b = this.#memory.decode(PolygonBlock, block);
      if (b.magic !== POLYGON_BLOCK_MAGIC || b.sequence !== this.#sequence || b.count > MAX_BLOCK_PRIMITIVES) {
        throw invalid(block, `a damaged polygon list (block ${this.#sequence})`);
      }
      this.#sequence++;
      this.#total += b.count;
      if (this.#total > MAX_LIST_PRIMITIVES) {
        throw invalid(this.#list, `a polygon list of more than ${MAX_LIST_PRIMITIVES} primitives`);
      }
      this.#block = block + PolygonBlock.size;
      this.#count = b.count;
      this.#taken = 0;
      this.#next = b.next;
    }
    return true;
  }

  /** Sets the block's primitives up that are of the layer and touch `rect`. False: the store is full. */
  take(setup: Setup, store: PrimitiveStore, draws: DrawTable, layer: number, rect: TileRect): boolean {
    for (; this.#taken < this.#count; this.#taken++) {
      const at = this.#block + this.#taken * PrimitiveRecord.size;
      if (!this.#concerns(at, layer, rect)) continue;
      const record = this.read(at);
      const draw = draws.of(record.draw);
      if (!store.reserve()) return false;
      if (setup.set(store.next, record, draw)) store.keep(store.next + PRIMITIVE.size);
    }
    return true;
  }

  /** The same by emitted code, which knows layer and part. */
  takeBlock(setup: BlockSetup, store: PrimitiveStore, draws: DrawTable): boolean {
    this.#taken = setup.take(this.#block, this.#taken, this.#count, store, draws, this.#invalid);
    return this.#taken === this.#count;
  }

  /** Throws what is wrong with a record. */
  readonly #invalid = (at: number): void => {
    this.read(at);
    throw invalid(at, 'a primitive that changes while it is read');
  };

  /** Whether a primitive is of the layer and may touch the tiles. */
  #concerns(at: number, layer: number, { column, row, columns, rows }: TileRect): boolean {
    const memory = this.#memory;
    const { offset } = PrimitiveRecord;
    if (memory.load8(at + offset.layer) !== layer) return false;
    return (
      memory.load16(at + offset.minX) < (column + columns) * TILE &&
      memory.load16(at + offset.maxX) >= column * TILE &&
      memory.load16(at + offset.minY) < (row + rows) * TILE &&
      memory.load16(at + offset.maxY) >= row * TILE
    );
  }

  /** Reads and checks the primitive at an address. The answer is good until the next call. */
  read(at: number): Infer<typeof PrimitiveRecord> {
    const record = this.#decode(at);
    if (record.kind < PRIMITIVE_KIND.POINT) throw invalid(at, 'a primitive of no kind');
    if (record.provoking >= record.kind) throw invalid(at, `a primitive with provoking vertex ${record.provoking}`);
    for (const name of CORNERS) {
      const { x, y } = record[name];
      if (Math.abs(x) > MAX_CORNER || Math.abs(y) > MAX_CORNER)
        throw invalid(at, `a primitive with a corner at ${x}, ${y}`);
    }
    return record;
  }

  readonly #record = PrimitiveRecord.read(new DataView(new ArrayBuffer(PrimitiveRecord.size)), 0);
  readonly #bytes = new Uint8Array(PrimitiveRecord.size);
  readonly #view = new DataView(this.#bytes.buffer);

  /** What Layout.read does, without new objects: this is done for every primitive. */
  #decode(at: number): Infer<typeof PrimitiveRecord> {
    const { u8 } = this.#memory.dram;
    for (let done = 0; done < PrimitiveRecord.size; ) {
      const physical = this.#memory.translate(at + done, 'read');
      const piece = Math.min(PrimitiveRecord.size - done, PAGE_SIZE - ((at + done) % PAGE_SIZE));
      for (let i = 0; i < piece; i++) this.#bytes[done + i] = u8[physical + i]!;
      done += piece;
    }
    const view = this.#view;
    const record = this.#record;
    const { fields, offset } = PrimitiveRecord;
    record.draw = fields.draw.read(view, 0);
    record.packet0 = fields.packet0.read(view, 0);
    record.packet1 = fields.packet1.read(view, 0);
    record.packet2 = fields.packet2.read(view, 0);
    record.slot0 = fields.slot0.read(view, 0);
    record.slot1 = fields.slot1.read(view, 0);
    record.slot2 = fields.slot2.read(view, 0);
    record.provoking = fields.provoking.read(view, 0);
    record.kind = fields.kind.read(view, 0);
    record.backFacing = fields.backFacing.read(view, 0);
    record.layer = fields.layer.read(view, 0);
    record.id = view.getUint32(offset.id, true);
    readCorner(view, offset.corner0, record.corner0);
    readCorner(view, offset.corner1, record.corner1);
    readCorner(view, offset.corner2, record.corner2);
    record.minX = view.getUint16(offset.minX, true);
    record.minY = view.getUint16(offset.minY, true);
    record.maxX = view.getUint16(offset.maxX, true);
    record.maxY = view.getUint16(offset.maxY, true);
    return record;
  }

  /** Reads the draw record that a primitive names. */
  readDraw(at: number): Infer<typeof DrawRecord> {
    const record = this.#memory.decode(DrawRecord, at);
    if (record.magic !== DRAW_RECORD_MAGIC) throw invalid(at, 'no draw record');
    return record;
  }
}

function readCorner(view: DataView, at: number, out: Infer<typeof Corner>): void {
  const { offset } = Corner;
  out.x = view.getInt32(at + offset.x, true);
  out.y = view.getInt32(at + offset.y, true);
  out.z = view.getFloat32(at + offset.z, true);
  out.inverseW = view.getFloat32(at + offset.inverseW, true);
  out.weight1 = view.getFloat32(at + offset.weight1, true);
  out.weight2 = view.getFloat32(at + offset.weight2, true);
}

const invalid = (at: number, what: string): GpuFault =>
  new GpuFault(EXCEPTION.DATA_INVALID_FAULT, at, `polygon list: at 0x${at.toString(16)} is ${what}`);
