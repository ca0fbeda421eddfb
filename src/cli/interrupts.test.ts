/** Guest tests: `tyr run` that is interrupted leaves no process of the guest, and no folder for longer than to the next run. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runtimeFolder } from '../host/runtime-folder.ts';
import { ensureUserland } from '../host/userland/userland.ts';
import { until } from '../testing/host/until.ts';

await ensureUserland();
const runtime = mkdtempSync(join(tmpdir(), 'tyr-test-'));
process.env.XDG_RUNTIME_DIR = runtime;
const started: ChildProcess[] = [];
after(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(runtime, { recursive: true });
});

/** Processes that have a machine in this test's folder in their environment: the guest's. */
function guests(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`TYR_MACHINE=${runtime}/`);
      } catch {
        return false;
      }
    });
}

/** `tyr run kmscube`, which draws by now. */
async function drawing(): Promise<{ child: ChildProcess; ended: Promise<number | null> }> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'run', 'kmscube']);
  started.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until(
    () => output.includes('OpenGL ES 2.x information'),
    () => 'kmscube did not start',
  );
  assert.ok(guests().length > 0);
  return { child, ended };
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`guest: ${signal} ends the program, its machine and its folder`, async () => {
    const { child, ended } = await drawing();
    child.kill(signal);
    assert.equal(await ended, exitCode);
    assert.deepEqual(guests(), []);
    assert.deepEqual(readdirSync(runtime), []);
  });
}

test('guest: SIGKILL ends the program, too, and the folder goes', async () => {
  const { child, ended } = await drawing();
  child.kill('SIGKILL');
  await ended;
  await until(
    () => guests().length === 0 && readdirSync(runtime).length === 0,
    () => `the guest outlives its machine: ${guests()} ${readdirSync(runtime)}`,
  );
});

test('only folders of machines that are no more are removed', async () => {
  const kept = [`tyr-${process.pid}-living`, 'tyr-folder', 'tyr-test-abcdef', 'tyr-1-abcdefg'];
  for (const name of kept) mkdirSync(join(runtime, name));
  mkdirSync(join(runtime, 'target'));
  // No process has a number beyond the kernel's greatest.
  mkdirSync(join(runtime, 'tyr-4194999-abcdef'));
  symlinkSync(join(runtime, 'target'), join(runtime, 'tyr-4194998-abcdef'));
  const next = await runtimeFolder();
  rmSync(next, { recursive: true });
  assert.deepEqual(readdirSync(runtime).sort(), [...kept, 'target', 'tyr-4194998-abcdef'].sort());
});
