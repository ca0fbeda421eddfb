/**
 * Suites as a user runs them: the fixed selection of piglit (docs/conformance.md says how many tests that is and by which rule), and
 * a program that speaks as dEQP does.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tyr } from '../testing/host/tyr.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-selection-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** As many as there are at least: the lists, or what the GPU offers, may change a little. */
const MANY = 100;

test('guest: the selection of piglit gives what is known of it', async () => {
  const out = join(folder, 'out');
  const { code, stdout } = await tyr(['conformance', 'piglit', '--selection', '--out', out]);
  assert.match(stdout, /^\d+ pass.*; 0 not as expected$/m, stdout);
  assert.equal(code, 0);
  assert.ok(Number(/^(\d+) pass/m.exec(stdout)?.[1]) >= MANY, stdout);
  // Joined with itself it is the same.
  const merged = await tyr(['conformance', 'merge', out, '--out', join(folder, 'whole')]);
  assert.equal(merged.stdout, stdout);
  assert.match(readFileSync(join(folder, 'whole/summary.md'), 'utf8'), /\| spec@glsl-1\.30 \|/);
});

/** Takes dEQP's options, and tells of each case what its name asks for. */
const PRETENDER = `#!/bin/sh
for word; do
  case $word in
    --deqp-caselist=*) list=\${word#*=} ;;
    --deqp-log-images=*) images=\${word#*=} ;;
    --deqp-log-filename=*) log=\${word#*=} ;;
  esac
done
told() { printf '<Result StatusCode="%s">%s</Result>\\n' "$1" "$2"; }
echo 'dEQP Core unknown (0xcafebabe) starting..'
while read -r name; do
  [ "$name" ] || continue
  printf '\\n#beginTestCaseResult %s\\n' "$name" >>"$log"
  case $name in
    *.renderer) echo '<Text>Mali-G610 (Panfrost)</Text>'; told Pass ok ;;
    *.version) echo '<Text Name="V">OpenGL ES 3.1 Mesa 9.8.7-test</Text>'; told Pass ok ;;
    *.bad) [ "$images" = disable ] || echo '<Image Name="Result" CompressionMode="PNG" Description="">QUJD</Image>'
      told Fail 'not so' ;;
    *.none) told NotSupported 'needs more' ;;
    *.dead) kill -SEGV $$ ;;
    *.good) [ "$MESA_SHADER_CACHE_DISABLE" = true ] && told Pass ok || told Fail 'shaders of other runs' ;;
    *) told Pass ok ;;
  esac >>"$log"
  printf '\\n#endTestCaseResult\\n' >>"$log"
done <<LIST
$list
LIST
`;

test('guest: a dEQP of one’s own runs in batches, each failure once more alone with its pictures', async () => {
  const build = join(folder, 'deqp');
  mkdirSync(join(build, 'mustpass'), { recursive: true });
  writeFileSync(join(build, 'deqp-gles2'), PRETENDER, { mode: 0o755 });
  const names = ['a.good', 'a.bad', 'b.none', 'b.dead', 'b.behind'].map((name) => `dEQP-GLES2.${name}`);
  writeFileSync(join(build, 'mustpass/gles2-main.txt'), names.join('\n'));
  const out = join(folder, 'deqp-out');
  const { code, stdout } = await tyr(['conformance', 'deqp-gles2', '--deqp', build, '--out', out, '--jobs', '1']);
  assert.equal(code, 1);
  assert.match(stdout, /^2 pass, 1 skip, 1 fail, 1 crash; 50\.0 % of those run passed; 2 not as expected$/m);
  const [head, ...results] = readFileSync(join(out, 'results.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(head, { suite: 'deqp-gles2', mesa: '9.8.7-test', gpu: 'Mali-G610 (Panfrost)', engine: 'wasm' });
  const bad = results.find(({ name }) => name === 'dEQP-GLES2.a.bad');
  const dead = results.find(({ name }) => name === 'dEQP-GLES2.b.dead');
  assert.equal(dead.note, 'the program ended with 139');
  assert.deepEqual([bad.note, bad.pictures], ['not so', [{ name: 'Result', png: 'QUJD' }]]);

  const wanted = join(folder, 'wanted');
  const list = async (text: string) => {
    writeFileSync(wanted, text);
    return await tyr(['conformance', 'deqp-gles2', '--deqp', build, '--tests', wanted, '--list']);
  };
  const some = `${names[4]}\n${names[0]}\n`;
  assert.equal((await list(some)).stdout, some, 'a file names some of them, in an order of its own');
  const unknown = await list(`${some}dEQP-GLES2.a.god\n`);
  assert.deepEqual([unknown.code === 0, unknown.stdout], [false, ''], 'a name that the suite does not have');
});
