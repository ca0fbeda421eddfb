/**
 * HardwareError: the GPU, its bus or its firmware is not there, does not answer, or is not what a driver can work with. The
 * driver then gives the device up and says what was wrong. Whatever else is thrown while a GPU is brought up is a bug of
 * our own: it is told with its stack, and not taken for a broken device.
 */
import { OutOfMemory } from '../board/dram.ts';
import { DrmError } from '../drm/error.ts';

export class HardwareError extends Error {}

/** Whether the cause lies outside the driver: hardware, firmware, or a board with too little memory. */
export const isForeign = (error: unknown): error is Error =>
  error instanceof HardwareError || error instanceof DrmError || error instanceof OutOfMemory;

/** What a log says of a failed step: what was wrong, or where we are at fault. */
export function describeFailure(error: unknown, step: string): string {
  if (isForeign(error)) return `${step}: ${error.message}`;
  return `${step}: the driver is at fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
