/**
 * Reset: what is left when the GPU or its firmware does not answer any more.
 *
 * How everything stands is kept (core-dump.ts). Then everybody is taken out of the slots, the firmware stopped, the GPU reset, the
 * firmware loaded anew and booted. Groups that could save their state go on; those that could not are lost, innocent or not. If
 * the GPU does not come back it is tried once more with a hard reset, and if that fails the device is given up.
 * After Linux `drivers/gpu/drm/panthor/panthor_device.c` (panthor_device_reset_work), which has no second try; it is Arm's own
 * driver that falls back to a hard reset (`mali_kbase_pm_driver.c`, kbase_pm_do_reset).
 */
import type { Clock } from '../board/clock.ts';
import type { Firmware } from './fw/index.ts';
import type { GpuControl, ResetKind } from './gpu.ts';
import { describeFailure, isForeign } from './hardware-error.ts';
import type { Logger } from './log.ts';
import type { Mmu } from './mmu/index.ts';
import type { Scheduler } from './sched/scheduler.ts';

export interface ResetParts {
  readonly gpu: GpuControl;
  readonly mmu: Mmu;
  readonly firmware: Firmware;
  readonly scheduler: Scheduler;
  /** The GPU is neither asleep nor on its way there or back. */
  readonly awake: () => boolean;
  /** How everything stands is to be kept. */
  readonly dump: (reason: string) => void;
  /** The GPU could not be brought back. */
  readonly giveUp: () => void;
}

export class ResetControl {
  readonly #clock: Clock;
  readonly #log: Logger;
  #parts: ResetParts | undefined;
  #pending = false;
  /** Ends with the reset that is under way. */
  #running: Promise<void> = Promise.resolve();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** From here on a reset can happen. */
  enable(parts: ResetParts): void {
    this.#parts = parts;
  }

  /** No further one; resolves when the one that is under way has come to its end. */
  disable(): Promise<void> {
    this.#parts = undefined;
    return this.#running;
  }

  /** One is asked for or under way. */
  get pending(): boolean {
    return this.#pending;
  }

  /** Whether one was asked for while the GPU went to sleep; losing its power has done it. */
  takePending(): boolean {
    const { pending } = this;
    this.#pending = false;
    return pending;
  }

  /** Asks for a reset, soon. While one is pending, further calls change nothing. */
  schedule(reason: string): void {
    this.#log('error', reason);
    if (this.#pending || !this.#parts) return;
    this.#pending = true;
    if (!this.#parts.awake()) return;
    this.#parts.dump(reason);
    this.#clock.yield(() => {
      this.#running = this.#run();
    });
  }

  async #run(): Promise<void> {
    const parts = this.#parts;
    if (!parts) return;
    this.#log('warn', 'resetting the GPU');
    let failed = false;
    try {
      await parts.scheduler.preReset();
      await parts.firmware.preReset();
      await this.#bringUp(parts);
    } catch (error) {
      this.#log('error', describeFailure(error, 'failed to boot MCU after reset, making device unusable'));
      failed = true;
    }
    this.#pending = false;
    if (this.#parts !== parts) return;
    parts.scheduler.stats.resets++;
    parts.scheduler.postReset(failed);
    if (failed) parts.giveUp();
  }

  /** Throws if neither way helps. */
  async #bringUp(parts: ResetParts): Promise<void> {
    try {
      await this.#tryReset(parts, 'soft');
    } catch (error) {
      if (!isForeign(error)) throw error;
      this.#log('error', `soft reset failed, trying a hard reset: ${error.message}`);
      await this.#tryReset(parts, 'hard');
    }
  }

  async #tryReset({ gpu, mmu, firmware }: ResetParts, kind: ResetKind): Promise<void> {
    await mmu.preReset();
    await gpu.reset(kind);
    await gpu.powerOnL2();
    mmu.postReset();
    await firmware.postReset();
  }
}
