/**
 * The driver's lines of fdinfo: what a file's jobs have used of the GPU, as far as they were measured (sysfs `profiling`), the GPU's clock,
 * and the memory that the driver has for the file beside its buffers.
 * After Linux `drivers/gpu/drm/panthor/panthor_drv.c` (panthor_show_fdinfo), `Documentation/gpu/panthor.rst`.
 */
import { PROFILING } from '../abi/panthor.ts';
import { type FdinfoLine, fdinfoSize } from '../drm/fdinfo.ts';
import type { File } from './file.ts';
import type { Group } from './sched/group.ts';

const NS = 1e9;

/** Bytes of a group's own buffers. */
export const groupMemory = ({ buffers, queues }: Group): number =>
  queues.reduce(
    (sum, { ring, interface: pages, times }) => sum + ring.size + pages.size + times.size,
    buffers.suspend.size + buffers.protmSuspend.size + buffers.syncobjs.size,
  );

/** Bytes that the driver holds for a file beside its buffers, and those of them that are in use right now. */
export function internalMemory(file: File): { resident: number; active: number } {
  let resident = 0;
  let active = 0;
  for (const group of file.private.groups.values()) {
    const size = groupMemory(group);
    resident += size;
    if (group.slot !== undefined) active += size;
  }
  for (const vm of file.private.vms.values()) {
    const size = vm.heaps?.bytes ?? 0;
    resident += size;
    if (vm.space.users > 0) active += size;
  }
  return { resident, active };
}

/** Nanoseconds of the GPU that the file's measured jobs have had. */
export function engineTime(file: File): number {
  const { timerFrequency } = file.private.tyr;
  return timerFrequency === 0 ? 0 : Math.ceil((file.private.usage.ticks * NS) / timerFrequency);
}

export function showFdinfo(file: File): FdinfoLine[] {
  const { tyr } = file.private;
  const { profiling, gpu } = tyr;
  const { resident, active } = internalMemory(file);
  return [
    ...(profiling & PROFILING.TIMESTAMP ? [['drm-engine-panthor', `${engineTime(file)} ns`] as const] : []),
    ...(profiling & PROFILING.CYCLES ? [['drm-cycles-panthor', String(file.private.usage.cycles)] as const] : []),
    ['drm-maxfreq-panthor', `${gpu.maxRate} Hz`],
    ['drm-curfreq-panthor', `${gpu.cycleRate} Hz`],
    ['panthor-resident-memory', fdinfoSize(resident)],
    ['panthor-active-memory', fdinfoSize(active)],
  ];
}
