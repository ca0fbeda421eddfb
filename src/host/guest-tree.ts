/**
 * The files that guests see instead of /dev/dri, /dev/input, /sys and /run/udev: a folder with files, folders and relative links, as
 * the kernel and udev would show them. The machine's devices are all that there are.
 * What is looked for: libdrm `xf86drm.c` (uevent, the subsystem link, device/drm), Mesa `src/loader/loader.c`, libudev.
 *
 * A node itself is a placeholder that shim/path.c knows by its sticky bit; its size is the node's number. Input devices: guest-input.ts.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { ROCK5B_DEVICES } from '../abi/rock5b.ts';
import { DRM_MAJOR, deviceNumber } from '../abi/shim.ts';
import type { DebugFile, DrmDevice } from '../drm/device.ts';
import type { DeviceNode, InputNode } from '../machine/machine.ts';
import type { Attributes } from './attributes.ts';
import { writeInputDevice } from './guest-input.ts';

/** For root and the group of root, as udev makes device nodes, or for whoever runs the machine. */
const PLACEHOLDER_MODE = 0o1660;
/** Anyone may draw (systemd `rules.d/50-udev-default.rules.in`, whose GROUP_RENDER_MODE is 0666 by default). */
const RENDER_MODE = 0o1666;

/** The class of devices whose clock is governed. */
const DEVFREQ = 'devfreq';

/** Fences that programs signal; its placeholder's number is no device's. */
export const SW_SYNC_PATH = 'sys/kernel/debug/sync/sw_sync';
export const SW_SYNC_DEVICE = deviceNumber(0, 1);
/** The first of debugfs' files with text of devices. */
const FIRST_DEBUG = 2;

/** A file of debugfs whose text is made when it is opened. */
export interface ShownFile {
  readonly path: string;
  /** Its placeholder's number. */
  readonly device: number;
  readonly file: DebugFile;
}

/** The name of a device on its bus. */
const busName = ({ driver }: DrmDevice<any>): string => ROCK5B_DEVICES[driver.name]?.name ?? `${driver.name}.0`;

/** All files of that kind that devices have. */
export const shownFiles = (nodes: readonly DeviceNode[]): ShownFile[] =>
  [...new Set(nodes.map(({ device }) => device))]
    .flatMap((device) =>
      device.debugFiles.map((file) => ({ path: `${DEBUG_DRI}/${busName(device)}/${file.name}`, file })),
    )
    .map((shown, i) => ({ ...shown, device: deviceNumber(0, FIRST_DEBUG + i) }));

const DEBUG_DRI = 'sys/kernel/debug/dri';

/** Parts of /sys that shim/path.c leaves to the host. */
export const HOSTS_SYS: readonly string[] = ['sys/devices/system', 'sys/fs', 'sys/module', 'sys/power'];

/** Writes the tree at `root`, which must not exist. */
export function writeGuestTree(
  root: string,
  nodes: readonly DeviceNode[],
  inputNodes: readonly InputNode[],
  attributes: Attributes,
): void {
  const file = (path: string, text: string): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  /** A relative link, both ends given from the root. */
  const link = (path: string, target: string): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    symlinkSync(relative(dirname(path), target), join(root, path));
  };

  const placeholder = (path: string, major: number, minor: number, mode = PLACEHOLDER_MODE): void => {
    file(path, '');
    truncateSync(join(root, path), deviceNumber(major, minor));
    chmodSync(join(root, path), mode);
  };

  for (const folder of ['dev/dri/by-path', 'sys/class/drm', 'sys/dev/char', 'sys/bus/platform/devices'])
    mkdirSync(join(root, folder), { recursive: true });
  file('sys/class/drm/version', 'drm 1.1.0 20060810\n');

  // What is no device of the machine's: as the host has it.
  for (const path of HOSTS_SYS) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    if (existsSync(`/${path}`)) symlinkSync(`/${path}`, join(root, path));
  }

  // The machine has a debugfs of its own.
  mkdirSync(join(root, 'sys/kernel/debug'), { recursive: true });
  for (const name of existsSync('/sys/kernel') ? readdirSync('/sys/kernel') : [])
    if (name !== 'debug') symlinkSync(`/sys/kernel/${name}`, join(root, 'sys/kernel', name));
  placeholder(SW_SYNC_PATH, 0, SW_SYNC_DEVICE);
  for (const { path, device } of shownFiles(nodes)) placeholder(path, 0, device);

  /** What udev would have written about a node (systemd `src/udev/udev-node.c`, `rules.d/71-seat.rules.in`). */
  const database = (number: string, name: string, alias: string, primary: boolean): void => {
    const tags = primary ? ['seat', 'master-of-seat', 'uaccess'] : ['uaccess'];
    const device = `platform-${name}`;
    const entries = [
      `S:${alias.slice('dev/'.length)}`,
      'I:1',
      `E:ID_PATH=${device}`,
      `E:ID_PATH_TAG=${device.replace(/[^A-Za-z0-9-]/g, '_')}`,
      ...tags.flatMap((tag) => [`G:${tag}`, `Q:${tag}`]),
      'V:1',
    ];
    file(`run/udev/data/c${number}`, `${entries.join('\n')}\n`);
    for (const tag of tags) file(`run/udev/tags/${tag}/c${number}`, '');
  };

  for (const device of new Set(nodes.map((node) => node.device))) {
    const driver = device.driver.name;
    const known = ROCK5B_DEVICES[driver];
    const name = busName(device);
    const own = `sys/devices/platform/${name}`;
    const modalias = known
      ? `of:N${known.node}T(null)${known.compatible.map((each) => `C${each}`).join('')}`
      : `platform:${driver}`;
    const uevent: [string, string | number][] = [['DRIVER', known?.driver ?? driver]];
    if (known) {
      uevent.push(['OF_NAME', known.node], ['OF_FULLNAME', known.fullName]);
      known.compatible.forEach((each, i) => {
        uevent.push([`OF_COMPATIBLE_${i}`, each]);
      });
      uevent.push(['OF_COMPATIBLE_N', known.compatible.length]);
    }
    uevent.push(['MODALIAS', modalias]);
    file(`${own}/uevent`, lines(uevent));
    file(`${own}/modalias`, `${modalias}\n`);
    mkdirSync(join(root, `sys/bus/platform/drivers/${known?.driver ?? driver}`), { recursive: true });
    link(`${own}/driver`, `sys/bus/platform/drivers/${known?.driver ?? driver}`);
    link(`${own}/subsystem`, 'sys/bus/platform');
    link(`sys/bus/platform/devices/${name}`, own);

    for (const attribute of device.attributes) attributes.add(join(root, own, attribute.path), attribute);
    if (device.attributes.some(({ path }) => path.startsWith(`${DEVFREQ}/${name}/`))) {
      link(`sys/class/${DEVFREQ}/${name}`, `${own}/${DEVFREQ}/${name}`);
      link(`${own}/${DEVFREQ}/${name}/subsystem`, `sys/class/${DEVFREQ}`);
      link(`${own}/${DEVFREQ}/${name}/device`, own);
    }

    for (const node of nodes.filter((each) => each.device === device)) {
      const nodeName = basename(node.path);
      const number = `${DRM_MAJOR}:${node.minor}`;
      const folder = `${own}/drm/${nodeName}`;
      file(`${folder}/dev`, `${number}\n`);
      file(
        `${folder}/uevent`,
        lines([
          ['MAJOR', DRM_MAJOR],
          ['MINOR', node.minor],
          ['DEVNAME', `dri/${nodeName}`],
          ['DEVTYPE', 'drm_minor'],
        ]),
      );
      link(`${folder}/device`, own);
      link(`${folder}/subsystem`, 'sys/class/drm');
      link(`sys/class/drm/${nodeName}`, folder);
      link(`sys/dev/char/${number}`, folder);
      const mode = node.kind === 'render' ? RENDER_MODE : PLACEHOLDER_MODE;
      placeholder(`dev/dri/${nodeName}`, DRM_MAJOR, node.minor, mode);
      if (device.debugFiles.length > 0) link(`${DEBUG_DRI}/${node.minor}`, `${DEBUG_DRI}/${name}`);
      const path = `dev/dri/by-path/platform-${name}-${node.kind === 'render' ? 'render' : 'card'}`;
      link(path, `dev/dri/${nodeName}`);
      database(number, name, path, node.kind === 'primary');
    }
  }
  for (const node of inputNodes) writeInputDevice({ file, link, placeholder }, node);
}

/** Lines of a uevent file. */
export const lines = (entries: readonly [string, string | number][]): string =>
  entries.map(([key, value]) => `${key}=${value}\n`).join('');
