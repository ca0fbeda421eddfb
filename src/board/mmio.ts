/** Mmio: a window of 32-bit device registers, as the bus gives it to a driver. */
import type { Register } from '../abi/register.ts';
import type { PageRun } from './dram.ts';

export interface Mmio {
  /** `offset` in bytes from the window's start, a multiple of 4. Unknown registers read as zero. */
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  /** The page at `offset` as memory that a client may map read-only, where the device has such a page. */
  userPage?(offset: number): PageRun | undefined;
}

/** Reads a register of either width, at `base` + its offset. 64-bit: the high half is read until it is stable. */
export function readReg(mmio: Mmio, register: Register<any>, base = 0): number {
  const at = base + register.offset;
  if (register.width === 32) return mmio.read32(at) >>> 0;
  for (;;) {
    const high = mmio.read32(at + 4) >>> 0;
    const low = mmio.read32(at) >>> 0;
    if (mmio.read32(at + 4) >>> 0 === high) return high * 2 ** 32 + low;
  }
}

/** Writes a register of either width; 64-bit low half first. */
export function writeReg(mmio: Mmio, register: Register<any>, value: number, base = 0): void {
  const at = base + register.offset;
  mmio.write32(at, value % 2 ** 32);
  if (register.width === 64) mmio.write32(at + 4, Math.floor(value / 2 ** 32));
}
