/**
 * Programs of the host's architecture that make a guest's root (recipe.ts, ROOT_PACKAGES), so that all hosts have the same. Their own
 * dynamic loader starts them.
 */
import { join } from 'node:path';

export interface RootTools {
  /** A folder of packages, by its path without links. */
  folder: string;
  /** The dynamic loader, and the folder of libraries, both from there. */
  loader: string;
  libraries: string;
}

/** The words that start a program of usr/bin with these first arguments. */
export function toolStart({ folder, loader, libraries }: RootTools, name: string, ...args: string[]): string[] {
  return [join(folder, loader), '--library-path', join(folder, libraries), join(folder, 'usr/bin', name), ...args];
}
