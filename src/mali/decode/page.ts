/**
 * Page: where the decoder writes, and how it reads GPU memory.
 *
 * What it reads was written by whoever submits jobs: an address may lead nowhere, a count may be any number. Memory is asked first
 * whether it can be read (which latches no fault), and what one work may print is bounded.
 */
import type { Layout, Values } from '../../abi/layout.ts';
import { printLayout, viewOf } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';

/** Lines that one instruction may lead to. */
const MOST_LINES = 4000;
/** Bytes that are read at once. */
const MOST_BYTES = 1 << 16;

export const hex = (value: number): string => `0x${value.toString(16)}`;

export class Page {
  readonly memory: VirtualMemory;
  /** Undefined: nobody reads what is written, so nothing is, and only what it leads to counts. */
  readonly #write: ((line: string) => void) | undefined;
  #indent = '';
  #left = MOST_LINES;

  constructor(memory: VirtualMemory, write: ((line: string) => void) | undefined, indent: string) {
    this.memory = memory;
    this.#write = write;
    this.#indent = indent;
  }

  /** Whether lines are written at all. */
  get writes(): boolean {
    return this.#write !== undefined;
  }

  /** Whether there is room for another line. */
  get room(): boolean {
    return this.#left > 0;
  }

  line(text: string): void {
    if (this.#left === 0 || !this.#write) return;
    this.#left--;
    this.#write(this.#left === 0 ? `${this.#indent}… (more than ${MOST_LINES} lines)` : `${this.#indent}${text}`);
  }

  /** Writes a heading, and what `body` writes beneath it. */
  under(heading: string, body: () => void): void {
    this.line(heading);
    const before = this.#indent;
    this.#indent += '  ';
    body();
    this.#indent = before;
  }

  /** Bytes of GPU memory; undefined if they cannot be read, or are more than anybody would want. */
  bytes(address: number, size: number): Uint8Array | undefined {
    if (!Number.isSafeInteger(address) || address < 0 || size > MOST_BYTES) return undefined;
    return this.memory.probe(address, size, 'read') ? this.memory.read(address, size) : undefined;
  }

  /** Prints the layout at an address under `title`, then what `more` has to say of its values. */
  at<F extends Record<string, any>>(
    title: string,
    layout: Layout<F>,
    address: number,
    more: (values: Values<F>) => void = () => {},
    omit?: (values: Values<F>) => (name: string) => boolean,
  ): void {
    if (!this.room) return;
    const data = this.bytes(address, layout.size);
    if (!data) {
      this.line(`${title} at ${hex(address)}: unreadable`);
      return;
    }
    this.under(`${title} at ${hex(address)}:`, () => {
      const values = layout.read(viewOf(data), 0);
      if (this.writes) for (const line of printLayout(layout, viewOf(data), 0, omit?.(values))) this.line(line);
      more(values);
    });
  }

  /** Prints a layout that registers hold. */
  words<F extends Record<string, any>>(title: string, layout: Layout<F>, words: readonly number[]): Values<F> {
    const view = viewOf(new Uint8Array(Math.max(layout.size, words.length * 4)));
    for (const [i, word] of words.entries()) view.setUint32(i * 4, word, true);
    this.under(`${title}:`, () => {
      if (this.writes) for (const line of printLayout(layout, view, 0)) this.line(line);
    });
    return layout.read(view, 0);
  }
}
