/**
 * How the root of a guest's own is put together, within user, mount and PID namespace (namespaces.ts): a script for the host's shell,
 * which becomes the first process there. What it calls is util-linux and busybox, of fetched packages, so that all hosts have the same.
 *
 *   1. On a tmpfs at `stage`: the guest's packages below, a layer for what is written above, by overlayfs.
 *   2. That becomes the root; the host's is in a folder of it meanwhile, whose name nobody can know beforehand. From here on every path is
 *      looked up in the guest's root, whose links a former run of the guest may have made: nothing outside can be meant by them. The
 *      host's paths are given without links.
 *   3. Mounts, then the host's root goes, then what could mount anything (CAP_SYS_ADMIN), then the program starts.
 *
 * The script stays as the first process: it takes in orphans, and ends everything with the program. Set-user-ID programs are that in
 * the guest's own files, and in no folder of the host's.
 *
 * Facts: pivot_root(2), mount(8), capabilities(7), Linux Documentation/filesystems/overlayfs.rst; systemd's and Docker's lists of what
 * of /proc is shown to read alone.
 */
import { randomUUID } from 'node:crypto';
import type { RootTools } from './root-tools.ts';

export interface Mount {
  /** A path of the host, without symbolic links. */
  from: string;
  /** In the guest. */
  to: string;
  writable?: boolean;
}

export interface OwnRoot {
  tools: RootTools;
  /** An empty folder of the host. */
  stage: string;
  /** The guest's packages. */
  lower: string;
  /** What keeps its writes: a folder with `layer` and `work`. Without, they are gone with the run. */
  keep: string | undefined;
  /** Where the guest has that folder, which it is not to see. */
  hidden: string | undefined;
  /** In this order. */
  mounts: readonly Mount[];
  /** Where the guest has the tools, which start the program there. */
  toolsInside: string;
  cwd: string;
  program: readonly string[];
  /** Owners and modes of files of the guest's that its packages' folder cannot have (owners.ts). */
  owners: readonly { path: string; owner: string; mode: string }[];
}

/** What a guest's root may do: the rest of what Docker leaves to root, without what makes devices, mounts or another root. */
const CAPABILITIES = ['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setpcap', 'setuid'];
/** Of /proc, to be read alone. */
const PROC = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
const DEVICES = ['full', 'null', 'random', 'tty', 'urandom', 'zero'];
/** What bind mounts of the host's files are. */
const HOSTS = 'nosuid=recursive,nodev=recursive';

/** A word that a shell takes as it is. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const FUNCTIONS = `
umask 022
run() { name=$1; shift; "$tools/$loader" --library-path "$tools/$libraries" "$tools/usr/$name" "$@"; }
box() { "$tools/usr/bin/busybox" "$@"; }
mount() { run bin/mount "$@"; }
folder() { [ -d "$1" ] || { [ ! -L "$1" ] || box rm "$1"; box mkdir -p "$1"; }; }
# show FROM TO OPTIONS: a file or folder of the host's
show() {
  if [ -d "$host$1" ]; then folder "$2"; else folder "\${2%/*}"; [ -e "$2" ] || { box rm -f "$2"; : > "$2"; }; fi
  mount --rbind -o "$3" "$host$1" "$2"
}
`;

/** The script. Its program's exit code is its own; 126 or another one with a sentence on standard error if it comes not so far. */
export function ownRootScript(options: OwnRoot): string {
  const { tools, stage, lower, keep, hidden, mounts, toolsInside, cwd, program, owners } = options;
  const layer =
    keep === undefined ? ['box mkdir layer work', '.'] : [`box mkdir keep; mount --rbind ${quoted(keep)} keep`, 'keep'];
  const bounds = ['-all', ...CAPABILITIES.map((name) => `+${name}`)].join(',');
  const temporary = (path: string, mode: string) =>
    `folder ${path}; mount -t tmpfs -o nosuid,nodev,mode=${mode} tmpfs ${path}`;
  return [
    'set -eu',
    `tools=${quoted(tools.folder)} loader=${quoted(tools.loader)} libraries=${quoted(tools.libraries)}`,
    `host=/.host-${randomUUID()}`,
    FUNCTIONS,
    `mount -t tmpfs -o mode=755 tmpfs ${quoted(stage)}`,
    `cd ${quoted(stage)}`,
    `box mkdir lower root; mount --rbind ${quoted(lower)} lower`,
    layer[0],
    `mount -t overlay -o lowerdir=lower,upperdir=${layer[1]}/layer,workdir=${layer[1]}/work,userxattr overlay root`,
    'cd root',
    `box mkdir -p .$host`,
    `run sbin/pivot_root . .$host`,
    'cd /',
    `tools=$host$tools`,
    'folder /proc; mount -t proc -o nosuid,nodev,noexec proc /proc',
    `for each in ${PROC.join(' ')}; do [ ! -e /proc/$each ] || mount --bind -o ro /proc/$each /proc/$each; done`,
    'folder /dev; mount -t tmpfs -o nosuid,mode=755 tmpfs /dev',
    `for each in ${DEVICES.join(' ')}; do [ ! -e $host/dev/$each ] || show /dev/$each /dev/$each nosuid; done`,
    'box mkdir /dev/pts; mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=620 devpts /dev/pts',
    'n=0; for each in stdin stdout stderr; do box ln -s /proc/self/fd/$n /dev/$each; n=$((n + 1)); done',
    'box ln -s pts/ptmx /dev/ptmx; box ln -s /proc/self/fd /dev/fd; box ln -s /proc/kcore /dev/core',
    temporary('/dev/shm', '1777'),
    temporary('/tmp', '1777'),
    temporary('/run', '755'),
    // Where amd64's dynamic loader is looked for; base-files would make it.
    '[ -e /lib64 ] || [ ! -e /usr/lib64 ] || box ln -s usr/lib64 /lib64',
    'for each in /root /var/cache /var/lib /var/log /var/tmp; do folder $each; done; box chmod 1777 /var/tmp',
    '[ -e /var/run ] || box ln -s /run /var/run',
    ...owners.map(
      ({ path, owner, mode }) =>
        `[ ! -e ${quoted(path)} ] || { box chown ${quoted(owner)} ${quoted(path)}; box chmod ${mode} ${quoted(path)}; }`,
    ),
    ...mounts.map(({ from, to, writable }) =>
      ['show', quoted(from), quoted(to), writable ? HOSTS : `ro=recursive,${HOSTS}`].join(' '),
    ),
    ...(hidden === undefined ? [] : [`mount -t tmpfs -o ro,nosuid,nodev,mode=700 tmpfs ${quoted(hidden)}`]),
    `show ${quoted(tools.folder)} ${quoted(toolsInside)} ro=recursive,${HOSTS}`,
    `tools=${quoted(toolsInside)}`,
    // mount(8)'s own.
    'box rm -rf /run/mount',
    `run bin/umount -l $host; box rmdir $host`,
    `cd ${quoted(cwd)}`,
    `run bin/setpriv --bounding-set ${bounds} --inh-caps -all -- ${program.map(quoted).join(' ')}`,
  ].join('\n');
}
