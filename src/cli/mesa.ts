/** `tyr mesa build`: a Mesa for this GPU, built from source. */
import { buildMesa } from '../host/userland/mesa-build.ts';
import { progressBar } from './progress-bar.ts';

export async function mesaBuild(options: { suite?: string; source?: string; jobs?: number }): Promise<number> {
  console.log(await buildMesa({ ...options, progress: progressBar() }));
  return 0;
}
