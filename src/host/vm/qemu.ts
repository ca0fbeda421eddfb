/** How QEMU is started: the machine `virt` with the GPU as its only PCI device, and ports for what init has to say. */
import { join } from 'node:path';
import { SHIM_CPU } from '../../abi/shim.ts';
import { mustRun } from '../userland/command.ts';
import type { VmPieces } from '../userland/userland.ts';
import { GPU_SLOT } from './device-tree.ts';
import { PORTS, SHARE_TAG, TREE_TAG } from './init.ts';

export interface QemuOptions {
  readonly emulator: VmPieces['emulator'];
  /** Files. */
  readonly kernel: string;
  readonly initrd: string;
  readonly tree: string;
  /** Of the kernel's command line. */
  readonly append: string;
  /** Megabytes. */
  readonly memory: number;
  readonly cpus: number;
  /** Sockets that are listened at: of the GPU, of QMP, of the interrupt pins, of the serial console, of the virtual console, of each port. */
  readonly sockets: {
    readonly gpu: string;
    readonly qmp: string;
    readonly pins: string;
    readonly serial: string;
    readonly console: string | undefined;
    readonly ports: Record<keyof typeof PORTS, string>;
  };
  /** Folders: the guest's tree, and one that the guest may write. */
  readonly root: string;
  readonly share: string | undefined;
}

/** Megabytes of memory at most: it begins at 1 GiB, and the GPU's memory ends just below 4 GiB. */
export const MOST_MEMORY = 3071;

/**
 * Time by instructions: one of a processor's takes 8 ns, about as long as an idle host needs for it, and while all processors sleep time goes
 * as the host's. So the guest's processors are late by what they do, not by what the host does meanwhile: else a kernel that gets a tenth of the
 * host's time meets its timeouts. With fewer nanoseconds it would look ten times as often for what it waits for, since the answer of a register takes
 * it no time. Source: QEMU `docs/devel/tcg-icount.rst`.
 */
const TIME = ['-icount', 'shift=3,sleep=on'];

/**
 * Milliseconds for which QEMU waits for an answer of the GPU's. By its default of 5 s a host that lets this process stand still for as long has the guest
 * read nonsense: no GPU on its PCI bus, or a device that is lost. The guest's time does not go on meanwhile, and where this process ends its socket does.
 */
const PATIENCE = 600_000;

/** The machine itself, which its device tree depends on. */
const machine = ({ memory, cpus }: Pick<QemuOptions, 'memory' | 'cpus'>, more = ''): string[] => [
  ...['-nodefaults', '-no-user-config', '-display', 'none'],
  ...['-machine', `virt,highmem=off,gic-version=3${more}`],
  ...['-cpu', SHIM_CPU, '-smp', String(cpus), '-m', String(memory)],
];

/** QEMU by its own dynamic loader and libraries. */
function command({ root, program, architecture }: VmPieces['emulator']): { file: string; args: string[] } {
  const lib = join(root, 'usr/lib', architecture.triplet);
  const folders = [lib, join(root, 'usr/lib', architecture.triplet, 'qemu')].join(':');
  return { file: join(lib, architecture.loader), args: ['--library-path', folders, program] };
}

/** The device tree that this QEMU makes for such a machine, into `file`. */
export async function dumpTree(
  emulator: VmPieces['emulator'],
  size: Pick<QemuOptions, 'memory' | 'cpus'>,
  file: string,
): Promise<void> {
  const { file: loader, args } = command(emulator);
  await mustRun(loader, [...args, ...machine(size, `,dumpdtb=${file.replaceAll(',', ',,')}`)]);
}

export function qemuStart(options: QemuOptions): { file: string; args: string[] } {
  const { emulator, kernel, initrd, tree, append, memory, sockets, root, share } = options;
  const { file, args } = command(emulator);
  // QEMU's options double the commas of their values.
  const value = (text: string): string => text.replaceAll(',', ',,');
  const socket = (id: string, path: string): string[] => ['-chardev', `socket,id=${id},path=${value(path)},server=off`];
  const share9p = (id: string, path: string, readonly: boolean): string[] => [
    '-fsdev',
    `local,id=${id},path=${value(path)},security_model=none,multidevs=remap${readonly ? ',readonly=on' : ''}`,
    '-device',
    `virtio-9p-device,fsdev=${id},mount_tag=${id}`,
  ];
  const gpu = {
    driver: 'vfio-user-pci',
    addr: String(GPU_SLOT),
    socket: { type: 'unix', path: sockets.gpu },
    // A write that masks an interrupt has to have lowered its line before the guest goes on, or it is interrupted again at once, and
    // again, for as long as the GPU has not looked.
    'x-no-posted-writes': true,
    'x-msg-timeout': PATIENCE,
  };
  return {
    file,
    args: [
      ...args,
      ...machine(options),
      ...TIME,
      ...['-object', `memory-backend-memfd,id=ram,size=${memory}M,share=on,seal=on`, '-machine', 'memory-backend=ram'],
      ...['-global', 'virtio-mmio.force-legacy=false'],
      ...['-kernel', kernel, '-initrd', initrd, '-dtb', tree, '-append', append],
      ...socket('qmp', sockets.qmp),
      ...['-mon', 'chardev=qmp,mode=control'],
      ...socket('pins', sockets.pins),
      ...['-qtest', 'chardev:pins', '-qtest-log', 'none'],
      ...socket('serial', sockets.serial),
      ...['-serial', 'chardev:serial'],
      ...['-device', 'virtio-serial-device'],
      ...(sockets.console
        ? [...socket('console', sockets.console), '-device', 'virtconsole,chardev=console,nr=0']
        : []),
      ...Object.entries(PORTS).flatMap(([name, nr]) => [
        ...socket(name, sockets.ports[name as keyof typeof PORTS]),
        ...['-device', `virtserialport,chardev=${name},nr=${nr},name=tyr.${name}`],
      ]),
      ...share9p(TREE_TAG, root, true),
      ...(share === undefined ? [] : share9p(SHARE_TAG, share, false)),
      ...['-device', JSON.stringify(gpu)],
    ],
  };
}
