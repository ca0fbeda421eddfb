/** EvdevError: what a client of an input device did wrong. */
import { ErrnoError } from '../board/errno-error.ts';

export class EvdevError extends ErrnoError {}
