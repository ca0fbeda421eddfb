import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { Problem } from '../../host/userland/problem.ts';
import type { Case } from '../suite.ts';
import { findBuild } from './build.ts';
import { MODULES } from './modules.ts';
import { LogReader } from './reader.ts';
import { developmentNames, theGpu } from './suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-deqp-'));
after(() => rmSync(folder, { recursive: true }));

function file(path: string, text = ''): string {
  const whole = join(folder, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  return whole;
}

const gles2 = MODULES.find(({ name }) => name === 'deqp-gles2')!;
const vk = MODULES.find(({ name }) => name === 'deqp-vk')!;

test('a build folder has the program, and knows the source with the list', async () => {
  const program = file('build/modules/gles2/deqp-gles2');
  file('build/CMakeCache.txt', `// a comment\nCMAKE_HOME_DIRECTORY:INTERNAL=${join(folder, 'source')}\n`);
  file(join('source', gles2.sourceList), 'dEQP-GLES2.a.b\n\n# no case\ndEQP-GLES2.a.c\r\n');
  const build = await findBuild(join(folder, 'build'), gles2);
  assert.deepEqual(build, { program, cases: ['dEQP-GLES2.a.b', 'dEQP-GLES2.a.c'] });
});

test('an installed tree has lists of its own; a list may name others', async () => {
  const program = file('installed/external/vulkancts/modules/vulkan/deqp-vk');
  file('installed/mustpass/vk-main.txt', 'vk-main/api.txt\nvk-main/draw.txt\n');
  file('installed/mustpass/vk-main/api.txt', 'dEQP-VK.api.x\n');
  file('installed/mustpass/vk-main/draw.txt', 'dEQP-VK.draw.y\n');
  const build = await findBuild(join(folder, 'installed'), vk);
  assert.deepEqual(build, { program, cases: ['dEQP-VK.api.x', 'dEQP-VK.draw.y'] });
});

test('what is missing of a dEQP is named', async () => {
  const says = (where: string | undefined, message: RegExp) =>
    assert.rejects(findBuild(where, gles2), (error) => error instanceof Problem && message.test(error.message));
  await says(undefined, /built from Khronos' source .*--deqp/);
  await says(join(folder, 'nowhere'), /there is no deqp-gles2 in .*nowhere.*make deqp-gles2/);
  file('bare/deqp-gles2');
  await says(join(folder, 'bare'), /has no list of cases; looked for: .*mustpass\/gles2-main\.txt/);
});

const cases = (...names: string[]): Case[] =>
  names.map((name) => ({ name, group: 'g', batch: 'x', skip: undefined, args: [] }));

/** All events of a log. */
function read(own: readonly Case[], log: string) {
  const reader = new LogReader(own);
  return [...log.split('\n').flatMap((line) => reader.line(line, 'stdout')), ...reader.end()];
}

const result = (word: string, text = '') =>
  `<?xml version="1.0"?>\n<TestCaseResult Version="0" CasePath="p" CaseType="SelfValidate">\n <Result StatusCode="${word}">${text}</Result>\n</TestCaseResult>\n`;
const whole = (name: string, inner: string) => `\n#beginTestCaseResult ${name}\n${inner}\n#endTestCaseResult\n`;

test('cases are told by their names, in any order, with verdict and sentence', () => {
  const log = [
    'Writing test log into /dev/stdout\n#sessionInfo x\n#beginSession',
    whole('d.b', result('Fail', 'Got &lt;3 &amp; 4&gt;')),
    "Test case 'd.a'..",
    whole('d.a', `<Number Name="TestDuration" Unit="us">1500000</Number>\n${result('Pass', 'Pass')}`),
    '  Pass (Pass)',
    whole('d.unasked', result('Fail')),
    whole('d.c', result('NotSupported', 'needs more')),
    whole('d.d', result('QualityWarning', 'nearly')),
    whole('d.e', result('InternalError', 'oh')),
    '#endSession',
  ].join('\n');
  const events = read(cases('d.a', 'd.b', 'd.c', 'd.d', 'd.e'), log);
  assert.deepEqual(
    events.flatMap((event) => (event.kind === 'end' ? [event.seconds] : [])),
    [undefined, 1.5, undefined, undefined, undefined],
  );
  assert.deepEqual(
    events.map((event) =>
      event.kind === 'begin' ? `begin ${event.index}` : `${event.index} ${event.verdict} ${event.note ?? ''}`,
    ),
    [
      ...['begin 1', '1 fail Got <3 & 4>', 'begin 0', '0 pass ', 'begin 2', '2 skip needs more'],
      ...['begin 3', '3 warn nearly', 'begin 4', '4 fail oh'],
    ],
  );
});

test('a case that dEQP gives up has crashed; one without an end is left to the runner', () => {
  const log = '#beginTestCaseResult d.a\n<Text>x</Text>\n#terminateTestCaseResult Timeout\n#beginTestCaseResult d.b\n';
  assert.deepEqual(
    read(cases('d.a', 'd.b'), log).map((event) => (event.kind === 'end' ? event.verdict : event.index)),
    [0, 'crash', 1],
  );
});

test('a failure keeps its pictures, over several lines too; a pass does not', () => {
  const image = (name: string, data: string, mode = 'PNG') =>
    `<Image Name="${name}" Width="2" Height="2" Format="RGBA8888" CompressionMode="${mode}" Description="${name} image">${data}</Image>`;
  const pictures = [image('Got', 'AAAA'), image('Wanted', '\nBBBB\nCC==\n'), image('Raw', 'DDDD', 'None')].join('\n');
  const log = whole('d.a', pictures + result('Fail', 'differs')) + whole('d.b', pictures + result('Pass'));
  const ends = read(cases('d.a', 'd.b'), log).filter((event) => event.kind === 'end');
  assert.deepEqual(ends[0]?.pictures, [
    { name: 'Got image', png: 'AAAA' },
    { name: 'Wanted image', png: 'BBBBCC==' },
  ]);
  assert.equal(ends[1]?.pictures, undefined);
});

test('what does not run on the virtual GPU is refused by the name of what it runs on', () => {
  const log = (renderer: string) =>
    whole('dEQP-GLES2.info.version', `<Text>OpenGL ES 3.1 Mesa 25.0.7</Text>\n${result('Pass')}`) +
    whole('dEQP-GLES2.info.renderer', `<Text>${renderer}</Text>\n${result('Pass')}`);
  assert.equal(theGpu(log('Mali-G610 (Panfrost)'), 'x'), 'Mali-G610 (Panfrost)');
  const vulkan = (name: string) =>
    whole('dEQP-VK.info.device', `<Text>apiVersion: 1.1\ndeviceName: ${name}\nvendorID: 1</Text>\n${result('Pass')}`);
  assert.equal(theGpu(vulkan('Mali-G610 MC4'), 'x'), 'Mali-G610 MC4');
  const refuses = (text: string, message: RegExp) =>
    assert.throws(
      () => theGpu(text, 'deqp-x'),
      (error) => error instanceof Problem && message.test(error.message),
    );
  refuses(log('llvmpipe (LLVM 19, 256 bits)'), /deqp-x does not run on the virtual GPU but on llvmpipe \(LLVM 19/);
  refuses(vulkan('llvmpipe (LLVM 19)'), /but on llvmpipe/);
  refuses('cannot open shared object', /but on none: cannot open shared object/);
});

test('the names that dEQP opens stand for the first library that other programs would find', () => {
  file('mesa/libEGL.so.1', 'of the Mesa');
  file('root/libEGL.so.1', 'of the root');
  file('root/libGLESv2.so.2', 'GLES of the root');
  const links = developmentNames(['nowhere', 'mesa', 'root'].map((name) => join(folder, name)));
  assert.equal(readFileSync(join(links, 'libEGL.so'), 'utf8'), 'of the Mesa');
  assert.equal(readFileSync(join(links, 'libGLESv2.so'), 'utf8'), 'GLES of the root');
  assert.deepEqual(readdirSync(developmentNames([])), []);
});
