/**
 * `tyr compare` as it is called, from end to end: a list of programs of which one has to come out otherwise, and a crowd in both worlds. Run by
 * `./tyr test --vm`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tyr-compare-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function compare(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'compare', ...args], { encoding: 'utf8' });
  return { status, stdout, all: `${stdout}\n${stderr}` };
}

/** The first three are the same in both worlds; each tells its kernel's name. */
const PROGRAMS = `
# a comment, and an empty line

eglinfo -B -p surfaceless | grep 'ES profile renderer'
echo left >file; exit 3
false | cat; echo two | tee copy
cat /proc/sys/kernel/osrelease >release
`;

test('programs of a list are compared by output, exit code and files, in one boot, and only what differs is told', () => {
  const list = join(folder, 'suite.programs');
  writeFileSync(list, PROGRAMS);
  const { status, stdout, all } = compare(list);
  const [renderer, left, copy, what, tyr, panthor, release, ...more] = stdout.trim().split('\n');
  assert.equal(
    renderer,
    "eglinfo -B -p surfaceless | grep 'ES profile renderer': exit code 0, 0 files, no difference",
    all,
  );
  assert.equal(left, 'echo left >file; exit 3: exit code 3, 1 files, no difference', all);
  assert.equal(copy, 'false | cat; echo two | tee copy: exit code 0, 1 files, no difference', all);
  assert.equal(what, 'its file release', all);
  assert.match(tyr!, /^ +tyr: +[0-9a-f]{16}$/, all);
  assert.match(panthor!, /^ +panthor: +[0-9a-f]{16}$/, all);
  assert.equal(release, 'cat /proc/sys/kernel/osrelease >release: exit code 0, 1 files, 1 differ', all);
  assert.deepEqual(more, [], all);
  assert.equal(status, 1, all);
});

const SECONDS = '4';
/**
 * What a process with least has of what the one with most has: so under panthor, by the virtual machine's time. Tyr's world has the host's, which has other
 * things to do; its shares by the machine's time are src/machine/fairness.test.ts's.
 */
const LEAST = 0.75;

test('a crowd of 16 processes with 64 groups has its work done under both drivers, in like shares, and a client of high priority beside it', () => {
  const { status, stdout, all } = compare('--crowd', SECONDS, '--scheduler', 'fair');
  assert.equal(status, 0, all);
  const rows = new Map<string, number[]>();
  for (const line of stdout.trim().split('\n').slice(2)) {
    const [title, ...cells] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    // Ratios come twice.
    rows.set(rows.has(title!) ? `${title} again` : title!, cells.map(Number));
  }
  assert.match(stdout, /^\| +\| tyr \| panthor \|/, all);
  const [tyr, panthor] = rows.get('least share of the most') ?? [];
  assert.ok(tyr! > 0, all);
  assert.ok(panthor! > LEAST, all);
  for (const jobs of rows.get('jobs of 16 processes with 4 groups each') ?? [0]) assert.ok(jobs >= 16, all);
  for (const name of ['… ratio', '… ratio again'])
    for (const ratio of rows.get(name) ?? [Number.NaN]) assert.ok(ratio > 0 && Number.isFinite(ratio), all);
});
