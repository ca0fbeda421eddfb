/** For tests: an input port that notes what comes to it, and time that passes. */
import type { TestClock } from '../../board/clock.ts';
import type { InputPort } from '../../input/port.ts';

/** A port that writes down what is done to it, and when, in milliseconds. */
export function noteInput(clock: TestClock): { port: InputPort; done: unknown[][] } {
  const done: unknown[][] = [];
  const port = new Proxy({} as InputPort, {
    get:
      (_, what) =>
      (...values: unknown[]) =>
        done.push([Math.round(clock.now() / 1e6), what, ...values]),
  });
  return { port, done };
}

/** Lets time pass, a millisecond after the other, and what waits for it go on. */
export async function passTime(clock: TestClock, milliseconds: number): Promise<void> {
  for (let i = 0; i < milliseconds; i++) {
    clock.advance(1e6);
    await null;
    await null;
    await null;
  }
}
