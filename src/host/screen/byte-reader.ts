/** ByteReader: so many bytes from a stream, whenever they come. */
import type { Readable } from 'node:stream';

/** The other side is gone. */
export class Gone extends Error {}

/** Bytes that may wait before the stream is stopped, if they are not asked for. */
const ENOUGH = 65536;

export class ByteReader {
  readonly #stream: Readable;
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** Bytes that somebody waits for, and who. */
  #wanted = 0;
  #waiting: (() => void) | undefined;
  #ended = false;

  /** Nobody else may read the stream. */
  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on('data', (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      if (this.#length >= Math.max(this.#wanted, ENOUGH)) stream.pause();
      if (this.#length >= this.#wanted) this.#settle();
    });
    for (const event of ['end', 'close'])
      stream.on(event, () => {
        this.#ended = true;
        this.#settle();
      });
  }

  /** Resolves with exactly `length` bytes. Throws Gone if the stream ends before. One after another. */
  async take(length: number): Promise<Uint8Array> {
    while (this.#length < length) {
      if (this.#ended) throw new Gone();
      this.#wanted = length;
      this.#stream.resume();
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.#wanted = 0;
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#length -= length;
    this.#chunks = this.#length > 0 ? [all.subarray(length)] : [];
    return all.subarray(0, length);
  }

  async u8(): Promise<number> {
    return (await this.take(1))[0]!;
  }

  /** Reads over bytes without keeping them. */
  async skip(length: number): Promise<void> {
    const PIECE = 4096;
    for (let left = length; left > 0; left -= PIECE) await this.take(Math.min(left, PIECE));
  }

  #settle(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
