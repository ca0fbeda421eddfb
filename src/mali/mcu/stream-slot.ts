/**
 * StreamSlot: one stream of a group slot as the firmware's interface shows it.
 *
 * It starts and stops the command stream behind it, takes the host's answers to it (fault seen, heap chunk) and gives the
 * stream what it needs of the host: the ring's insert position, and events. Positions in the ring are bytes that never
 * wrap; the firmware writes back how far it has come.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_sched.c` (cs_slot_prog_locked, cs_slot_process_*_locked).
 */

import { CS_CONDITION, CS_INSTRUCTION_SIZE } from '../../abi/gpu/cs.ts';
import {
  CS_BLOCKED,
  CS_REQ,
  CS_STATE,
  CS_WAIT_CONDITION,
  CS_WAIT_SB_SOURCE,
  CsConfig,
  CsException,
  CsStatusWait,
  RingInput,
  RingOutput,
} from '../../abi/gpu/firmware.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { SuspendStream } from '../../abi/gpu/suspend.ts';
import { HEAP_CONTEXT_SIZE, HeapContext } from '../../abi/gpu/tiler-heap.ts';
import type { Runner } from '../csu/front-end.ts';
import { CommandStream, STREAM_STATE, type StreamHost } from '../csu/stream.ts';
import { restoreStream, saveStream } from '../csu/suspend.ts';
import type { GroupSlot } from './group-slot.ts';
import { Block, packWord, type StreamBlocks, streamBlocks, unpackWord } from './interface.ts';

/** Bits of `req` by which the host configures the stream; they are acknowledged as they are. */
const CONFIGURATION =
  CS_REQ.STATE_MASK |
  CS_REQ.EXTRACT_EVENT |
  CS_REQ.IDLE_SYNC_WAIT |
  CS_REQ.IDLE_PROTM_PENDING |
  CS_REQ.IDLE_EMPTY |
  CS_REQ.IDLE_RESOURCE_REQ;
const EVENTS = CS_REQ.TILER_OOM | CS_REQ.PROTM_PENDING | CS_REQ.FATAL | CS_REQ.FAULT;

export class StreamSlot implements StreamHost, Runner {
  readonly index: number;
  readonly name: string;
  readonly #group: GroupSlot;
  readonly #blocks: StreamBlocks;
  #ringInput: Block<(typeof RingInput)['fields']> | undefined;
  #ringOutput: Block<(typeof RingOutput)['fields']> | undefined;
  #stream: CommandStream | undefined;
  #doorbell = 0;
  /** The stream's activity when it last had a turn. */
  #activity = 0;

  constructor(group: GroupSlot, index: number) {
    this.#group = group;
    this.index = index;
    this.name = `CSG ${group.index} CS ${index}`;
    this.#blocks = streamBlocks(group.mcu.memory, group.index, index);
  }

  /** The running stream. */
  get stream(): CommandStream {
    if (!this.#stream) throw new Error(`${this.name} is not started`);
    return this.#stream;
  }

  get started(): boolean {
    return this.#stream !== undefined;
  }

  /** The doorbell page that the host has given the stream when it was started. */
  get doorbell(): number {
    return this.#doorbell;
  }

  /** Whether the host asks for the stream to run. */
  get wanted(): boolean {
    return (this.#blocks.input.get('req') & CS_REQ.STATE_MASK) === CS_STATE.START;
  }

  /** Begins at the position that the host says. */
  start(): void {
    if (!this.#connect()) return;
    const { input } = this.#blocks;
    this.#stream = new CommandStream(
      this,
      input.get('ringbufBase'),
      input.get('ringbufSize'),
      this.#ringInput!.get('extract'),
    );
    this.#enter();
  }

  /** Takes a stream up where it was suspended. `kept`: what the endpoints have kept of it. */
  resume(record: number, kept: CommandStream | undefined): void {
    if (!this.#connect()) return;
    const { input } = this.#blocks;
    const saved = this.#group.mcu.memory.decode(SuspendStream, record);
    const stream = kept ?? new CommandStream(this, input.get('ringbufBase'), input.get('ringbufSize'), 0);
    stream.host = this;
    if (!restoreStream(stream, saved)) {
      this.#fail(`the suspend buffer does not hold the state of stream ${this.index}`);
      return;
    }
    this.#stream = stream;
    this.#enter();
    if (saved.scoreboards !== 0 && !kept) {
      this.log('error', 'mali-mcu', `${this.name}: works that were in flight at the suspend are gone`);
      stream.raise(EXCEPTION.CS_RES_TERM, 0);
    }
    stream.shortage.askAgain();
  }

  /** Writes the stream's state to the suspend buffer, stops it here and hands over what the endpoints keep. */
  suspend(record: number): CommandStream {
    const { stream } = this;
    this.#group.mcu.memory.encode(SuspendStream, record, saveStream(stream));
    this.writeStatus();
    this.#leave();
    return stream;
  }

  stop(): void {
    if (!this.#stream) return;
    this.#stream.abandon();
    this.#leave();
  }

  drop(): void {
    this.#stream?.abandon();
    this.#stream = undefined;
  }

  /** The host has rung: it has changed requests, answered events or filled the ring. */
  process(): void {
    const { input, output } = this.#blocks;
    const req = input.get('req');
    if (this.wanted && !this.#stream) this.start();
    else if (!this.wanted) this.stop();
    const stream = this.#stream;
    if (stream) {
      const answered = ~(req ^ output.get('ack'));
      if (answered & CS_REQ.FAULT) stream.acknowledgeFault();
      if (answered & CS_REQ.TILER_OOM && stream.shortage.asksHost) {
        stream.shortage.answer(input.get('heapStart'), input.get('heapEnd'));
      }
    }
    this.#acknowledge(req);
    this.#stream?.wake();
  }

  /** The ring or memory that the stream waits for may have changed. */
  kick(): void {
    const stream = this.#stream;
    if (stream && !(stream.blocked === undefined && stream.empty)) stream.wake();
  }

  #acknowledge(req: number): void {
    const ack = this.#blocks.output.get('ack');
    this.#blocks.output.set('ack', ((ack & ~CONFIGURATION) | (req & CONFIGURATION)) >>> 0);
  }

  /** Finds the ring's positions. False, and a fatal error for the host, if the configuration makes no sense. */
  #connect(): boolean {
    const { input, output } = this.#blocks;
    const { memory } = this.#group.mcu;
    // Events of the slot's last stream are of no interest.
    const req = input.get('req');
    output.set('ack', ((output.get('ack') & ~EVENTS) | (req & EVENTS)) >>> 0);
    this.#acknowledge(req);
    const size = input.get('ringbufSize');
    const base = input.get('ringbufBase');
    if (size < CS_INSTRUCTION_SIZE || Math.log2(size) % 1 !== 0 || base % CS_INSTRUCTION_SIZE !== 0) {
      return this.#fail(`no ring buffer can be ${size} bytes at 0x${base.toString(16)}`);
    }
    this.#doorbell = unpackWord(CsConfig, input.get('config')).doorbell;
    const ringInput = input.get('ringbufInput');
    const ringOutput = input.get('ringbufOutput');
    if (!memory.probe(ringInput, RingInput.size, 'read') || !memory.probe(ringOutput, RingOutput.size, 'write')) {
      return this.#fail('the blocks of ring buffer positions are not mapped');
    }
    this.#ringInput = new Block(memory, RingInput, ringInput);
    this.#ringOutput = new Block(memory, RingOutput, ringOutput);
    return true;
  }

  #fail(message: string): false {
    this.log('error', 'mali-mcu', `${this.name}: ${message}`);
    this.reportFatal(EXCEPTION.CS_CONFIG_FAULT, 0, 0);
    return false;
  }

  #enter(): void {
    this.#ringOutput!.set('active', 1);
    this.#group.mcu.frontEnd.add(this);
  }

  #leave(): void {
    this.#group.mcu.frontEnd.remove(this);
    this.#publish();
    this.#ringOutput!.set('active', 0);
    this.#stream = undefined;
  }

  #publish(): void {
    this.#ringOutput!.set('extract', this.stream.ringPosition);
  }

  /** Nothing to do, by what the host counts as nothing. */
  get idle(): boolean {
    const stream = this.#stream;
    if (!stream || stream.state === STREAM_STATE.DEAD) return true;
    if (stream.state === STREAM_STATE.FAULTED) return false;
    const req = this.#blocks.input.get('req');
    if (req & CS_REQ.IDLE_EMPTY && stream.empty) return true;
    return (req & CS_REQ.IDLE_SYNC_WAIT) !== 0 && stream.blocked?.kind === 'sync' && stream.scoreboard.empty;
  }

  /** What STATUS_UPDATE and SUSPEND leave for the host. */
  writeStatus(): void {
    const { output } = this.#blocks;
    const stream = this.#stream;
    const blocked = stream?.blocked;
    const wait = blocked?.kind === 'sync' ? blocked.wait : undefined;
    const value = wait?.value ?? 0n;
    output.set('statusCmdPtr', stream?.address ?? 0);
    output.set('statusReqResource', stream?.resources ?? 0);
    output.set('statusScoreboards', stream?.scoreboard.busy ?? 0);
    output.set('statusWaitSyncPtr', wait?.address ?? 0);
    output.set('statusWaitSyncValue', Number(BigInt.asUintN(32, value)));
    output.set('statusWaitSyncValueHi', Number(value / 2n ** 32n));
    output.set('statusBlockedReason', stream ? reasonOf(stream) : CS_BLOCKED.UNBLOCKED);
    output.set(
      'statusWait',
      packWord(CsStatusWait, {
        sbMask: blocked?.kind === 'scoreboard' ? blocked.mask : 0,
        sbSource: blocked?.kind === 'scoreboard' ? CS_WAIT_SB_SOURCE.WAIT : CS_WAIT_SB_SOURCE.NONE,
        progress: blocked?.kind === 'progress' ? 1 : 0,
        sync: wait ? 1 : 0,
        sync64: wait?.wide ? 1 : 0,
        syncCondition: wait?.condition === CS_CONDITION.gt ? CS_WAIT_CONDITION.GT : CS_WAIT_CONDITION.LE,
      }),
    );
  }

  // Runner.

  get priority(): number {
    return this.#group.priority;
  }

  get addressSpace(): number | undefined {
    return this.#group.addressSpace;
  }

  paused(): boolean {
    return this.#group.paused;
  }

  settled(): void {
    if (!this.#stream) return;
    this.#publish();
    const { activity } = this.#stream;
    if (activity !== this.#activity) this.#group.stir();
    this.#activity = activity;
    if (this.#group.mcu.faults.strikes('stream-lost')) this.#stream.lose();
    this.#group.checkIdle();
  }

  // StreamHost.

  get dram() {
    return this.#group.mcu.dram;
  }

  get memory() {
    return this.#group.memory;
  }

  get units() {
    return this.#group.mcu.units;
  }

  get log() {
    return this.#group.mcu.log;
  }

  get instructions() {
    return this.#group.mcu.instructions;
  }

  timestamp(): number {
    return this.#group.mcu.control.timestamp;
  }

  cycleCount(): number {
    return this.#group.mcu.control.cycleCount;
  }

  flushCaches(latestFlushId: number): void {
    const { control } = this.#group.mcu;
    if (latestFlushId !== 0 && latestFlushId !== control.flushId) return;
    control.flushCaches();
  }

  ringInsert(): number {
    return this.#ringInput!.get('insert');
  }

  progressOf(stream: number): number | undefined {
    const slot = this.#group.streams[stream];
    return slot?.started ? slot.stream.progress : undefined;
  }

  syncWritten(system: boolean): void {
    this.#group.mcu.frontEnd.syncWritten();
    if (system) this.#group.syncUpdate();
  }

  progressed(): void {
    for (const slot of this.#group.streams) if (slot.started) slot.stream.wakeProgress();
  }

  heapStreams(heapContext: number): readonly CommandStream[] {
    if (heapContext === 0) return [];
    const started = this.#group.streams.filter((slot) => slot.started).map((slot) => slot.stream);
    return started.filter((stream) => stream.heapContext === heapContext);
  }

  heapReleased(heapContext: number): void {
    this.#group.heapReleased(heapContext);
  }

  workProgressed(): void {
    this.#group.workProgressed();
  }

  reportFault(code: number, data: number, info: number): void {
    this.#publish();
    this.#blocks.output.set('fault', packWord(CsException, { type: code, data }));
    this.#blocks.output.set('faultInfo', info);
    this.#event(CS_REQ.FAULT);
  }

  reportFatal(code: number, data: number, info: number): void {
    if (this.#stream) this.#publish();
    this.#blocks.output.set('fatal', packWord(CsException, { type: code, data }));
    this.#blocks.output.set('fatalInfo', info);
    this.#event(CS_REQ.FATAL);
  }

  reportShortage(heapContext: number): void {
    const { output } = this.#blocks;
    const mapped = heapContext !== 0 && this.#group.memory.probe(heapContext, HEAP_CONTEXT_SIZE, 'read');
    const context = mapped ? this.#group.memory.decode(HeapContext, heapContext) : undefined;
    output.set('heapVtStart', context?.vtStart ?? 0);
    output.set('heapVtEnd', context?.vtEnd ?? 0);
    output.set('heapFragEnd', context?.fragEnd ?? 0);
    output.set('heapAddress', heapContext);
    this.#event(CS_REQ.TILER_OOM);
  }

  schedule(): void {
    this.#group.mcu.frontEnd.schedule();
  }

  /** Shows an event, unless the host has not yet seen the last one of its kind. */
  #event(bit: number): void {
    const { input, output } = this.#blocks;
    if (((input.get('req') ^ output.get('ack')) & bit) === 0) output.toggle('ack', bit);
    if (input.get('ackIrqMask') & bit) this.#group.streamInterrupt(this.index);
  }
}

/** CsOutput.statusBlockedReason. */
function reasonOf(stream: CommandStream): number {
  switch (stream.blocked?.kind) {
    case 'scoreboard':
      return CS_BLOCKED.SB_WAIT;
    case 'sync':
      return CS_BLOCKED.SYNC_WAIT;
    case 'progress':
      return CS_BLOCKED.PROGRESS_WAIT;
    case 'full':
      return CS_BLOCKED.DEFERRED;
    case undefined:
      return CS_BLOCKED.UNBLOCKED;
  }
}
