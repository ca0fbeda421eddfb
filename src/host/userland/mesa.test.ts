/**
 * A Mesa of the caller's: what is found in a folder, what is refused by which name, and what programs get of it. The Mesas here
 * are small libraries of ours with Mesa's names; a real one takes minutes to build (`tyr test --desktop`).
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { silent } from '../../board/log.ts';
import { launch } from '../launch.ts';
import { ARCHITECTURES, type Architecture, hostCompiler } from './compiler.ts';
import { inspectMesa, type Mesa, mesaEnvironment } from './mesa.ts';
import { mesaWorld } from './mesa-world.ts';
import { Problem } from './problem.ts';
import { ensureUserland } from './userland.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tyr-mesa-')));
after(() => rmSync(folder, { recursive: true }));
const [arm64, amd64] = ARCHITECTURES as [Architecture, Architecture];

/** A file with the beginning of an ELF header, and some text as a compiler would leave it. */
function library(path: string, machine: number, text = ''): void {
  const head = Buffer.alloc(64);
  head.write('\x7fELF', 'latin1');
  head.writeUInt16LE(machine, 18);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.concat([head, Buffer.from(`\0${text}\0`)]));
}

function mesaFiles(name: string, files: Record<string, string>, machine = amd64.elfMachine): string {
  const prefix = join(folder, name);
  for (const [path, text] of Object.entries(files)) library(join(prefix, path), machine, text);
  return prefix;
}

const PANFROST = 'PAN_MESA_DEBUG';

test('an install prefix: all loaders are told where its parts are', async () => {
  const prefix = mesaFiles('installed', {
    'lib/x86_64-linux-gnu/libgallium-25.0.7.so': PANFROST,
    'lib/x86_64-linux-gnu/libEGL_mesa.so.0': '',
    'lib/x86_64-linux-gnu/libgbm.so.1': '',
    'lib/x86_64-linux-gnu/libGLX_mesa.so.0': '',
    'lib/x86_64-linux-gnu/gbm/dri_gbm.so': '',
    'lib/x86_64-linux-gnu/dri/libdril_dri.so': '',
    'lib/x86_64-linux-gnu/libvulkan_panfrost.so': '',
  });
  mkdirSync(join(prefix, 'share/vulkan/icd.d'), { recursive: true });
  mkdirSync(join(prefix, 'share/drirc.d'));
  writeFileSync(
    join(prefix, 'share/vulkan/icd.d/panfrost_icd.x86_64.json'),
    '{ "ICD": { "api_version": "1.2.303", "library_path": "/elsewhere/libvulkan_panfrost.so" } }',
  );
  const mesa = await inspectMesa(prefix, [amd64, arm64]);
  const lib = join(prefix, 'lib/x86_64-linux-gnu');
  assert.equal(mesa.version, '25.0.7');
  assert.equal(mesa.architecture, amd64);
  assert.deepEqual(mesa.libraries, [lib]);
  const env = await mesaEnvironment(mesa, join(folder, 'machine'));
  const { __EGL_VENDOR_LIBRARY_FILENAMES: egl, VK_DRIVER_FILES: vulkan, ...rest } = env;
  assert.deepEqual(rest, {
    VK_ICD_FILENAMES: vulkan,
    __GLX_VENDOR_LIBRARY_NAME: 'mesa',
    GBM_BACKENDS_PATH: join(lib, 'gbm'),
    LIBGL_DRIVERS_PATH: join(lib, 'dri'),
    DRIRC_CONFIGDIR: join(prefix, 'share/drirc.d'),
  });
  assert.equal(JSON.parse(readFileSync(egl!, 'utf8')).ICD.library_path, join(lib, 'libEGL_mesa.so.0'));
  assert.deepEqual(JSON.parse(readFileSync(vulkan!, 'utf8')).ICD, {
    library_path: join(lib, 'libvulkan_panfrost.so'),
    api_version: '1.2.303',
  });
});

test('a meson build folder: the parts lie where meson builds them, and object folders are not looked into', async () => {
  const prefix = mesaFiles('build', {
    'src/gallium/targets/dri/libgallium-26.1.2.so': PANFROST,
    'src/gallium/targets/dri/libgallium-26.1.2.so.p/libgallium-0.so': '',
    'src/egl/libEGL_mesa.so.0': '',
    'src/gbm/libgbm.so.1.0.0': '',
    'src/gbm/backends/dri/dri_gbm.so': '',
    'src/panfrost/vulkan/libvulkan_panfrost.so': '',
  });
  const mesa = await inspectMesa(prefix, [amd64]);
  const below = (path: string) => join(prefix, path);
  assert.deepEqual(
    mesa.libraries.sort(),
    ['src/egl', 'src/gallium/targets/dri', 'src/gbm', 'src/panfrost/vulkan'].map(below),
  );
  assert.equal(mesa.gbmBackends, below('src/gbm/backends/dri'));
});

const REFUSED: [name: string, files: Record<string, string>, machine: number, message: RegExp][] = [
  [
    'no panfrost',
    { 'lib/libgallium-25.0.7.so': 'panfrost: driver missing\0kmsro: driver missing' },
    amd64.elfMachine,
    /built without panfrost \(.*libgallium-25\.0\.7\.so\), so it has no driver.*-Dgallium-drivers=panfrost/,
  ],
  [
    'no kmsro',
    { 'lib/libgallium-25.0.7.so': `${PANFROST}\0kmsro: driver missing\n` },
    amd64.elfMachine,
    /built without kmsro/,
  ],
  ['strange', { 'lib/libgallium-25.0.7.so': PANFROST }, 22, /built neither for amd64 nor arm64 \(.*libgallium/],
  ['empty', { 'lib/libother.so': '' }, amd64.elfMachine, /there is no Mesa in .*empty.*meson's build folder/],
];
for (const [name, files, machine, message] of REFUSED) {
  test(`a Mesa that cannot drive the GPU is refused by name: ${name}`, async () => {
    const prefix = mesaFiles(name, files, machine);
    await assert.rejects(inspectMesa(prefix, [amd64, arm64]), (error) => {
      assert(error instanceof Problem);
      assert.match(error.message, message);
      return true;
    });
  });
}

test('a folder that is not there is named', async () => {
  await assert.rejects(inspectMesa(join(folder, 'nowhere'), [amd64]), /there is no folder .*nowhere/);
});

test('a Mesa of the guest’s architecture takes the place of the guest’s own', async () => {
  const prefix = mesaFiles('cross', { 'lib/libgallium-25.0.7.so': PANFROST }, arm64.elfMachine);
  const mesa = await inspectMesa(prefix, [amd64, arm64]);
  const world = await mesaWorld(mesa, 'kmscube', amd64, { packages: () => assert.fail('nothing is fetched') });
  assert.deepEqual(world, { program: 'kmscube', native: { mesa } });
});

/** A library that the host's dynamic loader really loads. */
async function realLibrary(path: string, flags: string[] = []): Promise<string> {
  const userland = await ensureUserland();
  const compiler = hostCompiler(userland.host.architecture, resolve(userland.qemu!, '../../..'));
  const source = join(folder, 'driver.c');
  writeFileSync(source, `const char *debug = "${PANFROST}";\n`);
  mkdirSync(dirname(path), { recursive: true });
  await compiler.build('library', [source], path, flags);
  return path;
}

/** One in the place of a Mesa. */
async function realMesa(name: string, flags: string[] = []): Promise<Mesa> {
  await realLibrary(join(folder, name, 'lib/libgallium-1.2.3.so'), flags);
  return inspectMesa(join(folder, name), [(await ensureUserland()).host.architecture]);
}

test('host: a program of this host runs on that Mesa by this host’s own loader, with its nodes before it', async () => {
  const userland = await ensureUserland();
  if (!userland.qemu) return; // on an arm64 host, it is the guest that does
  const mesa = await realMesa('real');
  const where = { packages: () => assert.fail('nothing is fetched'), path: '/nowhere:/bin:/usr/bin' };
  const { program, native } = await mesaWorld(mesa, 'sh', userland.host.architecture, where);
  assert.equal(native?.root, undefined);
  let stdout = '';
  const job = userland.host.clients['mov-job']!;
  const script = 'echo "$LD_LIBRARY_PATH"; echo "$VK_DRIVER_FILES"; exec "$0" /dev/dri/renderD128 2';
  const result = await launch({
    userland,
    program,
    native,
    args: ['-c', script, job],
    log: silent,
    timeout: 60,
    stdout: (text) => {
      stdout += text;
    },
  });
  const [path, icd, moved] = stdout.trim().split('\n');
  assert.equal(path, join(folder, 'real/lib'));
  assert.match(icd!, /\/mesa\/vulkan_icd\.json$/);
  assert.equal(moved, 'mov-job: 0xcafe0001');
  assert.equal(result.jobs, 2);
  assert.deepEqual(result.leaks, {});
});

test('host: what a Mesa does not find is named, and the packages are tried before', async () => {
  const userland = await ensureUserland();
  if (!userland.qemu) return;
  const needed = await realLibrary(join(folder, 'libneeded-5.so'));
  const mesa = await realMesa('missing', [needed]);
  rmSync(needed);
  const root = resolve(userland.qemu, '../../..');
  let fetched = 0;
  const packages = async () => {
    fetched++;
    return root;
  };
  await assert.rejects(mesaWorld(mesa, '/bin/sh', userland.host.architecture, { packages }), (error) => {
    assert(error instanceof Problem);
    assert.match(error.message, /does not find all that it needs among the packages .*libneeded-5\.so.*not found/);
    return true;
  });
  assert.equal(fetched, 1);
  await assert.rejects(
    mesaWorld(await realMesa('real'), 'no-such-program', userland.host.architecture, { packages }),
    /neither this host \(PATH\) nor the packages in .* have a program no-such-program/,
  );
});
