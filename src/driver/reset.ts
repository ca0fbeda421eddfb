/**
 * Reset: what is left when the GPU or its firmware does not answer any more.
 *
 * Everybody is taken out of the slots, the firmware stopped, the GPU reset, the firmware loaded anew and booted. Groups
 * that could save their state go on; those that could not are lost, innocent or not. If the firmware does not come back,
 * the device is given up. After Linux `drivers/gpu/drm/panthor/panthor_device.c` (panthor_device_reset_work).
 */
import type { Clock } from '../board/clock.ts';
import type { Firmware } from './fw/index.ts';
import type { GpuControl } from './gpu.ts';
import { describeFailure } from './hardware-error.ts';
import type { Logger } from './log.ts';
import type { Mmu } from './mmu/index.ts';
import type { Scheduler } from './sched/scheduler.ts';

export interface ResetParts {
  readonly gpu: GpuControl;
  readonly mmu: Mmu;
  readonly firmware: Firmware;
  readonly scheduler: Scheduler;
  /** The GPU could not be brought back. */
  readonly giveUp: () => void;
}

export class ResetControl {
  readonly #clock: Clock;
  readonly #log: Logger;
  #parts: ResetParts | undefined;
  #pending = false;
  #count = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** From here on a reset can happen. */
  enable(parts: ResetParts): void {
    this.#parts = parts;
  }

  disable(): void {
    this.#parts = undefined;
  }

  /** Resets done so far. */
  get count(): number {
    return this.#count;
  }

  /** Asks for a reset, soon. While one is pending, further calls change nothing. */
  schedule(reason: string): void {
    this.#log('error', reason);
    if (this.#pending || !this.#parts) return;
    this.#pending = true;
    this.#clock.yield(() => void this.#run());
  }

  async #run(): Promise<void> {
    const parts = this.#parts;
    if (!parts) return;
    this.#log('warn', 'resetting the GPU');
    let failed = false;
    try {
      await parts.scheduler.preReset();
      await parts.firmware.preReset();
      await parts.mmu.preReset();
      await parts.gpu.softReset();
      await parts.gpu.powerOnL2();
      parts.mmu.postReset();
      await parts.firmware.postReset();
    } catch (error) {
      this.#log('error', describeFailure(error, 'failed to boot MCU after reset, making device unusable'));
      failed = true;
    }
    this.#pending = false;
    this.#count++;
    parts.scheduler.postReset(failed);
    if (failed) parts.giveUp();
  }
}
