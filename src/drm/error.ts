/** DrmError: what a client did wrong or could not have: an errno for the client, a sentence for the log. */
import { ERRNO, type Errno } from '../abi/errno.ts';

export class DrmError extends Error {
  readonly errno: Errno;

  constructor(errno: Errno, message: string) {
    super(message);
    this.name = 'DrmError';
    this.errno = errno;
  }

  /** The number that the ioctl returns, negated, in the kernel's way. */
  get code(): number {
    return -ERRNO[this.errno];
  }
}

/** Throws `DrmError(errno, message)` unless `condition` holds. */
export function must(condition: unknown, errno: Errno, message: string | (() => string)): asserts condition {
  if (!condition) throw new DrmError(errno, typeof message === 'string' ? message : message());
}
