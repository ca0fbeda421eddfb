/**
 * A Mesa that its developer has built: an install prefix (`meson install`, also with DESTDIR) or a meson build folder.
 *
 * Programs find Mesa by several loaders, and each has a variable of its own: the dynamic loader, GBM, glvnd's EGL, GLX, Mesa's
 * DRI loader and Vulkan's. A forgotten one is worse than an error: the program then runs on another Mesa, or on none.
 * So the files are looked for by their names, wherever they lie below the folder, and all variables are made from where they were
 * found. Facts: Mesa's docs/envvars.rst and src/gbm/main/backend.c, glvnd's src/EGL/icd_enumeration.md, the Vulkan
 * loader's docs/LoaderDriverInterface.md.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Architecture } from './compiler.ts';
import { elfMachine } from './elf.ts';
import { Problem } from './problem.ts';

export interface Mesa {
  /** The folder that was named, absolute. */
  prefix: string;
  architecture: Architecture;
  /** As its libgallium's name tells; undefined for Mesa before 24.2, and where only Vulkan drivers are. */
  version: string | undefined;
  /** Folders for the dynamic loader. */
  libraries: string[];
  /** Absolute paths; undefined where this Mesa has none. */
  gallium: string | undefined;
  /** EGL as glvnd's vendor. Without glvnd, libEGL.so.1 is Mesa's own and lies in one of `libraries`. */
  eglVendor: string | undefined;
  glx: string | undefined;
  /** PanVK. */
  vulkan: string | undefined;
  /** Folders of GBM's back ends, of the DRI drivers, and of driconf's files. */
  gbmBackends: string | undefined;
  driDrivers: string | undefined;
  driconf: string | undefined;
}

/** Folders that hold nothing that is loaded, or copies of it. */
const NOT_LOOKED_INTO = /^(\.git|meson-(info|logs|private|uninstalled)|include|subprojects|.*\.p)$/;
/** Levels below the folder; Mesa's own build has src/gallium/targets/dri/. */
const DEEPEST = 7;

/** A string that Panfrost's Gallium driver reads (src/gallium/drivers/panfrost/pan_screen.c). */
const PANFROST = 'PAN_MESA_DEBUG';
/** What the place of a driver that was left out says when it is asked for (auxiliary/target-helpers/drm_helper.h). */
const NO_KMSRO = 'kmsro: driver missing';

/** Looks at a Mesa. Throws Problem, which names what the folder is not or lacks: a driver for this GPU, above all. */
export async function inspectMesa(folder: string, architectures: readonly Architecture[]): Promise<Mesa> {
  const prefix = resolve(folder);
  if (!(await stat(prefix).catch(() => undefined))?.isDirectory()) throw new Problem(`there is no folder ${prefix}`);
  const { files, strangers } = await libraries(await realpath(prefix), architectures);
  const find = (pattern: RegExp) => files.find(({ name }) => pattern.test(name))?.path;
  const gallium =
    find(/^libgallium-.+\.so$/) ?? find(/^(panfrost_dri|libgallium_dri)\.so$/) ?? find(/^[a-z0-9-]+_dri\.so$/);
  const vulkan = find(/^libvulkan_panfrost\.so$/);
  if (!gallium && !vulkan) {
    if (strangers.length > 0) {
      const wanted = architectures.map(({ debian }) => debian).join(' nor ');
      throw new Problem(`the Mesa in ${prefix} is built neither for ${wanted} (${strangers[0]})`);
    }
    throw new Problem(
      `there is no Mesa in ${prefix}: neither libgallium nor a Vulkan driver for Mali; name the folder of an installed Mesa (its prefix), or meson's build folder`,
    );
  }
  const content = gallium ? await readFile(gallium) : Buffer.alloc(0);
  const lacks = !content.includes(PANFROST) ? 'panfrost' : content.includes(NO_KMSRO) ? 'kmsro' : undefined;
  if (lacks && !vulkan) {
    throw new Problem(
      `the Mesa in ${prefix} is built without ${lacks} (${gallium}), so it has no driver for this GPU; build it with -Dgallium-drivers=panfrost -Dvulkan-drivers=panfrost`,
    );
  }
  const architecture = architectures.find((each) => each.elfMachine === elfMachine((gallium ?? vulkan)!))!;
  const own = (path: string | undefined) => path !== undefined && elfMachine(path) === architecture.elfMachine;
  const loaded = files.filter(({ name, path }) => LOADED.test(name) && own(path)).map(({ path }) => dirname(path));
  const driconf = await folderWith(prefix, ['share/drirc.d', 'usr/share/drirc.d']);
  return {
    prefix,
    architecture,
    version: /^libgallium-(.+)\.so$/.exec(basename(gallium ?? ''))?.[1],
    libraries: [...new Set(loaded)],
    gallium: lacks ? undefined : gallium,
    eglVendor: find(/^libEGL_mesa\.so\.0$/),
    glx: find(/^libGLX_mesa\.so\.0$/),
    vulkan,
    gbmBackends: folderOf(find(/^dri_gbm\.so$/)),
    driDrivers: folderOf(find(/^(libdril|panfrost|rockchip)_dri\.so$/) ?? find(/_dri\.so$/)),
    driconf,
  };
}

/** What the dynamic loader looks for by name. */
const LOADED =
  /^(libgallium-.+\.so|lib(EGL|EGL_mesa|GLX_mesa|gbm|GL|GLESv1_CM|GLESv2|glapi|vulkan_panfrost)\.so[.\d]*)$/;

const folderOf = (path: string | undefined) => path && dirname(path);

async function folderWith(prefix: string, names: string[]): Promise<string | undefined> {
  return names.map((name) => join(prefix, name)).find((path) => existsSync(path));
}

/** All shared libraries below a folder, those nearest to it first; `strangers`: of other architectures. */
async function libraries(folder: string, architectures: readonly Architecture[]) {
  const files: { name: string; path: string }[] = [];
  const strangers: string[] = [];
  const machines = architectures.map((each) => each.elfMachine as number | string | undefined);
  let level = [folder];
  for (let depth = 0; depth <= DEEPEST && level.length > 0; depth++) {
    const below: string[] = [];
    for (const here of level) {
      for (const entry of (await readdir(here, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const path = join(here, entry.name);
        if (entry.isDirectory() && !NOT_LOOKED_INTO.test(entry.name)) below.push(path);
        if (entry.isDirectory() || !/\.so(\.\d+)*$/.test(entry.name) || !existsSync(path)) continue;
        if (machines.includes(elfMachine(path))) files.push({ name: entry.name, path });
        else if (/gallium|_dri|vulkan_panfrost/.test(entry.name)) strangers.push(path);
      }
    }
    level = below;
  }
  return { files, strangers };
}

/**
 * The variables by which all loaders but the dynamic one find a Mesa. `folder` is one of the caller's own, for the files that
 * glvnd and the Vulkan loader want.
 */
export async function mesaEnvironment(mesa: Mesa, folder: string): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  await mkdir(folder, { recursive: true });
  if (mesa.eglVendor) {
    const file = join(folder, 'egl_vendor.json');
    const text = { file_format_version: '1.0.0', ICD: { library_path: mesa.eglVendor } };
    await writeFile(file, JSON.stringify(text));
    env.__EGL_VENDOR_LIBRARY_FILENAMES = file;
  }
  // Without a PanVK in this Mesa there is no Vulkan, rather than another Mesa's.
  const icd = join(folder, 'vulkan_icd.json');
  env.VK_DRIVER_FILES = env.VK_ICD_FILENAMES = icd;
  if (mesa.vulkan) {
    const text = {
      file_format_version: '1.0.1',
      ICD: { library_path: mesa.vulkan, api_version: await apiVersion(mesa) },
    };
    await writeFile(icd, JSON.stringify(text));
  }
  if (mesa.glx) env.__GLX_VENDOR_LIBRARY_NAME = 'mesa';
  if (mesa.gbmBackends) env.GBM_BACKENDS_PATH = mesa.gbmBackends;
  if (mesa.driDrivers) env.LIBGL_DRIVERS_PATH = mesa.driDrivers;
  if (mesa.driconf) env.DRIRC_CONFIGDIR = mesa.driconf;
  return env;
}

/** The Vulkan version that this Mesa's own file tells the loader; before it was read: what PanVK is held to say at least. */
async function apiVersion({ prefix, vulkan }: Mesa): Promise<string> {
  const folders = [dirname(vulkan!), join(prefix, 'share/vulkan/icd.d'), join(prefix, 'usr/share/vulkan/icd.d')];
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!/^panfrost_.*icd.*\.json$/.test(name)) continue;
      const text = await readFile(join(folder, name), 'utf8');
      const version = /"api_version"\s*:\s*"([\d.]+)"/.exec(text)?.[1];
      if (version) return version;
    }
  }
  return '1.1.0';
}
