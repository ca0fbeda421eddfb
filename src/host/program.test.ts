import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HostClock } from '../board/clock.ts';
import { until } from '../testing/host/until.ts';
import { Program, type ProgramOptions } from './program.ts';

const clock = new HostClock();

function shell(script: string, options: Partial<ProgramOptions> = {}): Promise<Program> {
  return Program.start({ file: '/bin/sh', args: ['-c', script], env: process.env }, { clock, ...options });
}

function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

test('the exit code is the program’s, and its output is passed on', async () => {
  let output = '';
  const program = await shell('echo out; exit 7', { stdout: (text) => (output += text) });
  assert.equal(await program.ended, 7);
  assert.equal(output, 'out\n');
});

test('a death by signal is told as a shell tells it', async () => {
  assert.equal(await (await shell('kill -9 $$')).ended, 137);
});

/** The nice value of a process's session, if sessions have one here. */
function sessionNice(pid: number | 'self'): number | undefined {
  if (!existsSync(`/proc/${pid}/autogroup`)) return undefined;
  const nice = /nice (-?\d+)/.exec(readFileSync(`/proc/${pid}/autogroup`, 'latin1'));
  return nice ? Number(nice[1]) : undefined;
}

/** Whether the host lets us set it: a sandbox may show /proc read-only. */
function mayBeSet(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(sessionNice(pid)));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN';
  }
}

test('programs stand behind the machine where both want a processor, and so do their children', async () => {
  const behind = (own: number) => Math.min(own + 5, 19);
  // Many at once: the kernel may take one session's value in 100 ms, and refuse the others.
  const programs = await Promise.all(
    Array.from({ length: 6 }, async () => {
      let output = '';
      const program = await shell('while sleep 0.05; do nice; done', { stdout: (text) => (output += text) });
      return { program, niceOfChild: () => Number(output.trim().split('\n').at(-1)) };
    }),
  );
  try {
    for (const { program, niceOfChild } of programs) {
      await until(
        () => niceOfChild() === behind(getPriority()),
        () => `a child has the nice value ${niceOfChild()}`,
      );
      const own = sessionNice('self');
      if (own !== undefined && mayBeSet(program.pid))
        await until(
          () => sessionNice(program.pid) === behind(own),
          () => `the session has the nice value ${sessionNice(program.pid)}`,
        );
    }
  } finally {
    for (const { program } of programs) program.kill();
    await Promise.all(programs.map(({ program }) => program.ended));
  }
});

test('standard input stays silent: a program that waits for a key goes on', async () => {
  const program = await shell('timeout 0.3 cat >/dev/null; test $? = 124 && exit 3');
  assert.equal(await program.ended, 3);
});

test('stop ends the program and its children', async () => {
  let output = '';
  const started = Promise.withResolvers<void>();
  const program = await shell('sleep 60 & echo $!; wait', {
    stdout: (text) => {
      output += text;
      started.resolve();
    },
  });
  await started.promise;
  program.stop();
  assert.equal(await program.ended, 143);
  assert.equal(alive(Number(output)), false);
});

test('stop kills a program that ignores it, after the grace', async () => {
  const started = Promise.withResolvers<void>();
  const program = await shell('trap "" TERM; echo up; while :; do sleep 1; done', {
    grace: 50e6,
    stdout: () => started.resolve(),
  });
  await started.promise;
  program.stop();
  assert.equal(await program.ended, 137);
});

test('children that outlive the program are killed with it', async () => {
  let output = '';
  const program = await shell('sleep 60 >/dev/null 2>&1 & echo $!', { stdout: (text) => (output += text) });
  assert.equal(await program.ended, 0);
  for (let i = 0; alive(Number(output)) && i < 50; i++) await new Promise<void>((done) => clock.after(10e6, done));
  assert.equal(alive(Number(output)), false);
});

test('a file that cannot be started is told in a sentence', async () => {
  await assert.rejects(
    Program.start({ file: '/nonexistent/program', args: [], env: {} }, { clock }),
    /\/nonexistent\/program cannot be started/,
  );
});

test('a program that has cleared its environment does not outlive us either, nor does our folder', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tyr-program-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const script = `
    const { Program } = await import(${JSON.stringify(new URL('./program.ts', import.meta.url).href)});
    const clock = { after: () => ({ cancel() {} }) };
    const start = { file: '/usr/bin/env', args: ['-i', '/bin/sleep', '1000'], env: {} };
    console.log((await Program.start(start, { clock, folder: ${JSON.stringify(folder)} })).pid);`;
  const us = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => us.kill('SIGKILL'));
  const pid = Number(await new Promise((resolve) => us.stdout.setEncoding('utf8').once('data', resolve)));
  assert.ok(pid > 0 && alive(pid) && existsSync(folder));
  us.kill('SIGKILL');
  await until(
    () => !alive(pid) && !existsSync(folder),
    () => `program ${pid} is still there, or ${folder}`,
  );
});
