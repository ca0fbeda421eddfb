/** Maps files of another process into `ForeignMemory`: RAM that a virtual machine's monitor owns and shares with us. */
import { fstatSync } from 'node:fs';
import * as linux from '../abi/linux.ts';
import type { Mapper } from '../board/foreign-memory.ts';
import * as sys from './syscalls.ts';

export class ForeignMapper implements Mapper {
  #base: bigint | undefined;

  attach(memory: WebAssembly.Memory): void {
    if (this.#base !== undefined) throw new Error('host: one ForeignMapper serves one memory');
    this.#base = sys.addressOf(new Uint8Array(memory.buffer));
  }

  /**
   * Throws RangeError for a file that is too short, or that its owner could shorten: the machine's own loads would fault.
   * Throws SystemError where the host cannot map it.
   */
  map(fd: number, offset: number, physical: number, size: number): void {
    const seals = sys.sealsOf(fd);
    if (seals === undefined || (seals & linux.F_SEAL_SHRINK) === 0) {
      throw new RangeError('host: memory has to be a memfd that is sealed against shrinking');
    }
    const { size: length } = fstatSync(fd);
    if (offset + size > length) {
      throw new RangeError(`host: a memfd of ${length} bytes has not ${size} from ${offset} on`);
    }
    sys.mapFixed(this.#address(physical), size, fd, offset);
  }

  unmap(physical: number, size: number): void {
    sys.mapAnonymous(this.#address(physical), size);
  }

  #address(physical: number): bigint {
    if (this.#base === undefined) throw new Error('host: the mapper is not attached to a memory');
    return this.#base + BigInt(physical);
  }
}
