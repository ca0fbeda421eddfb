/** Lives of clients that send anything (chaos.ts) to a whole machine: so many calls each, and death in the midst of those that wait. */
import assert from 'node:assert/strict';
import type { IoctlResult } from '../../drm/ioctl.ts';
import type { Machine } from '../../machine/machine.ts';
import type { FakeUser } from '../drm/client.ts';
import { Chaos } from './chaos.ts';

/** Calls from one change of what lies in a client's buffers to the next, and calls without letting the machine turn. */
const CORRUPTING = 8;
const TURN = 2;

/** What came of a life. */
export interface Life {
  readonly sent: number;
  /** Calls that did not answer at once. */
  readonly waited: number;
  /** Names of the ioctls that succeeded. */
  readonly succeeded: Iterable<string>;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function checkAnswer({ value }: IoctlResult): void {
  assert.ok(Number.isInteger(value) && value > -4096, `an ioctl returned ${value}`);
}

/** `called`: after each call. `user`: whose calls they are. Fails for an answer that no ioctl gives. */
export async function chaoticLife(
  machine: Machine,
  seed: number,
  calls: number,
  called?: () => void,
  user?: FakeUser,
): Promise<Life> {
  const chaos = new Chaos(machine, seed, user);
  const waiting: Promise<IoctlResult>[] = [];
  for (let sent = 0; sent < calls; sent++) {
    const result = chaos.send();
    if (result instanceof Promise) {
      result.catch(() => {});
      waiting.push(result);
    } else checkAnswer(result);
    if (sent % CORRUPTING === 0) chaos.corrupt(machine.dram);
    if (sent % TURN === 0) await turn();
    called?.();
  }
  chaos.die();
  for (const result of await Promise.all(waiting)) checkAnswer(result);
  return { sent: calls, waited: waiting.length, succeeded: chaos.succeeded.keys() };
}
