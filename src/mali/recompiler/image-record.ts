/**
 * What recompiled image accesses remember of images and of texels' formats, found for them when they ask.
 *
 * Nothing is remembered where the interpreter's step would throw, or where its step is to do it. What is looked at here it looks at in the
 * same order, so faults are its to tell.
 */
import { scratch } from '../engine/scratch.ts';
import { registerFormat } from '../shader/vector.ts';
import type { WarpState } from '../shader/warp.ts';
import { formatOfShape } from './attribute-record.ts';
import { CONVERT, FRAME, TEXEL, TEXEL_LOAD } from './frame.ts';
import { addressPlace } from './texel-address.ts';
import { loadSlot } from './texel-load.ts';
import { storeSlot } from './texel-store.ts';
import { unlessFault } from './unless-fault.ts';

const HIGH = 2 ** 32;
/** Addresses up to here are whole numbers, also behind the end of an image. */
const LARGEST = 2 ** 48;

/** Looks up the image, and the layer of it, that the first of some lanes names that is not out of bounds. 0: the interpreter's step is to do it. */
export function fillTexel(w: WarpState, record: number, failing: number): number {
  const fill = (): number => {
    for (let lanes = failing; lanes !== 0; lanes &= lanes - 1) {
      if (image(w, record, 31 - Math.clz32(lanes & -lanes))) return 1;
    }
    return 0;
  };
  return unlessFault(fill) ?? 0;
}

function image(w: WarpState, record: number, lane: number): boolean {
  const words = scratch.u32;
  const frame = w.frame / 4 + lane;
  const handle = words[frame + FRAME.third / 4]!;
  const [xy, zw] = [words[frame + FRAME.low / 4]!, words[frame + FRAME.high / 4]!];
  const found = w.run.textures.image(w.run.environment, handle | 0, xy, zw);
  if (!found) return false;
  const { place, format, lastX, lastY, lastZ, lastLayer } = found;
  const { tiled, bytes, pointer, rowStride, sliceStride, furthest } = place;
  if (pointer === 0 || pointer > LARGEST || furthest(lastX, lastY, lastZ) >= HIGH) return false;
  const function_ = addressPlace(tiled, bytes);
  const at = record / 4;
  words[at + TEXEL.time / 4] = w.run.epoch;
  words[at + TEXEL.handle / 4] = handle;
  words[at + TEXEL.slot / 4] = function_.slot;
  words[at + TEXEL.lastX / 4] = lastX;
  words[at + TEXEL.lastY / 4] = lastY;
  words[at + TEXEL.lastZ / 4] = lastZ;
  words[at + TEXEL.lastLayer / 4] = lastLayer;
  words[at + TEXEL.layer / 4] = zw >>> 16;
  words[at + TEXEL.low / 4] = pointer % HIGH;
  words[at + TEXEL.high / 4] = Math.floor(pointer / HIGH);
  words[at + TEXEL.rowStride / 4] = rowStride;
  words[at + TEXEL.sliceStride / 4] = sliceStride;
  words[at + TEXEL.format / 4] = format;
  return true;
}

/** Looks up how texels of the image that a lane names are fetched. 0: the interpreter's step is to do it. */
export function fillTexelLoad(w: WarpState, record: number, lane: number): number {
  const words = scratch.u32;
  const handle = words[(w.frame + FRAME.third) / 4 + lane]!;
  const at = record / 4;
  words[at + TEXEL_LOAD.time / 4] = w.run.epoch;
  words[at + TEXEL_LOAD.handle / 4] = handle;
  words[at + TEXEL_LOAD.slot / 4] = 0;
  const load = unlessFault(() => w.run.textures.imageLoad(w.run.environment, handle | 0));
  if (!load) return 1;
  words[at + TEXEL_LOAD.slot / 4] = load.call.slot;
  words[at + TEXEL_LOAD.binding / 4] = load.call.record;
  words[at + TEXEL_LOAD.y / 4] = load.flat ? 0xffff : 0;
  words[at + TEXEL_LOAD.slice / 4] = load.slices;
  return 1;
}

/** Looks up how texels of a lane's format are loaded or stored, and the extent that its address lies in. 0: the interpreter's step is to do it. */
export function fillConvert(w: WarpState, stores: boolean, shape: number, record: number, lane: number): number {
  const words = scratch.u32;
  const { memory } = w.run.environment;
  const frame = w.frame / 4 + lane;
  const high = words[frame + FRAME.high / 4]!;
  const va = high * HIGH + words[frame + FRAME.low / 4]!;
  const format = words[frame + FRAME.third / 4]!;
  if (va >= LARGEST) return 0;
  const { register, channels } = formatOfShape(shape);
  const slot = stores ? storeSlot : loadSlot;
  const form = unlessFault(() => slot(memory.dram, format, registerFormat(register), channels));
  const extent = form && memory.extent(va, stores ? 'write' : 'read');
  if (!form || !extent) return 0;
  // All addresses of a record have the same upper word.
  const start = Math.max(extent.start, high * HIGH);
  const end = Math.min(extent.start + extent.size, (high + 1) * HIGH);
  if (end - start < form.bytes) return 0;
  const at = record / 4;
  w.run.hold(form.place);
  words[at + CONVERT.time / 4] = w.run.epoch;
  words[at + CONVERT.high / 4] = high;
  words[at + CONVERT.low / 4] = start % HIGH;
  words[at + CONVERT.size / 4] = end - start - form.bytes;
  words[at + CONVERT.physical / 4] = extent.physical + (start - extent.start);
  words[at + CONVERT.format / 4] = format;
  words[at + CONVERT.slot / 4] = form.place.slot;
  return 1;
}
