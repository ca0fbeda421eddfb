/** Guest tests: what a program reads of a node's open file in /proc, its own and another's; and the GPU's files in /sys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Launched, launched } from '../testing/host/launched.ts';
import { ensureUserland } from './userland/userland.ts';

const userland = await ensureUserland();

async function bash(script: string): Promise<Launched> {
  const result = await launched({ userland, program: 'bash', args: ['-c', script] });
  assert.deepEqual(result.leaks, {});
  return result;
}

test('a node’s file is told of in /proc by the kernel’s keys, to its own process and to others', async () => {
  const { stdout } = await bash(
    'exec 9</dev/dri/renderD128; cat /proc/self/fdinfo/9; echo; cat /proc/$$/fdinfo/9 9<&-; echo; cat /proc/self/fdinfo/0',
  );
  const [own, foreign, plain] = stdout.split('\n\n');
  assert.match(own!, /^pos:\t0\nflags:\t02100002\nmnt_id:\t0\ndrm-driver:\tpanthor\ndrm-client-id:\t\d+\n/);
  assert.match(own!, /^drm-curfreq-panthor:\t\d+ Hz$/m);
  assert.match(own!, /^drm-total-memory:\t0$/m);
  assert.equal(foreign, own);
  assert.doesNotMatch(plain!, /drm/);
});

test('another process’s descriptor is seen to be a DRM node, as tools that look for clients want it', async () => {
  const { stdout } = await bash('exec 9</dev/dri/renderD128; stat -L -c "%F %t:%T" /proc/$$/fd/9 9<&-');
  assert.equal(stdout, 'character special file e2:80\n');
});

test('a process is told the same start time of itself as others are told of it', async () => {
  const { stdout } = await bash(`
    behind() { rest=\${1##*) }; set -- $rest; shift 19; echo $1; }
    read -r own < /proc/self/stat; behind "$own"; read -r own < /proc/$$/stat; behind "$own"; behind "$(cat /proc/$$/stat)"`);
  const [own, named, foreign] = stdout.split('\n');
  assert.match(own!, /^\d+$/);
  assert.deepEqual([own, named], [foreign, foreign]);
});

test('the GPU’s clock is told and governed in /sys/class/devfreq', async () => {
  const { stdout, lines } = await bash(
    'cd /sys/class/devfreq/fb000000.gpu; cat governor available_frequencies; echo performance > governor; sleep 1; cat governor cur_freq; ' +
      'echo nonsense > governor; sleep 1; cat governor; exec 9</dev/dri/renderD128; grep freq /proc/self/fdinfo/9; ' +
      'basename $(readlink -f device)',
  );
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'simple_ondemand',
    '300000000 400000000 500000000 600000000 700000000 800000000 900000000 1000000000',
    'performance',
    '1000000000',
    'performance',
    'drm-maxfreq-panthor:\t1000000000 Hz',
    'drm-curfreq-panthor:\t1000000000 Hz',
    'fb000000.gpu',
  ]);
  assert.match(lines.join('\n'), /no governor 'nonsense'/);
});

test('what is measured of jobs is set by a file in /sys, and nonsense is refused', async () => {
  const { stdout, lines } = await bash(
    'cd /sys/class/drm/renderD128/device; cat profiling; echo 0x3 > profiling; sleep 1; cat profiling; ' +
      'exec 9</dev/dri/renderD128; grep engine /proc/self/fdinfo/9; echo 7 > profiling; sleep 1; cat profiling',
  );
  assert.equal(stdout, '0\n3\ndrm-engine-panthor:\t0 ns\n3\n');
  assert.match(lines.join('\n'), /profiling bits 0x7/);
});
