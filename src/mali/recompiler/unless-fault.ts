import { GpuFault } from '../contract.ts';

/**
 * What `look` finds, or undefined where it meets a fault: the interpreter's step meets that again, in the lane and at the place where it
 * belongs, and tells of it.
 */
export function unlessFault<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof GpuFault) return undefined;
    throw error;
  }
}
