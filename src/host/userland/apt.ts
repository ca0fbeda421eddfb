/**
 * Debian packages without root and without touching the host: apt-get with a configuration of its own.
 *
 * apt reads one private configuration file (APT_CONFIG) that moves all of its folders into ours and claims the wanted
 * architecture; it resolves dependencies, checks the archive's signature and every hash, and resumes partial downloads.
 * `dpkg -x` unpacks; no maintainer script runs. Of the host's configuration only what is about reaching the network
 * (`Acquire::`: proxies, certificates, time checks) carries over. Facts: apt.conf(5), apt-get(8), APT's README.progress-reporting.
 */
import { lstat, mkdir, readdir, readFile, readlink, realpath, symlink, unlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { linkAlternatives } from './alternatives.ts';
import { command, mustRun } from './command.ts';
import type { Mirror } from './mirror.ts';
import { keepOwnerships, type Ownership, ownershipsIn } from './owners.ts';
import { Problem } from './problem.ts';
import type { Report } from './progress.ts';

export interface AptOptions {
  /** Folder of its own: configuration, lists and downloaded packages. Kept until the packages are unpacked. */
  folder: string;
  /** Debian's name of the packages' architecture, such as 'arm64'. */
  architecture: string;
  mirror: Mirror;
  suite: string;
  components: string[];
  /** A suite laid over the other one: what it has is taken from there, as with `apt-get -t`. */
  overlay?: string | undefined;
  /** Packages of which apt is told that they are installed, so that nothing is fetched for their sake. */
  given?: string[] | undefined;
  /** Sources can be fetched, too. */
  sources?: boolean;
}

/** `Acquire::` lines of `apt-config dump` that concern reaching an archive. */
export function networkSettings(dump: string): string[] {
  return dump
    .split('\n')
    .filter((line) =>
      /^Acquire::(?!IndexTargets|Languages|Changelogs|CompressionTypes|GzipIndexes|cdrom)\S+ ".+";$/.test(line),
    )
    .filter((line) => !/^Acquire::Allow/.test(line));
}

/** How much a download is. */
export interface Amount {
  packages: number;
  /** Bytes. */
  download: number;
  /** As apt says it, such as '460 MB'; undefined where it says nothing. */
  disk: string | undefined;
}

/** Reads what `apt-get --print-uris install` prints: a line "'URI' FILE BYTES HASH" for each package, and a sentence. */
export function amountOf(text: string): Amount {
  const sizes = [...text.matchAll(/^'[^']+' \S+ (\d+) /gm)].map(([, bytes]) => Number(bytes));
  const disk = /^After this operation, (.+) of additional disk space/m.exec(text)?.[1];
  return { packages: sizes.length, download: sizes.reduce((sum, bytes) => sum + bytes, 0), disk };
}

/** Turns apt's complaints into one sentence that says what is missing and how to get it. */
export function aptProblem(stderr: string, archive: string): Problem {
  const reasons = stderr
    .split('\n')
    .filter((line) => /^(E|W|Err):/.test(line))
    .map((line) => line.replace(/^(E|W|Err):\s*/, ''));
  const text = reasons.join('; ');
  const first = (pattern: RegExp) => reasons.find((line) => pattern.test(line))?.trim();
  if (/No space left|enough free space/i.test(text)) {
    return new Problem(
      `the disk is full (apt: ${first(/space/i)}); free about 1 GB, or name another folder in XDG_CACHE_HOME`,
    );
  }
  const key = first(/NO_PUBKEY|not signed|signature/i);
  if (key) {
    return new Problem(
      `the archive keys of this host do not vouch for ${archive} (apt: ${key}); install a newer debian-archive-keyring, or name a keyring file in TYR_DEBIAN_KEYRING`,
    );
  }
  const unknown = first(/Unable to locate package|has no installation candidate|Couldn't find any package/i);
  if (unknown) return new Problem(`${archive} has not all of these packages (apt: ${unknown})`);
  const network = first(/resolve|connect|unreachable|timed out|Failed to fetch|proxy/i);
  if (network) {
    return new Problem(
      `packages cannot be fetched from ${archive} (apt: ${network}); connect this machine to the network, or name a mirror that it reaches in TYR_DEBIAN_MIRROR, and run the same command again: it goes on where it stopped`,
    );
  }
  return new Problem(`apt-get failed on ${archive}: ${text || stderr.trim() || 'it gives no reason'}`);
}

export class Apt {
  readonly #options: AptOptions;

  constructor(options: AptOptions) {
    this.#options = options;
  }

  /**
   * Downloads `packages` and all that they depend on. Returns the .deb files. `tell` hears beforehand how much it will be.
   */
  async download(packages: string[], report: Report, tell: (amount: Amount) => void = () => {}): Promise<string[]> {
    await this.#configure();
    await this.#apt(['update'], (fraction, detail) => report(fraction * 0.15, detail));
    const install = ['--yes', '--no-install-recommends', 'install', ...packages];
    tell(amountOf(await this.#apt(['--print-uris', ...install], () => {})));
    await this.#apt(['--download-only', ...install], (fraction, detail) => report(0.15 + fraction * 0.85, detail));
    const archives = join(this.#options.folder, 'cache/archives');
    return (await readdir(archives)).filter((file) => file.endsWith('.deb')).map((file) => join(archives, file));
  }

  /** Downloads the source package `name`: its files, of which the .dsc lists the others. */
  async source(name: string, report: Report): Promise<string[]> {
    await this.#configure();
    await this.#apt(['update'], (fraction, detail) => report(fraction * 0.3, detail));
    const files = join(this.#options.folder, 'source');
    await mkdir(files, { recursive: true });
    report(0.3, `fetching the source of ${name}`);
    await this.#apt(['source', '--download-only', name], () => {}, files);
    return (await readdir(files)).map((file) => join(files, file));
  }

  async #configure(): Promise<void> {
    const { folder, architecture, mirror, suite, components, overlay, given = [], sources } = this.#options;
    for (const part of ['state/lists/partial', 'cache/archives/partial', 'etc/trusted.gpg.d']) {
      await mkdir(join(folder, part), { recursive: true });
    }
    await writeFile(join(folder, 'state/status'), given.map((name) => installed(name, architecture)).join('\n'));
    const keys = await readFile(mirror.keyring);
    const armored = keys.subarray(0, 5).toString() === '-----';
    await writeFile(join(folder, `etc/trusted.gpg.d/debian.${armored ? 'asc' : 'gpg'}`), keys);
    const source = (of: string) => {
      const from = `${mirror.uri} ${of} ${components.join(' ')}\n`;
      return `deb [arch=${architecture}] ${from}${sources ? `deb-src ${from}` : ''}`;
    };
    await writeFile(join(folder, 'etc/sources.list'), source(suite) + (overlay ? source(overlay) : ''));
    const host = networkSettings(await mustRun('apt-config', ['dump']));
    const quote = (text: string) => `"${text}"`;
    await writeFile(
      join(folder, 'apt.conf'),
      [
        `APT::Architecture ${quote(architecture)};`,
        `APT::Architectures { ${quote(architecture)}; };`,
        `Dir ${quote(folder)};`,
        `Dir::State ${quote(join(folder, 'state'))};`,
        `Dir::State::status ${quote(join(folder, 'state/status'))};`,
        `Dir::Cache ${quote(join(folder, 'cache'))};`,
        `Dir::Etc ${quote(join(folder, 'etc'))};`,
        'Dir::Etc::netrc "/etc/apt/auth.conf";',
        'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
        'APT::Install-Recommends "false";',
        'APT::Sandbox::User "root";',
        ...(overlay ? [`APT::Default-Release ${quote(overlay)};`] : []),
        'Acquire::Languages "none";',
        'Acquire::Retries "2";',
        ...host,
        '',
      ].join('\n'),
    );
  }

  async #apt(args: string[], report: Report, cwd?: string): Promise<string> {
    const { folder, mirror, suite } = this.#options;
    const { code, stdout, stderr } = await command('apt-get', ['-q', '-oAPT::Status-Fd=3', ...args], {
      env: { ...process.env, APT_CONFIG: join(folder, 'apt.conf'), LC_ALL: 'C.UTF-8' },
      ...(cwd !== undefined && { cwd }),
      status: (line) => {
        const [kind, , percent, ...what] = line.split(':');
        if (kind === 'dlstatus') report(Number(percent) / 100, what.join(':').trim());
      },
    });
    // An update that could not reach the archive ends with 0 and a warning.
    if (code !== 0 || /Failed to fetch|NO_PUBKEY/.test(stderr)) throw aptProblem(stderr, `${mirror.uri} ${suite}`);
    return stdout;
  }
}

/** A package's entry in dpkg's status file, of a version that satisfies everybody. */
const installed = (name: string, architecture: string): string =>
  `Package: ${name}\nStatus: install ok installed\nArchitecture: ${architecture}\nVersion: 9999\nMaintainer: none\nDescription: none\n`;

/** An empty root with the merged /usr that Debian's packages expect (`lib`, `bin`, `sbin` are links). */
export async function makeRoot(root: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib']) {
    await mkdir(join(root, 'usr', name), { recursive: true });
    await symlink(`usr/${name}`, join(root, name));
  }
}

/** Nothing in the guest reads these. */
const UNREAD = ['./usr/share/doc/*', './usr/share/man/*', './usr/share/locale/*', './usr/share/lintian/*'];

/**
 * Unpacks packages into `root`, in the given order. `exclude`: tar patterns of what else to leave out. Nothing there belongs to others
 * or lends rights; what should is written down (owners.ts).
 */
export async function unpack(debs: string[], root: string, report: Report, exclude: string[] = []): Promise<void> {
  const leaveOut = [...UNREAD, ...exclude].map((pattern) => `--exclude=${pattern}`);
  const extract =
    'umask 022; dpkg-deb --fsys-tarfile "$1" | ' +
    '{ shift; exec tar -xvvf - --keep-directory-symlink --no-same-owner --no-same-permissions "$@"; }';
  const ownerships: Ownership[] = [];
  for (const [i, deb] of debs.entries()) {
    report(i / debs.length, `unpacking ${deb.slice(deb.lastIndexOf('/') + 1)}`);
    const words = ['-c', extract, 'sh', deb, '-C', root, ...leaveOut];
    const { code, stdout, stderr } = await command('sh', words, { env: { ...process.env, LC_ALL: 'C' } });
    ownerships.push(...ownershipsIn(stdout));
    if (code === 0) continue;
    if (/No space left|quota/i.test(stderr)) throw aptProblem('E: No space left on device', deb);
    throw new Error(`unpacking ${deb} failed: ${stderr.trim()}`);
  }
  await keepOwnerships(root, ownerships);
  await linkAlternatives(debs, root);
}

/** Makes absolute links to files of `root` relative, so that they are good where `root` is not the root. */
export async function keepLinksInside(root: string): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const target = await readlink(path);
    const there = target.startsWith('/') && (await lstat(join(root, target)).catch(() => undefined));
    if (!there) continue;
    await unlink(path);
    await symlink(relative(await realpath(entry.parentPath), join(await realpath(root), target)), path);
  }
}
