/**
 * Profile: what a run was bound by, in words and percent.
 *
 * V8's sampling profiler (node:inspector's Profiler domain) runs in this process; the self time of each function goes to
 * the part of the machine that its file belongs to, by the table SHARES. Emitted WebAssembly has no file: its functions are
 * told by the first part of their name. Time in Node itself, in native functions and in packages goes to whoever of the
 * table called them, so a copy that the driver asked for is the driver's. The shares of the machine's thread and its idle
 * time add up to 100 %.
 *
 * Workers (threads that draw) sample themselves: each is a line of its own, its busy time and the largest shares of that.
 * The guest's programs run on other cores at the same time, so their CPU time is a line of its own: percent of one core.
 * It is read from /proc/PID/stat (proc_pid_stat(5)) of their session while they live; what a process used after the last
 * look at it, and what processes with a session of their own used, is missed.
 */
import { type Profiler, Session } from 'node:inspector/promises';
import { treeSeconds } from '../host/cpu-time.ts';
import type { LeftOver } from '../mali/engine/left-over.ts';

/** The shares of the machine's thread, in the order in which they are printed. */
export const SHARE_NAMES = [
  'transport',
  'driver',
  'command stream',
  'vertex',
  'raster',
  'shading',
  'texturing',
  'write-back',
  'compile',
  'display',
  'garbage collection',
  'other',
  'idle',
] as const;
export type Share = (typeof SHARE_NAMES)[number];

/** Which share a file below src/ belongs to: the first row whose start fits. */
export const SHARES: readonly (readonly [start: string, share: Share])[] = [
  ['mali/fragment/writeback', 'write-back'],
  ['mali/fragment/afbc-store', 'write-back'],
  ['mali/fragment/tile-codec', 'write-back'],
  ['mali/fragment/wasm/', 'compile'],
  ['mali/fragment/', 'raster'],
  ['mali/wasm/', 'compile'],
  ['mali/recompiler/executor', 'shading'],
  ['mali/recompiler/memory', 'shading'],
  ['mali/recompiler/', 'compile'],
  ['mali/shader/decode', 'compile'],
  ['mali/shader/compile', 'compile'],
  ['mali/shader/', 'shading'],
  ['mali/compute', 'shading'],
  ['mali/engine/', 'shading'],
  // Where workers sleep.
  ['mali/workers/shared', 'idle'],
  ['mali/texture/emit', 'compile'],
  ['mali/texture/', 'texturing'],
  ['mali/tiler', 'vertex'],
  ['mali/csu/', 'command stream'],
  ['mali/mcu/', 'command stream'],
  ['mali/', 'command stream'],
  ['driver/', 'driver'],
  ['drm/', 'driver'],
  ['display/', 'display'],
  // Where the machine waits for its guests without sleeping.
  ['host/watch', 'idle'],
  ['host/', 'transport'],
];

/** Which share a function of emitted WebAssembly belongs to, by the start of its name. */
export const WASM_SHARES: readonly (readonly [start: string, share: Share])[] = [
  ['shade_', 'shading'],
  ['fragment_', 'shading'],
  ['compute_', 'shading'],
  ['warp_', 'shading'],
  ['raster_', 'raster'],
  ['tile_', 'raster'],
  ['vertex_', 'vertex'],
  ['sample_', 'texturing'],
  ['afbc_flat', 'texturing'],
  ['fetch_', 'vertex'],
  ['writeback_', 'write-back'],
];

const OWN: Record<string, Share> = { '(garbage collector)': 'garbage collection', '(idle)': 'idle' };

/** The share that a function says itself, or undefined where its caller has to say. */
export function shareOf(functionName: string, url: string): Share | undefined {
  if (Object.hasOwn(OWN, functionName)) return OWN[functionName];
  if (url.startsWith('wasm:')) return WASM_SHARES.find(([start]) => functionName.startsWith(start))?.[1];
  const file = /^file:.*?\/src\/((?:abi|board|drm|mali|driver|display|machine|host|cli)\/.*)$/.exec(url)?.[1];
  return file === undefined ? undefined : SHARES.find(([start]) => file.startsWith(start))?.[1];
}

/** Fractions of the profile's time, which add up to 1. */
export function sharesOf(profile: Pick<Profiler.Profile, 'nodes' | 'samples' | 'timeDeltas'>): Map<Share, number> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const share = new Map<number, Share>();
  // Callers stand before what they call.
  for (const { id, callFrame, children } of profile.nodes) {
    const found = shareOf(callFrame.functionName, callFrame.url) ?? share.get(id) ?? 'other';
    share.set(id, found);
    for (const child of children ?? []) if (nodes.has(child)) share.set(child, found);
  }
  const times = new Map<Share, number>(SHARE_NAMES.map((name) => [name, 0]));
  let total = 0;
  for (const [i, id] of (profile.samples ?? []).entries()) {
    // A sample's function ran until the next sample came.
    const time = Math.max(0, profile.timeDeltas?.[i + 1] ?? 0);
    const name = share.get(id) ?? 'other';
    times.set(name, times.get(name)! + time);
    total += time;
  }
  if (total > 0) for (const [name, time] of times) times.set(name, time / total);
  return times;
}

/** What a worker was busy with. */
export interface WorkerShares {
  /** Fraction of one core. */
  readonly busy: number;
  /** Fractions of its busy time. */
  readonly shares: ReadonlyMap<Share, number>;
}

/** Shares of a worker that are named. */
const LARGEST = 5;

/** Shares without the idle one, which add up to 1. */
function busyShares(profile: Profiler.Profile): Map<Share, number> {
  const shares = sharesOf(profile);
  const busy = 1 - (shares.get('idle') ?? 0);
  shares.delete('idle');
  for (const [name, fraction] of shares) {
    if (fraction > 0) shares.set(name, fraction / busy);
    else shares.delete(name);
  }
  return shares;
}

/** The report: what the run was bound by, then all shares of half a percent or more, largest first. */
export function profileText(shares: Map<Share, number>, guest: number, workers: readonly WorkerShares[] = []): string {
  const percent = (fraction: number) => `${(100 * fraction).toFixed(1).padStart(5)} %`;
  const busy = 1 - (shares.get('idle') ?? 0);
  const rows = [...shares].filter(([, fraction]) => fraction >= 0.005).sort((a, b) => b[1] - a[1]);
  const [largest] = rows.filter(([name]) => name !== 'idle');
  let bound = 'waiting: neither the guest nor the machine was busy for half of the time';
  const drawing = Math.max(...workers.map((worker) => worker.busy), 0);
  if (guest > Math.max(busy, drawing) && guest >= 0.5) bound = 'guest CPU';
  else if (drawing > busy && drawing >= 0.5) bound = 'workers';
  else if (busy >= 0.5 && largest) bound = largest[0];
  return [
    `The run was bound by ${bound}.`,
    `  ${'guest CPU'.padEnd(20)}${percent(guest)} of one core, beside the machine`,
    ...workers.map(({ busy: part, shares: of }, n) => {
      const largest = [...of].sort((a, b) => b[1] - a[1]).slice(0, LARGEST);
      const what = largest.map(([name, fraction]) => `${name} ${Math.round(100 * fraction)} %`).join(', ');
      return `  ${`worker ${n}`.padEnd(20)}${percent(part)} of one core, beside the machine: ${what}`;
    }),
    ...rows.map(([name, fraction]) => `  ${name.padEnd(20)}${percent(fraction)}`),
    '',
  ].join('\n');
}

/** Kinds that are named. */
const MOST_LEFT = 8;

/** A sentence on what emitted code has left to script, the most frequent first; nothing if it is nothing. */
export function leftText(left: LeftOver): string {
  const all = Object.entries(left).sort((a, b) => b[1] - a[1]);
  if (all.length === 0) return '';
  const named = all.slice(0, MOST_LEFT).map(([what, times]) => `${what} (${times})`);
  const more = all.length > MOST_LEFT ? `, and ${all.length - MOST_LEFT} more` : '';
  return `Left to script: ${named.join(', ')}${more}.\n`;
}

/** Microseconds between two samples, and milliseconds between two looks at the guest's processes. */
const INTERVAL = 500;
const LOOK = 50;

/** Profiles from `start` to `stop`. */
export class Profile {
  readonly #session = new Session();
  #timer: NodeJS.Timeout | undefined;
  #begin = 0;
  #guestSeconds = 0;

  /** `pid` is the guest's first process. The profiler answers at once: its session is connected in this thread. */
  start(pid: number): void {
    this.#session.connect();
    void this.#session.post('Profiler.enable');
    void this.#session.post('Profiler.setSamplingInterval', { interval: INTERVAL });
    void this.#session.post('Profiler.start');
    this.#begin = performance.now();
    this.#timer = setInterval(() => {
      this.#guestSeconds = Math.max(this.#guestSeconds, treeSeconds(pid));
    }, LOOK);
  }

  /** The report, or a sentence that there is none. */
  async stop(workers: readonly number[] = [], profiles: readonly Profiler.Profile[] = []): Promise<string> {
    if (this.#begin === 0) return 'The program did not start: there is no profile.\n';
    clearInterval(this.#timer);
    const seconds = (performance.now() - this.#begin) / 1000;
    const { profile } = await this.#session.post('Profiler.stop');
    this.#session.disconnect();
    return profileText(
      sharesOf(profile),
      this.#guestSeconds / seconds,
      workers.map((busy, n) => {
        const profile = profiles[n];
        return { busy: busy / seconds, shares: profile ? busyShares(profile) : new Map() };
      }),
    );
  }
}
