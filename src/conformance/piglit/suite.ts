/**
 * piglit, Debian's package in a tree of its own, for arm64 and run in the guest unless a Mesa of the host's is named: the profile `quick` without the parser tests, which draw
 * nothing (Mesa's CI calls it `gpu`). Its own lists say what there is; its runner in Python is not needed.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '../../host/userland/compiler.ts';
import { inspectMesa } from '../../host/userland/mesa.ts';
import { Problem } from '../../host/userland/problem.ts';
import type { Progress } from '../../host/userland/progress.ts';
import type { Native } from '../../host/userland/start.ts';
import { ensureOwnRoot, ensureUserland, type Userland } from '../../host/userland/userland.ts';
import type { Case, Prepared, Suite, SuiteOptions } from '../suite.ts';
import { APIS, type Api, type ApiName, mesaVersion, missing, parseWflinfo } from './features.ts';
import { type Listed, readProfiles } from './list.ts';
import { ShaderReader, TestReader } from './reader.ts';
import { piglitFolder, piglitRecipe } from './recipe.ts';

const PROFILES = ['quick_shader', 'quick_gl'];

/** EGL on a render node without a window system; what a test draws stays in framebuffer objects and its own surface. */
const PLATFORM = 'gbm';

export const piglit: Suite = {
  name: 'piglit',
  title: 'piglit: quick_gl and quick_shader',
  batchSize: 60,
  limit: 120,
  // shader_runner does not put all state back between files: blending stays on.
  failuresAlone: 'count',

  async prepare({ progress, ask, mesa: prefix }: SuiteOptions): Promise<Prepared> {
    const { userland, native, root, architecture } = await place(prefix, progress);
    const folder = join(root, piglitFolder(architecture));
    const features: Partial<Record<ApiName, Api>> = {};
    let mesa: string | undefined;
    for (const [name, args] of Object.entries(APIS)) {
      const program = join(root, 'usr/bin/wflinfo');
      const { output } = await ask(userland, { program, native, args: ['--platform', PLATFORM, '--verbose', ...args] });
      features[name as ApiName] = parseWflinfo(output);
      mesa ??= mesaVersion(output);
    }
    if (mesa === undefined) throw new Problem('wflinfo finds no OpenGL on the machine, so nothing of piglit can run');
    const listed = await readProfiles(join(folder, 'tests'), PROFILES);
    const programs = new Set(await readdir(join(folder, 'bin')));
    return {
      userland,
      mesa,
      cases: listed.map((test) =>
        toCase(test, folder, missing(test, features) ?? otherPlatform(test) ?? absent(test, programs)),
      ),
      command: (cases) => ({
        native,
        program: join(folder, 'bin', cases[0]!.args[0]!),
        args: [...cases.flatMap(({ args }) => args.slice(1)), ...flags(cases[0]!)],
        env: { PIGLIT_PLATFORM: PLATFORM, PIGLIT_SOURCE_DIR: folder, PIGLIT_BUILD_DIR: folder },
      }),
    };
  },

  reader: (cases) => (cases[0]?.batch === undefined ? new TestReader() : new ShaderReader(cases.length)),
};

interface Place {
  readonly userland: Userland;
  readonly native: Native | undefined;
  /** Where piglit lies. */
  readonly root: string;
  readonly architecture: Architecture;
}

/** piglit in the guest, by default on the guest's Mesa; on a Mesa of the host's architecture the host's piglit. */
async function place(prefix: string | undefined, progress: Progress): Promise<Place> {
  const userland = await ensureUserland({ progress });
  const { guest, host } = userland;
  const architectures = [...new Set([host.architecture, guest.architecture])];
  const mesa = prefix === undefined ? undefined : await inspectMesa(prefix, architectures);
  const architecture = mesa?.architecture ?? guest.architecture;
  const root = await ensureOwnRoot(piglitRecipe(architecture), architecture, { progress });
  if (architecture === guest.architecture) {
    return { userland: { ...userland, root }, native: mesa && { mesa }, root, architecture };
  }
  return { userland, native: { mesa, root }, root, architecture };
}

/** Lists name programs that a package need not have; piglit's own runner skips their tests, too. */
export function absent({ options }: Listed, programs: ReadonlySet<string>): string | undefined {
  const [program] = options.command as string[];
  return programs.has(program!) ? undefined : `the package has no ${program}`;
}

function toCase(test: Listed, folder: string, skip: string | undefined): Case {
  const [program, ...args] = test.options.command as string[];
  const shader = test.type === 'shader';
  const file = shader ? folder : join(folder, 'tests');
  return {
    name: test.name,
    group: groupOf(test.name),
    batch: shader ? program : undefined,
    skip,
    args: [program!, ...(test.type === 'gl' ? [...args, ...own(test)] : args.map((name) => join(file, name)))],
  };
}

/** `spec@NAME`, or the first part of other names. */
function groupOf(name: string): string {
  const [first, second] = name.split('@');
  return first === 'spec' ? `${first}@${second}` : first!;
}

/** Tests that piglit runs beside others draw into framebuffer objects, the others into a window, or what stands for it. */
function own({ options }: Listed): string[] {
  return options.run_concurrent === true ? ['-auto', '-fbo'] : ['-auto'];
}

const flags = ({ batch }: Case): string[] => (batch === undefined ? [] : ['-auto', '-fbo', '-report-subtests']);

function otherPlatform({ options }: Listed): string | undefined {
  const required = options.require_platforms as string[] | undefined;
  if (required && !required.includes(PLATFORM)) return `needs the window system ${required.join(' or ')}`;
  return (options.exclude_platforms as string[] | undefined)?.includes(PLATFORM) ? `not on ${PLATFORM}` : undefined;
}
