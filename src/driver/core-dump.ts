/**
 * CoreDump: what is known of GPU, firmware and groups at the moment when something went wrong, as text, before recovery changes it.
 *
 * It holds registers, the firmware's interface, the slots with their groups, each queue's ring and jobs in flight, the instructions
 * around a command stream's position, and the map of the VMs concerned. It is what Linux hands out as a device core dump
 * (`drivers/base/devcoredump.c`); panthor has none so far, so the form is our own. Clients can cause faults as often as they like, so
 * of each cause only some are told.
 */
import { CS_INSTRUCTION_SIZE, printCs } from '../abi/gpu/cs.ts';
import { CS_REQ, CSG_REQ, CsException, FW_HALT, GLB_REQ } from '../abi/gpu/firmware.ts';
import {
  AS,
  AS_BASE,
  AS_STRIDE,
  exceptionName,
  GPU,
  JOB,
  LATEST_FLUSH_ID,
  MAX_AS,
  MCU,
  MCU_STATUS,
  MMU,
} from '../abi/gpu/regs.ts';
import type { Register } from '../abi/register.ts';
import type { Dram } from '../board/dram.ts';
import { type Mmio, readReg } from '../board/mmio.ts';
import type { Firmware } from './fw/index.ts';
import type { Block, StreamInterface } from './fw/interface.ts';
import type { GpuControl } from './gpu.ts';
import { hex, type Logger } from './log.ts';
import type { PageTable } from './mmu/page-table.ts';
import type { CsgSlot } from './sched/csg-slot.ts';
import type { Group } from './sched/group.ts';
import type { Queue } from './sched/queue.ts';
import type { Scheduler } from './sched/scheduler.ts';
import type { Vm } from './vm.ts';

/** What a dump is made for; a budget each. */
export type DumpCause = 'reset' | 'timeout' | 'fault';

/** A finished dump. */
export interface CoreDump {
  readonly cause: DumpCause;
  /** One sentence. */
  readonly reason: string;
  readonly text: string;
}

/** Dumps of one cause that a device makes in its life. */
const MOST_DUMPS = 16;
/** Lines that one VM's map may take, and instructions shown before and behind a position. */
const MOST_MAPPINGS = 1024;
const NEIGHBOURS = 8;
const MOST_JOBS = 32;

export interface DumpParts {
  readonly mmio: Mmio;
  readonly dram: Dram;
  readonly log: Logger;
  readonly now: () => number;
  /** Registers can be read. */
  readonly awake: () => boolean;
  readonly gpu: GpuControl;
  readonly firmware: Firmware;
  readonly scheduler: Scheduler;
}

export class CoreDumps {
  readonly #sink: ((dump: CoreDump) => void) | undefined;
  readonly #made = new Map<DumpCause, number>();
  #parts: DumpParts | undefined;

  /** `sink` takes what has been made; without one nothing is. */
  constructor(sink: ((dump: CoreDump) => void) | undefined) {
    this.#sink = sink;
  }

  /** From here on there is something to tell. */
  enable(parts: DumpParts): void {
    this.#parts = parts;
  }

  disable(): void {
    this.#parts = undefined;
  }

  /** Takes down how everything stands, unless enough of this cause has been told. */
  make(cause: DumpCause, reason: string): void {
    const made = this.#made.get(cause) ?? 0;
    if (!this.#parts || !this.#sink || made === MOST_DUMPS) return;
    this.#made.set(cause, made + 1);
    this.#sink({ cause, reason, text: `${dump(this.#parts, cause, reason).join('\n')}\n` });
    if (made + 1 === MOST_DUMPS) this.#parts.log('warn', `no more core dumps are made for a ${cause}`);
  }
}

function dump(parts: DumpParts, cause: DumpCause, reason: string): string[] {
  const { gpu, firmware, scheduler } = parts;
  const { version } = firmware.interface;
  const lines = [
    '==== Tyr core dump ====',
    `cause: ${cause}`,
    `reason: ${reason}`,
    `time: ${(parts.now() / 1e9).toFixed(6)} s`,
    `gpu: ${gpu.name}, GPU_ID ${hex(gpu.properties.gpuId, 8)}`,
    `firmware: interface v${version.major}.${version.minor}.${version.patch}`,
    `jobs: ${scheduler.stats.jobs} done, ${scheduler.stats.faults} faults`,
  ];
  const section = (title: string, body: readonly string[]): void => {
    lines.push('', `==== ${title} ====`, ...body);
  };
  section('registers', parts.awake() ? registers(parts.mmio) : ['the GPU sleeps']);
  section('firmware: global interface', globalInterface(firmware));
  const outside = new Set(scheduler.groups());
  const vms = new Set<Vm>();
  for (const slot of scheduler.slots) {
    if (!slot.group) continue;
    outside.delete(slot.group);
    vms.add(slot.group.vm);
    section(`group slot ${slot.id}`, slotLines(parts.dram, slot, slot.group));
  }
  for (const group of outside) {
    const busy = group.queues.some((queue) => queue.busy);
    if (busy) vms.add(group.vm);
    section('group outside the slots', groupLines(parts.dram, group, undefined));
  }
  let number = 0;
  for (const vm of vms) section(`VM ${number++} of ${pidsOf(scheduler, vm)}`, vmLines(vm));
  return lines;
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** Registers that are only ever written, or whose reading says nothing. */
const WRITE_ONLY = /_CLEAR$|COMMAND$|PWRON$|PWROFF$/;

function registerLine(mmio: Mmio, register: Register<any>, base: number): string {
  const value = readReg(mmio, register, base);
  const fields = Object.entries(register.decode(value)).map(([name, field]) => `${name} ${field}`);
  const text = fields.length > 0 ? `  ${fields.join(', ')}` : '';
  return `${hex(base + register.offset, 5)} ${register.name.padEnd(26)} ${hex(value, register.width / 4)}${text}`;
}

function registers(mmio: Mmio): string[] {
  const readable = (block: Record<string, Register<any>>): Register<any>[] =>
    Object.values(block).filter(({ name }) => !WRITE_ONLY.test(name));
  const lines = [GPU, MCU, JOB, MMU].flatMap((block) => readable(block).map((each) => registerLine(mmio, each, 0)));
  lines.push(registerLine(mmio, LATEST_FLUSH_ID, 0));
  const present = readReg(mmio, GPU.AS_PRESENT);
  for (let slot = 0; slot < MAX_AS; slot++) {
    if ((present & (1 << slot)) === 0) continue;
    const base = AS_BASE + slot * AS_STRIDE;
    if (readReg(mmio, AS.TRANSTAB, base) === 0 && readReg(mmio, AS.STATUS, base) === 0) continue;
    lines.push(`address space ${slot}:`);
    // MEMATTR's 64 bits are bytes, not a number.
    lines.push(
      ...indent(
        readable(AS)
          .filter(({ name }) => name !== AS.MEMATTR.name)
          .map((each) => registerLine(mmio, each, base)),
      ),
    );
  }
  const status = readReg(mmio, MCU.STATUS);
  const name = Object.entries(MCU_STATUS).find(([, value]) => value === status)?.[0];
  lines.push(`the microcontroller's status is ${name ?? 'unknown'}`);
  return lines;
}

/** Names of the bits of `mask` that are set in `value`. */
function bitNames(bits: Readonly<Record<string, number>>, value: number): string {
  const names = Object.entries(bits).filter(([name, bit]) => !name.endsWith('MASK') && (value & bit) !== 0);
  return names.length > 0 ? names.map(([name]) => name).join(' ') : 'none';
}

function blockLines(block: Block<any>): string[] {
  return block.print().filter((line) => !/^reserved|: (0|0x0)$/.test(line));
}

function pairLines(pair: { input: Block<any>; output: Block<any> }, bits: Readonly<Record<string, number>>): string[] {
  const open = ((pair.input.get('req') as number) ^ (pair.output.get('ack') as number)) >>> 0;
  return [
    `req and ack differ in: ${bitNames(bits, open)}`,
    'input (the driver’s):',
    ...indent(blockLines(pair.input)),
    'output (the firmware’s):',
    ...indent(blockLines(pair.output)),
  ];
}

function globalInterface(firmware: Firmware): string[] {
  const glb = firmware.interface;
  const halted = glb.output.get('haltStatus');
  const why = Object.entries(FW_HALT).find(([, value]) => value === halted)?.[0] ?? 'unknown';
  return [`halt status: ${hex(halted)} (${why})`, ...pairLines(glb, GLB_REQ), ...firmware.describeSections()];
}

function groupLines(dram: Dram, group: Group, slot: CsgSlot | undefined): string[] {
  const { cores } = group;
  const marks = [
    group.timedOut && 'timed out',
    group.innocent && 'innocent',
    group.destroyed && 'destroyed',
    group.idle && 'idle',
  ].filter((mark) => mark !== false);
  const lines = [
    `pid ${group.pid}, priority ${group.priority}, state ${group.state}${marks.length > 0 ? `, ${marks.join(', ')}` : ''}`,
    `queues: idle ${hex(group.idleQueues)}, blocked ${hex(group.blockedQueues)}, fatal ${hex(group.fatalQueues)}`,
    `cores: compute ${hex(cores.computeMask)}, fragment ${hex(cores.fragmentMask)}, tiler ${hex(cores.tilerMask)}`,
    `suspend buffer ${hex(group.buffers.suspend.va)}, syncobjs ${hex(group.buffers.syncobjs.va)}`,
  ];
  for (const queue of group.queues) {
    lines.push(`queue ${queue.index}:`, ...indent(queueLines(dram, group, queue, slot?.stream(queue.index))));
  }
  return lines;
}

function slotLines(dram: Dram, slot: CsgSlot, group: Group): string[] {
  return [`slot priority ${slot.priority}`, ...pairLines(slot.interface, CSG_REQ), ...groupLines(dram, group, slot)];
}

function queueLines(dram: Dram, group: Group, queue: Queue, stream: StreamInterface | undefined): string[] {
  const { table } = group.vm.space;
  const insert = queue.input.get('insert');
  const extract = queue.output.get('extract');
  const lines = [
    `ring ${hex(queue.ring.va)}, ${queue.ring.size} bytes: inserted ${insert}, extracted ${extract}, active ${queue.output.get('active')}`,
    `done up to job ${queue.completedSeqno}; in flight: ${queue.jobs.length}`,
  ];
  for (const job of queue.jobs.slice(0, MOST_JOBS)) {
    lines.push(
      `  job ${job.seqno}: ring ${job.start} to ${job.end}, stream ${hex(job.call.start)}, ${job.call.size} bytes`,
    );
  }
  if (queue.syncWait && (group.blockedQueues & (1 << queue.index)) !== 0) {
    const { va, reference, greater } = queue.syncWait;
    lines.push(`waits for the value at ${hex(va)} to be ${greater ? 'above' : 'at most'} ${reference}`);
  }
  if (stream) lines.push(...streamLines(stream));
  const inRing = extract % queue.ring.size;
  if (insert !== extract) {
    lines.push('instructions around the ring’s position:');
    lines.push(...indent(around(dram, table, queue.ring.va + inRing, queue.ring.va, queue.ring.va + queue.ring.size)));
  }
  const position = stream?.output.get('statusCmdPtr') ?? 0;
  for (const { seqno, call } of queue.jobs.slice(0, 1)) {
    const end = call.start + call.size;
    const within = position >= call.start && position < end;
    lines.push(
      within ? `instructions around its position in job ${seqno}:` : `the first instructions of job ${seqno}:`,
    );
    lines.push(...indent(around(dram, table, within ? position : call.start, call.start, end)));
  }
  if (position !== 0) {
    lines.push('instructions around the position at the last status update:');
    lines.push(...indent(around(dram, table, position, 0, 2 ** 48)));
  }
  return lines;
}

function streamLines(stream: StreamInterface): string[] {
  const lines = pairLines(stream, CS_REQ);
  const word = new DataView(new ArrayBuffer(4));
  for (const kind of ['fault', 'fatal'] as const) {
    const value = stream.output.get(kind);
    if (value === 0) continue;
    word.setUint32(0, value, true);
    const { type, data } = CsException.read(word, 0);
    lines.push(`last ${kind}: ${exceptionName(type)}, data ${hex(data)}, at ${hex(stream.output.get(`${kind}Info`))}`);
  }
  return lines;
}

/** The instructions next to `at`, as far as they lie in [start, end). */
function around(dram: Dram, table: PageTable, at: number, start: number, end: number): string[] {
  const lines: string[] = [];
  const span = NEIGHBOURS * CS_INSTRUCTION_SIZE;
  const first = Math.max(start + ((at - start) % CS_INSTRUCTION_SIZE), at - span);
  for (let va = first; va < Math.min(end, at + span); va += CS_INSTRUCTION_SIZE) {
    const physical = table.translate(va);
    const there = physical !== undefined && physical + CS_INSTRUCTION_SIZE <= dram.size;
    lines.push(`${va === at ? '>' : ' '} ${hex(va, 12)}  ${there ? printCs(dram.view, physical) : 'not mapped'}`);
  }
  return lines;
}

const pidsOf = (scheduler: Scheduler, vm: Vm): string => {
  const pids = new Set([...scheduler.groups()].filter((group) => group.vm === vm).map(({ pid }) => pid));
  return `pid ${[...pids].join(', ')}`;
};

function vmLines(vm: Vm): string[] {
  const { mappings } = vm.mappings;
  const marks = [vm.unusable && 'unusable', vm.destroyed && 'destroyed', vm.space.faulted && 'faulted'];
  const lines = [
    `user range ${hex(vm.userRange)}, page table at ${hex(vm.space.table.root)}, ${vm.space.table.tables} tables` +
      `${marks
        .filter((mark) => mark !== false)
        .map((mark) => `, ${mark}`)
        .join('')}`,
  ];
  for (const { va, size, object, offset, data } of mappings.slice(0, MOST_MAPPINGS)) {
    const flags = `${data.readOnly ? 'r-' : 'rw'}${data.noExecute ? '-' : 'x'}${data.cached ? '' : ' uncached'}${data.sparse ? ' sparse' : ''}`;
    const label = object?.label ? ` ${JSON.stringify(object.label)}` : '';
    lines.push(
      `${hex(va, 12)}-${hex(va + size, 12)} ${flags} buffer of ${object?.size ?? 0} bytes + ${hex(offset)}${label}`,
    );
  }
  if (mappings.length > MOST_MAPPINGS) lines.push(`… and ${mappings.length - MOST_MAPPINGS} more`);
  return lines;
}
