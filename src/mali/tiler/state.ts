/**
 * What tiler script and emitted code share of a draw: byte offsets in scratch memory.
 *
 * First comes the batch (batch.ts), then the index stream as wasm/collect.ts walks it, then what wasm/bin.ts needs of the draw and
 * of the memory that it writes to. Physical addresses in it have been checked by script.
 */
import { PACKET_VERTICES } from '../../abi/gpu/shader-descriptors.ts';
import { THREAD_PRELOADS, threadListBytes } from '../engine/threads.ts';
import { CORNER, MAX_CORNERS } from './clip.ts';

/** Vertex packets, vertices and primitives of a batch at most. */
export const MAX_BATCH_PACKETS = 16;
export const MAX_BATCH_VERTICES = MAX_BATCH_PACKETS * PACKET_VERTICES;
export const MAX_BATCH_PRIMITIVES = 2 * MAX_BATCH_VERTICES;
export const BUCKETS = 2 * MAX_BATCH_VERTICES;
/** Room for the corners of what is left of a primitive. */
const CORNERS_BYTES = MAX_CORNERS * CORNER * 8;
/** Bytes of a primitive's slots, and of a bucket. */
export const SLOTS_BYTES = 8;
export const BUCKET_BYTES = 2;
/** Of each vertex: a visible primitive has it; its varyings are shaded, or about to be. */
export const MARK = { WANTED: 1, SHADED: 2 } as const;

const BATCH = 16;
const INSTANCES = BATCH + MAX_BATCH_VERTICES * 4;
const SLOTS = INSTANCES + MAX_BATCH_VERTICES * 4;
const IDS = SLOTS + MAX_BATCH_PRIMITIVES * SLOTS_BYTES;
const CLEARED = Math.ceil((IDS + MAX_BATCH_PRIMITIVES * 4) / 64) * 64;
const MARKS = CLEARED + BUCKETS * BUCKET_BYTES;
const STREAM = MARKS + MAX_BATCH_VERTICES;
const BIN = STREAM + 128;
const CORNERS = BIN + 128;
const OTHER_CORNERS = CORNERS + CORNERS_BYTES;
const LIST = OTHER_CORNERS + CORNERS_BYTES;

export const TILER = {
  vertices: 0,
  primitives: 4,
  /** Vertices at most. */
  capacity: 8,
  /** Of each slot. */
  index: BATCH,
  instance: INSTANCES,
  /** Of each primitive, four halfwords: the slots of its vertices, and which of them flat varyings come from. */
  slots: SLOTS,
  ids: IDS,
  /** Slot + 1 of the vertex that hashes there, or of one that had to give way; 0: none. */
  buckets: CLEARED,
  /** Of each slot, a byte: MARK. */
  marks: MARKS,

  // The stream: where it stands, and the assembler.
  streamInstance: STREAM,
  next: STREAM + 4,
  id: STREAM + 8,
  seen: STREAM + 12,
  start: STREAM + 16,
  previous: STREAM + 20,
  before: STREAM + 24,
  /** 1: a primitive has found no room in the batch. */
  held: STREAM + 28,
  heldA: STREAM + 32,
  heldB: STREAM + 36,
  heldC: STREAM + 40,
  heldProvoking: STREAM + 44,
  heldInstance: STREAM + 92,
  budget: STREAM + 48,
  // What it is made of.
  count: STREAM + 52,
  instances: STREAM + 56,
  /** Indices that the array holds; those beyond it are 0. */
  available: STREAM + 60,
  /** The index that ends a strip, if there is one. */
  restarts: STREAM + 64,
  restart: STREAM + 68,
  /** Indices that can be read at a physical address: the first, how many, and where. */
  windowFirst: STREAM + 72,
  windowCount: STREAM + 76,
  window: STREAM + 80,
  /** 1: script has loaded the next index. */
  given: STREAM + 84,
  value: STREAM + 88,

  /** Primitive that is due. */
  due: BIN,
  /** Where positions lie in DRAM. */
  positions: BIN + 4,
  minimumZ: BIN + 8,
  maximumZ: BIN + 12,
  /** Pixels that may be touched, inclusive. */
  minX: BIN + 16,
  minY: BIN + 20,
  maxX: BIN + 24,
  maxY: BIN + 28,
  /** Of the view: what is added to the layers that vertices name. */
  layerOffset: BIN + 32,
  layerCount: BIN + 36,
  /** Where the next record goes in DRAM, and how many have room there. */
  out: BIN + 40,
  room: BIN + 44,
  /** Addresses of the draw's record and of the vertex packet: two words each. */
  draw: BIN + 48,
  packet: BIN + 56,
  /** Bytes from packet to packet. */
  packetStride: BIN + 64,
  /** The primitive that is due shows its back. */
  back: BIN + 68,
  /** Its triangles as corners, if it is more or less than three vertices; the next of them. 0: not known yet. */
  triangles: BIN + 72,
  triangle: BIN + 76,
  /** Half a line's width, half a point's size (a double). */
  half: BIN + 80,
  /** How far the view's varyings lie behind those of the first one, in entries. */
  view: BIN + 88,
  corners: CORNERS,
  otherCorners: OTHER_CORNERS,

  /** Registers of vertices to be shaded: a list of threads. */
  list: LIST,
} as const;
export const TILER_BYTES = LIST + threadListBytes(THREAD_PRELOADS.vertex, MAX_BATCH_VERTICES);
/** What is zero in an empty batch, besides the numbers of vertices and primitives. */
export const CLEARED_BYTES = STREAM - CLEARED;

/** What `collect` answers: the batch is full or the stream at its end; the slice is over; an index must be loaded. */
export const COLLECT = { FULL: 0, SLICE: 1, INDEX: 2 } as const;
/** What `bin` answers: all are done; a visible primitive wants room. */
export const BINNED = { DONE: 0, ROOM: 1 } as const;
