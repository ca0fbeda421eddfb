/** A batch on a real machine: programs of this host that speak as piglit's do. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { HostClock } from '../board/clock.ts';
import { silent } from '../board/log.ts';
import { HostedMachine } from '../host/hosted-machine.ts';
import { ensureUserland } from '../host/userland/userland.ts';
import { ShaderReader } from './piglit/reader.ts';
import type { Answer } from './protocol.ts';
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
