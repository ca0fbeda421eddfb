/**
 * TileRecords: what recompiled shaders remember of LD_TILE, and of BLEND by a descriptor of their own, which blend shaders have:
 * emitted functions, and where in the tile buffer they work (recompiler/frame.ts: TILE_RECORD).
 */
import { BLEND_MODE } from '../../abi/gpu/raster-descriptors.ts';
import { PIXEL_CURRENT } from '../../abi/gpu/shader-descriptors.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { BLEND_KIND, TILE_RECORD } from '../recompiler/frame.ts';
import type { LaneType } from '../shader/contract.ts';
import type { BlendCodes } from './blend-code.ts';
import { blendView, conversionView, indicesView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import { TILE_PIXELS } from './raster.ts';
import type { TileCodec } from './tile-codec.ts';
import { type TileLoadCode, tileLoad } from './wasm/tile-load.ts';

const CHANNELS = 4;
const WORD = 4;

export class TileRecords {
  readonly #state: DrawState;
  readonly #codes: BlendCodes;
  /** Whose numbers records hold: as many as formats, kinds of numbers, and the draw's own equations make functions. */
  readonly #held = new Set<Place>();

  constructor(state: DrawState, codes: BlendCodes) {
    this.#state = state;
    this.#codes = codes;
  }

  /** Fills a record for LD_TILE. Its function is 0 where script is to do it, or to say what is wrong. */
  load(record: number, indices: number, conversion: number, type: LaneType): void {
    const words = scratch.u32;
    const at = record / WORD;
    words[at + TILE_RECORD.slot / WORD] = 0;
    const { framebuffer, tile } = this.#state;
    const { renderTarget: rt, sample, y } = indicesView(indices);
    const target = framebuffer.targets[rt];
    if (!target || y !== PIXEL_CURRENT || sample >= framebuffer.samples) return;
    const { memoryFormat, raw } = conversionView(conversion);
    if (!this.#codes.known(memoryFormat, raw, rt)) return;
    const codec = this.#codes.codec(memoryFormat, raw, rt);
    const code = loadCode(codec, target.words, type);
    if (!code) return;
    const bytes = target.words * WORD;
    const plane = TILE_PIXELS * bytes;
    words[at + TILE_RECORD.slot / WORD] = this.#number(tileLoad(code));
    words[at + TILE_RECORD.words / WORD] = tile.colorAt[rt]! + sample * plane;
    words[at + TILE_RECORD.bytes / WORD] = bytes;
    // A thread of one sample that names sample 0 means its own.
    words[at + TILE_RECORD.plane / WORD] = sample === 0 ? plane : 0;
  }

  /** Fills a record for BLEND. */
  blend(record: number, low: number, high: number, type: LaneType): void {
    const words = scratch.u32;
    const at = record / WORD;
    words[at + TILE_RECORD.kind / WORD] = BLEND_KIND.STAGE;
    words[at + TILE_RECORD.slot / WORD] = 0;
    const { framebuffer, tile, draw } = this.#state;
    const { mode, rt, conversion } = blendView(low, high);
    if (mode === BLEND_MODE.SHADER) return;
    if (this.#codes.vanishes(low, high)) {
      words[at + TILE_RECORD.kind / WORD] = BLEND_KIND.NOTHING;
      return;
    }
    if (!this.#codes.known(conversion.memoryFormat, conversion.raw, rt)) return;
    const call = this.#codes.code(low, high, type, CHANNELS);
    if (!call) return;
    words[at + TILE_RECORD.kind / WORD] = BLEND_KIND.CALL;
    words[at + TILE_RECORD.slot / WORD] = this.#number(call.blend_quad);
    words[at + TILE_RECORD.words / WORD] = tile.colorAt[rt]!;
    words[at + TILE_RECORD.bytes / WORD] = framebuffer.targets[rt]!.words * WORD;
    words[at + TILE_RECORD.touch / WORD] = draw.cleanFragmentWrite ? 0 : 1 << rt;
  }

  #number(fn: CallableFunction): number {
    const place = functionTable.place(fn);
    this.#held.add(place);
    return place.slot;
  }
}

/** What emitted code loads a codec's colours as numbers of a type by, if there is any. */
function loadCode({ kind, fixed, loaded }: TileCodec, stride: number, type: LaneType): TileLoadCode | undefined {
  if (type !== 'raw' && type !== kind) return undefined;
  if (fixed) return stride === 1 ? fixed : undefined;
  return loaded && { channels: loaded, stride };
}
