/**
 * piglit, Debian's package for arm64 in a guest of its own: the profile `quick` without the parser tests, which draw
 * nothing (Mesa's CI calls it `gpu`). Its own lists say what there is; its runner in Python is not needed.
 */
import { join } from 'node:path';
import { Problem } from '../../host/userland/problem.ts';
import { ensureOwnGuest } from '../../host/userland/userland.ts';
import type { Case, Prepared, Suite, SuiteOptions } from '../suite.ts';
import { APIS, type Api, type ApiName, mesaVersion, missing, parseWflinfo } from './features.ts';
import { type Listed, readProfiles } from './list.ts';
import { ShaderReader, TestReader } from './reader.ts';
import { PIGLIT_FOLDER, PIGLIT_GUEST } from './recipe.ts';

const PROFILES = ['quick_gl', 'quick_shader'];

/** EGL on a render node without a window system; what a test draws stays in framebuffer objects and its own surface. */
const PLATFORM = 'gbm';

export const piglit: Suite = {
  name: 'piglit',
  title: 'piglit: quick_gl and quick_shader',
  batchSize: 60,
  limit: 120,

  async prepare({ progress, ask }: SuiteOptions): Promise<Prepared> {
    const userland = await ensureOwnGuest(PIGLIT_GUEST, { progress });
    const folder = join(userland.root, PIGLIT_FOLDER);
    const features: Partial<Record<ApiName, Api>> = {};
    let mesa: string | undefined;
    for (const [name, args] of Object.entries(APIS)) {
      const program = join(userland.root, 'usr/bin/wflinfo');
      const { output } = await ask(userland, { program, args: ['--platform', PLATFORM, '--verbose', ...args] });
      features[name as ApiName] = parseWflinfo(output);
      mesa ??= mesaVersion(output);
    }
    if (mesa === undefined) throw new Problem('wflinfo finds no OpenGL on the machine, so nothing of piglit can run');
    const listed = await readProfiles(join(folder, 'tests'), PROFILES);
    return {
      userland,
      mesa,
      cases: listed.map((test) => toCase(test, folder, missing(test, features) ?? otherPlatform(test))),
      command: (cases) => ({
        program: join(folder, 'bin', cases[0]!.args[0]!),
        args: [...cases.flatMap(({ args }) => args.slice(1)), ...flags(cases[0]!)],
        env: { PIGLIT_PLATFORM: PLATFORM, PIGLIT_SOURCE_DIR: folder, PIGLIT_BUILD_DIR: folder },
      }),
    };
  },

  reader: ([first]) => (first?.batch === undefined ? new TestReader() : new ShaderReader()),
};

function toCase(test: Listed, folder: string, skip: string | undefined): Case {
  const [program, ...args] = test.options.command as string[];
  const shader = test.type === 'shader';
  const file = shader ? folder : join(folder, 'tests');
  return {
    name: test.name,
    group: test.name.split('@').slice(0, 2).join('@'),
    batch: shader ? program : undefined,
    skip,
    args: [program!, ...(test.type === 'gl' ? [...args, ...own(test)] : args.map((name) => join(file, name)))],
  };
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
