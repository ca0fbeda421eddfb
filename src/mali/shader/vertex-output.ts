/**
 * The output buffer of a vertex stage, kept where recompiled shaders read it: scratch memory (recompiler/frame.ts: OUTPUT).
 *
 * Its numbers are small, so that the offset of any element fits 32 bits: recompiled code counts on it.
 */
import { scratch } from '../engine/scratch.ts';
import { OUTPUT, OUTPUT_BYTES } from '../recompiler/frame.ts';
import type { OutputBuffer } from './contract.ts';

const HIGH = 2 ** 32;
const RUN = 64;

export class VertexOutput implements OutputBuffer {
  readonly #piece = scratch.take(OUTPUT_BYTES);
  /** Where it lies. */
  readonly frame = this.#piece.at;
  base = 0;
  packetStride = 0;
  offset = 0;
  stride = 0;
  count = 0;

  /** Nobody uses it any more. */
  close(): void {
    scratch.give(this.#piece);
  }

  /** Sets all of it. */
  set(base: number, packetStride: number, offset: number, stride: number, count: number): void {
    if (Math.ceil(count / RUN) * packetStride + RUN * stride >= HIGH) throw new Error('mali: output buffer too large');
    this.base = base;
    this.packetStride = packetStride;
    this.offset = offset;
    this.stride = stride;
    this.count = count;
    const words = scratch.u32;
    const at = this.frame / 4;
    const first = base + offset;
    words[at + OUTPUT.low / 4] = first % HIGH;
    words[at + OUTPUT.high / 4] = Math.floor(first / HIGH);
    words[at + OUTPUT.packetStride / 4] = packetStride;
    words[at + OUTPUT.stride / 4] = stride;
    words[at + OUTPUT.count / 4] = count;
  }
}
