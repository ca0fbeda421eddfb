/**
 * Vblank: the beat of a CRTC: which frame it is at, and who waits for a later one. It asks the hardware for interrupts
 * only while somebody waits.
 * After Linux `drivers/gpu/drm/drm_vblank.c`.
 */
import { must } from '../error.ts';
import type { FrameTime } from './events.ts';

/** What the hardware offers: a frame counter that goes on across switching off and on. */
export interface FrameCounter {
  /** Interrupts at every frame's beginning, which lead to `Vblank.handle`. */
  enable(on: boolean): void;
  read(): FrameTime;
}

/** A sequence number counts as passed when it lies up to this far in the past; farther is the future. */
const PAST_FRAMES = 1n << 23n;
const passed = (now: bigint, target: bigint): boolean => BigInt.asUintN(64, now - target) <= PAST_FRAMES;

export class Vblank {
  readonly #counter: FrameCounter;
  readonly #waiting = new Set<{ readonly target: bigint; readonly fn: (at: FrameTime) => void }>();
  #users = 0;
  #running = false;

  constructor(counter: FrameCounter) {
    this.#counter = counter;
  }

  get running(): boolean {
    return this.#running;
  }

  now(): FrameTime {
    return this.#counter.read();
  }

  passed = passed;

  /** Keeps the interrupt on. Throws EINVAL while the CRTC is off. */
  acquire(): void {
    must(this.#running, 'EINVAL', 'the CRTC is off: there are no vertical blanks');
    if (this.#users++ === 0) this.#counter.enable(true);
  }

  release(): void {
    if (this.#users === 0) throw new Error('kms: vblank released once too often');
    if (--this.#users === 0 && this.#running) this.#counter.enable(false);
  }

  /**
   * Calls `fn` when the frame `target` has begun, or when the CRTC goes off. Throws EINVAL while it is off. Returns what
   * takes it back.
   */
  wait(target: bigint, fn: (at: FrameTime) => void): () => void {
    this.acquire();
    const entry = { target, fn };
    this.#waiting.add(entry);
    return () => {
      if (this.#waiting.delete(entry)) this.release();
    };
  }

  /** The hardware: a frame has begun. */
  handle(): void {
    if (this.#waiting.size === 0) return;
    const at = this.now();
    for (const entry of [...this.#waiting]) {
      if (!passed(at.sequence, entry.target) || !this.#waiting.delete(entry)) continue;
      this.release();
      entry.fn(at);
    }
  }

  /** The CRTC starts or stops. Whoever still waits when it stops is served at once. */
  setRunning(running: boolean): void {
    if (running === this.#running) return;
    this.#running = running;
    if (running) {
      if (this.#users > 0) this.#counter.enable(true);
      return;
    }
    this.#counter.enable(false);
    const at = this.now();
    for (const entry of [...this.#waiting]) {
      this.#waiting.delete(entry);
      this.#users--;
      entry.fn(at);
    }
  }
}
