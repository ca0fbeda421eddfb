/**
 * Events: what a client reads from its file: flips that are done, vertical blanks that it asked for.
 * After Linux `drivers/gpu/drm/drm_file.c`: room for an event is reserved when it is asked for, so delivery cannot fail.
 */
import { EVENT } from '../../abi/kms.ts';
import { EventCrtcSequence, EventVblank } from '../../abi/kms-structs.ts';
import { must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import type { KmsFile } from './config.ts';

/** Bytes of events that may be on their way to one file. */
const EVENT_SPACE = 4096;

/** When a frame began: its number, and CLOCK_MONOTONIC nanoseconds. */
export interface FrameTime {
  readonly sequence: bigint;
  readonly time: bigint;
}

/** One event that will be sent once, or not at all. A closed file swallows it. */
export class EventTicket {
  readonly #file: DrmFile<KmsFile>;
  readonly #pack: (at: FrameTime) => Uint8Array;
  readonly #size: number;
  #open = true;

  constructor(file: DrmFile<KmsFile>, size: number, pack: (at: FrameTime) => Uint8Array) {
    must(
      file.private.eventBytes + size <= EVENT_SPACE,
      'ENOMEM',
      'more events are under way to this file than it holds',
    );
    file.private.eventBytes += size;
    this.#file = file;
    this.#size = size;
    this.#pack = pack;
  }

  send(at: FrameTime): void {
    if (!this.#open) return;
    this.cancel();
    this.#file.sendEvent(this.#pack(at));
  }

  cancel(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#file.private.eventBytes -= this.#size;
  }
}

function vblankEvent(file: DrmFile<KmsFile>, type: number, crtc_id: number, user_data: bigint): EventTicket {
  const length = EventVblank.size;
  return new EventTicket(file, length, ({ sequence, time }) =>
    EventVblank.pack({
      type,
      length,
      user_data,
      tv_sec: Number(BigInt.asUintN(32, time / 1_000_000_000n)),
      tv_usec: Number((time % 1_000_000_000n) / 1000n),
      sequence: Number(BigInt.asUintN(32, sequence)),
      crtc_id,
    }),
  );
}

export const flipEvent = (file: DrmFile<KmsFile>, crtc: { readonly id: number }, userData: bigint): EventTicket =>
  vblankEvent(file, EVENT.FLIP_COMPLETE, crtc.id, userData);

export const waitEvent = (file: DrmFile<KmsFile>, crtc: { readonly id: number }, userData: bigint): EventTicket =>
  vblankEvent(file, EVENT.VBLANK, crtc.id, userData);

export function sequenceEvent(file: DrmFile<KmsFile>, user_data: bigint): EventTicket {
  const length = EventCrtcSequence.size;
  return new EventTicket(file, length, ({ sequence, time }) =>
    EventCrtcSequence.pack({ type: EVENT.CRTC_SEQUENCE, length, user_data, time_ns: time, sequence }),
  );
}
