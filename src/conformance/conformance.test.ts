import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Problem } from '../host/userland/problem.ts';
import type { Userland } from '../host/userland/userland.ts';
import { Expectations, expectationsFile, parseExpectations } from './expectations.ts';
import { JOURNAL, Journal } from './journal.ts';
import type { Result } from './protocol.ts';
import { closing, markdown, putIntoPage, report, writeReports } from './report.ts';
import { batches, runCases } from './runner.ts';
import { spread } from './selection.ts';
import { deal, parseShard, shardOf } from './shard.ts';
import type { Case, Prepared, Suite, Verdict } from './suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-conformance-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const result = (name: string, verdict: Verdict, more: Partial<Result> = {}): Result => ({
  name,
  group: name.split('@').slice(0, 2).join('@'),
  verdict,
  seconds: 1,
  ...more,
});

test('a shard is given, or told by GitLab, Kubernetes or Slurm; all shards together are everything once', () => {
  assert.deepEqual(parseShard('2/5'), { index: 2, total: 5 });
  for (const bad of ['0/2', '3/2', '1', 'a/b', '1/0']) assert.throws(() => parseShard(bad), Problem, bad);
  assert.deepEqual(shardOf({}), { index: 1, total: 1 });
  assert.deepEqual(shardOf({ CI_NODE_INDEX: '3', CI_NODE_TOTAL: '4' }), { index: 3, total: 4 });
  assert.deepEqual(shardOf({ JOB_COMPLETION_INDEX: '0', JOB_COMPLETIONS: '4' }), { index: 1, total: 4 });
  const slurm = { SLURM_ARRAY_TASK_ID: '12', SLURM_ARRAY_TASK_MIN: '10', SLURM_ARRAY_TASK_COUNT: '3' };
  assert.deepEqual(shardOf(slurm), { index: 3, total: 3 });
  assert.throws(() => shardOf({ JOB_COMPLETION_INDEX: '0' }), /JOB_COMPLETIONS/);
  const list = [...'abcdefg'];
  const parts = [1, 2, 3].map((index) => deal(list, { index, total: 3 }));
  assert.deepEqual(parts.flat().sort(), list);
});

test('so many tests of each group are spread evenly over it', () => {
  const tests = (group: string, count: number): Case[] =>
    Array.from({ length: count }, (_, i) => ({ ...one(`${group}${i}`), group, skip: undefined }));
  const cases = [...tests('a', 10), ...tests('b', 2), { ...one('c'), group: 'c', skip: 'needs more' }];
  assert.deepEqual(
    spread(cases, 3).map(({ name }) => name),
    ['a1', 'a5', 'a8', 'b0', 'b1'],
  );
});

const EXPECTED = `
[[known]]
tests = ["spec@a@bad", "spec@a@sub@one *"]
verdict = "fail"
whose = "mesa"
reason = "a reason"

[[unsteady]]
tests = ["spec@a@now and then"]
whose = "hardware"
reason = "the board has it too"
`;

test('what is known is expected; a new failure and a new pass are news', () => {
  const expectations = new Expectations(parseExpectations(EXPECTED, 'file'));
  const news = (one: Result) => expectations.judge(one).map(({ name, news: what }) => `${name}: ${what ?? 'fine'}`);
  assert.deepEqual(news(result('spec@a@good', 'pass')), ['spec@a@good: fine']);
  assert.deepEqual(news(result('spec@a@other', 'fail')), ['spec@a@other: failure']);
  assert.deepEqual(news(result('spec@a@bad', 'fail')), ['spec@a@bad: fine']);
  assert.deepEqual(news(result('spec@a@bad', 'pass')), ['spec@a@bad: pass']);
  assert.deepEqual(news(result('spec@a@bad', 'crash')), ['spec@a@bad: another failure']);
  assert.deepEqual(news(result('spec@a@now and then', 'fail')), ['spec@a@now and then: fine']);
  const subtests = { 'one x': 'fail', two: 'pass' } as const;
  assert.deepEqual(news(result('spec@a@sub', 'fail', { subtests })), [
    'spec@a@sub@one x: fine',
    'spec@a@sub@two: fine',
  ]);
  const worse = { 'one x': 'fail', two: 'fail' } as const;
  assert.equal(news(result('spec@a@sub', 'fail', { subtests: worse }))[1], 'spec@a@sub@two: failure');
});

test('a file of expectations that says something senseless is refused with a sentence', () => {
  const entry = (text: string) => () => parseExpectations(text, 'file.toml');
  assert.throws(entry('[[known]]\ntests = ["a"]\nverdict = "fail"\nwhose = "mesa"'), /file\.toml: a has no reason/);
  assert.throws(entry('[[known]]\ntests = ["a"]\nverdict = "bad"\nwhose = "mesa"\nreason = "r"'), /verdict is one of/);
  assert.throws(entry('[[known]]\ntests = ["a"]\nverdict = "fail"\nwhose = "me"\nreason = "r"'), /whose is one of/);
  assert.throws(entry('[[skip]]\ntests = ["a"]\nverdict = "fail"\nwhose = "suite"\nreason = "r"'), /has no verdict/);
  assert.throws(entry('[[wrong]]\ntests = ["a"]'), /there is no \[\[wrong\]\]/);
  assert.throws(entry('[[known'), /file\.toml/);
  assert.equal(expectationsFile('x', 'piglit', '25.0.7-2+deb13u1'), 'x/piglit-mesa-25.0.toml');
  assert.deepEqual(Expectations.read(join(folder, 'none.toml')).entries, []);
});

test('a journal goes on where it was, also behind half a line, and keeps runs of other kinds apart', () => {
  const out = join(folder, 'journal');
  const head = { suite: 'piglit', mesa: '25.0.7', engine: 'wasm' };
  const first = Journal.open(out, head);
  first.add(result('spec@b', 'pass'));
  first.add(result('spec@a', 'fail'));
  appendFileSync(join(out, JOURNAL), '{"name":"spec@c","ver');
  const again = Journal.open(out, head);
  assert.deepEqual(
    again.results.map(({ name }) => name),
    ['spec@a', 'spec@b'],
  );
  assert.equal(again.has('spec@c'), false);
  again.add(result('spec@c', 'pass'));
  assert.equal(Journal.join([out]).results.length, 3);
  assert.throws(() => Journal.open(out, { ...head, engine: 'interpreter' }), /name another --out/);
  const other = join(folder, 'other');
  Journal.open(other, { ...head, mesa: '24.3.4' });
  assert.throws(() => Journal.join([out, other]), /do not belong together/);
  assert.throws(() => Journal.join([folder]), /there are no results/);
});

test('reports tell what happened, and what was expected', () => {
  const expectations = new Expectations(parseExpectations(EXPECTED, 'file'));
  const results = [
    result('spec@a@good', 'pass'),
    result('spec@a@bad', 'fail'),
    result('spec@b@<new>', 'fault', { log: ['error mali: a & b\u0001'], pictures: [{ name: 'got', png: 'AAAA' }] }),
    result('spec@c@none', 'skip', { note: 'needs GL_C' }),
  ];
  const whole = report({ suite: 'piglit', mesa: '25.0.7', engine: 'wasm' }, 'piglit', results, expectations);
  assert.match(
    closing(whole),
    /^new failure: spec@b@<new>: fault: error mali.*\n1 pass, 1 skip, 1 fail, 1 fault; 33\.3 %/,
  );
  const table = markdown(whole);
  assert.match(table, /\| \*\*all\*\* \| 1 \| 1 \| 1 \| 1 \| 33\.3 % \|/);
  assert.match(table, /\| spec@a@bad \| fail \| mesa \| a reason \|/);
  assert.match(table, /1 more groups were skipped whole/);
  assert.doesNotMatch(table, /a board/);
  const out = mkdtempSync(join(folder, 'reports-'));
  writeReports(out, whole);
  const xml = readFileSync(join(out, 'junit.xml'), 'utf8');
  assert.equal(xml.match(/<failure/g)?.length, 1);
  assert.equal(xml.match(/<skipped/g)?.length, 2);
  assert.match(xml, /name="&lt;new&gt;"/);
  assert.match(xml, /a &amp; b\ufffd/);
  assert.match(
    readFileSync(join(out, 'index.html'), 'utf8'),
    /<details class="news"><summary>spec@b@&lt;new&gt;.*data:image\/png;base64,AAAA/,
  );
  const page = join(out, 'page.md');
  writeFileSync(page, 'before\n<!-- tyr conformance piglit -->\nold\n<!-- end -->\nafter\n');
  putIntoPage(page, 'piglit', 'new\n');
  assert.equal(readFileSync(page, 'utf8'), 'before\n<!-- tyr conformance piglit -->\n\nnew\n\n<!-- end -->\nafter\n');
  assert.throws(() => putIntoPage(page, 'deqp', ''), Problem);
});

test('what fails on a board as well is left out of a second share', () => {
  const board = `
[[known]]
tests = ["spec@a@board", "spec@a@sub@one", "spec@a@worse@one"]
verdict = "fail"
whose = "hardware"
reason = "a board does so as well"
${EXPECTED}`;
  const results = [
    result('spec@a@good', 'pass'),
    result('spec@a@none', 'skip'),
    result('spec@a@bad', 'fail'),
    result('spec@a@now and then', 'fail'),
    result('spec@a@board', 'fail'),
    result('spec@a@sub', 'fail', { subtests: { one: 'fail', two: 'pass' } }),
    result('spec@a@worse', 'fail', { subtests: { one: 'fail', two: 'fail' } }),
  ];
  const head = { suite: 'piglit', mesa: '25.0.7', engine: 'wasm' };
  const table = markdown(report(head, 'piglit', results, new Expectations(parseExpectations(board, 'file'))));
  assert.match(table, /^Of the 6 that ran, 3 fail on a board as well; of the other 3, 1 passed: 33\.3 %\.$/m);
});

const one = (name: string, batch: string | undefined = 'x'): Case => ({
  name,
  group: 'g',
  batch,
  skip: undefined,
  args: [],
});

test('cases share processes by their batch and its size', () => {
  const names = (lists: Case[][]) => lists.map((list) => list.map(({ name }) => name).join(''));
  const cases = [one('a'), one('b', 'y'), { ...one('c'), batch: undefined }, one('d'), one('e'), one('f', 'y')];
  assert.deepEqual(names(batches(cases, 2)), ['ad', 'bf', 'c', 'e']);
});

/** A worker that behaves by the names of its cases, in the place of one with a machine. */
const PRETENDER = `
let left = 0;
process.on('message', ({ batch }) => {
  if (!batch) return;
  const bad = (name, word) => name.startsWith(word);
  const say = (index, verdict) =>
    process.send({ kind: 'result', index, result: { name: batch.cases[index].name, group: 'g', verdict, seconds: 0 } });
  const alone = batch.cases.length === 1;
  const done = () => process.send({ kind: 'done', leaks: batch.cases.some(({ name }) => bad(name, 'leak')) ? { buffers: 2 } : {} });
  if (batch.cases.some(({ name }) => bad(name, 'mute'))) return done();
  for (const [index, { name }] of batch.cases.entries()) {
    process.send({ kind: 'begin', index });
    if (bad(name, 'die')) return process.exit(3);
    if (bad(name, 'crash') || (bad(name, 'company') && !alone)) { say(index, 'crash'); return done(); }
    if (bad(name, 'skip')) { say(index, 'skip'); return done(); }
    say(index, bad(name, 'fail') || (bad(name, 'often') && !alone) ? 'fail' : 'pass');
  }
  done();
});
`;

async function pretend(names: string[], jobs = 1, more: Partial<Suite> = {}): Promise<Record<string, string>> {
  const script = join(folder, 'pretender.mjs');
  writeFileSync(script, PRETENDER);
  const suite = { name: 'pretended', title: '', batchSize: 4, limit: 1, ...more } as Suite;
  const told: Record<string, string> = {};
  await runCases({
    suite,
    prepared: { userland: {} as Userland, command: () => ({ program: '' }) } as unknown as Prepared,
    cases: names.map((name) => one(name)),
    entry: { script, args: [] },
    jobs,
    setup: { engine: undefined },
    limit: 1,
    signal: new AbortController().signal,
    onResult: ({ name, verdict, note }) => {
      assert.ok(
        told[name] === undefined || told[name] === 'pass',
        `what came of ${name} is told once, but for what was good`,
      );
      told[name] = note === undefined ? verdict : `${verdict}: ${note}`;
    },
  });
  return told;
}

test('a case that brings its process down costs itself alone its verdict, whatever it does', async () => {
  const told = await pretend(
    ['a', 'crash', 'b', 'c', 'd', 'die', 'e', 'leak', 'f', 'mute', 'g', 'skip', 'h', 'fail', 'company', 'i'],
    2,
  );
  for (const name of 'abcdefghi') assert.equal(told[name], 'pass', name);
  assert.deepEqual([told.crash, told.skip, told.fail], ['crash', 'skip', 'fail']);
  assert.match(told.die!, /^machine: the machine's process ended with 3/);
  assert.match(told.leak!, /^leak: the machine still has 2 buffers of it/);
  assert.match(told.mute!, /^crash: the program ended without a word/);
  assert.match(told.company!, /^crash: only after others in one process; alone: pass/);
});

test('what is good is told before its process has ended, what is not behind that', async () => {
  assert.deepEqual(Object.keys(await pretend(['a', 'fail', 'b'])), ['a', 'b', 'fail']);
});

test('a suite that shows pictures of what runs alone has its failures run once more', async () => {
  const told = await pretend(['a', 'fail', 'b', 'often'], 1, { failuresAlone: 'for pictures' });
  assert.deepEqual([told.a, told.fail, told.b], ['pass', 'fail', 'pass']);
  assert.equal(told.often, 'fail: only after others in one process; alone: pass');
  const counted = await pretend(['a', 'fail', 'b', 'often'], 1, { failuresAlone: 'count' });
  assert.equal(counted.often, 'pass: failed after others in one process');
  assert.equal(counted.fail, 'fail');
});
