/**
 * PciConfig: the configuration space of a device with one BAR of 32-bit memory and one interrupt pin: what it is, and the few
 * bits that may be written.
 */
import { PCI_COMMAND, PCI_CONFIG_SIZE, PCI_PIN_A, PCI_STATUS, PciHeader } from '../../abi/pci.ts';

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly class: number;
  readonly revision?: number;
}

export class PciConfig {
  readonly #bytes = new Uint8Array(PCI_CONFIG_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Bits that may be written. */
  readonly #writable = new Uint8Array(PCI_CONFIG_SIZE);
  readonly #identity: PciIdentity;

  /** `barSize`: bytes of BAR 0, a power of two. */
  constructor(identity: PciIdentity, barSize: number) {
    this.#identity = identity;
    PciHeader.write(new DataView(this.#writable.buffer), 0, {
      command: PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER | PCI_COMMAND.INTX_DISABLE,
      cacheLine: 0xff,
      interruptLine: 0xff,
      bars: [2 ** 32 - barSize, 0, 0, 0, 0, 0],
    });
    this.reset();
  }

  /** INTx is not to be raised. */
  get interruptsDisabled(): boolean {
    return (PciHeader.fields.command.read(this.#view, 0) & PCI_COMMAND.INTX_DISABLE) !== 0;
  }

  reset(): void {
    this.#bytes.fill(0);
    const { vendor, device, revision = 0 } = this.#identity;
    PciHeader.write(this.#view, 0, {
      vendor,
      device,
      revision,
      class: this.#identity.class,
      subsystemVendor: vendor,
      subsystem: device,
      interruptPin: PCI_PIN_A,
    });
  }

  /** The interrupt pin as the status register shows it. */
  show(high: boolean): void {
    PciHeader.fields.status.write(this.#view, 0, high ? PCI_STATUS.INTERRUPT : 0);
  }

  /** `offset + count` is at most PCI_CONFIG_SIZE. */
  read(offset: number, count: number): Uint8Array {
    return this.#bytes.slice(offset, offset + count);
  }

  write(offset: number, data: Uint8Array): void {
    for (const [i, value] of data.entries()) {
      const mask = this.#writable[offset + i]!;
      this.#bytes[offset + i] = (this.#bytes[offset + i]! & ~mask) | (value & mask);
    }
  }
}
