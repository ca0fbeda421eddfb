/** DrmError: what a client of a DRM device did wrong or could not have. */
import type { Errno } from '../abi/errno.ts';
import { ErrnoError } from '../board/errno-error.ts';

export class DrmError extends ErrnoError {}

/** Throws `DrmError(errno, message)` unless `condition` holds. */
export function must(condition: unknown, errno: Errno, message: string | (() => string)): asserts condition {
  if (!condition) throw new DrmError(errno, typeof message === 'string' ? message : message());
}
