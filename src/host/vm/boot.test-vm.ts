/**
 * A real kernel: Debian's, with its panthor.ko and the firmware that Debian ships, boots on the virtual GPU, and programs get
 * from it what they get from Tyr. Run by `./tyr test --vm`.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { underPanthor } from '../../testing/host/under-panthor.ts';

const ROUNDS = 20;
const PLATFORM = '/sys/bus/platform/drivers/panthor';
const GPU = '10000000.gpu';

/** The machine started anew from within; then jobs, the driver taken away and given back, jobs again, and Mesa. */
const STORY = `
if [ ! -e /share/started ]; then
  touch /share/started
  /tyr/program /dev/dri/renderD128 1
  echo b > /proc/sysrq-trigger
  sleep 100
fi
/tyr/program /dev/dri/renderD128 ${ROUNDS}
echo ${GPU} > ${PLATFORM}/unbind
test ! -e /dev/dri/renderD128 && echo unbound
echo ${GPU} > ${PLATFORM}/bind
/tyr/program /dev/dri/renderD128 1
eglinfo -B -p surfaceless | grep 'OpenGL ES profile renderer'
exit 7
`;

test('Debian’s panthor comes up on the virtual Mali, again after a reboot, runs jobs, is unbound and bound, and renders by Mesa', async (t) => {
  const share = await mkdtemp(join(tmpdir(), 'tyr-vm-'));
  t.after(() => rm(share, { recursive: true, force: true }));
  const { stdout, lines, all, ...result } = await underPanthor(STORY, 'mov-job', { share, timeout: 500 });
  assert.equal(result.ended, 'itself', all);
  assert.equal(result.exitCode, 7, all);
  const [before, first, unbound, second, renderer] = stdout.split('\n');
  assert.equal(before, 'mov-job: 0xcafe0000', all);
  assert.equal(first, `mov-job: 0x${(0xcafe0000 + ROUNDS - 1).toString(16)}`, all);
  assert.equal(unbound, 'unbound');
  assert.equal(second, 'mov-job: 0xcafe0000', all);
  assert.match(renderer ?? '', /Mali-G610 \(Panfrost\)/, all);
  assert.match(result.dmesg, /panthor 10000000\.gpu: .*mali-g610 id 0xa867/i);
  assert.deepEqual(result.warnings, []);
  assert.doesNotMatch(lines.join('\n'), /^error/m);
});
