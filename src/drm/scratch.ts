/**
 * Scratch: one place for bytes that are read at once and then forgotten. To make a view costs more than to copy the few bytes that ioctls
 * bring.
 */
import { viewOf } from '../abi/layout.ts';

/** Room for the largest argument of an ioctl, whose size has 14 bits. */
export const scratch = new Uint8Array(1 << 14);
export const scratchView = viewOf(scratch);

/** A view of these bytes, good until anybody uses the scratch again. What lies behind them is not theirs. */
export function viewed(bytes: Uint8Array): DataView {
  if (bytes.length > scratch.length) return viewOf(bytes);
  scratch.set(bytes);
  return scratchView;
}
