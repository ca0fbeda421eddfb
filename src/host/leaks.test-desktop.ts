/**
 * What programs and desktops leave: each is ended while it draws, once as by Ctrl-C and once by SIGKILL of `tyr` itself. Then none of its processes
 * lives, whoever has started it and whatever session or namespace it has gone to; no machine's folder with its sockets is left, no
 * temporary file, no mount; and the home can be another's, by its lock. Buffers, VMs, groups and open files of clients are counted by the
 * machine, which says so at its end. Fetches the guests where they are missing.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { MachineStatus } from '../machine/status.ts';
import { until } from '../testing/host/until.ts';
import { askStatus } from './control.ts';
import { commandOf } from './userland/guests.ts';
import { namespacesRefused } from './userland/namespaces.ts';
import { ensureUserland, GUEST, hostArchitecture } from './userland/userland.ts';

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
/** Milliseconds between looks at a machine, and in which a program draws on a busy host. */
const LOOK = 500;
const PATIENCE = 900_000;

interface Guest {
  /** What `tyr run` is told. */
  words: string[];
  /** Whether it is at work. */
  atWork(now: MachineStatus): boolean;
  /** Why it cannot run here. */
  skip?: string | false;
}

const SMALL = ['--mode', '640x480@60'];
const RACE = ['--race-now', '--track=lighthouse', '--numkarts=1', '--screensize=640x480'];
/** Whether a program of this name has groups on the GPU. */
const uses = ({ clients }: MachineStatus, program: RegExp): boolean =>
  clients.some(({ command, groups = [] }) => program.test(command) && groups.length > 0);

const GUESTS: Record<string, Guest> = {
  kmscube: { words: ['kmscube'], atWork: ({ frames }) => frames >= 2 },
  weston: { words: ['weston'], atWork: ({ frames, gpu }) => frames >= 3 && gpu!.jobs >= 3 },
  firefox: { words: [...SMALL, 'firefox'], atWork: (now) => now.frames >= 3 && uses(now, /firefox/) },
  gnome: {
    words: [...SMALL, 'gnome'],
    atWork: (now) => now.frames >= 3 && uses(now, /gnome-shell/),
    skip: await namespacesRefused(hostArchitecture() === GUEST),
  },
  supertuxkart: {
    words: [...SMALL, 'supertuxkart', ...RACE, '--disable-dynamic-lights', '--disable-texture-compression'],
    // The race has begun: 25 frames are of the loading screen.
    atWork: (now) => now.frames >= 36 && uses(now, /supertuxkart/),
  },
};

interface Process {
  parent: number;
  /** Its start, by which it is told from a later one of the same number. */
  born: string;
  /** Its PID namespace. */
  space: string;
}

function processes(): Map<number, Process> {
  const found = new Map<number, Process>();
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z') continue;
      found.set(pid, {
        parent: Number(fields[1]),
        born: fields[19]!,
        space: readlinkSync(`/proc/${pid}/ns/pid`),
      });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** PID namespaces of processes, but this one's. */
function spacesOf(those: Map<number, Process>): Set<string> {
  const here = readlinkSync('/proc/self/ns/pid');
  return new Set([...those.values()].map(({ space }) => space).filter((space) => space !== here));
}

/** All that descend from a process, and all in PID namespaces that these have made. */
function family(root: number): Map<number, Process> {
  const all = processes();
  const own = new Map<number, Process>();
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    own.set(pid, all.get(pid)!);
    for (const [child, { parent }] of all) if (parent === pid && !own.has(child)) open.push(child);
  }
  const spaces = spacesOf(own);
  for (const [pid, each] of all) if (spaces.has(each.space)) own.set(pid, each);
  return own;
}

/** Those that live, and whatever else lives in their namespaces. */
function living(then: Map<number, Process>): string[] {
  const spaces = spacesOf(then);
  return [...processes()]
    .filter(([pid, { born, space }]) => then.get(pid)?.born === born || spaces.has(space))
    .map(([pid]) => `${pid} ${nameOf(pid)}`);
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim();
  } catch {
    return '';
  }
}

const mounts = (): string => readFileSync('/proc/self/mountinfo', 'latin1');

for (const [name, { words, atWork, skip = false }] of Object.entries(GUESTS)) {
  test(`${name} leaves nothing when it is ended, and nothing when tyr itself is killed`, { skip }, async (t) => {
    const { guest } = commandOf(name, []);
    await ensureUserland(guest ? { guest } : {});
    const folder = mkdtempSync(join(tmpdir(), 'tyr-leaks-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const places = ['runtime', 'tmp'].map((each) => join(folder, each)) as [string, string];
    for (const place of places) mkdirSync(place, { mode: 0o700 });
    const [runtime, temporary] = places;
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime, TMPDIR: temporary };
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const before = mounts();
      const run = ['--disable-warning=ExperimentalWarning', MAIN, 'run', '--home', join(folder, 'home')];
      const tyr = spawn(process.execPath, [...run, ...words], {
        ...{ env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
      });
      t.after(() => tyr.kill('SIGKILL'));
      let said = '';
      for (const stream of [tyr.stdout, tyr.stderr])
        stream.setEncoding('utf8').on('data', (text) => {
          said += text;
        });
      const ended = new Promise<number | null>((resolve) => tyr.once('close', resolve));
      const machine = (): string | undefined => readdirSync(runtime).find((each) => /^tyr-\d+-\w{6}$/.test(each));
      const looks = async (): Promise<boolean> => {
        const here = machine();
        const now = here && (await askStatus(join(runtime, here)).catch(() => undefined));
        return now ? atWork(now) : false;
      };
      let works = false;
      for (const end = Date.now() + PATIENCE; !works && tyr.exitCode === null && Date.now() < end; ) {
        works = await looks();
        await sleep(LOOK);
      }
      assert.ok(works, `${name} does not draw: ${said.slice(-2000)}`);
      const members = family(tyr.pid!);
      assert.ok(members.size >= 3, `tyr, its guard and the program are not ${members.size} processes`);
      tyr.kill(signal);
      const code = await ended;
      await until(
        () => living(members).length === 0 && places.every((place) => readdirSync(place).length === 0),
        () => `left after ${signal}: ${living(members)}; ${places.map((place) => readdirSync(place))}`,
      );
      assert.equal(mounts(), before);
      assert.ok(existsSync(join(folder, 'home')));
      if (signal === 'SIGKILL') continue;
      assert.equal(code, 130, said.slice(-2000));
      assert.match(said, /, 0 faults, interrupted\n/);
      assert.doesNotMatch(said, /the machine still holds/);
    }
  });
}
