/** Guest tests: Debian's own programs, on the whole machine, from power-on to power-off. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recorder, silent } from '../board/log.ts';
import type { Picture } from '../display/index.ts';
import { type LaunchOptions, type LaunchResult, launch } from './launch.ts';
import { ensureUserland } from './userland/userland.ts';

const userland = await ensureUserland();
const runtime = mkdtempSync(join(tmpdir(), 'tyr-test-'));
process.env.XDG_RUNTIME_DIR = runtime;
after(() => rmSync(runtime, { recursive: true }));

interface Output {
  result: LaunchResult;
  stdout: string;
}

async function guest(program: string, args: string[], options: Partial<LaunchOptions> = {}): Promise<Output> {
  let stdout = '';
  const result = await launch({
    userland,
    program,
    args,
    log: silent,
    timeout: 120,
    stdout: (text) => {
      stdout += text;
    },
    stderr: () => {},
    ...options,
  });
  assert.deepEqual(readdirSync(runtime), [], 'the machine’s folder goes with it');
  assert.deepEqual(result.leaks, {}, 'nothing stays of the program');
  return { result, stdout };
}

function pixel({ width, data }: Picture, x: number, y: number): number[] {
  const at = (y * width + x) * 4;
  return [...data.subarray(at, at + 4)];
}

/** kmscube clears to (0.5, 0.5, 0.5). */
const GREY = [128, 128, 128, 255];

function checkCube(picture: Picture, width: number, height: number): void {
  assert.deepEqual([picture.width, picture.height], [width, height]);
  for (const [x, y] of [
    [0, 0],
    [width - 1, 0],
    [0, height - 1],
    [width - 1, height - 1],
  ] as const) {
    assert.deepEqual(pixel(picture, x, y), GREY, `corner ${x},${y}`);
  }
  const middle = pixel(picture, width / 2, height / 2);
  assert.notDeepEqual(middle, GREY, 'the cube is in the middle');
  const colours = new Set<string>();
  for (let y = 0; y < height; y += 8) for (let x = 0; x < width; x += 8) colours.add(pixel(picture, x, y).join());
  assert(colours.size > 100, `a lit cube has many colours, not ${colours.size}`);
}

test('guest: kmscube ends cleanly after its frames, and the last one is the screenshot', async () => {
  const { result } = await guest('kmscube', [], { frames: 3, screenshot: true, refresh: 'unlimited' });
  assert.equal(result.ended, 'frames');
  assert.equal(result.exitCode, 0);
  assert.equal(result.frames, 3);
  assert.equal(result.faults, 0);
  assert(result.jobs >= 3);
  assert(result.fps > 0);
  checkCube(result.screenshot!, 1024, 768);
});

test('guest: kmscube on a Mali-G310, which Mesa calls by its name', async () => {
  const options = { frames: 2, screenshot: true, refresh: 'unlimited', gpu: 'g310' } as const;
  const { result, stdout } = await guest('kmscube', [], options);
  assert.equal(result.ended, 'frames');
  assert.equal(result.gpu, 'mali-g310');
  assert.match(stdout, /renderer: "Mali-G310 \(Panfrost\)"/);
  assert(result.jobs >= 2);
  assert.equal(result.faults, 0);
  checkCube(result.screenshot!, 1024, 768);
});

test('guest: kmscube by atomic modesetting, in a mode of our choice', async () => {
  const options = { frames: 2, screenshot: true, mode: '1920x1080@60', refresh: 'unlimited' } as const;
  const { result } = await guest('kmscube', ['-A'], options);
  assert.equal(result.ended, 'frames');
  checkCube(result.screenshot!, 1920, 1080);
});

test('guest: the screenshot of a program that ended by itself is what it showed last', async () => {
  const { result } = await guest('kmscube', ['-c', '2'], { screenshot: true, refresh: 'unlimited' });
  assert.equal(result.ended, 'itself');
  assert.equal(result.exitCode, 0);
  checkCube(result.screenshot!, 1024, 768);
});

test('guest: the cube turns from frame to frame', async () => {
  const pictures: Picture[] = [];
  const onFrame: LaunchOptions['onFrame'] = (_, screenshot) => pictures.push(screenshot());
  await guest('kmscube', [], { frames: 3, refresh: 'unlimited', onFrame });
  assert.equal(pictures.length, 3);
  assert.notDeepEqual(pictures[0]!.data, pictures[2]!.data);
});

test('guest: eglinfo finds Panfrost on the Mali-G610', async () => {
  const { result, stdout } = await guest('eglinfo', ['-B', '-p', 'surfaceless']);
  assert.equal(result.exitCode, 0);
  assert.equal(result.frames, 0);
  assert.equal(result.gpu, 'mali-g610');
  assert.match(stdout, /OpenGL ES profile renderer: Mali-G610 \(Panfrost\)/);
});

test('guest: vulkaninfo finds PanVK on the same GPU', async () => {
  const { stdout } = await guest('vulkaninfo', ['--summary']);
  assert.match(stdout, /deviceName\s+= Mali-G610\n\s+driverID\s+= DRIVER_ID_MESA_PANVK/);
});

test('guest: without a firmware that boots there is a display and no GPU, and the log says why', async () => {
  const { log, lines } = recorder();
  const { result, stdout } = await guest('drm_info', [], { log, firmware: new Uint8Array(64) });
  assert.equal(result.gpu, null);
  assert.match(stdout, /rockchip/);
  assert.doesNotMatch(stdout, /panthor/);
  assert(lines.some((line) => line.startsWith('error panthor: probe failed')));
});

test('guest: a program ends at its time limit, and when the caller aborts', async () => {
  const late = await guest('kmscube', [], { timeout: 1 });
  assert.equal(late.result.ended, 'timeout');
  const aborted = await guest('kmscube', [], { signal: AbortSignal.abort() });
  assert.equal(aborted.result.ended, 'aborted');
});
