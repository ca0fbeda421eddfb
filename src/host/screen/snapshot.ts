/**
 * Snapshots: copies what the display's windows show, so that the screen's thread reads a whole picture while the guest draws
 * the next one. A copy of rows is all that the machine's thread does for those who look on.
 */
import type { Scan, WindowScan } from '../../display/index.ts';
import type { Snapshot } from './messages.ts';

/** Rows start at multiples of this many bytes. */
const ALIGN = 4;

export class Snapshots {
  readonly #dram: Uint8Array;
  #memory = new SharedArrayBuffer(0);

  /** `dram`: the memory that scans' addresses lie in. */
  constructor(dram: Uint8Array) {
    this.#dram = dram;
  }

  /** What the one before holds is lost. */
  take({ width, height, windows, gamma }: Scan): Snapshot {
    const pitches = windows.map(({ srcW, format }) => Math.ceil((srcW * format.bytesPerPixel) / ALIGN) * ALIGN);
    const size = windows.reduce((sum, { srcH }, i) => sum + srcH * pitches[i]!, 0);
    if (this.#memory.byteLength < size) this.#memory = new SharedArrayBuffer(size);
    const memory = new Uint8Array(this.#memory);
    let address = 0;
    const copies = windows.map((window, i) => {
      const pitch = pitches[i]!;
      const copy = { ...window, format: window.format.code, address, pitch, srcX: 0, srcY: 0 };
      copyRows(this.#dram, window, memory, address, pitch);
      address += window.srcH * pitch;
      return copy;
    });
    return { width, height, windows: copies, gamma, memory: this.#memory };
  }
}

function copyRows(from: Uint8Array, window: WindowScan, to: Uint8Array, at: number, pitch: number): void {
  const { srcX, srcY, srcW, srcH, format } = window;
  const bytes = srcW * format.bytesPerPixel;
  const first = window.address + srcY * window.pitch + srcX * format.bytesPerPixel;
  if (window.pitch === pitch && bytes === pitch) {
    to.set(from.subarray(first, first + srcH * pitch), at);
    return;
  }
  for (let row = 0; row < srcH; row++) {
    const start = first + row * window.pitch;
    to.set(from.subarray(start, start + bytes), at + row * pitch);
  }
}
