/**
 * CPU time of the programs that this process has started, as the kernel counts it: by ticks, in user and kernel mode (proc_pid_stat(5)).
 *
 * A process hands its time on to the one that waits for its end, and who is ended by force waits for nobody. So the time of programs
 * that are about to be ended is taken from all that still live, and the time of those that have ended by themselves from what was waited for.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second (USER_HZ; 100 on every Linux that Tyr runs on). */
const TICKS = 100;

interface Stat {
  parent: number;
  /** Seconds of its own, and of what it has waited for. */
  own: number;
  waited: number;
}

function statOf(pid: number | 'self'): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // it has ended meanwhile
  }
  // The second field, the name in parentheses, may hold spaces. After it: state, parent (field 4), …; utime, stime, cutime and cstime are 14 to 17.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user, system, waitedUser, waitedSystem] = fields.slice(11, 15).map(Number) as [number, number, number, number];
  return { parent: Number(fields[1]), own: (user + system) / TICKS, waited: (waitedUser + waitedSystem) / TICKS };
}

/** Seconds of a living process, of all that descend from it, and of those of them that were waited for. */
export function treeSeconds(root: number): number {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat) stats.set(Number(name), stat);
  }
  const children = Map.groupBy(stats.keys(), (pid) => stats.get(pid)!.parent);
  let seconds = 0;
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const stat = stats.get(pid);
    if (stat) seconds += stat.own + stat.waited;
    open.push(...(children.get(pid) ?? []));
  }
  return seconds;
}

/** Seconds of all that this process has started and that has ended. */
export const waitedSeconds = (): number => statOf('self')?.waited ?? 0;
