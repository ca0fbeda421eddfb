/**
 * Tyr beside Debian's panthor on the same GPU: frames have the same pixels, calls the same results, and after each failure of the GPU's
 * the next client gets its work done. One boot for all of it. Run by `./tyr test --vm`.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type CompiledSequence, compileCalls } from '../../machine/calls/compile.ts';
import { parseResults, programText } from '../../machine/calls/steps.ts';
import { transcribe } from '../../machine/calls/transcript.ts';
import { knownDifference } from './known.ts';
import { type ProgramOf, type ProgramsOutcome, runPrograms } from './programs.ts';
import { NODE, WORLDS, type World } from './worlds.ts';

const GPU = '10000000.gpu';
const DRIVER = '/sys/bus/platform/drivers/panthor';
const LEAST_FRAMES = 30;
/** Seconds for each world. */
const PATIENCE = 540;

const folders = {
  calls: new URL('../../../machine/calls/', import.meta.url),
  recovery: new URL('recovery/', import.meta.url),
};
const files = Object.values(folders).flatMap((folder) =>
  readdirSync(folder).map((name) => ({ name, sequences: compileCalls(readFileSync(new URL(name, folder), 'utf8')) })),
);

const frames: ProgramOf = ({ client }) => client('frames');
/** The driver taken away and given back; then the GPU left alone until it sleeps. Nothing of either is for Tyr's machine. */
const upheaval: ProgramOf = ({ world }) =>
  world === 'tyr'
    ? 'true'
    : `(echo ${GPU} >${DRIVER}/unbind; test ! -e ${NODE} && echo ${GPU} >${DRIVER}/bind; sleep 2; cat /sys/bus/platform/devices/${GPU}/power/runtime_status >&2)`;
const commands: readonly ProgramOf[] = [
  frames,
  ...files.map(
    ({ name }): ProgramOf =>
      ({ client }) =>
        `cd .. && ${client('calls')} ${NODE} ${name}`,
  ),
  upheaval,
  frames,
];

let ran: ProgramsOutcome;
const outcome = (world: World, index: number) => ran.outcomes[world]!.at(index)!;

before(async () => {
  ran = await runPrograms(commands, WORLDS, { timeout: PATIENCE }, async (folder) => {
    for (const { name, sequences } of files) {
      await writeFile(join(folder, name), programText(sequences.flatMap(({ steps }) => steps)));
    }
  });
});

test('frames by all means of OpenGL ES have the same pixels under both drivers', () => {
  const [tyr, panthor] = WORLDS.map((world) => outcome(world, 0));
  assert.equal(panthor!.exitCode, 0, panthor!.stderr);
  assert.equal(tyr!.exitCode, 0, tyr!.stderr);
  const lines = tyr!.stdout.trim().split('\n');
  assert.deepEqual(panthor!.stdout.trim().split('\n'), lines);
  assert.ok(lines.length >= LEAST_FRAMES, `${lines.length} frames`);
});

/** What came of a sequence's calls, a text each. */
function told(world: World, file: number, index: number, sequence: CompiledSequence): string[] {
  const results = parseResults(outcome(world, 1 + file).stdout)[index];
  return transcribe(sequence, results ?? []).map(({ text }) => text);
}

for (const [i, { name, sequences }] of files.entries()) {
  for (const [index, sequence] of sequences.entries()) {
    test(`${name}: ${sequence.name || 'its calls'} come out alike`, () => {
      const [tyr, panthor] = WORLDS.map((world) => told(world, i, index, sequence));
      for (const [n, { line }] of sequence.calls.entries()) {
        const where = `line ${line.number}: ${line.text}`;
        const pair = { call: line.text, tyr: tyr![n]!, panthor: panthor![n]! };
        if (line.expected !== undefined) assert.equal(pair.panthor, line.expected, `under panthor, ${where}`);
        if (!knownDifference(pair)) assert.equal(pair.tyr, pair.panthor, where);
      }
    });
  }
}

test('panthor taken away and given back, and put to sleep, draws the same frames again', () => {
  const [upset, again] = [outcome('panthor', -2), outcome('panthor', -1)];
  assert.equal(upset.exitCode, 0, upset.stderr);
  assert.match(upset.stderr, /suspended/);
  assert.equal(again.exitCode, 0, again.stderr);
  assert.equal(again.stdout, outcome('panthor', 0).stdout);
});

test('no interrupt is nobody’s, nothing hangs, and the kernel is whole', () => {
  const { dmesg } = ran.results.panthor!;
  assert.doesNotMatch(dmesg, /nobody cared|Unable to handle|Oops|hung task/, dmesg);
});
