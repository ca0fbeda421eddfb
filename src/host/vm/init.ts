/**
 * The first program of the virtual machine: a script for busybox that loads the modules, brings the GPU's driver up, mounts
 * the guest's tree and runs the program in it. What it has to say goes to ports that the host listens to.
 */
import { GPU_ADDRESS, GPU_PCI_ADDRESS } from './device-tree.ts';

/** Numbers of the virtual serial device's ports; 0 is its console, /dev/hvc0. */
export const PORTS = { control: 1, stdin: 2, stdout: 3, stderr: 4, dmesg: 5 } as const;
/** A port's node: `$ports`, which the script finds, and its number. The number before that is the virtio device's. */
const port = (name: keyof typeof PORTS): string => `$\{ports}${PORTS[name]}`;

/** What init tells by the control port, a line each. */
export type Told = 'booted' | 'gpu' | 'no-gpu' | 'exit' | 'problem';

/** Names of what is shared by 9p. */
export const TREE_TAG = 'tree';
export const SHARE_TAG = 'share';
export const SHARE_FOLDER = '/share';

/** How long the driver has to bring the GPU up, in tenths of a second. */
const PATIENCE = 100;

export interface InitOptions {
  /** Modules in /modules, in the order in which they are loaded: before, and for the GPU. */
  readonly modules: readonly string[];
  readonly driver: readonly string[];
  /** Whether a driver is expected to show a render node. */
  readonly expectGpu: boolean;
  /** The program is run on a terminal. */
  readonly terminal: boolean;
  /** There is a folder of the host's to mount. */
  readonly share: boolean;
}

/** Text as one word of a shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

export function initScript({ modules, driver, expectGpu, terminal, share }: InitOptions): string {
  const load = (names: readonly string[]): string[] =>
    names.map((name) => `insmod /modules/${name}.ko || problem "the module ${name} cannot be loaded"`);
  const run = 'chroot /new /bin/sh /run/tyr-program';
  const redirected = terminal
    ? `setsid -c ${run} <>/dev/hvc0 >&0 2>&1 9>&-`
    : `${run} <${port('stdin')} >${port('stdout')} 2>${port('stderr')} 9>&-`;
  const ninep = 'trans=virtio,version=9p2000.L,msize=512000';
  return [
    '#!/bin/busybox sh',
    '/bin/busybox --install -s /bin',
    'export PATH=/bin',
    'mount -t proc proc /proc',
    'mount -t sysfs sysfs /sys',
    'mount -t devtmpfs devtmpfs /dev',
    'mkdir -p /dev/pts /dev/shm',
    'mount -t devpts devpts /dev/pts',
    'mount -t tmpfs tmpfs /dev/shm',
    'say() { echo "$*" >&9; }',
    `finish() { dmesg -r >${port('dmesg')}; say "$@"; exec 9>&-; poweroff -f; sleep 1000; }`,
    'problem() { finish problem "$@"; }',
    'exec 9>/dev/console',
    ...load(modules),
    `tries=0; while ports=$(echo /dev/vport*p${PORTS.dmesg}); [ ! -e $ports ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done`,
    '[ -e $ports ] || { echo "there are no ports to the host" >&9; poweroff -f; }',
    `ports=\${ports%${PORTS.dmesg}}`,
    `exec 9>${port('control')}`,
    'say booted $(uname -r)',
    `gpu=/sys/bus/pci/devices/${GPU_PCI_ADDRESS}`,
    '[ -e $gpu ] || problem "the kernel has not found the GPU on its PCI bus"',
    'read start end flags <$gpu/resource',
    `[ $((start)) = ${GPU_ADDRESS} ] || problem "the kernel has put the registers of the GPU at $start"`,
    'echo 1 >$gpu/enable || problem "the PCI device of the GPU cannot be enabled"',
    ...load(driver),
    ...(expectGpu
      ? [
          `tries=0; while [ ! -e /dev/dri/renderD128 ] && [ $tries -lt ${PATIENCE} ]; do sleep 0.1; tries=$((tries + 1)); done`,
          'if [ -e /dev/dri/renderD128 ]; then say gpu; else say no-gpu; fi',
        ]
      : ['say no-gpu']),
    'mkdir -p /tree /new',
    `mount -t 9p -o ${ninep},ro,cache=loose ${TREE_TAG} /tree || problem "the tree of the guest cannot be mounted"`,
    'mount -t tmpfs tmpfs /new',
    'cd /new',
    'for name in $(ls /tree); do',
    '  if [ -h /tree/$name ]; then ln -s $(readlink /tree/$name) $name; else mkdir $name; mount -o bind /tree/$name $name; fi',
    'done',
    'mkdir -p proc sys dev run tmp root home var/tmp share tyr',
    'chmod 1777 tmp var/tmp',
    'mount -o rbind /dev dev; mount -t proc proc proc; mount -o rbind /sys sys',
    'mount -t debugfs debugfs sys/kernel/debug 2>/dev/null',
    ...(share
      ? [`mount -t 9p -o ${ninep},cache=mmap ${SHARE_TAG} share || problem "the shared folder cannot be mounted"`]
      : []),
    'cp /program run/tyr-program; [ ! -e /own ] || cp /own tyr/program',
    'cd /',
    redirected,
    'finish exit $?',
    '',
  ].join('\n');
}

/** The script that becomes the program: its folder, its environment, its words. */
export function programScript(words: readonly string[], env: Record<string, string>, cwd: string): string {
  const set = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return [...set, `cd ${quoted(cwd)}`, `exec ${words.map(quoted).join(' ')}`, ''].join('\n');
}
