/** `tyr setup`: makes sure of the userland and of guests by name, showing progress; lists and removes what is in the cache. */
import { cacheFolder } from '../host/userland/cache-folder.ts';
import { mustRun } from '../host/userland/command.ts';
import { GUESTS, guestOf, namedGuest } from '../host/userland/guests.ts';
import { Problem } from '../host/userland/problem.ts';
import { quiet } from '../host/userland/progress.ts';
import { Store } from '../host/userland/store.ts';
import { ensureRealFirmware, ensureUserland } from '../host/userland/userland.ts';
import { progressBar } from './progress-bar.ts';

export interface SetupOptions {
  realFirmware?: boolean;
  packages?: string[];
  suite?: string;
  list?: boolean;
  remove?: string[];
}

export async function setup(guests: string[], options: SetupOptions): Promise<number> {
  if (options.list) return list();
  if (options.remove) return remove(options.remove);
  const progress = progressBar();
  const { suite } = options;
  const choices = guests.map((name) => (name === 'base' ? undefined : namedGuest(name)));
  if (options.packages) choices.push({ ...guestOf(options.packages), title: '', command: [] });
  if (choices.length === 0) choices.push(undefined);
  for (const guest of choices) {
    const userland = await ensureUserland({ progress, suite, guest });
    console.log(`guest     ${userland.root}${guest ? ` (${guest.name})` : ''}`);
    if (guest !== choices.at(-1)) continue;
    console.log(`emulator  ${userland.qemu ?? 'none: this host runs arm64 programs itself'}`);
    console.log(`shim      ${[...new Set([userland.guest.library, userland.host.library])].join('\n          ')}`);
  }
  if (options.realFirmware) console.log(`firmware  ${await ensureRealFirmware({ progress })}`);
  return 0;
}

/** What a piece's name says: "guest.weston-arm64" is the guest weston. */
function meaning(name: string): string {
  const [, kind, guest, last] = /^([a-z-]+?)(?:\.(.+))?-(arm64|amd64)$/.exec(name) ?? [];
  const texts: Record<string, string> = {
    guest: guest ? `guest with ${GUESTS[guest]?.title ?? guest}` : 'the base guest',
    native: guest ? `${GUESTS[guest]?.title ?? guest}, for --native and --mesa` : 'programs for --mesa and bench --vs',
    mesa: `Mesa of ${guest} by tyr mesa build`,
    'mesa-tools': 'what builds Mesa',
    tools: 'emulator and compiler',
    root: 'what gives guests a root of their own',
    vm: 'QEMU for tyr vm',
    busybox: 'for the initial RAM disk of tyr vm',
    kernel: "Debian's kernel for tyr vm",
    shim: `preload library for ${last}`,
    firmware: "Arm's firmware image",
  };
  return texts[kind ?? ''] ?? '';
}

async function list(): Promise<number> {
  const contents = await new Store(cacheFolder(), quiet).contents();
  const sizes = new Map<string, number>();
  for (const { name, path } of contents) {
    const [kilobytes] = (await mustRun('du', ['-sk', path])).split('\t');
    sizes.set(name, (sizes.get(name) ?? 0) + Number(kilobytes) / 1000);
  }
  const width = Math.max(10, ...[...sizes.keys()].map((name) => name.length));
  for (const [name, megabytes] of sizes) {
    console.log(`${name.padEnd(width)} ${megabytes.toFixed(0).padStart(6)} MB  ${meaning(name)}`);
  }
  const missing = Object.keys(GUESTS).filter((name) => !sizes.has(`guest.${GUESTS[name]?.of ?? name}-arm64`));
  if (missing.length > 0) console.log(`not fetched: ${missing.join(', ')}`);
  return 0;
}

/** Removes pieces by their own names, or all of a guest by its name. */
async function remove(names: string[]): Promise<number> {
  const store = new Store(cacheFolder(), progressBar());
  try {
    const there = new Set((await store.contents()).map(({ name }) => name));
    for (const name of names) {
      const pieces = [...there].filter(
        (piece) => piece === name || /^(guest|native)\.(.+)-[^-]+$/.exec(piece)?.[2] === name,
      );
      if (pieces.length === 0)
        throw new Problem(`there is no ${name} in ${store.folder}; tyr setup --list says what is`);
      for (const piece of pieces) {
        await store.remove(piece);
        console.log(`removed   ${piece}`);
      }
    }
    return 0;
  } finally {
    store.release();
  }
}
