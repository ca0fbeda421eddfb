/**
 * Problem: something that the user's machine lacks, told in one sentence that also says how to get it.
 *
 * The command line prints the sentence and ends with 1; every other error is a bug of ours and keeps its stack.
 */
export class Problem extends Error {}

/** The sentence for an error that a full or read-only disk, or a missing program, causes; undefined for all others. */
export function asProblem(error: unknown, folder: string): Problem | undefined {
  if (error instanceof Problem) return error;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Problem(
      `the disk that holds ${folder} is full; free about 1 GB there, or name another folder in XDG_CACHE_HOME`,
    );
  }
  if (['EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'EEXIST'].includes(code ?? '')) {
    return new Problem(`${path ?? folder} cannot be written; name a folder of your own in XDG_CACHE_HOME`);
  }
  return undefined;
}
