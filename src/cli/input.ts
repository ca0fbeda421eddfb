/** `tyr input`: what a person would do, done to a running machine. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { sendInput } from '../host/control.ts';
import { machineOf, runtimeFolders } from '../host/runtime-folder.ts';
import { Problem } from '../host/userland/problem.ts';
import { CommandError, parseCommand } from '../input/command.ts';
import { parseScript, type ScriptLine } from '../input/script.ts';

export async function input(words: string[], { machine }: { machine?: number }): Promise<number> {
  try {
    parseCommand(words);
  } catch (error) {
    throw problem(error);
  }
  await sendInput(findMachine(machine), words);
  return 0;
}

/** Reads and checks an input script. */
export async function readScript(file: string): Promise<ScriptLine[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new Problem(`the input script cannot be read: ${(error as Error).message}`);
  }
  try {
    return parseScript(text);
  } catch (error) {
    throw problem(error, `${basename(file)}, `);
  }
}

function problem(error: unknown, where = ''): unknown {
  return error instanceof CommandError ? new Problem(`${where}${error.message}`) : error;
}

/** The folder of the machine that `tyr run` in process `pid` has started, or of the only one. */
export function findMachine(pid: number | undefined): string {
  const folders = runtimeFolders();
  const found = pid === undefined ? folders : folders.filter((folder) => machineOf(folder) === pid);
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw new Problem(`several machines are running: --machine says which, of ${folders.map(machineOf).join(', ')}`);
  throw new Problem(
    pid === undefined ? 'no machine is running; `tyr run` starts one' : `no machine runs in process ${pid}`,
  );
}
