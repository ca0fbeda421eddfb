/** The driver's files in the device's folder of sysfs. After Linux `drivers/gpu/drm/panthor/panthor_drv.c` (panthor_attrs). */
import { PROFILING } from '../abi/panthor.ts';
import type { DeviceAttribute } from '../drm/device.ts';
import { DrmError, must } from '../drm/error.ts';
import type { Tyr } from './tyr.ts';

/** A number as the kernel's kstrtou32 reads it with base 0. Throws EINVAL. */
function readNumber(text: string): number {
  const octal = /^0[0-7]+$/.test(text);
  if (!octal && !/^(0[xX][0-9a-fA-F]+|\d+)$/.test(text)) throw new DrmError('EINVAL', `'${text}' is no number`);
  const value = octal ? Number.parseInt(text, 8) : Number(text);
  must(value < 2 ** 32, 'EINVAL', () => `${text} is more than 32 bits`);
  return value;
}

/** What of jobs is measured from now on. Throws EINVAL. */
export function setProfiling(tyr: Tyr, bits: number): void {
  must(
    (bits & ~PROFILING.ALL) === 0,
    'EINVAL',
    () => `profiling bits 0x${(bits >>> 0).toString(16)}: there are cycles (1) and timestamps (2)`,
  );
  tyr.profiling = bits;
}

export const attributes = (tyr: Tyr, name: string): DeviceAttribute[] => [
  {
    path: 'profiling',
    show: () => String(tyr.profiling),
    store: (text) => setProfiling(tyr, readNumber(text)),
  },
  ...(tyr.devfreq?.attributes(`devfreq/${name}`, name) ?? []),
];
