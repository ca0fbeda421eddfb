/**
 * Events: what the firmware reports through a group's slot: faults, tiler heaps that ran dry, syncobjs that changed, work
 * that ran out. After Linux `drivers/gpu/drm/panthor/panthor_sched.c` (sched_process_csg_irq and below).
 */
import { CS_REQ, CSG_REQ, CsException, GLB_REQ } from '../../abi/gpu/firmware.ts';
import { EXCEPTION, exceptionName } from '../../abi/gpu/regs.ts';
import { DrmError } from '../../drm/error.ts';
import { differing, toggle, update } from '../fw/interface.ts';
import { hex } from '../log.ts';
import type { CsgSlot } from './csg-slot.ts';
import type { Group } from './group.ts';
import type { Scheduler } from './scheduler.ts';

const GROUP_EVENTS = CSG_REQ.SYNC_UPDATE | CSG_REQ.IDLE | CSG_REQ.PROGRESS_TIMER_EVENT;
const STREAM_EVENTS = CS_REQ.FATAL | CS_REQ.FAULT | CS_REQ.TILER_OOM;

export function processGlobalEvents(scheduler: Scheduler): void {
  const glb = scheduler.hw.firmware.interface;
  if (differing(glb, GLB_REQ.IDLE) === 0) return;
  update(glb, glb.output.get('ack'), GLB_REQ.IDLE);
  scheduler.groupIdle(undefined);
}

/** Takes note of all events of the slot and tells the firmware so. */
export function processGroupEvents(scheduler: Scheduler, slot: CsgSlot): void {
  const csg = slot.interface;
  const ack = csg.output.get('ack');
  const raised = csg.output.get('csIrqReq');
  const streams = (raised ^ csg.input.get('csIrqAck')) >>> 0;
  const events = differing(csg, GROUP_EVENTS);
  if (events === 0 && streams === 0) return;
  // Acknowledged before the streams are looked at: an event that comes meanwhile raises the line again.
  csg.input.set('csIrqAck', raised);
  update(csg, ack, GROUP_EVENTS);
  if (events & CSG_REQ.IDLE) scheduler.groupIdle(slot.group);
  if ((events & CSG_REQ.PROGRESS_TIMER_EVENT) !== 0) progressTimeout(scheduler, slot);
  let doorbells = 0;
  for (let index = 0; index < csg.streams.length; index++) {
    if (streams & (1 << index) && processStreamEvents(scheduler, slot, index)) doorbells |= 1 << index;
  }
  if (events & CSG_REQ.SYNC_UPDATE) scheduler.syncUpdate(slot.group);
  if (doorbells !== 0) toggle(csg, 'doorbellReq', 'doorbellAck', doorbells);
  scheduler.hw.firmware.ringGroups(1 << slot.id);
}

function progressTimeout(scheduler: Scheduler, slot: CsgSlot): void {
  const { group } = slot;
  scheduler.hw.log('warn', `CSG slot ${slot.id} progress timeout${group ? `: pid=${group.pid}` : ''}`);
  if (group) group.timedOut = true;
  scheduler.requestTick();
}

/** True if the stream goes on only when its doorbell rings. */
function processStreamEvents(scheduler: Scheduler, slot: CsgSlot, index: number): boolean {
  const stream = slot.stream(index);
  const ack = stream.output.get('ack');
  const events = differing(stream, STREAM_EVENTS);
  const { group } = slot;
  if (events & CS_REQ.FATAL) {
    const type = report(scheduler, slot, index, 'FATAL');
    if (group) group.fatalQueues = (group.fatalQueues | (1 << index)) >>> 0;
    scheduler.hw.dump('fault', `CS_FATAL ${exceptionName(type)} in CSG slot ${slot.id}, CS ${index}`);
    if (type === EXCEPTION.CS_UNRECOVERABLE) scheduler.hw.reset('unrecoverable command-stream error');
    else scheduler.requestTick();
  }
  if ((events & CS_REQ.FAULT) !== 0) {
    group?.queues[index]?.markFault();
    report(scheduler, slot, index, 'FAULT');
  }
  if (events & CS_REQ.TILER_OOM && group && !group.growing.has(index)) {
    group.growing.add(index);
    void growHeap(scheduler, group, index).finally(() => group.growing.delete(index));
  }
  // TILER_OOM is acknowledged when the chunk is there.
  update(stream, ack, CS_REQ.FATAL | CS_REQ.FAULT);
  return (events & (CS_REQ.FAULT | CS_REQ.TILER_OOM)) !== 0;
}

/** Logs a CS_FAULT or CS_FATAL; returns the exception type. */
function report(scheduler: Scheduler, slot: CsgSlot, index: number, kind: 'FAULT' | 'FATAL'): number {
  scheduler.stats.faults++;
  const { output } = slot.stream(index);
  const word = new DataView(new ArrayBuffer(4));
  word.setUint32(0, kind === 'FAULT' ? output.get('fault') : output.get('fatal'), true);
  const { type, data } = CsException.read(word, 0);
  const info = kind === 'FAULT' ? output.get('faultInfo') : output.get('fatalInfo');
  scheduler.hw.log(
    'warn',
    `CS_${kind}: pid=${slot.group?.pid ?? 'none'}\n` +
      `CSG slot ${slot.id} CS slot: ${index}\n` +
      `CS_${kind}.EXCEPTION_TYPE: ${hex(type)} (${exceptionName(type)})\n` +
      `CS_${kind}.EXCEPTION_DATA: ${hex(data)}\n` +
      `CS_${kind}_INFO.EXCEPTION_DATA: ${hex(info)}`,
  );
  return type;
}

/**
 * The tiler has used its heap up. It gets another chunk, or the address 0: then the firmware waits for fragment jobs that
 * give chunks back, or runs the stream's exception handler.
 */
async function growHeap(scheduler: Scheduler, group: Group, index: number): Promise<void> {
  const { output } = scheduler.slots[group.slot!]!.stream(index);
  const context = output.get('heapAddress');
  const started = output.get('heapVtStart');
  const binned = output.get('heapVtEnd');
  const rendered = output.get('heapFragEnd');
  const heaps = group.vm.heaps;
  let chunk = 0;
  try {
    if (!heaps) throw new DrmError('EINVAL', 'the VM has no tiler heap');
    if (rendered > binned || binned >= started)
      throw new DrmError('EINVAL', `heap counters make no sense: ${started} started, ${binned}, ${rendered}`);
    chunk = await heaps.grow(context, started - rendered);
  } catch (error) {
    if (!(error instanceof DrmError)) throw error;
    if (error.errno !== 'ENOMEM') {
      scheduler.hw.log('warn', `Failed to extend the tiler heap: ${error.message}`);
      group.fatalQueues = (group.fatalQueues | (1 << index)) >>> 0;
      scheduler.requestTick();
      return;
    }
  }
  // Meanwhile the group may have left its slot; it will ask again when it is back.
  const slot = group.slot === undefined ? undefined : scheduler.slots[group.slot]!;
  if (!slot) {
    if (chunk !== 0) await heaps?.returnChunk(context, chunk);
    return;
  }
  const stream = slot.stream(index);
  stream.input.set('heapStart', chunk);
  stream.input.set('heapEnd', chunk);
  update(stream, stream.output.get('ack'), CS_REQ.TILER_OOM);
  toggle(slot.interface, 'doorbellReq', 'doorbellAck', 1 << index);
  scheduler.hw.firmware.ringGroups(1 << slot.id);
}
