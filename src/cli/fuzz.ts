/** `tyr fuzz shaders`: random shaders on both engines, for a time; a difference is printed with all that shows it again. */
import { Fuzzer } from '../testing/mali/fuzz/fuzz.ts';
import { progressBar } from './progress-bar.ts';

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
}

/** Shaders between two looks at the clock; what was collected gives its scratch memory back there. */
const ROUND = 20;

export async function fuzzShaders({ seconds, seed }: FuzzOptions): Promise<number> {
  const fuzzer = new Fuzzer();
  const progress = progressBar();
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  let tried = 0;
  progress.begin('fuzzing shaders');
  while (elapsed() < seconds) {
    for (let n = 0; n < ROUND; n++, tried++) {
      const finding = fuzzer.try(seed + tried);
      if (!finding) continue;
      progress.end();
      console.log(finding.report);
      return 1;
    }
    const rate = tried / elapsed();
    progress.update(Math.min(1, elapsed() / seconds), `${tried} shaders, ${rate.toFixed(0)} a second`);
    // Lets signals and finalizers in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  progress.end();
  const time = elapsed();
  console.log(`${tried} shaders in ${time.toFixed(1)} s (${(tried / time).toFixed(0)} a second), no finding`);
  return 0;
}
