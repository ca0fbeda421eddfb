/**
 * How a program of the guest is started: the file to execute on this host, its arguments and its environment.
 *
 * On other hosts than arm64 qemu-user runs it and looks absolute paths up in the guest's root first (`-L`). On an arm64
 * host the guest's own dynamic loader runs it with the guest's libraries, and the few data paths that Mesa and the Vulkan
 * loader have built in are given by their environment variables. The shim is preloaded in the guest only; there it starts
 * the programs that a program starts, in the same way (shim/start.c), told by TYR_GUEST.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SHIM_CPU, SHIM_ENVIRONMENT, SHIM_GUEST, SHIM_TREE } from '../../abi/shim.ts';
import { ARCHITECTURES, type Architecture } from './compiler.ts';
import { elfMachine } from './elf.ts';
import type { Mesa } from './mesa.ts';
import { isWithin, type Namespaces, namespacesStart } from './namespaces.ts';
import { ownFolders } from './own-folders.ts';
import { Problem } from './problem.ts';
import type { ShimBuild, Userland } from './userland.ts';

export interface Start {
  file: string;
  args: string[];
  env: NodeJS.ProcessEnv;
}

/** A folder with a guest's files, and what runs its programs. */
export interface Root {
  root: string;
  /** qemu-aarch64, or undefined where the host runs the root's programs itself. */
  qemu: string | undefined;
  /** The programs'. Default: arm64, the guest's. */
  architecture?: Architecture;
  /** Without an emulator: where the dynamic loader looks before the root's own library folders. */
  folders?: string[];
}

/** Programs of the host's own architecture, beside Debian's guest. */
export interface Native {
  /** A Mesa in place of the one that programs would find. */
  mesa?: Mesa | undefined;
  /** A folder with Debian packages, whose dynamic loader and libraries run the programs; undefined: this host's own. */
  root?: string | undefined;
}

/** A root of its own for a program of the guest. */
export interface OwnRoot {
  namespaces: Namespaces;
  /** The machine's folder. */
  machine: string;
  /** Where the program is started. */
  cwd: string;
}

/** The guest's architecture. */
export const ARM64 = ARCHITECTURES.find(({ debian }) => debian === 'arm64')!;

/** Bytes that the shim has for a part of TYR_GUEST (TYR_PATH_MAX in shim/tyr.h). */
const LONGEST = 4096;

/** Variables of the host's session that mean nothing, or something wrong, in the guest. */
const NOT_FOR_GUEST =
  /^(LD_|DBUS_|NODE_|npm_|QEMU_|XDG_|DISPLAY$|WAYLAND_|XAUTHORITY$|SESSION_MANAGER$|PATH$|HOME$|LANG$|LANGUAGE$|LC_)/;

/**
 * The environment of a program in the guest: the caller's, without what belongs to the host's own session. Its packages have one locale
 * beside the C library's own.
 */
export function guestEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !NOT_FOR_GUEST.test(name));
  return {
    ...Object.fromEntries(kept),
    LANG: 'C.UTF-8',
    PATH: '/usr/local/bin:/usr/bin:/bin:/usr/games:/usr/sbin:/sbin',
  };
}

/**
 * The guest has a seat of its own: no program in it may find the host's system bus or seat manager, and take the host's
 * screen. libseat is told that there is nobody to ask.
 */
function seat(machine: string | undefined): NodeJS.ProcessEnv {
  if (!machine) return {};
  return {
    DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${join(machine, SHIM_TREE, 'run/dbus/system_bus_socket')}`,
    SEATD_SOCK: join(machine, SHIM_TREE, 'run/seatd.sock'),
    LIBSEAT_BACKEND: 'noop',
  };
}

/** How `program`, a file that holds an executable of the root's architecture, is started. */
export function guestStart(
  { root, qemu, architecture = ARM64, folders = [] }: Root,
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  argv0 = program,
): Start {
  if (qemu) return { file: qemu, args: ['-L', root, '-cpu', SHIM_CPU, '-0', argv0, program, ...args], env };
  const common = commonFolders({ root, architecture });
  const [lib] = common as [string];
  const searched = [...folders, env.LD_LIBRARY_PATH, ...common, ...ownFolders(root, common)];
  const libraries = searched.filter(Boolean).join(':');
  const { LD_PRELOAD, ...rest } = env;
  return {
    file: join(lib, architecture.loader),
    args: [
      '--library-path',
      libraries,
      ...(LD_PRELOAD ? ['--preload', LD_PRELOAD] : []),
      '--argv0',
      argv0,
      program,
      ...args,
    ],
    env: {
      __EGL_VENDOR_LIBRARY_DIRS: join(root, 'usr/share/glvnd/egl_vendor.d'),
      LIBGL_DRIVERS_PATH: join(lib, 'dri'),
      GBM_BACKENDS_PATH: join(lib, 'gbm'),
      VK_DRIVER_FILES: join(root, 'usr/share/vulkan/icd.d/panfrost_icd.json'),
      XDG_DATA_DIRS: join(root, 'usr/share'),
      DRIRC_CONFIGDIR: join(root, 'usr/share/drirc.d'),
      ...rest,
    },
  };
}

/** Where all programs of a root have their libraries. */
function commonFolders({ root, architecture = ARM64 }: Pick<Root, 'root' | 'architecture'>): string[] {
  return [join(root, 'usr/lib', architecture.triplet), join(root, 'usr/lib')];
}

/**
 * What TYR_GUEST says of a root (abi/shim.ts); `library` is the folder with its shim. Throws Problem where the shim has no room
 * for it.
 */
export function guestVariable(where: Root, library: string): string {
  const { root, qemu, folders = [] } = where;
  if (qemu) return [qemu, root, library].join(':');
  const before = folders.join(':');
  const behind = ownFolders(root, commonFolders(where)).join(':');
  const longest = Math.max(...[root, library, before, behind].map((part) => Buffer.byteLength(part)));
  if (longest >= LONGEST) throw new Problem(`the library folders of ${root} are too many to tell its programs`);
  return ['', root, library].join(':') + (before && `:${before}`) + (behind && `::${behind}`);
}

/**
 * How `tyr run` starts a program with the shim before it. A name without a slash is a program of the guest; a path is a
 * file of this host, or else of the guest's root. arm64 files and scripts run in the guest, files of the host's architecture
 * as they are, with the host's shim. With `native` it is a path of a program of the host's architecture, or a script, which runs
 * as that says. `own` are variables of the machine's, laid over the caller's. `ownRoot` makes what runs in the guest see its
 * files alone. Throws Problem.
 */
export function programStart(
  userland: Userland,
  program: string,
  args: string[],
  own: NodeJS.ProcessEnv,
  callers: NodeJS.ProcessEnv = process.env,
  native?: Native,
  ownRoot?: OwnRoot,
): Start {
  const path = findProgram(userland.root, program);
  const machine = elfMachine(path);
  const { guest, host, root, qemu } = userland;
  const libraries = native?.mesa?.libraries ?? [];
  const rooted = (architecture: Architecture, shim: ShimBuild, where: Root, folders: string[]) => {
    const library = where.qemu ? shim.library : shim.rooted;
    const env = { ...guestEnvironment(callers), ...seat(own[SHIM_ENVIRONMENT]), ...own };
    const world = guestVariable({ ...where, architecture, folders }, dirname(library));
    const searched = where.qemu ? [...folders, own.LD_LIBRARY_PATH].filter(Boolean).join(':') : own.LD_LIBRARY_PATH;
    const all = { ...env, [SHIM_GUEST]: world, ...preload(library, searched) };
    return guestStart({ ...where, architecture, folders }, path, args, all, program);
  };
  const inOwnRoot = ({ namespaces, machine, cwd }: OwnRoot, shim: ShimBuild, where: Root): Start => {
    const env = { ...guestEnvironment(callers), LIBSEAT_BACKEND: 'noop', ...own };
    const searched = [...libraries, own.LD_LIBRARY_PATH].filter(Boolean).join(':');
    const shown = [cwd, ...(native?.mesa ? [native.mesa.prefix] : [])];
    const inside = isWithin(path, where.root);
    return namespacesStart(namespaces, {
      root: where.root,
      qemu: where.qemu,
      architecture: shim.architecture,
      machine,
      shim: dirname(shim.library),
      home: own.HOME!,
      shown: inside ? shown : [...shown, dirname(path)],
      cwd,
      // A name is looked for in PATH there.
      program: !program.includes('/') ? program : inside ? path.slice(where.root.length) : path,
      args,
      env: { ...env, ...preload(shim.library, searched) },
    });
  };
  const isNative = native && native.mesa?.architecture !== guest.architecture;
  if (ownRoot && !isNative && (machine === '#!' || machine === guest.architecture.elfMachine))
    return inOwnRoot(ownRoot, guest, { root, qemu });
  if (ownRoot && isNative && native.root && (machine === '#!' || machine === host.architecture.elfMachine))
    return inOwnRoot(ownRoot, host, { root: native.root, qemu: undefined });
  if (machine === '#!' && !(isNative && !native.root)) {
    // The root's shell starts it as any program there would.
    const shell = isNative ? join(native.root!, 'usr/bin/sh') : 'sh';
    return programStart(userland, shell, ['-c', 'exec "$0" "$@"', path, ...args], own, callers, native);
  }
  if (machine === '#!' || (machine === host.architecture.elfMachine && (isNative || host !== guest))) {
    if (isNative && native.root)
      return rooted(host.architecture, host, { root: native.root, qemu: undefined }, libraries);
    const env = { ...callers, ...own };
    const searched = [...libraries, env.LD_LIBRARY_PATH].filter(Boolean).join(':');
    return { file: path, args, env: { ...env, ...preload(host.library, searched) } };
  }
  if (machine === guest.architecture.elfMachine) return rooted(guest.architecture, guest, { root, qemu }, libraries);
  const wanted = [...new Set([guest, host].map((side: { architecture: Architecture }) => side.architecture.debian))];
  throw new Problem(`${path} is no ${wanted.join(' or ')} program`);
}

/**
 * The variables that preload a shim. By its path, so that a program that sets LD_LIBRARY_PATH for another does not lose it; by
 * name and search path only where LD_PRELOAD, whose items end at blanks and colons, has no way to write the path.
 */
function preload(library: string, searched: string | undefined): NodeJS.ProcessEnv {
  const path = (folders: (string | undefined)[]) => {
    const text = folders.filter(Boolean).join(':');
    return text ? { LD_LIBRARY_PATH: text } : {};
  };
  if (!/[\s:]/.test(library)) return { LD_PRELOAD: library, ...path([searched]) };
  return { LD_PRELOAD: basename(library), ...path([dirname(library), searched]) };
}

const FOLDERS = ['usr/local/bin', 'usr/bin', 'usr/games', 'usr/sbin'];

function findProgram(root: string, program: string): string {
  const candidates = program.includes('/')
    ? [resolve(program), join(root, program)]
    : FOLDERS.map((folder) => join(root, folder, program));
  const found = candidates.find((path) => existsSync(path));
  if (found) return found;
  throw new Problem(
    program.includes('/')
      ? `there is no file ${program}, neither here nor in the guest`
      : `the guest has no program ${program}; it has those of Debian's kmscube, glmark2-es2-drm, mesa-utils, vulkan-tools, drm-info, bash and coreutils, or give a path to your own`,
  );
}
