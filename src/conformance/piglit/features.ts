/**
 * What the GPU's Mesa offers, by wflinfo, so that tests which need more are skipped without being started, as piglit's own
 * runner does (framework/test/opengl.py, framework/wflinfo.py).
 */
import type { Listed } from './list.ts';

/** One API as wflinfo tells of it. */
export interface Api {
  readonly version: number;
  readonly glsl: number;
  readonly extensions: ReadonlySet<string>;
}

export const APIS = {
  compat: ['--api', 'gl', '--profile', 'none'],
  core: ['--api', 'gl', '--profile', 'core'],
  gles1: ['--api', 'gles1'],
  gles2: ['--api', 'gles2'],
} as const;
export type ApiName = keyof typeof APIS;

/** An API that is not there is missing: Panfrost has no core profile for this GPU. */
export type Features = Readonly<Partial<Record<ApiName, Api>>>;

/** Reads what `wflinfo --verbose` printed; undefined if it printed no version. */
export function parseWflinfo(output: string): Api | undefined {
  const version = /^OpenGL version string: (?:OpenGL ES(?:-C[ML])? )?(\d+\.\d+)/m.exec(output)?.[1];
  if (version === undefined) return undefined;
  const glsl = /^OpenGL shading language version string: (?:OpenGL ES GLSL ES )?(\d+\.\d+)/m.exec(output)?.[1];
  const extensions = /^OpenGL extensions: (.*)$/m.exec(output)?.[1] ?? '';
  return { version: Number(version), glsl: Number(glsl ?? 0), extensions: new Set(extensions.split(' ')) };
}

/** 'Mesa 25.0.7-2+deb13u1' of a version string: what follows the word. */
export function mesaVersion(output: string): string | undefined {
  return /^OpenGL version string: .*\bMesa (\S+)/m.exec(output)?.[1];
}

/** Why a test of a list cannot run, undefined if it can. */
export function missing({ options }: Listed, features: Features): string | undefined {
  const named = options.api === undefined ? 'compat' : String(options.api);
  const api = features[named === 'gles3' ? 'gles2' : (named as ApiName)];
  if (api === undefined) return `needs ${named}, which there is not`;
  for (const name of (options.extensions as string[] | undefined) ?? []) {
    if (!api.extensions.has(name)) return `needs ${name}`;
  }
  const version = options.api_version as number | undefined;
  if (version !== undefined && version > api.version) return `needs ${named} ${version}, there is ${api.version}`;
  const glsl = options.shader_version as number | undefined;
  if (glsl !== undefined && glsl > api.glsl) return `needs GLSL ${glsl}, there is ${api.glsl}`;
  return undefined;
}
