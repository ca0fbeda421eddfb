/** `tyr run` says when the GPU had no part in a run, which a Mesa without its driver does not. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ensureUserland } from '../host/userland/userland.ts';
import { unusedGpu, usedGpu } from './run.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const userland = await ensureUserland();

function run(program: string, args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'run', '--json', '--', program, ...args], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return { stderr, report: JSON.parse(stdout) };
}

test('guest: a run in which no program opened the GPU says so at its end; one that did does not', () => {
  const idle = run('true', []);
  assert.match(idle.stderr, /^true: 0 frames .*\nWARNING: no program opened the GPU\.\n$/m);
  assert.equal(idle.report.gpuOpens, 0);
  const { gpuSeconds } = idle.report;
  assert.ok(gpuSeconds < 0.1, `idle for all but ${gpuSeconds} s`);
  const busy = run(userland.guest.clients['mov-job']!, ['/dev/dri/renderD128', '1']);
  assert.doesNotMatch(busy.stderr, /WARNING/);
  assert.equal(busy.report.gpuOpens, 1);
  assert.ok(busy.report.gpuSeconds > 0 && busy.report.gpuSeconds < busy.report.seconds);
});

test('frames without a GPU job are named as such, and a machine without a GPU', () => {
  const result = { gpu: 'mali-g610', gpuOpens: 1, frames: 3, jobs: 0 } as Parameters<typeof unusedGpu>[0];
  assert.match(unusedGpu(result)!, /drawn without it/);
  assert.equal(unusedGpu({ ...result, jobs: 1 }), undefined);
  assert.equal(unusedGpu({ ...result, frames: 0 }), undefined);
  assert.match(unusedGpu({ ...result, gpu: null })!, /no GPU/);
  assert.equal(usedGpu(result), undefined);
  assert.match(usedGpu({ ...result, jobs: 2 })!, /the GPU has done 2 jobs/);
});
