import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '../suite.ts';
import { mesaVersion, missing, parseWflinfo } from './features.ts';
import { type Listed, parseList } from './list.ts';
import { parseLiteral } from './literal.ts';
import { ShaderReader, TestReader } from './reader.ts';
import { absent } from './suite.ts';

test('values of the lists are read as Python reads them', () => {
  assert.deepEqual(parseLiteral(`['a b', "it's", 'say \\'x\\'', 'c\\\\d']`), ['a b', "it's", "say 'x'", 'c\\d']);
  assert.deepEqual(parseLiteral("{'GL_A', 'GL_B'}"), ['GL_A', 'GL_B']);
  assert.deepEqual(['True', 'False', '1.3', 'None', "'core'", '[]', 'set()'].map(parseLiteral), [
    true,
    false,
    1.3,
    undefined,
    'core',
    [],
    [],
  ]);
  for (const bad of ["['a'", "'a", 'f(1)', "['a' 'b']", "'a' x", '']) {
    assert.throws(() => parseLiteral(bad), /cannot be read/, bad);
  }
});

test('a list gives its tests with their options', () => {
  const xml = `<?xml version='1.0' encoding='utf-8'?><PiglitTestList count="2" name="x"><Test type="gl" name="spec@a@b &lt;c&gt;"><option name="command" value="['b', '-c']" /><option name="run_concurrent" value="True" /></Test><Test type="shader" name="spec@d"><option name="api" value="'core'" /></Test></PiglitTestList>`;
  assert.deepEqual(parseList(xml), [
    { type: 'gl', name: 'spec@a@b <c>', options: { command: ['b', '-c'], run_concurrent: true } },
    { type: 'shader', name: 'spec@d', options: { api: 'core' } },
  ]);
  assert.throws(() => parseList('<a><b></a>'), /cannot be read/);
});

test('what the GPU lacks is a reason to skip', () => {
  const told = (version: string, glsl: string) =>
    parseWflinfo(
      `OpenGL version string: ${version}\nOpenGL shading language version string: ${glsl}\nOpenGL extensions: GL_A GL_B\n`,
    );
  const compat = told('3.1 Mesa 25.0.7-2+deb13u1', '1.40');
  const gles2 = told('OpenGL ES 3.1 Mesa 25.0.7', 'OpenGL ES GLSL ES 3.10');
  assert.deepEqual([compat?.version, compat?.glsl, gles2?.version, gles2?.glsl], [3.1, 1.4, 3.1, 3.1]);
  assert.equal(mesaVersion('OpenGL version string: 3.1 Mesa 25.0.7-2+deb13u1\n'), '25.0.7-2+deb13u1');
  const why = (options: object) => missing({ type: 'shader', name: 'x', options: { ...options } }, { compat, gles2 });
  assert.equal(why({ extensions: ['GL_A'], shader_version: 1.4, api_version: 3.1 }), undefined);
  assert.equal(why({ extensions: ['GL_A', 'GL_C'] }), 'needs GL_C');
  assert.match(why({ shader_version: 1.5 })!, /GLSL 1\.5/);
  assert.match(why({ api: 'gles3', api_version: 3.2 })!, /gles3 3\.2/);
  assert.match(why({ api: 'core', shader_version: 1.4 })!, /needs core/);
});

const all = (events: (readonly Event[])[]) => events.flat();

test('a program that the package has not is a reason to skip', () => {
  const test = (program: string) =>
    ({ type: 'gl', name: 'x', options: { command: [program, '-auto'] } }) satisfies Listed;
  const programs = new Set(['windowoverlap']);
  assert.equal(absent(test('windowoverlap'), programs), undefined);
  assert.equal(absent(test('shader_runner'), programs), 'the package has no shader_runner');
});

test('a test tells its result and its subtests; one that dies tells none', () => {
  const lines = [
    'PIGLIT: {"enumerate subtests": ["a", "b", "c"]}',
    'PIGLIT: {"subtest": {"a" : "pass"}}',
    'chatter',
    'PIGLIT: {"subtest": {"b" : "fail"}}',
    'PIGLIT: {"result": "fail" }',
  ];
  const read = (code: number, count = lines.length) => {
    const reader = new TestReader();
    return all([...lines.slice(0, count).map((line) => reader.line(line, 'stdout')), reader.end(code)]);
  };
  assert.deepEqual(read(1), [
    { kind: 'end', index: 0, verdict: 'fail', subtests: { a: 'pass', b: 'fail', c: 'skip' } },
  ]);
  assert.deepEqual(read(139), []);
  assert.deepEqual(read(1, 4), []);
});

test('shader_runner tells of each file, on two streams of which one is late', () => {
  const reader = new ShaderReader(3);
  const begun = ['PIGLIT TEST: 1 - a', 'PIGLIT TEST: 2 - b', 'PIGLIT TEST: 3 - c'];
  assert.deepEqual(
    begun.flatMap((line) => reader.line(line, 'stderr')).map(({ index }) => index),
    [0, 1, 2],
  );
  const late = [begun[0]!, 'PIGLIT: {"subtest": {"a" : "pass"}}', begun[1]!, 'PIGLIT: {"subtest": {"b" : "fail"}}'];
  assert.deepEqual(
    late.flatMap((line) => reader.line(line, 'stdout')),
    [
      { kind: 'end', index: 0, verdict: 'pass' },
      { kind: 'end', index: 1, verdict: 'fail' },
    ],
  );
  reader.line('PIGLIT: {"result": "skip" }', 'stdout');
  assert.deepEqual(reader.end(0), [{ kind: 'end', index: 2, verdict: 'skip' }], 'the file at which it ended itself');
  const other = new ShaderReader(3);
  other.line(begun[0]!, 'stderr');
  assert.deepEqual(other.end(139), [], 'a crash');
  const none = new ShaderReader(2);
  none.line('PIGLIT: {"result": "skip" }', 'stdout');
  assert.deepEqual(none.end(0), [{ kind: 'end', index: 0, verdict: 'skip' }], 'no context for the first');
  const all = new ShaderReader(1);
  for (const stream of ['stderr', 'stdout'] as const) all.line(begun[0]!, stream);
  all.line(late[1]!, 'stdout');
  all.line('PIGLIT: {"result": "pass" }', 'stdout');
  assert.deepEqual(all.end(0), [], 'the whole process’s result');
});
