/**
 * PolygonReader: the fragment front end's way through a polygon list.
 *
 * The list is walked once at the start of a job, and of each primitive of the wanted layer its address and the tiles that it may
 * touch are kept; binning is then a comparison per row of tiles and per tile. The primitives themselves are read
 * when a tile needs them. Whoever owns the address space may have written there: magic numbers, block numbers (which make
 * loops impossible), counts and coordinates are checked before they are used.
 */
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
import { SUBPIXEL, TILE } from './raster.ts';

/** Coordinates of corners lie within ± this, in 1/256 pixel: the tiler's guard band, and half a line or point more. */
const LIMIT = (65536 + 1024) * SUBPIXEL;
const PAGE = 4096;
const CORNERS = ['corner0', 'corner1', 'corner2'] as const;

export class PolygonReader {
  /** Number of primitives of the layer. */
  count = 0;
  #address = new Float64Array(64);
  /** First and last tile: column and row. */
  #left = new Uint16Array(64);
  #top = new Uint16Array(64);
  #right = new Uint16Array(64);
  #bottom = new Uint16Array(64);
  readonly #memory: VirtualMemory;
  /** Primitives that touch the row of tiles in work. */
  #row = new Uint32Array(64);
  #rowCount = 0;

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  /** Walks the list at `list` (0: empty); yields now and then. */
  *load(list: number, layer: number): Generator<void, void> {
    if (list === 0) return;
    const memory = this.#memory;
    const head = memory.decode(PolygonList, list);
    if (head.magic !== POLYGON_LIST_MAGIC) throw invalid(list, 'no polygon list of this tiler');
    let total = 0;
    let block = head.first;
    for (let sequence = 0; block !== 0; sequence++) {
      const b = memory.decode(PolygonBlock, block);
      if (b.magic !== POLYGON_BLOCK_MAGIC || b.sequence !== sequence || b.count > MAX_BLOCK_PRIMITIVES) {
        throw invalid(block, `a damaged polygon list (block ${sequence})`);
      }
      total += b.count;
      if (total > MAX_LIST_PRIMITIVES)
        throw invalid(list, `a polygon list of more than ${MAX_LIST_PRIMITIVES} primitives`);
      for (let i = 0; i < b.count; i++) this.#add(block + PolygonBlock.size + i * PrimitiveRecord.size, layer);
      block = b.next;
      if (sequence % 16 === 15) yield;
    }
  }

  #add(at: number, layer: number): void {
    const memory = this.#memory;
    const { offset } = PrimitiveRecord;
    if (memory.load8(at + offset.layer) !== layer) return;
    if (this.count === this.#address.length) this.#grow();
    const i = this.count++;
    this.#address[i] = at;
    this.#left[i] = memory.load16(at + offset.minX) / TILE;
    this.#top[i] = memory.load16(at + offset.minY) / TILE;
    this.#right[i] = memory.load16(at + offset.maxX) / TILE;
    this.#bottom[i] = memory.load16(at + offset.maxY) / TILE;
  }

  #grow(): void {
    const size = this.count * 2;
    const wider = (old: Uint16Array) => {
      const grown = new Uint16Array(size);
      grown.set(old);
      return grown;
    };
    const address = new Float64Array(size);
    address.set(this.#address);
    this.#address = address;
    this.#left = wider(this.#left);
    this.#top = wider(this.#top);
    this.#right = wider(this.#right);
    this.#bottom = wider(this.#bottom);
  }

  /** Begins a row of tiles. */
  row(y: number): void {
    if (this.#row.length < this.count) this.#row = new Uint32Array(this.count);
    let n = 0;
    for (let i = 0; i < this.count; i++) if (this.#top[i]! <= y && this.#bottom[i]! >= y) this.#row[n++] = i;
    this.#rowCount = n;
  }

  /** The place in the row's list, from `from` on, of the next primitive that touches tile column x; -1: none. */
  next(x: number, from: number): number {
    for (let i = from; i < this.#rowCount; i++) {
      const p = this.#row[i]!;
      if (this.#left[p]! <= x && this.#right[p]! >= x) return i;
    }
    return -1;
  }

  /** Reads the primitive at a place of the row's list. The answer is good until the next call. */
  read(place: number): Infer<typeof PrimitiveRecord> {
    const at = this.#address[this.#row[place]!]!;
    const record = this.#decode(at);
    if (record.kind < PRIMITIVE_KIND.POINT) throw invalid(at, 'a primitive of no kind');
    if (record.provoking >= record.kind) throw invalid(at, `a primitive with provoking vertex ${record.provoking}`);
    for (const name of CORNERS) {
      const { x, y } = record[name];
      if (Math.abs(x) > LIMIT || Math.abs(y) > LIMIT) throw invalid(at, `a primitive with a corner at ${x}, ${y}`);
    }
    return record;
  }

  readonly #record = PrimitiveRecord.read(new DataView(new ArrayBuffer(PrimitiveRecord.size)), 0);
  readonly #bytes = new Uint8Array(PrimitiveRecord.size);
  readonly #view = new DataView(this.#bytes.buffer);

  /** What Layout.read does, without new objects: this is done for every primitive of every tile. */
  #decode(at: number): Infer<typeof PrimitiveRecord> {
    const { u8 } = this.#memory.dram;
    for (let done = 0; done < PrimitiveRecord.size; ) {
      const physical = this.#memory.translate(at + done, 'read');
      const piece = Math.min(PrimitiveRecord.size - done, PAGE - ((at + done) % PAGE));
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
  out.weight0 = view.getFloat32(at + offset.weight0, true);
  out.weight1 = view.getFloat32(at + offset.weight1, true);
}

const invalid = (at: number, what: string): GpuFault =>
  new GpuFault(EXCEPTION.DATA_INVALID_FAULT, at, `polygon list: at 0x${at.toString(16)} is ${what}`);
