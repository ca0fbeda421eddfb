/** Tyr: the parts of one GPU's driver, as ioctl handlers use them. */

import type { Mmio } from '../board/mmio.ts';
import type { DeviceContext } from '../drm/device.ts';
import type { Devfreq } from './devfreq.ts';
import type { Firmware } from './fw/index.ts';
import type { GpuControl } from './gpu.ts';
import type { Logger } from './log.ts';
import type { Mmu } from './mmu/index.ts';
import type { PowerControl } from './power.ts';
import type { Group } from './sched/group.ts';
import type { Scheduler } from './sched/scheduler.ts';
import type { VmResources } from './vm.ts';

export interface Tyr {
  readonly context: DeviceContext;
  readonly mmio: Mmio;
  readonly log: Logger;
  readonly gpu: GpuControl;
  readonly mmu: Mmu;
  readonly firmware: Firmware;
  readonly scheduler: Scheduler;
  readonly power: PowerControl;
  /** Who sets the GPU's clock, where the board can. */
  readonly devfreq: Devfreq | undefined;
  readonly vmResources: VmResources;
  /** PROFILING bits: what of jobs that are submitted from now on is measured. */
  profiling: number;
  /** Hz of the system counter; 0 if unknown. */
  readonly timerFrequency: number;
  /** Takes a group that no handle names any more out of the hardware and frees it. */
  destroyGroup(group: Group): void;
}
