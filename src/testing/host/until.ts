/** Waiting for what a program, a thread or another process does in its own time. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * After so many milliseconds a test gives up. What it waits for comes within a fraction of that on an idle host, and still comes on
 * one that is busy with twenty other things: how long it takes is for benches to say.
 */
const PATIENCE = 120_000;

/** Waits until something is so. Fails with `why` when it has not come to be. */
export async function until(what: () => boolean, why: () => string): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!what()) {
    assert.ok(performance.now() < end, why());
    await sleep(5);
  }
}
