/**
 * How a program of the host's own architecture with Debian's llvmpipe is started on the machine: what the benches compare with.
 *
 * The program, its Mesa and its C library come from a folder in the cache (userland.ts, ensureNatives) and are run by the
 * dynamic loader in there, so that nothing of the host's own graphics takes part. Mesa finds its parts by the environment
 * variables of its loader (docs/envvars.rst) and glvnd's; by LLVMPIPE's it draws by the processor, whatever GPU it finds. GBM does not
 * look at EGL's (src/gbm/backends/dri/gbm_dri.c): with one of the two alone a program that draws on a display ends by a signal.
 */
import { dirname, join } from 'node:path';
import type { Architecture } from './compiler.ts';
import type { Userland } from './userland.ts';

export const LLVMPIPE = { LIBGL_ALWAYS_SOFTWARE: '1', GBM_ALWAYS_SOFTWARE: '1', GALLIUM_DRIVER: 'llvmpipe' };

export function nativeStart(
  { host }: Pick<Userland, 'host'>,
  natives: { root: string; architecture: Architecture },
  program: string,
  args: string[],
): { program: string; args: string[]; env: Record<string, string> } {
  const { root, architecture } = natives;
  const lib = join(root, 'usr/lib', architecture.triplet);
  return {
    program: join(lib, architecture.loader),
    // The loader's --library-path takes the place of LD_LIBRARY_PATH, by which the shim is found.
    args: [
      '--library-path',
      `${dirname(host.library)}:${lib}`,
      '--argv0',
      program,
      join(root, 'usr/bin', program),
      ...args,
    ],
    env: {
      ...LLVMPIPE,
      LIBGL_DRIVERS_PATH: join(lib, 'dri'),
      GBM_BACKENDS_PATH: join(lib, 'gbm'),
      __EGL_VENDOR_LIBRARY_DIRS: join(root, 'usr/share/glvnd/egl_vendor.d'),
    },
  };
}
