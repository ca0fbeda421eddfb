/** A batch on a real machine: programs of this host that speak as piglit's do. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HostClock } from '../board/clock.ts';
import { silent } from '../board/log.ts';
import { HostedMachine } from '../host/hosted-machine.ts';
import { ensureUserland } from '../host/userland/userland.ts';
import { LogReader } from './deqp/reader.ts';
import { ShaderReader } from './piglit/reader.ts';
import type { Answer, Result } from './protocol.ts';
import { Run } from './worker.ts';

const clock = new HostClock();
const host = await HostedMachine.start({ userland: await ensureUserland(), clock, log: silent, workers: 0 });
after(() => host.close());

async function run(script: string, names: string, limit = 60): Promise<string[]> {
  const cases = [...names].map((name) => ({ name, group: 'g', batch: 'x', skip: undefined, args: [] }));
  const said = `
    begin() { echo "PIGLIT TEST: $1 - $2" >&2; echo "PIGLIT TEST: $1 - $2"; }
    end() { echo "PIGLIT: {\\"subtest\\": {\\"x\\" : \\"$1\\"}}"; }
  `;
  const command = { program: '/bin/sh', args: ['-c', said + script] };
  const told: string[] = [];
  const answer = (message: Answer) => {
    if (message.kind === 'result') told.push(`${message.result.name} ${message.result.verdict}`);
  };
  await new Run({ cases, command, limit }, new ShaderReader(cases.length), host, clock, () => [], answer).toEnd();
  return told;
}

test('cases end with what the program says, also where it says it late', async () => {
  assert.deepEqual(await run('begin 1 a; end pass; begin 2 b; end fail', 'ab'), ['a pass', 'b fail']);
});

test('a program that dies has crashed in the case that it had begun; cases behind it have no result', async () => {
  assert.deepEqual(await run('begin 1 a; end pass; begin 2 b; kill -SEGV $$', 'abc'), ['a pass', 'b crash']);
  assert.deepEqual(await run('exit 3', 'ab'), [], 'none had begun');
  assert.deepEqual(await run('exit 3', 'a'), ['a crash']);
});

test('a case of which nothing is heard hangs, and is ended', async () => {
  assert.deepEqual(await run('begin 1 a; read -r line', 'a', 0.5), ['a hang']);
});

test('a case for which the GPU works gets more time, but not for ever', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tyr-worker-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const mark = join(folder, 'limit');
  let asked = 0;
  const busy = {
    run: host.run.bind(host),
    machine: {
      stats: {
        jobs: 0,
        faults: 0,
        // Asked at the begin, and at the end of each limit.
        get gpuWorked() {
          if (asked === 1) writeFileSync(mark, '');
          return asked++;
        },
      },
    },
  } as unknown as HostedMachine;
  const told: string[] = [];
  const answer = (message: Answer) =>
    void (message.kind === 'result' && told.push(`${message.result.name} ${message.result.verdict}`));
  const cases = [{ name: 'a', group: 'g', batch: 'x', skip: undefined, args: [] }];
  const script = `
    say() { echo "PIGLIT TEST: 1 - a" >&2; echo "PIGLIT TEST: 1 - a"; }
    say; until [ -e "$0" ]; do sleep 0.05; done; echo 'PIGLIT: {"subtest": {"x" : "pass"}}'
  `;
  const run = (path: string, limit: number) => {
    const command = { program: '/bin/sh', args: ['-c', script, path] };
    return new Run({ cases, command, limit }, new ShaderReader(1), busy, clock, () => [], answer).toEnd();
  };
  await run(mark, 3);
  await run(join(folder, 'never'), 0.1);
  assert.deepEqual(told, ['a pass', 'a hang']);
});

test('cases may come in another order than they were asked for', async () => {
  const cases = ['a', 'b'].map((name) => ({ name, group: 'g', batch: 'x', skip: undefined, args: [] }));
  const script = `
    one() { echo "#beginTestCaseResult $1"; sleep 0.3; echo "<Result StatusCode='$2'>so</Result>" | tr "'" '"'; echo "#endTestCaseResult"; }
    one b Pass; one a Fail
  `;
  const results: Result[] = [];
  const answer = (message: Answer) => void (message.kind === 'result' && results.push(message.result));
  const batch = { cases, command: { program: '/bin/sh', args: ['-c', script] }, limit: 60 };
  await new Run(batch, new LogReader(cases), host, clock, () => [], answer).toEnd();
  assert.deepEqual(
    results.map(({ name, verdict, note }) => [name, verdict, note]),
    [
      ['b', 'pass', undefined],
      ['a', 'fail', 'so'],
    ],
  );
  for (const { name, seconds } of results) assert(seconds >= 0, `${name} took ${seconds} s`);
});

test('a fault belongs to the case that ends next, also where its begin is heard late', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tyr-worker-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const mark = join(folder, 'faulted');
  const faulty = {
    run: host.run.bind(host),
    machine: {
      stats: {
        jobs: 0,
        get faults() {
          return existsSync(mark) ? 1 : 0;
        },
      },
    },
  } as unknown as HostedMachine;
  const cases = ['a', 'b'].map((name) => ({ name, group: 'g', batch: 'x', skip: undefined, args: [] }));
  const script = `
    one() { echo "#beginTestCaseResult $1"; echo '<Result StatusCode="Pass"></Result>'; echo "#endTestCaseResult"; }
    one a; sleep 0.3; touch "$0"; one b
  `;
  const told: string[] = [];
  const answer = (message: Answer) =>
    void (message.kind === 'result' && told.push(`${message.result.name} ${message.result.verdict}`));
  const batch = { cases, command: { program: '/bin/sh', args: ['-c', script, mark] }, limit: 60 };
  await new Run(batch, new LogReader(cases), faulty, clock, () => [], answer).toEnd();
  assert.deepEqual(told, ['a pass', 'b fault']);
});
