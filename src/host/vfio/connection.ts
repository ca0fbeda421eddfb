/**
 * Connection: one client of the device: what its messages ask for. What a message asks wrongly is an errno in its answer; one
 * that is shorter than its kind, or that begins before the versions have been agreed on, ends the connection.
 *
 * Memory that the client shares comes as DMA_MAP with a descriptor, or without one, where it is none that another process can
 * map (other devices' registers): that is known and not there. When the connection ends, all of it goes.
 */
import { ERRNO } from '../../abi/errno.ts';
import { type Infer, type Layout, viewOf } from '../../abi/layout.ts';
import { PCI_CONFIG_SIZE } from '../../abi/pci.ts';
import {
  VFIO_DEVICE,
  VFIO_DMA_MAP,
  VFIO_DMA_UNMAP,
  VFIO_IRQ,
  VFIO_IRQ_SET,
  VFIO_PCI_IRQ,
  VFIO_PCI_REGION,
  VFIO_REGION,
  VFIO_USER,
  VFIO_USER_MAJOR,
  VFIO_USER_MINOR,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioIrqSet,
  VfioRegionInfo,
  VfioUserDmaMap,
  VfioUserDmaUnmap,
  VfioUserRegionAccess,
  VfioUserVersion,
  VfioUserWrite,
  VfioUserWrites,
} from '../../abi/vfio-user.ts';
import { ErrnoError } from '../../board/errno-error.ts';
import type { ForeignMemory } from '../../board/foreign-memory.ts';
import type { Log } from '../../board/log.ts';
import type { Mmio } from '../../board/mmio.ts';
import { isEventfd } from '../memfd-backing.ts';
import * as sys from '../syscalls.ts';
import type { Intx } from './intx.ts';
import { type Message, type MessageSink, MOST_BODY } from './messages.ts';
import type { PciConfig } from './pci-config.ts';

/** What the device is made of. */
export interface VfioDevice {
  /** BAR 0, and its size in bytes. */
  readonly registers: Mmio;
  readonly size: number;
  readonly config: PciConfig;
  readonly intx: Intx;
  readonly memory: ForeignMemory;
  /** Power-on state. */
  reset(): void;
  /** Memory has come or gone. */
  memoryChanged(): void;
  readonly log: Log;
  /** How often registers have been read and written. */
  readonly count: { reads: number; writes: number };
}

/** What answers go through. */
interface Answers {
  reply(to: Message, error: number, body?: Uint8Array): void;
  end(reason?: string): void;
}

/** The client asked for something that is not there: an errno for it, a sentence for the log. */
class Refusal extends ErrnoError {}

/** The client does not speak the protocol: there is nothing to be said to it any more. */
class Gibberish extends Error {}

/** Largest access to a region; the version's answer tells the client. */
const MOST_DATA = 65536;
const MOST_MAPPINGS = 4096;
const MOST_WRITES = 64;
const NAME = 'vfio-user';

export class Connection implements MessageSink {
  readonly #device: VfioDevice;
  readonly #answers: Answers;
  readonly #gone: () => void;
  /** What the client has mapped, by address: `shared` is memory that is there for us. */
  readonly #mappings = new Map<number, { size: number; shared: boolean }>();
  #greeted = false;

  constructor(device: VfioDevice, answers: (sink: MessageSink) => Answers, gone: () => void) {
    this.#device = device;
    this.#gone = gone;
    this.#answers = answers(this);
  }

  message(message: Message): void {
    const fds = new Set(message.fds);
    try {
      const answer = this.#serve(message, (fd) => fds.delete(fd));
      if (!message.silent) this.#answers.reply(message, 0, answer);
    } catch (error) {
      if (error instanceof Gibberish) {
        this.#answers.end(error.message);
        return;
      }
      if (!(error instanceof Refusal)) throw error;
      this.#device.log('warn', NAME, `message ${message.command}: ${error.errno}: ${error.message}`);
      if (!message.silent) this.#answers.reply(message, ERRNO[error.errno]);
    } finally {
      for (const fd of fds) sys.close(fd);
    }
  }

  ended(reason: string | undefined): void {
    const { intx, log } = this.#device;
    if (reason !== undefined) log('error', NAME, `the connection is over: ${reason}`);
    intx.attach(-1);
    this.#unmapAll();
    this.#device.reset();
    this.#gone();
  }

  /** The answer's body. `keep`: a descriptor of the message stays open. */
  #serve(message: Message, keep: (fd: number) => void): Uint8Array | undefined {
    const { body } = message;
    if (!this.#greeted && message.command !== VFIO_USER.VERSION) {
      throw new Gibberish(`message ${message.command} comes before the version`);
    }
    switch (message.command) {
      case VFIO_USER.VERSION:
        return this.#version(body);
      case VFIO_USER.DMA_MAP:
        return this.#map(read(VfioUserDmaMap, body), message.fds);
      case VFIO_USER.DMA_UNMAP:
        return this.#unmap(read(VfioUserDmaUnmap, body), body);
      case VFIO_USER.DEVICE_GET_INFO:
        read(VfioDeviceInfo, body);
        return VfioDeviceInfo.pack({
          argsz: VfioDeviceInfo.size,
          flags: VFIO_DEVICE.RESET | VFIO_DEVICE.PCI,
          regions: VFIO_PCI_REGION.COUNT,
          irqs: VFIO_PCI_IRQ.COUNT,
        });
      case VFIO_USER.DEVICE_GET_REGION_INFO:
        return this.#regionInfo(read(VfioRegionInfo, body));
      case VFIO_USER.DEVICE_GET_IRQ_INFO:
        return this.#irqInfo(read(VfioIrqInfo, body));
      case VFIO_USER.DEVICE_SET_IRQS:
        this.#setIrqs(read(VfioIrqSet, body), body, message.fds, keep);
        return undefined;
      case VFIO_USER.REGION_READ:
        return this.#read(read(VfioUserRegionAccess, body));
      case VFIO_USER.REGION_WRITE: {
        const access = read(VfioUserRegionAccess, body);
        this.#write(access, dataOf(body, VfioUserRegionAccess.size, access.count));
        return VfioUserRegionAccess.pack(access);
      }
      case VFIO_USER.REGION_WRITE_MULTI:
        return this.#writes(body);
      case VFIO_USER.DEVICE_RESET:
        this.#device.reset();
        return undefined;
      default:
        throw new Refusal('ENOSYS', 'there is no such request here');
    }
  }

  #version(body: DataView): Uint8Array {
    if (this.#greeted) throw new Gibberish('the version comes twice');
    const { major, minor } = read(VfioUserVersion, body);
    if (major !== VFIO_USER_MAJOR) throw new Gibberish(`it speaks version ${major}.${minor}`);
    this.#greeted = true;
    const capabilities = {
      max_msg_fds: 8,
      max_data_xfer_size: MOST_DATA,
      pgsizes: 4096,
      max_dma_maps: MOST_MAPPINGS,
      write_multiple: true,
    };
    const text = new TextEncoder().encode(`${JSON.stringify({ capabilities })}\0`);
    const answer = new Uint8Array(VfioUserVersion.size + text.length);
    VfioUserVersion.write(viewOf(answer), 0, { major, minor: Math.min(minor, VFIO_USER_MINOR) });
    answer.set(text, VfioUserVersion.size);
    return answer;
  }

  #map({ flags, offset, address, size }: Infer<typeof VfioUserDmaMap>, fds: readonly number[]): undefined {
    const { memory, log } = this.#device;
    const from = Number(address);
    const length = Number(size);
    const end = from + length;
    if (fds.length > 1) throw new Refusal('EINVAL', `${fds.length} descriptors for one mapping`);
    if (length === 0) throw new Refusal('EINVAL', 'a mapping of nothing');
    if (this.#mappings.size >= MOST_MAPPINGS) throw new Refusal('ENOSPC', `${MOST_MAPPINGS} mappings are all`);
    for (const [other, { size }] of this.#mappings) {
      if (from < other + size && other < end)
        throw new Refusal('EEXIST', `something is mapped at ${hex(other)} already`);
    }
    const [fd] = fds;
    const both = VFIO_DMA_MAP.READ | VFIO_DMA_MAP.WRITE;
    const shared = fd !== undefined && (flags & both) === both;
    if (shared) {
      try {
        memory.add(from, length, fd, Number(offset));
      } catch (error) {
        if (error instanceof RangeError) throw new Refusal('EINVAL', error.message);
        if (error instanceof sys.SystemError) throw new Refusal('ENOMEM', error.message);
        throw error;
      }
      this.#device.memoryChanged();
    }
    this.#mappings.set(from, { size: length, shared });
    const what = shared ? 'memory' : 'nothing that the device can reach';
    log('debug', NAME, `${hex(from)}…${hex(end)}: ${what}`);
    return undefined;
  }

  #unmap({ flags, address, size }: Infer<typeof VfioUserDmaUnmap>, body: DataView): Uint8Array {
    if (flags & VFIO_DMA_UNMAP.GET_DIRTY_BITMAP) throw new Refusal('EOPNOTSUPP', 'nobody keeps a dirty bitmap');
    if (flags & VFIO_DMA_UNMAP.ALL) this.#unmapAll();
    else {
      const from = Number(address);
      const end = from + Number(size);
      const inside = [...this.#mappings].filter(([at, { size }]) => at >= from && at + size <= end);
      if (inside.length === 0) throw new Refusal('ENOENT', `nothing is mapped at ${hex(from)}`);
      for (const [at] of inside) this.#forget(at);
      this.#device.memoryChanged();
    }
    return new Uint8Array(body.buffer, body.byteOffset, VfioUserDmaUnmap.size).slice();
  }

  #unmapAll(): void {
    for (const at of [...this.#mappings.keys()]) this.#forget(at);
    this.#device.memoryChanged();
  }

  #forget(at: number): void {
    const { size, shared } = this.#mappings.get(at)!;
    if (shared) this.#device.memory.remove(at, size);
    this.#mappings.delete(at);
  }

  #regionInfo({ index }: Infer<typeof VfioRegionInfo>): Uint8Array {
    if (index >= VFIO_PCI_REGION.COUNT) throw new Refusal('EINVAL', `there is no region ${index}`);
    const size = this.#sizeOf(index);
    return VfioRegionInfo.pack({
      argsz: VfioRegionInfo.size,
      flags: size > 0 ? VFIO_REGION.READ | VFIO_REGION.WRITE : 0,
      index,
      size: BigInt(size),
    });
  }

  #sizeOf(region: number): number {
    if (region === VFIO_PCI_REGION.BAR0) return this.#device.size;
    return region === VFIO_PCI_REGION.CONFIG ? PCI_CONFIG_SIZE : 0;
  }

  #irqInfo({ index }: Infer<typeof VfioIrqInfo>): Uint8Array {
    if (index >= VFIO_PCI_IRQ.COUNT) throw new Refusal('EINVAL', `there are no interrupts ${index}`);
    const pin = index === VFIO_PCI_IRQ.INTX;
    return VfioIrqInfo.pack({
      argsz: VfioIrqInfo.size,
      flags: pin ? VFIO_IRQ.EVENTFD | VFIO_IRQ.MASKABLE | VFIO_IRQ.AUTOMASKED : VFIO_IRQ.EVENTFD | VFIO_IRQ.NORESIZE,
      index,
      count: pin ? 1 : 0,
    });
  }

  #setIrqs(
    { flags, index, start, count }: Infer<typeof VfioIrqSet>,
    body: DataView,
    fds: readonly number[],
    keep: (fd: number) => void,
  ): void {
    const { intx } = this.#device;
    const data = flags & (VFIO_IRQ_SET.DATA_NONE | VFIO_IRQ_SET.DATA_BOOL | VFIO_IRQ_SET.DATA_EVENTFD);
    const action = flags & (VFIO_IRQ_SET.MASK | VFIO_IRQ_SET.UNMASK | VFIO_IRQ_SET.TRIGGER);
    const pins = index === VFIO_PCI_IRQ.INTX ? 1 : 0;
    if (index >= VFIO_PCI_IRQ.COUNT || start + count > pins) {
      throw new Refusal('EINVAL', `there are no interrupts ${start}…${start + count} of kind ${index}`);
    }
    if (action === VFIO_IRQ_SET.TRIGGER && data === VFIO_IRQ_SET.DATA_NONE && count === 0) {
      if (pins > 0) intx.attach(-1);
      return;
    }
    if (count === 0) throw new Refusal('EINVAL', 'an action on no interrupt');
    if (data === VFIO_IRQ_SET.DATA_EVENTFD) {
      if (action !== VFIO_IRQ_SET.TRIGGER) throw new Refusal('EOPNOTSUPP', 'masks are not set by eventfds');
      const [fd] = fds;
      if (fds.length > 1 || (fd !== undefined && !isEventfd(fd))) throw new Refusal('EINVAL', 'it takes one eventfd');
      if (fd !== undefined) keep(fd);
      intx.attach(fd ?? -1);
      return;
    }
    if (data === VFIO_IRQ_SET.DATA_BOOL && dataOf(body, VfioIrqSet.size, count)[0] === 0) return;
    if (data !== VFIO_IRQ_SET.DATA_BOOL && data !== VFIO_IRQ_SET.DATA_NONE)
      throw new Refusal('EINVAL', `flags ${flags}`);
    if (action === VFIO_IRQ_SET.MASK) intx.mask();
    else if (action === VFIO_IRQ_SET.UNMASK) intx.unmask();
    else if (action === VFIO_IRQ_SET.TRIGGER) intx.test();
    else throw new Refusal('EINVAL', `flags ${flags}`);
  }

  #check({ offset, region, count }: Infer<typeof VfioUserRegionAccess>): number {
    const at = Number(offset);
    if (count > MOST_DATA) throw new Refusal('EINVAL', `an access of ${count} bytes`);
    if (at + count > this.#sizeOf(region))
      throw new Refusal('EINVAL', `region ${region} has no ${count} bytes at ${hex(at)}`);
    if (region === VFIO_PCI_REGION.BAR0 && (at % 4 !== 0 || count % 4 !== 0)) {
      throw new Refusal('EINVAL', `registers have 32 bits: ${count} bytes at ${hex(at)}`);
    }
    return at;
  }

  #read(access: Infer<typeof VfioUserRegionAccess>): Uint8Array {
    const at = this.#check(access);
    const { count, region } = access;
    const answer = new Uint8Array(VfioUserRegionAccess.size + count);
    const view = viewOf(answer);
    VfioUserRegionAccess.write(view, 0, access);
    if (region === VFIO_PCI_REGION.CONFIG) answer.set(this.#device.config.read(at, count), VfioUserRegionAccess.size);
    else {
      this.#device.count.reads += count / 4;
      for (let i = 0; i < count; i += 4) {
        view.setUint32(VfioUserRegionAccess.size + i, this.#device.registers.read32(at + i), true);
      }
    }
    return answer;
  }

  #write(access: Infer<typeof VfioUserRegionAccess>, data: Uint8Array): void {
    const at = this.#check(access);
    if (access.region === VFIO_PCI_REGION.CONFIG) {
      this.#device.config.write(at, data);
      this.#device.intx.poke();
      return;
    }
    const view = viewOf(data);
    this.#device.count.writes += data.length / 4;
    for (let i = 0; i < data.length; i += 4) this.#device.registers.write32(at + i, view.getUint32(i, true));
  }

  #writes(body: DataView): Uint8Array {
    const { count } = read(VfioUserWrites, body);
    if (count > MOST_WRITES) throw new Refusal('EINVAL', `${count} writes in one message`);
    for (let i = 0; i < Number(count); i++) {
      const at = VfioUserWrites.size + i * VfioUserWrite.size;
      if (at + VfioUserWrite.size > body.byteLength) throw new Gibberish('a message of writes ends early');
      const write = VfioUserWrite.read(body, at);
      if (write.count > write.data.length) throw new Refusal('EINVAL', `a write of ${write.count} bytes`);
      this.#write(write, write.data.subarray(0, write.count));
    }
    return VfioUserWrites.pack({ count });
  }
}

const hex = (n: number): string => `0x${n.toString(16)}`;

function read<L extends Layout<any>>(layout: L, body: DataView): Infer<L> {
  if (body.byteLength < layout.size) throw new Gibberish(`${layout.name} has ${body.byteLength} bytes`);
  return layout.read(body, 0) as Infer<L>;
}

function dataOf(body: DataView, offset: number, count: number): Uint8Array {
  if (count > MOST_BODY || offset + count > body.byteLength)
    throw new Gibberish(`${count} bytes of data are not there`);
  return new Uint8Array(body.buffer, body.byteOffset + offset, count).slice();
}
