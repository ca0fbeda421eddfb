/**
 * Scheduler: which groups are in the firmware's slots, and what becomes of their events.
 *
 * The firmware shares the GPU out among the groups in its slots; the driver decides which groups those are. It looks at
 * that again (a tick) when a group gets work, becomes idle or dies, and every 10 ms while groups of one priority take
 * turns. With enough slots for all and nothing to change, no tick runs. A tick asks the firmware how the groups in slots
 * stand, lets the policy choose (policy.ts), moves the groups that have to leave out, and starts or resumes the new ones.
 *
 * A tick waits for the firmware's answers, so other things happen in between: jobs go into rings, groups get destroyed,
 * events arrive. None of them moves a group in or out of a slot; they leave a mark, and another tick follows.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c`.
 */
import { CSG_REQ, CSG_STATE } from '../../abi/gpu/firmware.ts';
import { JOB_IRQ_GLOBAL } from '../../abi/gpu/regs.ts';
import type { Clock, Timer } from '../../board/clock.ts';
import type { Dram } from '../../board/dram.ts';
import { DrmError } from '../../drm/error.ts';
import { ACK_TIMEOUT, type Firmware, GLOBAL_DOORBELL } from '../fw/index.ts';
import type { GpuControl } from '../gpu.ts';
import type { Logger } from '../log.ts';
import type { AddressSpace } from '../mmu/address-space.ts';
import type { Mmu } from '../mmu/index.ts';
import { SlotManager } from '../slot.ts';
import { CsgSlot } from './csg-slot.ts';
import { processGlobalEvents, processGroupEvents } from './events.ts';
import { GpuTime } from './gpu-time.ts';
import type { Group } from './group.ts';
import type { Policy, TickChoice } from './policy.ts';
import type { Queue } from './queue.ts';
import { syncWaitOver } from './sync-wait.ts';
import { byPriority, TICK_PERIOD } from './tick.ts';

/** Each group in a slot has a priority of its own there: two alike might wait for each other's cores for ever. */
const MAX_CSG_PRIORITY = 15;

export interface SchedulerResources {
  readonly clock: Clock;
  readonly dram: Dram;
  readonly log: Logger;
  readonly gpu: GpuControl;
  readonly mmu: Mmu;
  readonly firmware: Firmware;
  /** Something does not answer: only a reset helps. */
  readonly reset: (reason: string) => void;
  /** Who runs next. */
  readonly policy: Policy;
  /** The GPU is needed, or was used just now. */
  readonly wake: () => void;
  readonly used: () => void;
  /** A group has come to grief: how things stand is worth keeping. */
  readonly dump: (cause: 'timeout' | 'fault', reason: string) => void;
}

/** What to ask of a slot: new values of request bits. */
interface Request {
  readonly slot: CsgSlot;
  value: number;
  mask: number;
}

export class Scheduler {
  readonly hw: SchedulerResources;
  /** What jobs' time is counted in. */
  readonly time: GpuTime;
  /** Jobs that ran to their end, faults that the GPU reported, and its resets, since the start. */
  readonly stats = { jobs: 0, faults: 0, resets: 0 };
  readonly slots: readonly CsgSlot[];
  readonly #seats: SlotManager<Group>;
  /** Groups outside the slots, those that have something to do and those that have not. */
  readonly #runnable = byPriority<Set<Group>>(() => new Set());
  readonly #idle = byPriority<Set<Group>>(() => new Set());
  /** Groups with a queue that waits for a syncobj. */
  readonly #waiting = new Set<Group>();
  #lastTick = Number.NEGATIVE_INFINITY;
  /** When the current time slice ends; undefined while nobody takes turns. */
  #sliceEnd: number | undefined;
  #mightHaveIdle = false;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #ticking: Promise<void> | undefined;
  #again = false;
  /** Those who wait until no tick is due. */
  readonly #settling: (() => void)[] = [];
  /** A reset is under way, the GPU sleeps, or the device is gone: no ticks. */
  #stopped = false;
  /** It is for sleep that ticks stopped. */
  #asleep = false;

  constructor(hw: SchedulerResources) {
    this.hw = hw;
    this.time = new GpuTime(hw.clock, hw.gpu);
    const groups = hw.firmware.interface.groups.slice(0, MAX_CSG_PRIORITY + 1);
    this.slots = groups.map((group, id) => new CsgSlot(id, group));
    this.#seats = new SlotManager(this.slots.map((slot) => slot.id));
    hw.firmware.onEvents = (events) => this.#events(events);
  }

  /** All groups, those in slots first. */
  *groups(): IterableIterator<Group> {
    for (const slot of this.slots) if (slot.group) yield slot.group;
    for (const row of [...this.#runnable, ...this.#idle]) yield* row;
  }

  /** A new group: nothing to do yet. */
  add(group: Group): void {
    this.#idle[group.priority]!.add(group);
  }

  /** Ends a group: its jobs fail now or as soon as it is out of its slot. */
  destroy(group: Group): void {
    group.destroyed = true;
    if (group.slot !== undefined) this.requestTick();
    else this.#end(group);
  }

  /** A job has been put into the queue's ring. */
  queueUpdated(group: Group, queue: Queue): void {
    const bit = 1 << queue.index;
    const blocked = (group.blockedQueues & bit) !== 0;
    const wasIdle = group.idle;
    const slot = group.slot;
    group.lastWork = this.hw.clock.now();
    if (slot === undefined) {
      if (blocked) return;
      group.idleQueues &= ~bit;
      if (wasIdle) this.#enlist(group);
      this.hw.used();
      this.#wake(group);
      return;
    }
    group.idleQueues &= ~bit;
    if (wasIdle && !blocked && this.#sliceEnd === undefined && this.#timerAt === Number.POSITIVE_INFINITY)
      this.#resumeTick();
    this.hw.firmware.ringDoorbell(queue.doorbell!);
    queue.startClock();
    this.hw.used();
    if (this.#ticking) this.requestTick();
  }

  /**
   * A job takes a while. It may wait for a syncobj that somebody writes by the CPU, which tells nobody: the firmware looks at
   * all waits of groups in slots at any doorbell.
   */
  lookAtWaits(group: Group, queue: Queue): void {
    if (this.#stopped) return;
    if (queue.doorbell !== undefined) this.hw.firmware.ringDoorbell(queue.doorbell);
    else this.#checkWaiting(group);
  }

  /** A job of the group takes long. It gets more time while works are under way for it: those the progress timer watches. */
  timedOut(group: Group, queue: Queue): void {
    if (group.slot === undefined || this.#stopped) this.#giveUp(group, queue);
    else void this.#judge(this.slots[group.slot]!, group, queue);
  }

  async #judge(slot: CsgSlot, group: Group, queue: Queue): Promise<void> {
    const answered = await this.#apply([this.#ask(slot, slot.inverted(CSG_REQ.STATUS_UPDATE), CSG_REQ.STATUS_UPDATE)]);
    // A group that has left its slot meanwhile has its clock stopped; a job that has ended needs none.
    if (slot.group !== group || !queue.busy) return;
    if (!(answered && slot.worksFor(queue) && queue.extend())) this.#giveUp(group, queue);
  }

  #giveUp(group: Group, queue: Queue): void {
    const late = `job timeout: pid=${group.pid}, queue=${queue.index}, seqno=${queue.lastFence?.seqno ?? 0}`;
    this.hw.log('warn', late);
    if (!this.#stopped) this.hw.dump('timeout', late);
    group.timedOut = true;
    if (group.slot !== undefined) this.requestTick();
    else this.#end(group);
  }

  /** An address space has been switched off by a page fault: its groups have to go. */
  addressSpaceFault(space: AddressSpace): void {
    this.stats.faults++;
    this.hw.dump('fault', `page fault in ${space.name}`);
    this.requestTick();
  }

  /** Completed jobs are looked for in the group, and blocked groups looked at again. */
  syncUpdate(group: Group | undefined): void {
    for (const queue of group?.queues ?? []) {
      const before = queue.completed;
      queue.checkCompletion();
      this.stats.jobs += queue.completed - before;
    }
    if (this.#waiting.size > 0) for (const waiting of [...this.#waiting]) this.#checkWaiting(waiting);
    if (group) this.hw.used();
  }

  /**
   * The firmware says that a group, or all, ran out of work. Unless somebody waits for its slot, and it is to give it up, there is nothing to
   * decide: the next group that comes will ask for a tick.
   */
  groupIdle(group: Group | undefined): void {
    const wanted = this.#ticking || this.#runnable.some((row) => row.size > 0);
    if (wanted && group?.canRun && this.hw.policy.keepsSlot(group, this.#inSlots(), this.hw.clock.now())) return;
    this.#mightHaveIdle = true;
    if (wanted) this.requestTick();
  }

  /** Looks at everything again, `delay` nanoseconds from now. An earlier tick stays. */
  requestTick(delay = 0): void {
    if (this.#stopped) {
      if (this.#asleep) this.hw.wake();
      return;
    }
    if (this.#ticking && delay === 0) {
      this.#again = true;
      return;
    }
    const at = this.hw.clock.now() + delay;
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    if (delay === 0) {
      this.#timer = undefined;
      this.hw.clock.soon(() => this.#start(at));
    } else this.#timer = this.hw.clock.after(delay, () => this.#start(at));
  }

  /** Resolves when no tick runs or is due at once: groups that were destroyed before are out of their slots then. */
  settle(): Promise<void> {
    const now = this.hw.clock.now();
    if (this.#stopped || (!this.#ticking && !this.#again && this.#timerAt > now)) return Promise.resolve();
    return new Promise((resolve) => this.#settling.push(resolve));
  }

  /** No job is in flight in a slot, and nobody outside has something to do. */
  get quiet(): boolean {
    if (this.#ticking || this.#again || this.#timerAt !== Number.POSITIVE_INFINITY || this.hasWork) return false;
    return !this.busy;
  }

  /** A job is in flight in a slot. */
  get busy(): boolean {
    // Asked for at each job: no closures.
    for (const { group } of this.slots) {
      if (!group) continue;
      for (const queue of group.queues) if (queue.busy) return true;
    }
    return false;
  }

  /** Groups outside the slots have something to do. */
  get hasWork(): boolean {
    for (const row of this.#runnable) {
      if (row.size === 0) continue;
      for (const { canRun } of row) if (canRun) return true;
    }
    return false;
  }

  /** Before the GPU sleeps: everybody out. False if a slot did not answer: its requests in memory are not to be trusted any more. */
  async suspend(): Promise<boolean> {
    this.#asleep = true;
    const answered = await this.preReset();
    this.#sliceEnd = undefined;
    return answered;
  }

  /** The GPU is awake again. */
  resume(): void {
    this.#asleep = false;
    this.#stopped = false;
    this.requestTick();
    this.syncUpdate(undefined);
  }

  /** Before a reset: everybody out, with their state saved where the firmware still answers. False if it did not for one. */
  async preReset(): Promise<boolean> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    await this.#ticking;
    const answered = await this.#suspendAll();
    this.#again = false;
    this.#settled();
    return answered;
  }

  /** After a reset, or the failure of one. */
  postReset(failed: boolean): void {
    this.#sliceEnd = undefined;
    this.#stopped = failed;
    for (const row of [...this.#runnable, ...this.#idle]) {
      for (const group of [...row]) {
        if (failed) group.state = 'terminated';
        if (!group.canRun) this.#end(group);
      }
    }
    if (failed) return;
    this.requestTick();
    this.syncUpdate(undefined);
  }

  /** The device goes away: everybody out, and all jobs fail. */
  async unplug(): Promise<void> {
    await this.preReset();
    this.hw.firmware.onEvents = () => {};
    this.postReset(true);
  }

  #events(events: number): void {
    if (this.#stopped) return;
    if ((events & JOB_IRQ_GLOBAL) !== 0) processGlobalEvents(this);
    for (let left = events & ~JOB_IRQ_GLOBAL; left !== 0; left &= left - 1) {
      const slot = this.slots[31 - Math.clz32(left & -left)];
      if (slot) processGroupEvents(this, slot);
    }
  }

  #start(at: number): void {
    if (this.#timerAt !== at || this.#stopped) return;
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (this.#ticking) {
      this.#again = true;
      return;
    }
    this.#ticking = this.#tick().finally(() => {
      this.#ticking = undefined;
      if (this.#again && !this.#stopped) {
        this.#again = false;
        this.requestTick();
      } else this.#settled();
    });
  }

  async #tick(): Promise<void> {
    const now = this.hw.clock.now();
    const full = now >= (this.#sliceEnd ?? this.#lastTick + TICK_PERIOD);
    for (const slot of this.slots) if (slot.group) this.#checkAddressSpace(slot, slot.group);
    const asked = this.#residents().map((slot) =>
      this.#ask(slot, slot.inverted(CSG_REQ.STATUS_UPDATE), CSG_REQ.STATUS_UPDATE),
    );
    if (!(await this.#apply(asked))) return this.hw.reset('CSG status update timed out');
    const choice = this.hw.policy.choose({
      now,
      current: this.#current(),
      runnable: this.#runnable,
      idle: this.#idle,
      slots: this.slots.length,
      addressSpaces: this.hw.mmu.slotCount,
      full,
    });
    try {
      await this.#move(choice);
    } catch (error) {
      if (!(error instanceof DrmError)) throw error;
      return this.hw.reset(error.message);
    }
    this.#mightHaveIdle = choice.idleCount > 0;
    this.#lastTick = now;
    if (!choice.takingTurns) this.#sliceEnd = undefined;
    else {
      if (this.#sliceEnd === undefined || this.#sliceEnd <= now) this.#sliceEnd = now + TICK_PERIOD;
      this.requestTick(Math.max(0, this.#sliceEnd - this.hw.clock.now()));
    }
    if (choice.next.some((group) => group.destroyed)) this.#again = true;
    this.#retick();
  }

  #settled(): void {
    for (const resolve of this.#settling.splice(0)) resolve();
  }

  /**
   * Work may have come for groups outside while the tick was busy with others. Only for those that there is room for: a
   * free slot is of no use to a VM that finds no free address space.
   */
  #retick(): void {
    const residents = this.#residents();
    if (residents.length === this.slots.length) return;
    const vms = new Set(residents.map((slot) => slot.group!.vm));
    const room = vms.size < this.hw.mmu.slotCount;
    for (const row of this.#runnable)
      for (const { canRun, vm } of row) if (canRun && (room || vms.has(vm))) this.#again = true;
  }

  /** A page fault in the group's VM is its queues' fault. */
  #checkAddressSpace(slot: CsgSlot, group: Group): void {
    if (!group.vm.space.faulted) return;
    processGroupEvents(this, slot);
    if (group.fatalQueues === 0) group.fatalQueues = group.allQueues;
  }

  async #move(choice: TickChoice): Promise<void> {
    const requests: Request[] = choice.leave.map((group) => {
      const state = group.canRun ? CSG_STATE.SUSPEND : CSG_STATE.TERMINATE;
      return this.#ask(this.slots[group.slot!]!, state, CSG_REQ.STATE_MASK);
    });
    const priorities = new Map(choice.next.map((group, i) => [group, MAX_CSG_PRIORITY - i]));
    for (const [group, priority] of priorities) {
      const slot = group.slot === undefined ? undefined : this.slots[group.slot]!;
      if (!slot || slot.priority === priority) continue;
      slot.setPriority(priority);
      requests.push(this.#ask(slot, slot.inverted(CSG_REQ.ENDPOINT_CONFIG), CSG_REQ.ENDPOINT_CONFIG));
    }
    if (!(await this.#apply(requests))) throw new DrmError('ETIMEDOUT', 'CSG suspend or priority update timed out');
    for (const group of choice.leave) this.#leave(group);
    const starts: Request[] = [];
    for (const group of choice.next) {
      if (group.slot !== undefined) continue;
      const request = await this.#enter(group, priorities.get(group)!);
      if (request) starts.push(request);
    }
    if (!(await this.#apply(starts))) throw new DrmError('ETIMEDOUT', 'CSG start timed out');
  }

  /** Puts a group into a free slot; returns the request that sets it going. Undefined if it has come to its end meanwhile. */
  async #enter(group: Group, priority: number): Promise<Request | undefined> {
    if (!group.canRun) return undefined;
    const vm = group.vm.get();
    try {
      const addressSpace = await this.hw.mmu.activate(vm.space);
      if (group.canRun) return this.#seat(group, addressSpace, priority);
      this.hw.mmu.idle(vm.space);
      return undefined;
    } finally {
      vm.put();
    }
  }

  #seat(group: Group, addressSpace: number, priority: number): Request {
    const seat = this.#seats.activate(group);
    if (!seat || seat.evicted) throw new Error('scheduler: more groups than slots were chosen');
    const slot = this.slots[seat.slot]!;
    this.#delist(group);
    slot.group = group;
    group.slot = slot.id;
    // All queues of a group share the doorbell of its slot; doorbell 0 is the global interface's.
    for (const queue of group.queues) queue.doorbell = slot.id + 1;
    slot.program(addressSpace, priority);
    const state = group.state === 'suspended' ? CSG_STATE.RESUME : CSG_STATE.START;
    const config = slot.inverted(CSG_REQ.ENDPOINT_CONFIG) & CSG_REQ.ENDPOINT_CONFIG;
    return this.#ask(slot, state | config, CSG_REQ.STATE_MASK | CSG_REQ.ENDPOINT_CONFIG);
  }

  /** The group is out of its slot: back to the others, or to its end. */
  #leave(group: Group): void {
    const slot = this.slots[group.slot!]!;
    // Events that are still pending are this group's, not the next one's.
    processGroupEvents(this, slot);
    slot.group = undefined;
    group.slot = undefined;
    for (const queue of group.queues) queue.doorbell = undefined;
    this.#seats.evict(group);
    this.hw.mmu.idle(group.vm.space);
    for (const queue of group.queues) queue.checkCompletion();
    if (group.canRun) this.#enlist(group);
    else this.#end(group);
  }

  /** The end of a group that cannot run any more and is in no slot. */
  #end(group: Group): void {
    this.#delist(group);
    this.#waiting.delete(group);
    group.terminate();
    this.syncUpdate(undefined);
    // The queues' counters have been written by the CPU: those in slots who wait for one are told by a doorbell.
    const someone = this.#residents()[0];
    if (someone && !this.#stopped) this.hw.firmware.ringDoorbell(GLOBAL_DOORBELL);
    if (group.destroyed) void group.release();
  }

  #enlist(group: Group): void {
    this.#delist(group);
    (group.idle ? this.#idle : this.#runnable)[group.priority]!.add(group);
  }

  #delist(group: Group): void {
    this.#runnable[group.priority]!.delete(group);
    this.#idle[group.priority]!.delete(group);
  }

  /** A group outside the slots has got something to do. */
  #wake(group: Group): void {
    if (this.#mightHaveIdle || this.#hurries(group)) this.requestTick();
    else if (this.#sliceEnd === undefined) this.#resumeTick();
    else if (this.slots.some((slot) => !slot.group)) this.requestTick();
  }

  #hurries(group: Group): boolean {
    return this.hw.policy.hurries(group, this.#inSlots());
  }

  /** Ticks had stopped: the next is due now, or when the slice of those in the slots is over. */
  #resumeTick(): void {
    const now = this.hw.clock.now();
    const free = this.slots.some((slot) => !slot.group);
    this.requestTick(free ? 0 : Math.max(0, this.#lastTick + TICK_PERIOD - now));
  }

  #checkWaiting(group: Group): void {
    let unblocked = 0;
    for (const queue of group.queues) {
      const bit = 1 << queue.index;
      if ((group.blockedQueues & bit) !== 0 && syncWaitOver(this.hw.dram, group.vm.space.table, queue))
        unblocked |= bit;
    }
    if (unblocked !== 0) {
      group.blockedQueues &= ~unblocked;
      if (group.slot === undefined) {
        this.#enlist(group);
        this.#wake(group);
      }
    }
    if (group.blockedQueues === 0) this.#waiting.delete(group);
  }

  #residents(): CsgSlot[] {
    return this.slots.filter((slot) => slot.group);
  }

  #inSlots(): Group[] {
    return this.#residents().map((slot) => slot.group!);
  }

  #current(): Group[][] {
    const rows = byPriority<Group[]>(() => []) as Group[][];
    for (const slot of this.#residents().sort((a, b) => b.priority - a.priority))
      rows[slot.group!.priority]!.push(slot.group!);
    return rows;
  }

  #ask(slot: CsgSlot, value: number, mask: number): Request {
    return { slot, value, mask };
  }

  /** Puts requests to the firmware and waits for all answers. False if one did not come. */
  async #apply(requests: readonly Request[]): Promise<boolean> {
    return (await this.#applyAll(requests)).length === 0;
  }

  /** The same; returns the slots that did not answer. */
  async #applyAll(requests: readonly Request[]): Promise<CsgSlot[]> {
    if (requests.length === 0) return [];
    const { firmware } = this.hw;
    let doorbells = 0;
    for (const { slot, value, mask } of requests) {
      slot.request(value, mask);
      doorbells |= 1 << slot.id;
    }
    firmware.ringGroups(doorbells);
    const late: CsgSlot[] = [];
    await Promise.all(
      requests.map(async ({ slot, mask }) => {
        const answered = await firmware.wait(() => slot.acknowledged(mask), ACK_TIMEOUT);
        this.#sync(slot, mask);
        if (answered) return;
        this.hw.log('error', `CSG ${slot.id} update request timed out`);
        late.push(slot);
      }),
    );
    return late;
  }

  /** Takes over what the firmware has acknowledged. */
  #sync(slot: CsgSlot, mask: number): void {
    const done = (bits: number): boolean => (mask & bits) === bits && slot.acknowledged(bits);
    if (done(CSG_REQ.ENDPOINT_CONFIG)) slot.syncPriority();
    if (done(CSG_REQ.STATE_MASK)) this.#syncState(slot);
    if (done(CSG_REQ.STATUS_UPDATE)) this.#syncQueues(slot);
  }

  #syncState(slot: CsgSlot): void {
    const { group } = slot;
    if (!group) return;
    const old = group.state;
    const state = slot.acknowledgedState;
    if (state === old) return;
    if (state === 'unknown') this.hw.reset(`invalid state on CSG ${slot.id}`);
    if (state === 'suspended') this.#syncQueues(slot);
    if (old === 'active') slot.resetQueues();
    group.state = state;
  }

  #syncQueues(slot: CsgSlot): void {
    if (slot.syncQueues()) this.#waiting.add(slot.group!);
  }

  /** Everybody out of the slots, by force if need be: then false. */
  async #suspendAll(): Promise<boolean> {
    const state = (slot: CsgSlot): number => (slot.group!.canRun ? CSG_STATE.SUSPEND : CSG_STATE.TERMINATE);
    const residents = this.#residents();
    const late = await this.#applyAll(residents.map((slot) => this.#ask(slot, state(slot), CSG_REQ.STATE_MASK)));
    for (const { group } of late) {
      if (group!.canRun) group!.innocent = true;
      group!.timedOut = true;
    }
    if (late.length > 0) this.hw.log('error', 'CSG suspend failed, escalating to termination');
    const hung = await this.#applyAll(late.map((slot) => this.#ask(slot, CSG_STATE.TERMINATE, CSG_REQ.STATE_MASK)));
    for (const slot of hung) {
      slot.resetQueues();
      slot.group!.state = 'terminated';
    }
    let flushed = true;
    try {
      if (residents.length > late.length) await this.hw.gpu.flushCaches();
    } catch (error) {
      if (!(error instanceof DrmError)) throw error;
      this.hw.log('error', error.message);
      flushed = false;
    }
    for (const slot of residents) {
      const group = slot.group!;
      if (!flushed) group.state = 'terminated';
      this.#leave(group);
    }
    return late.length === 0;
  }
}
