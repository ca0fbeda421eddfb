/** ErrnoError: what somebody outside did wrong or could not have: an errno for him, a sentence for the log. */
import { ERRNO, type Errno } from '../abi/errno.ts';

export class ErrnoError extends Error {
  readonly errno: Errno;

  constructor(errno: Errno, message: string) {
    // Clients that poll get one each time. Nobody looks at its stack, and to note that takes longer than most calls do.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = new.target.name;
    this.errno = errno;
  }

  /** The number that a call returns, negated, in the kernel's way. */
  get code(): number {
    return -ERRNO[this.errno];
  }
}
