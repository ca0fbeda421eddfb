/**
 * Where the programs of these suites lie, and what each side runs them by: ours on the GPU, in the guest or on a Mesa of the caller's;
 * the other one as a program of the host's own architecture with Debian's llvmpipe, as `tyr run --llvmpipe` does.
 */
import type { Command } from '../../host/hosted-machine.ts';
import { ARCHITECTURES } from '../../host/userland/compiler.ts';
import { inspectMesa } from '../../host/userland/mesa.ts';
import { mesaWorld, packagesWorld } from '../../host/userland/mesa-world.ts';
import { LLVMPIPE } from '../../host/userland/natives.ts';
import { Problem } from '../../host/userland/problem.ts';
import { ensureNatives, ensureUserland, type Userland } from '../../host/userland/userland.ts';
import type { SuiteOptions } from '../suite.ts';

export interface Sides {
  readonly userland: Userland;
  /** As they name themselves. */
  readonly mesa: string;
  readonly gpu: string;
  ours(args: readonly string[]): Command;
  reference(args: readonly string[]): Command;
}

/** Both sides of a program. Throws Problem where ours does not draw on the virtual GPU. */
export async function sidesOf(
  program: string,
  { progress, mesa: prefix, ask }: Pick<SuiteOptions, 'progress' | 'mesa' | 'ask'>,
): Promise<Sides> {
  const userland = await ensureUserland({ progress });
  const { root } = await ensureNatives({ progress });
  const mesa = prefix === undefined ? undefined : await inspectMesa(prefix, ARCHITECTURES);
  const world = async (name: string) =>
    mesa
      ? await mesaWorld(mesa, name, userland.host.architecture, { packages: async () => root, packagesFirst: true })
      : { program: name, native: undefined };
  const own = await world(program);
  const their = packagesWorld(root, program);
  // A shader that another run has compiled would hide what compiling it here comes to.
  const env = { MESA_SHADER_CACHE_DISABLE: 'true' };
  const { output } = await ask(userland, { ...(await world('eglinfo')), args: ['-B', '-p', 'gbm'], env });
  return {
    userland,
    ...theGpu(output),
    ours: (args) => ({ ...own, args: [...args], env }),
    reference: (args) => ({ ...their, args: [...args], env: { ...env, ...LLVMPIPE } }),
  };
}

/** What `eglinfo -B` says. Throws Problem where that is not the virtual GPU: Mesa takes llvmpipe where it finds no driver. */
export function theGpu(output: string): { gpu: string; mesa: string } {
  const gpu = /^OpenGL(?: ES| core| compatibility)? profile renderer: (.*)$/m.exec(output)?.[1];
  const mesa = /^OpenGL(?: ES| core| compatibility)? profile version: .*\bMesa (\S+)/m.exec(output)?.[1];
  if (gpu?.includes('Mali') && mesa !== undefined) return { gpu: gpu.trim(), mesa };
  throw new Problem(
    `eglinfo does not run on the virtual GPU but on ${gpu ?? `none: ${output.slice(-500) || 'it said nothing'}`}`,
  );
}
