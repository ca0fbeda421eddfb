/**
 * A bench for tests of the virtual GPU: DRAM with page tables written by hand, a booted MCU, and a host that pokes the
 * firmware interface as a driver would. Time is a TestClock's.
 */
import assert from 'node:assert/strict';
import { assembleCs, type CsLine } from '../../abi/gpu/cs.ts';
import {
  CS_REQ,
  CS_STATE,
  CSG_REQ,
  CsConfig,
  CsControl,
  CsgControl,
  CsgInput,
  CsgOutput,
  CsInput,
  CsOutput,
  FW_GROUP_CONTROL_OFFSET,
  FW_SHARED_START,
  FW_STREAM_CONTROL_OFFSET,
  GlbControl,
  GlbInput,
  GlbOutput,
  RingInput,
  RingOutput,
} from '../../abi/gpu/firmware.ts';
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import type { GpuProduct } from '../../abi/gpu/products.ts';
import {
  AS,
  AS_BASE,
  AS_COMMAND,
  AS_MODE,
  AS_STRIDE,
  doorbell,
  GPU,
  GPU_COMMAND,
  JOB,
  MCU,
  MCU_CONTROL,
  MCU_STATUS,
  MMU,
} from '../../abi/gpu/regs.ts';
import { type Layout, viewOf } from '../../abi/layout.ts';
import { TestClock } from '../../board/clock.ts';
import { Dram } from '../../board/dram.ts';
import { IrqLine } from '../../board/irq.ts';
import { recorder } from '../../board/log.ts';
import { readReg, writeReg } from '../../board/mmio.ts';
import type { Units, Work } from '../../mali/contract.ts';
import { MaliGpu } from '../../mali/gpu.ts';
import type { Agents } from '../../mali/mmu/agents.ts';
import { Tables } from './tables.ts';

const DRAM_SIZE = 32 * 1024 * 1024;
/** Bits 48 - VA bits as TRANSCFG wants them. */
const INA_BITS = 55 - 48;

/** A work that is done at once, after calling `fn`. */
export const instant = (fn: () => void = () => {}): Work => ({
  step() {
    fn();
    return 'done';
  },
});

/** Units of which only some are wired; the others fail the test. */
export function unitsOf(some: Partial<Units>): Units {
  const missing = (): never => assert.fail('this unit should not have been started');
  return {
    compute: missing,
    computeIndirect: missing,
    idvs: missing,
    tiling: missing,
    fullscreen: missing,
    finishTiling: missing,
    fragment: missing,
    ...some,
  };
}

/** The GPU on a board, before the MCU has booted. */
export class Rig {
  readonly clock = new TestClock();
  readonly dram = new Dram(DRAM_SIZE);
  readonly record = recorder();
  readonly irqs = {
    job: new IrqLine('job', this.clock),
    mmu: new IrqLine('mmu', this.clock),
    gpu: new IrqLine('gpu', this.clock),
  };
  readonly gpu: MaliGpu;
  readonly firmware = new Tables(this.dram);
  /** Physical address of the shared section. */
  shared = 0;

  constructor(units: Partial<Units> = {}, agents?: Agents, product?: GpuProduct) {
    const { dram, clock, irqs, record } = this;
    this.gpu = new MaliGpu({
      product,
      dram,
      userPage: dram.alloc(4096),
      clock,
      log: record.log,
      irqs,
      units: unitsOf(units),
      agents,
    });
  }

  get log(): string {
    return this.record.lines.join('\n');
  }

  read(register: Parameters<typeof readReg>[1], base = 0): number {
    return readReg(this.gpu, register, base);
  }

  write(register: Parameters<typeof writeReg>[1], value: number, base = 0): void {
    writeReg(this.gpu, register, value, base);
  }

  as(slot: number): number {
    return AS_BASE + slot * AS_STRIDE;
  }

  asCommand(slot: number, command: number): void {
    this.write(AS.COMMAND, command, this.as(slot));
  }

  /** Points an address-space slot to tables. */
  enable(
    slot: number,
    tables: Tables,
    transcfg: Partial<Record<'disableAfFault' | 'wxn' | 'mode', number>> = {},
  ): void {
    this.write(AS.TRANSTAB, tables.root, this.as(slot));
    this.write(
      AS.TRANSCFG,
      AS.TRANSCFG.encode({ mode: AS_MODE.AARCH64_4K, inaBits: INA_BITS, ...transcfg }),
      this.as(slot),
    );
    this.asCommand(slot, AS_COMMAND.UPDATE);
  }

  command(type: number, payload = 0): void {
    this.write(GPU.COMMAND, GPU.COMMAND.encode({ type, payload }));
  }

  reset(payload: number): void {
    this.command(GPU_COMMAND.RESET, payload);
  }

  unmask(): void {
    for (const block of [GPU, JOB, MMU]) this.write(block.IRQ_MASK, 0xffffffff);
  }

  /** Maps a minimal firmware: vectors, stack, shared section of `sharedSize` bytes. */
  loadFirmware(sharedSize = 0xc000): void {
    const code = this.firmware.map(0, PAGE_SIZE, { write: false, execute: true });
    this.dram.view.setUint32(code, 0x00801000, true);
    this.dram.view.setUint32(code + 4, 0x9, true);
    this.firmware.map(0x00800000, PAGE_SIZE);
    this.shared = this.firmware.map(FW_SHARED_START, sharedSize);
    this.enable(0, this.firmware);
  }

  startMcu(): number {
    this.write(GPU.L2_PWRON, 1);
    this.write(MCU.CONTROL, MCU_CONTROL.AUTO);
    this.clock.run();
    return this.read(MCU.STATUS);
  }

  boot(): Host {
    this.loadFirmware();
    assert.equal(this.startMcu(), MCU_STATUS.ENABLED);
    this.write(JOB.IRQ_CLEAR, 0xffffffff);
    return new Host(this);
  }

  /** A struct in the shared section, by its MCU address. */
  at(layout: Layout<any>, va: number): At {
    const base = this.shared + va - FW_SHARED_START;
    const { view } = this.dram;
    return {
      get: (name) => layout.fields[name]!.read(view, base),
      set: (name, value) => layout.fields[name]!.write(view, base, value),
    };
  }
}

/** A struct's fields by name. */
interface At {
  get(name: string): any;
  set(name: string, value: any): void;
}
interface Blocks {
  readonly input: At;
  readonly output: At;
}
export interface GroupBlocks extends Blocks {
  readonly streams: readonly Blocks[];
}

/** Makes doorbell bits differ from their acknowledgement; one that is still unanswered stays so. */
const knock = ({ input, output }: Blocks, bits: number): void =>
  input.set('doorbellReq', ((input.get('doorbellReq') & ~bits) | (~output.get('doorbellAck') & bits)) >>> 0);

/** The driver's side of a booted firmware. */
export class Host {
  readonly rig: Rig;
  readonly global: Blocks;
  readonly groups: readonly GroupBlocks[];

  constructor(rig: Rig) {
    this.rig = rig;
    const control = rig.at(GlbControl, FW_SHARED_START);
    const pair = (block: At, input: Layout<any>, output: Layout<any>): Blocks => ({
      input: rig.at(input, block.get('inputVa')),
      output: rig.at(output, block.get('outputVa')),
    });
    this.global = pair(control, GlbInput, GlbOutput);
    this.groups = Array.from({ length: control.get('groupNum') }, (_, g) => {
      const at = FW_SHARED_START + FW_GROUP_CONTROL_OFFSET + g * control.get('groupStride');
      const group = rig.at(CsgControl, at);
      const streams = Array.from({ length: group.get('streamNum') }, (_, s) =>
        pair(rig.at(CsControl, at + FW_STREAM_CONTROL_OFFSET + s * group.get('streamStride')), CsInput, CsOutput),
      );
      return { ...pair(group, CsgInput, CsgOutput), streams };
    });
  }

  ring(id = 0): void {
    this.rig.gpu.write32(doorbell(id), 1);
  }

  ringGroup(index: number): void {
    knock(this.global, 1 << index);
    this.ring();
  }

  /** Asks a group slot for a state and lets the machine run until it rests. */
  state(index: number, state: number): void {
    const { input } = this.groups[index]!;
    input.set('req', ((input.get('req') & ~CSG_REQ.STATE_MASK) | state) >>> 0);
    this.ringGroup(index);
    this.rig.clock.run();
  }

  /** Takes note of all events of a group, as a driver's interrupt handler does, and says which they were. */
  take(index: number): { group: number; streams: number[] } {
    const { input, output, streams } = this.groups[index]!;
    const group = ((input.get('req') ^ output.get('ack')) & ~CSG_REQ.STATE_MASK) >>> 0;
    input.set('req', ((input.get('req') & CSG_REQ.STATE_MASK) | (output.get('ack') & ~CSG_REQ.STATE_MASK)) >>> 0);
    input.set('csIrqAck', output.get('csIrqReq'));
    return {
      group,
      streams: streams.map((stream) => {
        const events = CS_REQ.FAULT | CS_REQ.FATAL | CS_REQ.TILER_OOM;
        return ((stream.input.get('req') ^ stream.output.get('ack')) & events) >>> 0;
      }),
    };
  }

  /** Answers a stream's events, rings for it and lets the machine run until it rests. */
  answer(index: number, stream: number, bits: number): void {
    this.acknowledge(index, stream, bits);
    this.rig.clock.run();
  }

  /** Answers a stream's events and rings for it. */
  acknowledge(index: number, stream: number, bits: number): void {
    const group = this.groups[index]!;
    const { input, output } = group.streams[stream]!;
    input.set('req', ((input.get('req') & ~bits) | (output.get('ack') & bits)) >>> 0);
    knock(group, 1 << stream);
    this.ringGroup(index);
  }
}

const RING_SIZE = 4096;
export const RING_VA = 0x10000000;
export const CODE_VA = 0x20000000;
export const DATA_VA = 0x30000000;
const RING_BLOCKS_VA = 0x02000000;
const SUSPEND_VA = 0x03000000;
const DOORBELL = 5;

/** A group with its address space: rings at RING_VA, a page of code at CODE_VA, pages of data at DATA_VA. */
export class TestGroup {
  readonly host: Host;
  readonly slot: number;
  readonly tables: Tables;
  readonly code: number;
  readonly data: number;
  readonly #rings: number[] = [];
  readonly #positions: number[] = [];
  readonly #inserts: number[] = [];
  readonly suspendVa: number;
  /** Physical address of the suspend buffer. */
  readonly suspend: number;

  constructor(host: Host, slot = 0, queues = 1) {
    this.host = host;
    this.slot = slot;
    const { rig } = host;
    this.tables = new Tables(rig.dram);
    this.code = this.tables.map(CODE_VA, 4 * PAGE_SIZE);
    this.data = this.tables.map(DATA_VA, 4 * PAGE_SIZE);
    this.suspendVa = SUSPEND_VA + slot * 0x10000;
    this.suspend = rig.firmware.map(this.suspendVa, 8 * PAGE_SIZE);
    for (let i = 0; i < queues; i++) {
      this.#rings.push(this.tables.map(RING_VA + i * RING_SIZE, RING_SIZE));
      this.#positions.push(rig.firmware.map(RING_BLOCKS_VA + (slot * 8 + i) * 2 * PAGE_SIZE, 2 * PAGE_SIZE));
      this.#inserts.push(0);
    }
    rig.asCommand(0, AS_COMMAND.FLUSH_PT);
    rig.enable(slot + 1, this.tables);
  }

  /** Fills in what the firmware must know. `slot` may be another one than at first. */
  program(slot = this.slot, addressSpace = this.slot + 1): void {
    const group = this.host.groups[slot]!;
    this.#rings.forEach((_, i) => {
      const { input } = group.streams[i]!;
      const blocks = RING_BLOCKS_VA + (this.slot * 8 + i) * 2 * PAGE_SIZE;
      input.set('ringbufBase', RING_VA + i * RING_SIZE);
      input.set('ringbufSize', RING_SIZE);
      input.set('ringbufInput', blocks);
      input.set('ringbufOutput', blocks + PAGE_SIZE);
      input.set('config', viewOf(CsConfig.pack({ doorbell: DOORBELL + i })).getUint32(0, true));
      input.set('ackIrqMask', 0xffffffff);
      input.set(
        'req',
        ((input.get('req') & ~CS_REQ.STATE_MASK) | CS_STATE.START | CS_REQ.IDLE_EMPTY | CS_REQ.IDLE_SYNC_WAIT) >>> 0,
      );
      RingInput.fields.extract.write(this.host.rig.dram.view, this.#positions[i]!, this.extract(i));
    });
    group.input.set('config', addressSpace);
    group.input.set('suspendBuf', this.suspendVa);
    group.input.set('ackIrqMask', 0xffffffff);
  }

  start(): void {
    this.program();
    this.host.state(this.slot, 1);
  }

  /** How far the firmware says it has come. */
  extract(queue = 0): number {
    return RingOutput.fields.extract.read(this.host.rig.dram.view, this.#positions[queue]! + PAGE_SIZE);
  }

  inserted(queue = 0): number {
    return this.#inserts[queue]!;
  }

  /** Writes a program to the ring and rings its doorbell; does not run the clock. */
  submit(program: readonly CsLine[], queue = 0): void {
    const { view } = this.host.rig.dram;
    const bytes = viewOf(assembleCs(program));
    for (let i = 0; i < bytes.byteLength; i += 8) {
      view.setBigUint64(
        this.#rings[queue]! + ((this.#inserts[queue]! + i) % RING_SIZE),
        bytes.getBigUint64(i, true),
        true,
      );
    }
    this.#inserts[queue]! += bytes.byteLength;
    RingInput.fields.insert.write(view, this.#positions[queue]!, this.#inserts[queue]!);
    this.host.ring(DOORBELL + queue);
  }

  /** As `submit`, and runs until all is at rest. */
  run(program: readonly CsLine[], queue = 0): void {
    this.submit(program, queue);
    this.host.rig.clock.run();
  }

  /** Writes a program to the code page, `offset` bytes in, and returns its size in bytes. */
  load(program: readonly CsLine[], offset = 0): number {
    const bytes = assembleCs(program);
    this.host.rig.dram.u8.set(bytes, this.code + offset);
    return bytes.length;
  }

  word(offset: number): number {
    return this.host.rig.dram.view.getUint32(this.data + offset, true);
  }

  setWord(offset: number, value: number): void {
    this.host.rig.dram.view.setUint32(this.data + offset, value, true);
  }
}
