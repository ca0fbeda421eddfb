/** EvdevError: what a client of an input device did wrong: an errno for the client, a sentence for the log. */
import { ERRNO, type Errno } from '../abi/errno.ts';

export class EvdevError extends Error {
  readonly errno: Errno;

  constructor(errno: Errno, message: string) {
    super(message);
    this.name = 'EvdevError';
    this.errno = errno;
  }

  /** The number that the call returns, negated, in the kernel's way. */
  get code(): number {
    return -ERRNO[this.errno];
  }
}
