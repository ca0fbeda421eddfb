/**
 * fdinfo: what the kernel tells of an open DRM file in /proc/PID/fdinfo/FD: whose it is, what it uses of the GPU, and its memory.
 *
 * Keys are of `Documentation/gpu/drm-usage-stats.rst`; a driver adds its own. After Linux `drivers/gpu/drm/drm_file.c`
 * (drm_show_fdinfo, drm_show_memory_stats).
 */
import type { DrmFile } from './file.ts';
import type { GemObject } from './gem.ts';

/** A line: the key and its value, without the tab between them. */
export type FdinfoLine = readonly [key: string, value: string];

const KIB = 1024;

/** A size in the largest unit that divides it. */
export function fdinfoSize(bytes: number): string {
  const units = ['', ' KiB', ' MiB'];
  let unit = 0;
  let value = bytes;
  for (; unit < units.length - 1 && value !== 0 && value % KIB === 0; unit++) value /= KIB;
  return `${value}${units[unit]}`;
}

/** Bytes of the file's buffers, each counted once. */
export interface MemoryStats {
  readonly total: number;
  readonly shared: number;
  readonly resident: number;
  readonly active: number;
}

export function memoryStats(file: DrmFile<any>): MemoryStats {
  const objects = new Set<GemObject>(file.handles.values());
  const stats = { total: 0, shared: 0, resident: 0, active: 0 };
  for (const object of objects) {
    stats.total += object.size;
    // Pages are there from the start.
    stats.resident += object.size;
    if (object.isShared) stats.shared += object.size;
    if (object.resv.pending('write').length > 0) stats.active += object.size;
  }
  return stats;
}

/** All lines that concern DRM. Empty once the device has gone. */
export function showFdinfo(file: DrmFile<any>): FdinfoLine[] {
  const { device } = file;
  if (device.gone || file.closed) return [];
  const lines: FdinfoLine[] = [
    ['drm-driver', device.driver.name],
    ['drm-client-id', String(file.id)],
  ];
  if (file.clientName !== undefined) lines.push(['drm-client-name', file.clientName]);
  const own = device.driver.showFdinfo?.(file);
  if (!own) return lines;
  lines.push(...own);
  const { total, shared, active, resident } = memoryStats(file);
  lines.push(['drm-total-memory', fdinfoSize(total)], ['drm-shared-memory', fdinfoSize(shared)]);
  if (active > 0) lines.push(['drm-active-memory', fdinfoSize(active)]);
  lines.push(['drm-resident-memory', fdinfoSize(resident)]);
  return lines;
}
