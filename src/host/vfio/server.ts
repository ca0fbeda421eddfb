/**
 * VfioServer: makes the virtual GPU a PCI device of a virtual machine, whose monitor (QEMU's vfio-user-pci, or another that
 * speaks vfio-user) connects to a socket.
 *
 * Reading order: messages.ts (where one message ends and the next begins), connection.ts (what they ask for), intx.ts,
 * pci-config.ts. The wire stands in src/abi/vfio-user.ts. One client at a time; the next one finds the device as at power-on.
 */
import { EPOLLIN, SOCK_STREAM } from '../../abi/linux.ts';
import { PCI_CLASS_ACCELERATOR, PCI_VENDOR_ARM } from '../../abi/pci.ts';
import type { Company } from '../../board/clock.ts';
import type { ForeignMemory } from '../../board/foreign-memory.ts';
import type { IrqLine } from '../../board/irq.ts';
import type { Log } from '../../board/log.ts';
import type { Mmio } from '../../board/mmio.ts';
import { EventLoop, type Source } from '../event-loop.ts';
import * as sys from '../syscalls.ts';
import { Connection, type VfioDevice } from './connection.ts';
import { Intx } from './intx.ts';
import { MessageStream } from './messages.ts';
import { PciConfig } from './pci-config.ts';

export interface VfioServerOptions {
  /** Path of the socket to listen at. */
  readonly path: string;
  /** BAR 0. */
  readonly registers: Mmio & {
    /** The bus's reset. */
    reset(): void;
    /** Memory has come or gone. */
    memoryChanged(): void;
  };
  /** Bytes of BAR 0, a power of two. */
  readonly size: number;
  /** All of them are the device's one interrupt pin. */
  readonly lines: readonly IrqLine[];
  /** Where the client's memory appears. */
  readonly memory: ForeignMemory;
  readonly log: Log;
}

/** Of no device that exists: Arm's GPUs are no PCI devices. */
const DEVICE_ID = 0xa867;

export class VfioServer implements Company {
  readonly #loop = new EventLoop();
  readonly #listener: Source;
  readonly #device: VfioDevice;
  #stream: MessageStream | undefined;
  #closed = false;
  /** Called when a client has come (true) or gone. */
  onClient: (there: boolean) => void = () => {};

  constructor({ path, registers, size, lines, memory, log }: VfioServerOptions) {
    const identity = { vendor: PCI_VENDOR_ARM, device: DEVICE_ID, class: PCI_CLASS_ACCELERATOR };
    const config = new PciConfig(identity, size);
    const intx = new Intx(lines, (high) => config.show(high));
    intx.enabled = () => !config.interruptsDisabled;
    const reset = (): void => {
      config.reset();
      registers.reset();
    };
    const memoryChanged = (): void => registers.memoryChanged();
    this.#device = { registers, size, config, intx, memory, reset, memoryChanged, log, count: { reads: 0, writes: 0 } };
    this.#listener = { fd: sys.listenAt(path, SOCK_STREAM), ends: false, ready: () => this.#accept() };
    this.#loop.add(this.#listener, EPOLLIN);
  }

  /** Is there a client? */
  get connected(): boolean {
    return this.#stream !== undefined;
  }

  /** How often registers have been read, and written. */
  get reads(): number {
    return this.#device.count.reads;
  }

  get writes(): number {
    return this.#device.count.writes;
  }

  /** How often the interrupt pin has been told. */
  get interrupts(): number {
    return this.#device.intx.raised;
  }

  waiting(): boolean {
    return this.#loop.pressed;
  }

  serve(): boolean {
    return false;
  }

  /** Registers are reached between slices alone. */
  receive(): boolean {
    return false;
  }

  get served(): number {
    return this.#loop.served;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream?.end();
    this.#loop.close(this.#listener);
    this.#loop.end();
  }

  #accept(): void {
    for (;;) {
      const fd = sys.accept(this.#listener.fd);
      if (fd === undefined) return;
      if (this.#stream) {
        this.#device.log('warn', 'vfio-user', 'a second client is turned away');
        sys.close(fd);
        continue;
      }
      const gone = (): void => {
        this.#stream = undefined;
        if (!this.#closed) this.onClient(false);
      };
      new Connection(
        this.#device,
        (sink) => {
          this.#stream = new MessageStream(fd, this.#loop, sink);
          return this.#stream;
        },
        gone,
      );
      this.onClient(true);
    }
  }
}
