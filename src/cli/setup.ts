/** `tyr setup`: makes sure of the userland, showing progress. */
import { ensureRealFirmware, ensureUserland } from '../host/userland/userland.ts';
import { progressBar } from './progress-bar.ts';

export async function setup(options: { realFirmware?: boolean }): Promise<number> {
  const progress = progressBar();
  const userland = await ensureUserland({ progress });
  console.log(`guest     ${userland.root}`);
  console.log(`emulator  ${userland.qemu ?? 'none: this host runs arm64 programs itself'}`);
  console.log(`shim      ${[...new Set([userland.guest.library, userland.host.library])].join('\n          ')}`);
  if (options.realFirmware) console.log(`firmware  ${await ensureRealFirmware({ progress })}`);
  return 0;
}
