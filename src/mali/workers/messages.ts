/** What workers send to the main thread, beside what they leave in shared words. */
import type { Profiler } from 'node:inspector';
import { type Access, GpuFault, PageFault } from '../contract.ts';
import type { LeftOver } from '../engine/left-over.ts';

export interface Failure {
  readonly kind: 'page' | 'gpu' | 'bug';
  readonly code: number;
  readonly address: number;
  readonly access: Access;
  readonly message: string;
}

/** What a thread has spent its time with, and what emitted code has left to script there. */
export interface ThreadProfile {
  readonly profile: Profiler.Profile;
  readonly left: LeftOver;
}

export type Message =
  | ({ readonly kind: 'profile' } & ThreadProfile)
  /** The thread can take jobs. */
  | { readonly kind: 'ready' }
  /** A check point that was asked for has been passed. */
  | { readonly kind: 'check' }
  /** This worker is no longer at the job; `failure`: what it has found wrong. */
  | { readonly kind: 'end'; readonly job: number; readonly serial: number; readonly failure: Failure | undefined };

/** An error as data. */
export function failureOf(error: unknown): Failure {
  if (error instanceof PageFault) {
    const { code, address, access, message } = error;
    return { kind: 'page', code, address, access, message };
  }
  if (error instanceof GpuFault) {
    const { code, address, message } = error;
    return { kind: 'gpu', code, address, access: 'read', message };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'bug', code: 0, address: 0, access: 'read', message };
}

/** And back. */
export function errorOf({ kind, code, address, access, message }: Failure): Error {
  if (kind === 'page') return new PageFault(code, address, access, message);
  if (kind === 'gpu') return new GpuFault(code, address, message);
  return new Error(`on a worker: ${message}`);
}
