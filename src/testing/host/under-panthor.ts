/** For tests: a script under Debian's kernel and its panthor on the virtual GPU, with all that it and the machine have said. */
import { readFile } from 'node:fs/promises';
import { HostClock } from '../../board/clock.ts';
import { recorder } from '../../board/log.ts';
import { ensureRealFirmware, ensureUserland, ensureVm } from '../../host/userland/userland.ts';
import { chooseKernel } from '../../host/vm/kernel.ts';
import { runVm, type VmOptions, type VmResult } from '../../host/vm/vm.ts';

export interface UnderPanthor extends VmResult {
  readonly stdout: string;
  /** The machine's log, and what the script has said on standard error. */
  readonly lines: readonly string[];
  /** All of it, for a test that fails. */
  readonly all: string;
}

/** `client`: the test's client that the guest has as /tyr/program. */
export async function underPanthor(
  script: string,
  client: string,
  options: Pick<VmOptions, 'share' | 'faults' | 'timeout'>,
): Promise<UnderPanthor> {
  const userland = await ensureUserland();
  const pieces = await ensureVm();
  const { log, lines } = recorder();
  let stdout = '';
  const result = await runVm({
    ...options,
    userland,
    pieces,
    kernel: await chooseKernel({ driver: 'panthor' }, userland, pieces, {}),
    expectGpu: true,
    firmware: new Uint8Array(await readFile(await ensureRealFirmware())),
    words: ['sh', '-c', script],
    own: new Uint8Array(await readFile(userland.guest.clients[client]!)),
    clock: new HostClock(),
    log,
    memory: 512,
    cpus: 1,
    stdout: (bytes) => {
      stdout += Buffer.from(bytes).toString();
    },
    stderr: (bytes) => lines.push(Buffer.from(bytes).toString()),
  });
  return { ...result, stdout, lines, all: [...lines, stdout, result.dmesg].join('\n') };
}
