/**
 * The machine's own folder, for its socket and what stands for /dev/dri: made anew for each machine, and gone with it. One
 * whose machine was killed goes by the guard of its program (program.ts); what is left all the same, when the next machine of the same
 * user starts.
 */
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SHIM_SOCKET } from '../abi/shim.ts';
import { Problem } from './userland/problem.ts';

/** `tyr-PID-` and six characters. */
const NAME = /^tyr-(\d+)-\w{6}$/;

/** Where machines may have their folders, best first. */
const places = (): string[] => [process.env.XDG_RUNTIME_DIR, tmpdir()].filter((base) => base !== undefined);

/** The process whose machine has this folder. */
export const machineOf = (folder: string): number => Number(NAME.exec(basename(folder))?.[1]);

/** A new folder for one machine: in XDG_RUNTIME_DIR, else among the temporary files. */
export async function runtimeFolder(): Promise<string> {
  for (const base of places()) {
    await removeStale(base);
    try {
      return mkdtempSync(join(base, `tyr-${process.pid}-`));
    } catch {
      // Not there, or not ours: the next one.
    }
  }
  throw new Problem(`neither XDG_RUNTIME_DIR nor ${tmpdir()} can be written; Tyr puts its sockets there`);
}

/** The folders of this user's machines that run. */
export function runtimeFolders(): string[] {
  return places().flatMap((base) => {
    try {
      return readdirSync(base)
        .filter((name) => isAlive(Number(NAME.exec(name)?.[1] ?? Number.NaN)))
        .map((name) => join(base, name))
        .filter(isOwn);
    } catch {
      return [];
    }
  });
}

/** Removes the folders of this user's machines that are no more. */
async function removeStale(base: string): Promise<void> {
  let names: string[];
  try {
    names = readdirSync(base);
  } catch {
    return;
  }
  for (const name of names) {
    const pid = NAME.exec(name)?.[1];
    const folder = join(base, name);
    if (pid === undefined || !isOwn(folder) || isAlive(Number(pid)) || (await answers(join(folder, SHIM_SOCKET))))
      continue;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A folder, no link to one, that belongs to this user. */
function isOwn(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === process.getuid?.();
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Whether somebody listens there: the machine may live in another PID namespace, where its number is another one. */
function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => resolve(true));
    connection.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    );
    connection.once('close', () => connection.destroy());
  });
}
