/** `tyr doctor`: what this host has and lacks. Looks, but downloads and changes nothing. */
import { existsSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname } from 'node:path';
import { cacheFolder } from '../host/userland/cache-folder.ts';
import { command } from '../host/userland/command.ts';
import { ownRootIs } from '../host/userland/guest-root.ts';
import { landlockVersion } from '../host/userland/landlock.ts';
import { hostMirror } from '../host/userland/mirror.ts';
import { namespacesRefused } from '../host/userland/namespaces.ts';
import { hostArchitecture, presentPieces } from '../host/userland/userland.ts';
import { usersOf } from '../host/userland/users.ts';

/** One finding. `lacks`: Tyr cannot work without it. */
interface Finding {
  verdict: 'ok' | 'note' | 'lacks';
  subject: string;
  detail: string;
}

/** Bytes that a whole setup takes while it works. */
const DISK = 800e6;

export async function doctor(): Promise<number> {
  const findings = [
    await host(),
    await guestRoot(),
    node(),
    ...(await Promise.all(['apt-get', 'apt-config', 'dpkg', 'dpkg-deb', 'tar'].map(program))),
    await mirror(),
    ...(await cache()),
    runtime(),
  ];
  for (const { verdict, subject, detail } of findings)
    console.log(`${verdict.padEnd(6)} ${subject.padEnd(12)} ${detail}`);
  const lacking = findings.filter(({ verdict }) => verdict === 'lacks').length;
  console.log(lacking === 0 ? 'This host has what Tyr needs.' : `This host lacks ${lacking} of the things above.`);
  return lacking === 0 ? 0 : 1;
}

async function host(): Promise<Finding> {
  const subject = 'host';
  try {
    const { debian } = hostArchitecture();
    const how = debian === 'arm64' ? 'runs the guest without an emulator' : 'runs the guest by qemu-user';
    return { verdict: 'ok', subject, detail: `Linux ${release()} on ${debian}: ${how}` };
  } catch (error) {
    return { verdict: 'lacks', subject, detail: (error as Error).message };
  }
}

async function guestRoot(): Promise<Finding> {
  const subject = 'guest root';
  const refusal = await namespacesRefused(process.arch === 'arm64');
  if (refusal === undefined) {
    const users = usersOf();
    return { verdict: users.refused === undefined ? 'ok' : 'note', subject, detail: ownRootIs(users) };
  }
  const version = await landlockVersion();
  const writes =
    version > 0 ? `it writes by leave of Landlock ${version}` : "this host's files are open to it (no Landlock)";
  return { verdict: 'note', subject, detail: `by look-up of paths: ${refusal}; ${writes}` };
}

function node(): Finding {
  return { verdict: 'ok', subject: 'node', detail: `${process.version} (${process.execPath})` };
}

async function program(name: string): Promise<Finding> {
  try {
    const { stdout } = await command(name, ['--version']);
    return { verdict: 'ok', subject: name, detail: stdout.split('\n')[0]! };
  } catch {
    return { verdict: 'lacks', subject: name, detail: 'missing; it comes with every Debian and Ubuntu' };
  }
}

async function mirror(): Promise<Finding> {
  const subject = 'mirror';
  const found = await hostMirror().catch(() => ({ uri: undefined, keyring: undefined }));
  if (found.uri && found.keyring) return { verdict: 'ok', subject, detail: `${found.uri}, keys in ${found.keyring}` };
  if (existsSync('/etc/apt')) {
    const detail = "not in this host's apt sources; setup asks the host's own archive for debootstrap's default";
    return { verdict: 'note', subject, detail };
  }
  return {
    verdict: 'lacks',
    subject,
    detail: 'none; name one in TYR_DEBIAN_MIRROR and its keys in TYR_DEBIAN_KEYRING',
  };
}

async function cache(): Promise<Finding[]> {
  const folder = cacheFolder();
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = await statfs(there);
  const free = bavail * bsize;
  const pieces = presentPieces();
  const complete = pieces.filter(({ optional }) => !optional).every(({ present }) => present);
  const writable = await access(there, constants.W_OK).then(
    () => true,
    () => false,
  );
  const size = `${(free / 1e9).toFixed(1)} GB free`;
  const state: Finding = writable
    ? { verdict: free > DISK || complete ? 'ok' : 'lacks', subject: 'cache', detail: `${folder}, ${size}` }
    : { verdict: 'lacks', subject: 'cache', detail: `${folder} cannot be written; name another in XDG_CACHE_HOME` };
  if (state.verdict === 'lacks' && writable) state.detail += `; setup takes ${(DISK / 1e9).toFixed(1)} GB`;
  return [
    state,
    ...pieces.map(({ title, present, optional }): Finding => {
      const missing = optional
        ? 'not fetched; `tyr setup --real-firmware` does'
        : 'not built yet; `tyr setup` and `tyr run` do';
      return { verdict: present ? 'ok' : 'note', subject: 'piece', detail: `${title}: ${present ? 'there' : missing}` };
    }),
  ];
}

function runtime(): Finding {
  const folder = process.env.XDG_RUNTIME_DIR;
  const detail = folder && existsSync(folder) ? folder : 'no XDG_RUNTIME_DIR: sockets go to the temporary folder';
  return { verdict: 'ok', subject: 'runtime', detail };
}
