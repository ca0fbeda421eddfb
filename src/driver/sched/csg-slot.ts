/**
 * CsgSlot: one of the firmware's group slots: putting a group in, asking things of it, reading back how it stands.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c`.
 */
import {
  CS_BLOCKED,
  CS_REQ,
  CS_STATE,
  CS_WAIT_CONDITION,
  CSG_REQ,
  CSG_STATE,
  CsConfig,
  CsgEndpointReq,
  CsStatusWait,
} from '../../abi/gpu/firmware.ts';
import type { Layout } from '../../abi/layout.ts';
import { differing, type GroupInterface, type StreamInterface, toggle, update } from '../fw/interface.ts';
import type { Group, GroupState } from './group.ts';
import type { Queue } from './queue.ts';

const ALL = 0xffffffff;
const scratch = new DataView(new ArrayBuffer(4));
const toWord = <F extends Record<string, any>>(layout: Layout<F>, values: Parameters<Layout<F>['pack']>[0]): number => {
  scratch.setUint32(0, 0, true);
  layout.write(scratch, 0, values);
  return scratch.getUint32(0, true);
};
const fromWord = <F extends Record<string, any>>(layout: Layout<F>, value: number): ReturnType<Layout<F>['read']> => {
  scratch.setUint32(0, value, true);
  return layout.read(scratch, 0);
};

export class CsgSlot {
  readonly id: number;
  readonly interface: GroupInterface;
  /** Who is in it. */
  group: Group | undefined;
  /** Priority among the slots that the firmware has confirmed; higher runs first. */
  priority = 0;

  constructor(id: number, groupInterface: GroupInterface) {
    this.id = id;
    this.interface = groupInterface;
  }

  stream(queue: number): StreamInterface {
    return this.interface.streams[queue]!;
  }

  /** Writes everything that the firmware has to know of the group before it starts or resumes it. */
  program(addressSpace: number, priority: number): void {
    const { group, interface: csg } = this;
    if (!group) throw new Error(`CSG slot ${this.id} has no group`);
    for (const queue of group.queues) this.#programQueue(queue);
    const { cores, buffers } = group;
    csg.input.set('allowCompute', cores.computeMask);
    csg.input.set('allowFragment', cores.fragmentMask);
    csg.input.set('allowOther', cores.tilerMask);
    const endpoints = toWord(CsgEndpointReq, {
      compute: cores.maxCompute,
      fragment: cores.maxFragment,
      tiler: cores.maxTiler,
      priority,
    });
    csg.input.set('endpointReq', endpoints);
    csg.input.set('config', addressSpace);
    csg.input.set('suspendBuf', buffers.suspend.va);
    csg.input.set('protmSuspendBuf', buffers.protmSuspend.va);
    csg.input.set('ackIrqMask', ALL);
    toggle(csg, 'doorbellReq', 'doorbellAck', group.allQueues);
  }

  /** Changes the priority that the firmware will be asked for. */
  setPriority(priority: number): void {
    const endpoints = fromWord(CsgEndpointReq, this.interface.input.get('endpointReq'));
    this.interface.input.set('endpointReq', toWord(CsgEndpointReq, { ...endpoints, priority }));
  }

  /** Sets request bits; the firmware looks once its doorbell is rung. */
  request(value: number, mask: number): void {
    update(this.interface, value, mask);
  }

  /** `ack` with these bits turned round: the value that asks for them. */
  inverted(mask: number): number {
    return (this.interface.output.get('ack') ^ mask) >>> 0;
  }

  /** Whether the firmware has done what the bits of `mask` asked for. */
  acknowledged(mask: number): boolean {
    return differing(this.interface, mask) === 0;
  }

  /** What the firmware answers to an ENDPOINT_CONFIG. */
  syncPriority(): void {
    this.priority = fromWord(CsgEndpointReq, this.interface.input.get('endpointReq')).priority;
  }

  /** The group's state as the firmware last acknowledged it. */
  get acknowledgedState(): GroupState {
    const state = this.interface.output.get('ack') & CSG_REQ.STATE_MASK;
    if (state === CSG_STATE.START || state === CSG_STATE.RESUME) return 'active';
    if (state === CSG_STATE.SUSPEND) return 'suspended';
    if (state === CSG_STATE.TERMINATE) return 'terminated';
    return 'unknown';
  }

  /** Stops the streams, so that the next group finds them clean, and the time of their jobs. */
  resetQueues(): void {
    for (const queue of this.group?.queues ?? []) {
      update(this.stream(queue.index), CS_STATE.STOP, CS_REQ.STATE_MASK);
      this.pauseClock(queue);
    }
  }

  /**
   * Stops the time of a queue's jobs, unless the queue is blocked and so are all others of its group: what it waits for
   * has to come from elsewhere, and may not take for ever.
   */
  pauseClock(queue: Queue): void {
    const { group } = this;
    const blocked = group && (group.blockedQueues & (1 << queue.index)) !== 0;
    if (group?.canRun && blocked && group.idle && queue.busy) return;
    queue.stopClock(true);
  }

  /** By the last status update: whether works are under way that the queue waits for, its own or another queue's. */
  worksFor(queue: Queue): boolean {
    const statusOf = ({ index }: Queue) => this.stream(index).output;
    const works = (one: Queue): boolean => {
      const reason = statusOf(one).get('statusBlockedReason');
      const waits = reason === CS_BLOCKED.SB_WAIT || reason === CS_BLOCKED.DEFERRED;
      return waits && statusOf(one).get('statusScoreboards') !== 0;
    };
    if (works(queue)) return true;
    const reason = statusOf(queue).get('statusBlockedReason');
    if (reason !== CS_BLOCKED.SYNC_WAIT && reason !== CS_BLOCKED.PROGRESS_WAIT) return false;
    return this.group?.queues.some((other) => other !== queue && works(other)) === true;
  }

  /** Reads which queues have nothing to do and which wait, and for what. True if one waits. */
  syncQueues(): boolean {
    const { group } = this;
    if (!group) return false;
    let waiting = false;
    group.idleQueues = 0;
    group.blockedQueues = 0;
    for (const queue of group.queues) {
      const { output } = this.stream(queue.index);
      const reason = output.get('statusBlockedReason');
      const scoreboards = output.get('statusScoreboards');
      if (reason === CS_BLOCKED.UNBLOCKED) {
        if (queue.empty && scoreboards === 0) group.idleQueues |= 1 << queue.index;
      } else if (reason === CS_BLOCKED.SYNC_WAIT) {
        waiting = true;
        // Deferred operations under way may still signal what it waits for.
        if (scoreboards === 0) group.blockedQueues |= 1 << queue.index;
        const wait = fromWord(CsStatusWait, output.get('statusWait'));
        const wide = wait.sync64 === 1;
        const low = BigInt(output.get('statusWaitSyncValue'));
        const high = wide ? BigInt(output.get('statusWaitSyncValueHi')) : 0n;
        queue.syncWait = {
          va: output.get('statusWaitSyncPtr'),
          reference: low + high * 2n ** 32n,
          greater: wait.syncCondition === CS_WAIT_CONDITION.GT,
          wide,
        };
      }
    }
    return waiting;
  }

  #programQueue(queue: Queue): void {
    const stream = this.stream(queue.index);
    const { input } = stream;
    queue.input.set('extract', queue.output.get('extract'));
    input.set('ringbufBase', queue.ring.va);
    input.set('ringbufSize', queue.ring.size);
    input.set('ringbufInput', queue.inputVa);
    input.set('ringbufOutput', queue.outputVa);
    input.set('config', toWord(CsConfig, { priority: queue.priority, doorbell: queue.doorbell ?? 0 }));
    input.set('ackIrqMask', ALL);
    const idle = CS_REQ.IDLE_SYNC_WAIT | CS_REQ.IDLE_EMPTY;
    update(stream, idle | CS_STATE.START, idle | CS_REQ.STATE_MASK);
    if (!queue.empty) queue.startClock();
  }
}
