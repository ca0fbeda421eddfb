/**
 * GroupSlot: one of the firmware's group slots: the state of the group in it, and its requests and events.
 *
 * START begins all streams afresh; SUSPEND writes their state to the group's suspend buffer and frees the slot; RESUME
 * takes it from there, in this slot or another, in this address-space slot or another; TERMINATE drops everything.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_sched.c`.
 */
import { CSG_REQ, CSG_STATE, CSG_STATUS_STATE_IS_IDLE, CsgEndpointReq } from '../../abi/gpu/firmware.ts';
import { STREAMS } from '../../abi/gpu/firmware-places.ts';
import { SUSPEND_MAGIC, SuspendHeader, suspendOffset } from '../../abi/gpu/suspend.ts';
import { Laps, type Timer } from '../../board/clock.ts';
import type { CommandStream } from '../csu/stream.ts';
import type { GpuMemory } from '../mmu/memory.ts';
import type { Mcu } from './index.ts';
import { type GroupBlocks, groupBlocks, SUSPEND_SIZE, unpackWord } from './interface.ts';
import { StreamSlot } from './stream-slot.ts';

/** What stays on the GPU of a group that was suspended: its view of memory, and its streams' works in flight. */
export interface Kept {
  readonly generation: number;
  readonly memory: GpuMemory;
  readonly streams: readonly (CommandStream | undefined)[];
}

const NS = 1e9;
/** Looks at works' progress in the time after which a group without any is reported. */
const LOOKS = 8;

export class GroupSlot {
  readonly mcu: Mcu;
  readonly index: number;
  readonly streams: readonly StreamSlot[];
  readonly #blocks: GroupBlocks;
  /** The running group's view of memory; else one that faults. */
  #memory: GpuMemory;
  readonly #nowhere: GpuMemory;
  /** As the host has set it with the group's endpoints. */
  priority = 0;
  #running = false;
  #idle = false;
  /** Whether the group's works have got on since the last look. */
  #progressed = false;
  #progressTimer: Timer | undefined;
  /** It answers no requests any more. */
  #stuck = false;

  constructor(mcu: Mcu, index: number) {
    this.mcu = mcu;
    this.index = index;
    this.#blocks = groupBlocks(mcu.memory, index);
    this.#nowhere = mcu.mmu.view();
    this.#memory = this.#nowhere;
    this.streams = Array.from({ length: STREAMS }, (_, stream) => new StreamSlot(this, stream));
  }

  /** The group's address space. */
  get memory(): GpuMemory {
    return this.#memory;
  }

  get running(): boolean {
    return this.#running;
  }

  get idle(): boolean {
    return !this.#running || this.#idle;
  }

  /** The address-space slot of its VM. */
  get addressSpace(): number | undefined {
    return this.#memory.source?.slot;
  }

  /** Its address space is being changed. */
  get paused(): boolean {
    const slot = this.addressSpace;
    return slot !== undefined && this.mcu.mmu.isLocked(slot);
  }

  /** The host has rung for this group. */
  process(): void {
    const { input, output } = this.#blocks;
    const req = input.get('req');
    const open = req ^ output.get('ack');
    if (this.#fails(open)) return;
    let done = 0;
    if (open & CSG_REQ.STATE_MASK && !this.#ignores(req)) {
      this.#changeState(req & CSG_REQ.STATE_MASK);
      done |= CSG_REQ.STATE_MASK;
    }
    if (open & CSG_REQ.ENDPOINT_CONFIG) {
      const endpoints = input.get('endpointReq');
      output.set('statusEndpointReq', endpoints);
      output.set('statusEndpointCurrent', endpoints);
      this.priority = unpackWord(CsgEndpointReq, endpoints).priority;
      this.mcu.frontEnd.order();
      done |= CSG_REQ.ENDPOINT_CONFIG;
    }
    const rung = input.get('doorbellReq');
    const doorbells = rung ^ output.get('doorbellAck');
    output.set('doorbellAck', rung);
    if (this.#running) {
      for (const stream of this.streams) {
        if ((doorbells >> stream.index) & 1) stream.process();
        else stream.kick();
      }
    }
    if (open & CSG_REQ.STATUS_UPDATE) {
      for (const stream of this.streams) if (stream.started) stream.writeStatus();
      done |= CSG_REQ.STATUS_UPDATE;
    }
    if (done === 0) return;
    output.set('ack', ((output.get('ack') & ~done) | (req & done)) >>> 0);
    if (input.get('ackIrqMask') & done & open) this.mcu.interrupt(this.index);
  }

  /** Whether a fault has made the slot deaf. */
  #fails(open: number): boolean {
    if (open !== 0 && !this.#stuck && this.mcu.faults.strikes('group-stuck')) this.#stuck = true;
    return this.#stuck;
  }

  #ignores(req: number): boolean {
    return (req & CSG_REQ.STATE_MASK) === CSG_STATE.SUSPEND && this.mcu.faults.strikes('suspend-ignored');
  }

  #changeState(state: number): void {
    switch (state) {
      case CSG_STATE.START:
        this.terminate();
        this.#begin(undefined);
        this.mcu.forget(this.#blocks.input.get('suspendBuf'));
        for (const stream of this.streams) if (stream.wanted) stream.start();
        break;
      case CSG_STATE.RESUME:
        this.terminate();
        this.#resume();
        break;
      case CSG_STATE.SUSPEND:
        this.#suspend();
        break;
      case CSG_STATE.TERMINATE:
        this.terminate();
        break;
      default:
        this.mcu.log('error', 'mali-mcu', `CSG ${this.index}: state ${state} is none`);
    }
    this.mcu.checkIdle();
  }

  /** `kept`: the group's own view, if its works have kept it. */
  #begin(kept: GpuMemory | undefined): void {
    const { mmu } = this.mcu;
    const addressSpace = this.#blocks.input.get('config');
    if (kept) mmu.bind(kept, addressSpace);
    this.#memory = kept ?? mmu.take(addressSpace);
    this.#running = true;
    this.#setIdle(false);
    this.#watchProgress();
  }

  /** Stops everything and forgets it. */
  terminate(): void {
    for (const stream of this.streams) stream.stop();
    this.#end();
  }

  /** Forgets everything without a trace in memory: the firmware is gone. */
  drop(): void {
    this.#stuck = false;
    for (const stream of this.streams) stream.drop();
    this.#end();
  }

  /** `keeps`: works in flight go on to use the view. */
  #end(keeps = false): void {
    if (keeps) this.mcu.mmu.bind(this.#memory, undefined);
    else if (this.#memory !== this.#nowhere) this.mcu.mmu.give(this.#memory);
    this.#memory = this.#nowhere;
    this.#running = false;
    this.#progressTimer?.cancel();
    this.#progressTimer = undefined;
  }

  #suspend(): void {
    if (!this.#running) return;
    const buffer = this.#blocks.input.get('suspendBuf');
    const { memory } = this.mcu;
    if (!memory.probe(buffer, SUSPEND_SIZE, 'write')) {
      this.mcu.log(
        'error',
        'mali-mcu',
        `CSG ${this.index}: the suspend buffer at 0x${buffer.toString(16)} is not mapped`,
      );
      this.terminate();
      return;
    }
    const generation = this.mcu.nextGeneration();
    let started = 0;
    const streams = this.streams.map((slot) => {
      if (!slot.started) return undefined;
      started |= 1 << slot.index;
      const stream = slot.suspend(buffer + suspendOffset(slot.index));
      return stream.scoreboard.empty ? undefined : stream;
    });
    memory.encode(SuspendHeader, buffer, { magic: SUSPEND_MAGIC, streams: started, generation });
    const view = this.#memory;
    const keeps = streams.some((stream) => stream);
    this.#end(keeps);
    if (keeps) this.mcu.keep(buffer, { generation, memory: view, streams });
  }

  #resume(): void {
    const buffer = this.#blocks.input.get('suspendBuf');
    const { memory } = this.mcu;
    const header = memory.probe(buffer, SUSPEND_SIZE, 'read') ? memory.decode(SuspendHeader, buffer) : undefined;
    if (header?.magic !== SUSPEND_MAGIC) {
      this.mcu.log('error', 'mali-mcu', `CSG ${this.index}: no suspended group at 0x${buffer.toString(16)}`);
      this.#begin(undefined);
      return;
    }
    const kept = this.mcu.kept.get(buffer);
    this.mcu.kept.delete(buffer);
    const own = kept?.generation === header.generation ? kept : undefined;
    if (!own) for (const stream of kept?.streams ?? []) stream?.abandon();
    this.#begin(own?.memory);
    for (const slot of this.streams) {
      if ((header.streams >> slot.index) & 1) slot.resume(buffer + suspendOffset(slot.index), own?.streams[slot.index]);
      else if (slot.wanted) slot.start();
    }
  }

  // Events.

  /** A sync object that the host cares about was written. */
  syncUpdate(): void {
    this.#event(CSG_REQ.SYNC_UPDATE);
  }

  /** A stream has something for the host. */
  streamInterrupt(stream: number): void {
    const { input, output } = this.#blocks;
    const bit = 1 << stream;
    if (((output.get('csIrqReq') ^ input.get('csIrqAck')) & bit) === 0) output.toggle('csIrqReq', bit);
    this.mcu.interrupt(this.index);
  }

  heapReleased(heapContext: number): void {
    this.mcu.frontEnd.heapReleased(this.addressSpace, heapContext);
  }

  /** After a turn of one of its streams: has the group come to rest, or begun again? */
  checkIdle(): void {
    if (!this.#running) return;
    const idle = this.streams.every((stream) => stream.idle);
    if (idle === this.#idle) return;
    this.#setIdle(idle);
    if (idle) this.#event(CSG_REQ.IDLE);
    this.mcu.checkIdle();
  }

  /** A stream has done something. */
  stir(): void {
    if (!this.#idle) return;
    this.#setIdle(false);
    this.mcu.checkIdle();
  }

  #setIdle(idle: boolean): void {
    this.#idle = idle;
    this.#blocks.output.set('statusState', idle ? CSG_STATUS_STATE_IS_IDLE : 0);
  }

  #event(bit: number): void {
    const { input, output } = this.#blocks;
    if (((input.get('req') ^ output.get('ack')) & bit) === 0) output.toggle('ack', bit);
    if (input.get('ackIrqMask') & bit) this.mcu.interrupt(this.index);
  }

  // The progress timer: works of which no piece comes to its end.

  workProgressed(): void {
    this.mcu.frontEnd.pieces++;
    this.#progressed = true;
  }

  #watchProgress(): void {
    this.#progressTimer?.cancel();
    const limit = (this.mcu.progressLimit * NS) / this.mcu.control.rate;
    if (limit === 0) return;
    const laps = new Laps(this.mcu.clock);
    let stuck = 0;
    const look = (): void =>
      this.mcu.guard(() => {
        // Works on other threads are looked at now and then: nobody tells when they have got on.
        for (const slot of this.streams) if (slot.started) slot.stream.lookAtProgress();
        stuck += laps.lap();
        if (this.#progressed || this.streams.every((slot) => !slot.started || slot.stream.endpoints.empty)) stuck = 0;
        this.#progressed = false;
        if (stuck >= limit) {
          this.mcu.log('warn', 'mali-mcu', `CSG ${this.index}: no piece of a work has come to its end for too long`);
          this.#event(CSG_REQ.PROGRESS_TIMER_EVENT);
          stuck = 0;
        }
        this.#progressTimer = this.mcu.clock.after(limit / LOOKS, look);
      });
    this.#progressed = false;
    this.#progressTimer = this.mcu.clock.after(limit / LOOKS, look);
  }
}
