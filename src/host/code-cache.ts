/**
 * V8's compiled code of Tyr's own scripts, kept from run to run.
 *
 * Most of what a start, or a program's first frame, needs is run once; to compile it costs more than to run it. Node keeps what V8 has
 * compiled when a module is loaded; with functions compiled at once, not when they are first called (v8-flags in cli/main.ts), that
 * is all of it. Workers use the same folder (mali/workers/start.ts).
 */
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { constants, enableCompileCache } from 'node:module';
import { join } from 'node:path';

/** Files after which a folder is begun anew: each clone, Node and set of V8's flags makes some 850, of 12 KB. */
export const MOST_FILES = 15_000;

/** Keeps compiled code of the modules that this thread loads from now on. Answers why it cannot; undefined: it does. */
export function keepCompiledCode(folder: string, most = MOST_FILES): string | undefined {
  if (files(folder) > most) empty(folder);
  const { status, message } = enableCompileCache(folder);
  return status === constants.compileCacheStatus.FAILED ? (message ?? 'Node does not say why') : undefined;
}

/** Takes a folder away. Of processes that find it full at once one does it, and nobody else writes to what it deletes. */
function empty(folder: string): void {
  const away = `${folder}.${process.pid}`;
  try {
    renameSync(folder, away);
    rmSync(away, { recursive: true, force: true });
  } catch {
    // Another process was faster, or it is begun anew another time.
  }
}

/** How many files lie in the folders of a folder; one that is not there has none. */
function files(folder: string): number {
  const list = (path: string): string[] => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  };
  return list(folder).reduce((sum, name) => sum + list(join(folder, name)).length, 0);
}
