/** Where what this host keeps for Tyr lies: $XDG_CACHE_HOME/tyr, or ~/.cache/tyr. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'tyr');
}

/** Where core dumps of the GPU's driver are kept. */
export const dumpFolder = (cache: string): string => join(cache, 'dumps');

/** The part of a cache folder that holds V8's compiled code of Tyr's own scripts (code-cache.ts). */
export const codeFolder = (cache: string): string => join(cache, 'code');
