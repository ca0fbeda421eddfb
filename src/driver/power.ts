/**
 * PowerControl: the GPU sleeps when it has nothing to do, and wakes when somebody needs it.
 *
 * It falls asleep once no job has been in flight for AUTOSUSPEND: groups leave their slots with their state saved, the firmware halts by
 * itself, so that it can go on from memory as it is (a fast boot), the L2 cache is switched off, then clocks and power. Jobs that come
 * meanwhile wait in their rings and wake it. A firmware that did not halt, or does not boot, is loaded anew (a slow boot); if that does not
 * help after a reset either, the device is given up. Asleep, nobody touches a register; tables change in memory alone.
 * After Linux `drivers/gpu/drm/panthor/panthor_device.c` (panthor_device_suspend, panthor_device_resume).
 */
import type { Clock, Timer } from '../board/clock.ts';
import type { Supply } from '../board/supply.ts';
import { DrmError } from '../drm/error.ts';
import { MILLISECOND, WaitQueue } from './async.ts';
import type { Firmware } from './fw/index.ts';
import type { GpuControl } from './gpu.ts';
import { describeFailure, isForeign } from './hardware-error.ts';
import type { Logger } from './log.ts';
import type { Mmu } from './mmu/index.ts';
import type { ResetControl } from './reset.ts';
import type { Scheduler } from './sched/scheduler.ts';

/** About three frames. */
export const AUTOSUSPEND = 50 * MILLISECOND;
/** How long whoever needs the GPU waits for it: longer than all that waking tries. */
const WAKING = 10_000 * MILLISECOND;

export type PowerState = 'active' | 'suspending' | 'suspended' | 'resuming' | 'gone';

export interface PowerParts {
  readonly gpu: GpuControl;
  readonly mmu: Mmu;
  readonly firmware: Firmware;
  readonly scheduler: Scheduler;
  readonly reset: ResetControl;
  /** The GPU could not be woken. */
  readonly giveUp: () => void;
}

export class PowerControl {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #supply: Supply | undefined;
  readonly #changes: WaitQueue;
  #parts: PowerParts | undefined;
  #state: PowerState = 'active';
  /** Those who need registers right now. */
  #users = 0;
  /** Somebody needs it again, though it was about to sleep. */
  #wanted = false;
  /** It has to sleep, whatever there is to do. */
  #forced = false;
  #lastUse = 0;
  #timer: Timer | undefined;
  /** Ends with the change that is under way. */
  #transition: Promise<void> = Promise.resolve();
  /** Sleeps so far, and boots after them that were slow. */
  readonly stats = { suspends: 0, slowResumes: 0 };
  /** Called at each change between active and suspended. */
  onChange: (active: boolean) => void = () => {};

  /** Without a supply the GPU is always awake. */
  constructor(clock: Clock, log: Logger, supply: Supply | undefined) {
    this.#clock = clock;
    this.#log = log;
    this.#supply = supply;
    this.#changes = new WaitQueue(clock);
  }

  /** From here on it may sleep. */
  enable(parts: PowerParts): void {
    this.#parts = parts;
    this.touch();
  }

  get state(): PowerState {
    return this.#state;
  }

  /** Registers can be touched. */
  get awake(): boolean {
    return this.#state === 'active';
  }

  /** The GPU was used just now. */
  touch(): void {
    this.#lastUse = this.#clock.now();
    if (this.#supply && this.#parts && !this.#timer && this.awake) this.#arm(AUTOSUSPEND);
  }

  /** Runs `fn` while the GPU is awake. Throws ENODEV if it cannot be woken. */
  async run<T>(fn: () => T | Promise<T>): Promise<T> {
    this.#users++;
    try {
      await this.#awake();
      return await fn();
    } finally {
      this.#users--;
      this.touch();
    }
  }

  /** Somebody has work for the GPU. */
  wake(): void {
    this.#wanted = true;
    if (this.#state === 'suspended' && !this.#forced) void this.#resume();
  }

  /** Puts it to sleep whatever there is to do; resolves when it sleeps. Jobs in flight go on after `release`. */
  async force(): Promise<void> {
    if (!this.#supply || !this.#parts) throw new DrmError('EOPNOTSUPP', 'this board does not switch the GPU off');
    this.#forced = true;
    await this.#changes.wait(() => this.#state !== 'suspending' && this.#state !== 'resuming', WAKING);
    if (this.#state === 'active') await this.#suspend();
  }

  /** Undoes `force`. */
  release(): void {
    this.#forced = false;
    if (this.#state === 'suspended') void this.#resume();
  }

  /** The device goes. Once what is under way has come to its end, registers can be touched, until `off`. */
  async disable(): Promise<void> {
    this.#parts = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#become('gone');
    await this.#transition;
    this.#supply?.on();
  }

  off(): void {
    this.#supply?.off();
  }

  async #awake(): Promise<void> {
    if (this.#state === 'active') return;
    this.wake();
    await this.#changes.wait(() => this.#state === 'active' || this.#state === 'gone', WAKING);
    if (!this.awake) throw new DrmError('ENODEV', 'the GPU does not wake up');
  }

  #become(state: PowerState): void {
    this.#state = state;
    this.#changes.wake();
    if (state === 'active' || state === 'suspended') this.onChange(state === 'active');
  }

  #arm(delay: number): void {
    this.#timer = this.#clock.after(delay, () => {
      this.#timer = undefined;
      this.#look();
    });
  }

  /** Is it time to sleep? */
  #look(): void {
    const parts = this.#parts;
    if (!parts || !this.awake) return;
    if (this.#users > 0 || !parts.scheduler.quiet || parts.reset.pending) this.#lastUse = this.#clock.now();
    const left = this.#lastUse + AUTOSUSPEND - this.#clock.now();
    if (left > 0) this.#arm(left);
    else void this.#suspend();
  }

  #suspend(): Promise<void> {
    this.#transition = this.#fallAsleep();
    return this.#transition;
  }

  #resume(): Promise<void> {
    this.#transition = this.#wakeUp();
    return this.#transition;
  }

  async #fallAsleep(): Promise<void> {
    const parts = this.#parts;
    if (!parts) return;
    const { scheduler, firmware, mmu, gpu } = parts;
    this.#wanted = false;
    this.#become('suspending');
    try {
      const answered = await scheduler.suspend();
      await firmware.suspend();
      if (!answered) firmware.needsReload();
      await mmu.suspend();
      await gpu.suspend(firmware.fast);
    } catch (error) {
      this.#log('error', describeFailure(error, 'the GPU does not go to sleep as it should'));
      firmware.needsReload();
    }
    if (this.#parts !== parts) return;
    this.#supply!.off();
    this.stats.suspends++;
    this.#become('suspended');
    if ((this.#wanted || this.#users > 0 || scheduler.hasWork) && !this.#forced) void this.#resume();
  }

  async #wakeUp(): Promise<void> {
    const parts = this.#parts;
    if (!parts) return;
    const { scheduler, firmware, reset } = parts;
    this.#become('resuming');
    this.#supply!.on();
    if (reset.takePending()) firmware.needsReload();
    try {
      await this.#bringUp(parts);
    } catch (error) {
      if (this.#parts !== parts) return;
      this.#log('error', describeFailure(error, 'the GPU does not wake up, making device unusable'));
      parts.giveUp();
      return;
    }
    if (this.#parts !== parts) return;
    this.#become('active');
    this.touch();
    scheduler.resume();
    if (this.#forced) void this.#suspend();
  }

  async #bringUp({ gpu, mmu, firmware }: PowerParts): Promise<void> {
    const boot = async (): Promise<void> => {
      mmu.resume();
      await firmware.resume();
    };
    const { fast } = firmware;
    try {
      await gpu.resume();
      await boot();
    } catch (error) {
      if (!isForeign(error)) throw error;
      this.#log('error', `${fast ? 'Fast' : 'Slow'} boot failed, trying a reset: ${error.message}`);
      firmware.needsReload();
      await mmu.suspend();
      await gpu.reset('hard');
      await gpu.powerOnL2();
      await boot();
    }
    if (!fast || !firmware.fast) this.stats.slowResumes++;
  }
}
