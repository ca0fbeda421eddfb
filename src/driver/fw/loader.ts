/**
 * Loader: puts an image's sections into the microcontroller's address space, and puts them back after a reset.
 * After Linux `drivers/gpu/drm/panthor/panthor_fw.c`.
 */
import { FW_SHARED_SIZE, FW_SHARED_START } from '../../abi/gpu/firmware.ts';
import type { Dram } from '../../board/dram.ts';
import { KernelBuffer } from '../kernel-buffer.ts';
import { AddressSpace } from '../mmu/address-space.ts';
import type { Mmu } from '../mmu/index.ts';
import type { FirmwareImage, FirmwareSection } from './container.ts';

export class LoadedFirmware {
  /** The microcontroller's address space; the driver's own buffers lie behind the shared section. */
  readonly space: AddressSpace;
  readonly shared: KernelBuffer;
  readonly #sections: readonly [FirmwareSection, KernelBuffer][];

  private constructor(space: AddressSpace, sections: readonly [FirmwareSection, KernelBuffer][], shared: KernelBuffer) {
    this.space = space;
    this.#sections = sections;
    this.shared = shared;
  }

  static async load(mmu: Mmu, dram: Dram, image: FirmwareImage): Promise<LoadedFirmware> {
    const space = new AddressSpace('MCU', true, dram, FW_SHARED_START, FW_SHARED_SIZE);
    const loaded: [FirmwareSection, KernelBuffer][] = [];
    let shared: KernelBuffer | undefined;
    try {
      for (const section of image.sections) {
        const size = section.vaEnd - section.vaStart;
        const inShared = section.vaStart < FW_SHARED_START + FW_SHARED_SIZE && section.vaEnd > FW_SHARED_START;
        if (inShared) space.kernel.reserve(section.vaStart, size);
        const attributes = { readOnly: !section.write, noExecute: !section.execute, cached: section.cached };
        const buffer = await KernelBuffer.create(mmu, dram, space, size, attributes, 'FW section', section.vaStart);
        loaded.push([section, buffer]);
        fill(section, buffer);
        if (section === image.shared) shared = buffer;
      }
    } catch (error) {
      for (const [, buffer] of loaded) await buffer.destroy();
      space.destroy();
      throw error;
    }
    if (!shared) throw new Error('the shared section was not loaded');
    return new LoadedFirmware(space, loaded, shared);
  }

  /** Writes all sections again, the read-only ones too: after a hang nobody knows what they hold. */
  reload(): void {
    for (const [section, buffer] of this.#sections) fill(section, buffer);
  }

  /** A line a section: where it is, and whether one that the firmware may not write still holds what the image has. */
  describe(): string[] {
    return this.#sections.map(([section, buffer]) => {
      const { name, write, data } = section;
      const bytes = new Uint8Array(buffer.view.buffer, buffer.view.byteOffset, data.length);
      const intact = write || data.every((byte, i) => bytes[i] === byte);
      return `section ${name}: at physical 0x${buffer.run.physical.toString(16)}${write ? ', writable' : intact ? ', intact' : ', DAMAGED'}`;
    });
  }

  async unload(): Promise<void> {
    for (const [, buffer] of this.#sections) await buffer.destroy();
    this.space.destroy();
  }
}

function fill(section: FirmwareSection, buffer: KernelBuffer): void {
  const bytes = new Uint8Array(buffer.view.buffer, buffer.view.byteOffset, buffer.size);
  bytes.set(section.data);
  if (section.zero) bytes.fill(0, section.data.length);
}
