/**
 * Tour: what a TileJob tells emitted code (wasm/tour.ts) so that it draws tiles by itself, and hears from it.
 *
 * Addresses that emitted code is given are good for one generation of the address space's translations. A call has one; when it has changed
 * by the next call, records of draws are made anew as they are met, and those of images at once.
 */

import type { VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { CALLED } from '../recompiler/outside.ts';
import type { ListCall, ShaderRun } from '../shader/contract.ts';
import type { Bins } from './bins.ts';
import type { DrawStage } from './draw-stage.ts';
import type { Framebuffer } from './framebuffer.ts';
import type { TileBuffer } from './tile-buffer.ts';
import { FRONT } from './wasm/list.ts';
import { HIDERS_BYTES, KILL, SEGMENT, SEGMENTS } from './wasm/pending.ts';
import { DRAW, DRAW_RECORDS, FILL, OUTLET, TOUR, type TourCode, tourCode, WHY } from './wasm/tour.ts';
import type { Writeback } from './writeback.ts';

/** What emitted code needs of a draw. */
export interface Direct {
  /** Holds the front end's number in the table. */
  readonly front: Place;
  readonly call: ListCall | undefined;
}

/** Render targets, depth and stencil. */
const MOST_OUTLETS = 10;
const MOST_FILLS = 10;

/** The last time that records were of. */
let times = 0;

export class Tour {
  readonly #memory: VirtualMemory;
  readonly #writeback: Writeback;
  /** Word address of TOUR, which FRONT is the beginning of. */
  readonly #at: number;
  readonly #code: TourCode;
  readonly #piece = scratch.take(
    DRAW_RECORDS * DRAW.size +
      MOST_FILLS * FILL.size +
      MOST_OUTLETS * OUTLET.size +
      (SEGMENTS + 1) * SEGMENT.size +
      HIDERS_BYTES,
    false,
  );
  readonly #draws = this.#piece.at;
  readonly #outlets = this.#draws + DRAW_RECORDS * DRAW.size + MOST_FILLS * FILL.size;
  /** What records must be of: a number that nobody else's are. */
  #time = ++times;
  #generation = -1;
  #planned = -1;

  constructor(
    args: number,
    memory: VirtualMemory,
    { parameters, samples }: Framebuffer,
    tile: TileBuffer,
    writeback: Writeback,
  ) {
    this.#memory = memory;
    this.#writeback = writeback;
    this.#at = args / 4;
    this.#code = tourCode();
    const words = scratch.u32;
    const fills = this.#draws + DRAW_RECORDS * DRAW.size;
    for (const [n, [at, bytes, ...values]] of tile.cleared.entries()) {
      words.set([at, bytes], (fills + n * FILL.size) / 4);
      words.set(values, (fills + n * FILL.size + FILL.words) / 4);
    }
    this.#set(TOUR.draws, this.#draws);
    this.#set(TOUR.dirty, tile.dirtyAt);
    this.#set(TOUR.width, parameters.width);
    this.#set(TOUR.height, parameters.height);
    this.#set(TOUR.fills, fills);
    this.#set(TOUR.fillCount, tile.cleared.length);
    this.#set(TOUR.outlets, this.#outlets);
    // Before the first segment's record lies one that is looked at.
    const segments = this.#outlets + MOST_OUTLETS * OUTLET.size + SEGMENT.size;
    this.#set(TOUR.segments, segments);
    this.#set(TOUR.hiders, segments + SEGMENTS * SEGMENT.size);
    for (const word of [TOUR.shading, TOUR.segmentCount, TOUR.open, TOUR.noted, TOUR.hidden]) this.#set(word, 0);
    const full = 2 ** samples - 1;
    this.#set(TOUR.full, full | (full << 16));
  }

  close(): void {
    scratch.give(this.#piece);
  }

  #set(offset: number, value: number): void {
    scratch.u32[this.#at + offset / 4] = value;
  }

  /** A field of TOUR or FRONT. */
  word(offset: number): number {
    return scratch.u32[this.#at + offset / 4]!;
  }

  /** Numbers stand for other draws from here on. */
  forget(): void {
    this.#time = ++times;
  }

  /** Tiles are those of these bins: of items from `item` to `last`, the first of which is not begun. */
  begin(bins: Bins, item: number, last: number): void {
    this.#set(TOUR.bins, bins.at);
    this.#set(TOUR.item, item);
    this.#set(TOUR.last, last);
    this.#set(TOUR.begun, 0);
  }

  /** Script has written the tile in work back. */
  written(): void {
    this.#set(TOUR.begun, 0);
    this.#set(TOUR.item, this.word(TOUR.item) + 1);
  }

  /** Draws tiles, or goes on with one. `budget`: what is left of the slice. Answers a WHY. */
  tiles(budget: number): number {
    this.#renew();
    if (this.#planned !== this.#generation) {
      this.#planned = this.#generation;
      const count = this.#writeback.plan(this.#outlets);
      this.#set(TOUR.script, count < 0 ? 1 : 0);
      this.#set(TOUR.outletCount, Math.max(count, 0));
    }
    return this.#call(this.#code.tile_tour, budget);
  }

  /** Works off the bin between two places. Answers a WHY: BIN, REST, DRAW or SHADER. */
  bin(place: number, end: number, budget: number): number {
    this.#renew();
    this.#set(FRONT.place, place);
    this.#set(FRONT.end, end);
    return this.#call(this.#code.tile_draws, budget);
  }

  #renew(): void {
    const { generation } = this.#memory;
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.forget();
  }

  #call(code: (args: number) => number, budget: number): number {
    this.#set(TOUR.time, this.#time);
    this.#set(TOUR.budget, budget);
    this.#set(TOUR.progress, 0);
    try {
      return code(this.#at * 4);
    } finally {
      scratch.u32[CALLED / 4] = 0;
    }
  }

  /** Quads of the list that are to be shaded next, where emitted code was in the middle of that: their first and their end. */
  get pending(): readonly [number, number] | undefined {
    if (this.word(TOUR.shading) === 0) return undefined;
    const segment = (this.word(TOUR.segments) + this.word(TOUR.segment) * SEGMENT.size) / 4;
    return [scratch.u32[segment + SEGMENT.first / 4]!, scratch.u32[segment + SEGMENT.end / 4]!];
  }

  /** Script has those shaded. */
  taken(): void {
    this.#set(TOUR.segment, this.word(TOUR.segment) + 1);
  }

  /** The number of the draw that emitted code has no record of, or whose shader is not done. */
  number(why: number): number {
    return this.word(why === WHY.SHADER ? FRONT.draw : TOUR.number);
  }

  /** The shader of the draw `number` is not done: from here on its run goes on with it. */
  returned(number: number, { call }: Direct): void {
    call!.returned(this.word(TOUR.status));
    // Script may run other units by the same frame.
    scratch.u32[(this.#draws + (number % DRAW_RECORDS) * DRAW.size + DRAW.time) / 4] = 0;
  }

  /** Makes the record of a draw. */
  record(number: number, stage: DrawStage, { front, call }: Direct): void {
    const words = scratch.u32;
    const { low, high, raises } = stage.state.test;
    call?.renew();
    const record = this.#draws + (number % DRAW_RECORDS) * DRAW.size;
    const at = record / 4;
    words[at + DRAW.time / 4] = this.#time;
    words[at + DRAW.number / 4] = number;
    words[at + DRAW.front / 4] = front.slot;
    words[at + DRAW.stage / 4] = stage.frame;
    words[at + DRAW.raises / 4] = raises ? 1 : 0;
    words[at + DRAW.touches / 4] = stage.draw.cleanFragmentWrite ? 0 : 1;
    const { allowForwardPixelToKill, allowForwardPixelToBeKilled } = stage.draw;
    const direct = stage.ways.direct === true;
    words[at + DRAW.kill / 4] =
      (direct && allowForwardPixelToBeKilled ? KILL.WAITS : 0) | (direct && allowForwardPixelToKill ? KILL.HIDES : 0);
    scratch.f64[(record + DRAW.low) / 8] = low;
    scratch.f64[(record + DRAW.low) / 8 + 1] = high;
    if (!call) return;
    words[at + DRAW.shader / 4] = call.slot;
    words[at + DRAW.registers / 4] = call.registers;
    words[at + DRAW.frame / 4] = call.frame;
    words[at + DRAW.called / 4] = call.called;
    words[at + DRAW.fuel / 4] = call.fuel;
  }
}

/** How emitted code draws by itself; null if it cannot. */
export function directOf(stage: DrawStage, run: ShaderRun | undefined, budget: number): Direct | null {
  const { code } = stage.front;
  if (!code || stage.perSample || functionTable.room === 0) return null;
  const call = run?.listCall?.(budget);
  return run && !call ? null : { front: functionTable.place(code), call };
}
