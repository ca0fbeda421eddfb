/**
 * What a worker spends its time with: V8's sampling profiler, run by the worker itself. A session in its own thread answers at
 * once, so a thread that never comes back to its event loop can use it.
 */
import { type Profiler, Session } from 'node:inspector';

/** Microseconds between two samples. */
const INTERVAL = 500;

export class Sampler {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
    this.#session.post('Profiler.start');
  }

  stop(): Profiler.Profile | undefined {
    let profile: Profiler.Profile | undefined;
    this.#session.post('Profiler.stop', (_error, result) => {
      profile = result?.profile;
    });
    this.#session.disconnect();
    return profile;
  }
}
