/**
 * The whole road between a guest process and the machine: shim/test/transport.c with the shim preloaded, as a program of
 * the host and as one of the guest userland, where memory can be had directly and where it has to be asked for.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { type Client, client, killClients, type TestMachine, testMachine } from '../testing/host/transport.ts';
import { until } from '../testing/host/until.ts';
import { programStart } from './userland/start.ts';
import { ensureUserland, type Userland } from './userland/userland.ts';

let userland: Userland;

before(async () => {
  userland = await ensureUserland();
});

const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** Waits until the machine has noticed what its guests did. */
const unnoticed = (): string => 'the machine did not notice';

for (const where of ['host', 'guest'] as const) {
  for (const memory of ['direct', 'ask'] as const) {
    describe(`a ${where} program, memory ${memory === 'direct' ? 'read directly' : 'asked for'}`, () => {
      let machine: TestMachine;
      before(() => {
        machine = testMachine(memory);
      });
      afterEach(killClients);
      after(() => machine.close());

      const runOn = ({ server }: TestMachine, ...args: string[]): Client => {
        const { transport } = userland[where].clients;
        const start = programStart(userland, transport!, args, server.environment);
        return client([start.file, ...start.args], start.env);
      };
      const run = (...args: string[]): Client => runOn(machine, ...args);
      /** Runs a scenario to its end, after which nothing of it may be left. */
      const see = async (scenario: string): Promise<string[]> => {
        const guest = run(scenario);
        assert.equal(await guest.ended, 0, guest.lines.join('\n'));
        await until(() => clean(machine), unnoticed);
        return guest.lines;
      };

      test('finds the nodes where libdrm looks for them', async () => {
        const lines = await see('discover');
        assert.deepEqual(lines.filter((line) => line.startsWith('entry')).sort(), [
          'entry by-path dir',
          'entry card0 chr',
          'entry card1 chr',
          'entry renderD128 chr',
        ]);
        assert.deepEqual(
          lines.filter((line) => !line.startsWith('entry')),
          [
            'stat /dev/dri d 0:0',
            'stat /dev/dri/card0 c 226:0',
            'stat /dev//dri/./renderD128 c 226:128',
            'stat /dev/dri/card9 ENOENT',
            'stat /sys/dev/char/226:128/device/drm d 0:0',
            'stat /sys/dev/char/226:77/device/drm ENOENT',
            'stat /sys/class/drm d 0:0',
            'text uevent MAJOR=226',
            'text uevent MINOR=128',
            'text uevent DEVNAME=dri/renderD128',
            'text uevent DEVTYPE=drm_minor',
            'text uevent DRIVER=panthor',
            'text uevent OF_NAME=gpu',
            'text uevent OF_FULLNAME=/gpu@fb000000',
            'text uevent OF_COMPATIBLE_0=rockchip,rk3588-mali',
            'text uevent OF_COMPATIBLE_1=arm,mali-valhall-csf',
            'text uevent OF_COMPATIBLE_N=2',
            'text uevent MODALIAS=of:NgpuT(null)Crockchip,rk3588-maliCarm,mali-valhall-csf',
            'subsystem /platform',
            'realpath /sys/devices/platform/fb000000.gpu',
            'by-path /dev/dri/renderD128',
            'access 0',
            'access -1',
            'fstat 1 226:128',
            'same 1',
            'mode 640 1',
            'statx 1 226:128',
            'link /dev/dri/renderD128',
            'reopened 1',
            'relative 0',
            'relative 226:0',
            'other ENOENT',
          ],
        );
      });

      test('finds devices as libudev does, the machine’s alone', async () => {
        assert.deepEqual(await see('walk'), [
          'link ../../devices/platform/display-subsystem/drm/card0',
          'access 0',
          'sysfs 1',
          'sysfs 1',
          'sysfs 0',
          'class drm',
          'processors 0',
          'udev S:dri/by-path/platform-display-subsystem-card',
        ]);
      });

      test('calls ioctls, moves memory of any size, and gets EFAULT for bad addresses', async () => {
        assert.deepEqual(await see('calls'), [
          'echo 42',
          'unknown EINVAL',
          'terminal ENOTTY',
          'bad-argument EFAULT',
          'half-argument EFAULT',
          'read-only-argument EFAULT',
          'after 2',
          'copy 0',
          'same 1',
          'copy-from-nowhere EFAULT',
          'copy-to-nowhere EFAULT',
          'copy-too-much ENOMEM',
          'closed EBADF',
        ]);
      });

      test('looks on while the machine is at work and has yet to come to its request', async (t) => {
        // How long it takes over a request that it has come to is not what is asked here.
        const busy = testMachine(memory, 200_000);
        t.after(() => busy.close());
        const guest = runOn(busy, 'late');
        await guest.said('ready');
        const rest = busy.work(20);
        guest.type('\n');
        assert.equal(await guest.ended, 0);
        rest();
        const sleeps = Number(guest.lines.at(-1)!.split(' ')[1]);
        assert.ok(sleeps < 5, `${sleeps} sleeps in 20 calls`);
      });

      test("shares buffers' memory by mmap and dma-buf, writable only where it may be", async () => {
        assert.deepEqual(await see('buffers'), [
          'machine-sees cafe',
          'private EINVAL',
          'too-long EINVAL',
          'not-his EINVAL',
          'cloexec 1',
          'size 8192',
          'shrink EPERM',
          'same-memory cafe',
          'imported beef',
          'read-only EACCES',
          'driver-page 4711',
          'driver-page-write EACCES',
          'driver-page-upgrade EACCES',
          'unsealed EINVAL',
          'sealed 0',
          'sealed-sees 1234',
          'null EINVAL',
          'bad-fd EBADF',
        ]);
      });

      test('gets memory with its offset, and forgets it if it is not mapped next', async () => {
        assert.deepEqual(await see('offers'), [
          'waits 1',
          'taken 0',
          'again abc',
          'beyond EINVAL',
          'void 0',
          'machine-sees def',
          'pipe 1',
        ]);
      });

      test('polls sync files and lends eventfds', async () => {
        assert.deepEqual(await see('syncs'), [
          'given 1 1',
          'nowhere EFAULT',
          'ready 0',
          'take 2',
          'memory 1',
          'begin-access 0',
          'no-dma-buf ENOTTY',
          'no-file EBADF',
          'eventfd 3 1',
          'drm 0',
          'bad-fd EBADF',
          'signalled 1 1',
        ]);
      });

      test('waits in many threads at once, a signal in between', async () => {
        assert.deepEqual(await see('threads'), ['echo-meanwhile 2', 'woken 70', 'signals 1']);
      });

      test('reads whole events; one who does not read loses the oldest', async () => {
        assert.deepEqual(await see('events'), [
          'ready 0',
          'nowhere EFAULT',
          'ready 1',
          'short 0',
          'event 4 0',
          'event 4 1',
          'two 8 1',
          'pieces 12 4',
          'woken 3 4',
          'empty EAGAIN',
          'kept 1 1999',
        ]);
        assert.ok(machine.lines.some((line) => line.includes('does not read its DRM events')));
      });

      test('forks, passes descriptors on, and closes what is not its own', async () => {
        assert.deepEqual(await see('processes'), [
          'child-echo 10',
          'child-wrote 77',
          'passed-memory 99',
          'passed-file 11',
          'dup 12',
          'inherited 21',
          'vfork 0',
          'clone 0 200',
          'after-closing-all 13',
        ]);
      });

      test('loses its channels behind its own back, and its next call has what it came for', async (t) => {
        const busy = testMachine(memory);
        t.after(() => busy.close());
        // A machine at work finds the request before it could hear of any end.
        const rest = busy.work(1);
        t.after(rest);
        const guest = runOn(busy, 'lost');
        await until(() => busy.waiting() === 1 || guest.lines.length === 4, unnoticed);
        guest.type('\n');
        assert.equal(await guest.ended, 0, guest.lines.join('\n'));
        assert.deepEqual(guest.lines, ['descriptor 0 1', 'memory 0 4', 'map 0', 'wait 0']);
      });

      test('closes all that it does not know, again and again, and no call of another thread is lost', async () => {
        assert.deepEqual(await see('tidied'), ['failed 0', 'kept 0', 'moved 8', 'refused EBADF', 'whole 0']);
      });

      test('sends nonsense, and harms only itself', async () => {
        const before = descriptors();
        assert.deepEqual(await see('junk'), ['still-there 2', 'shut-down -19', 'another 2']);
        assert.ok(machine.lines.some((line) => line.includes('broke the protocol')));
        assert.equal(descriptors(), before);
      });

      test('closes a file before it opens another', async () => {
        assert.deepEqual(await see('reopen'), ['master 1', 'masters 3']);
      });

      test('takes all it can get, and no more than its share', async () => {
        const lines = await see('greed');
        assert.match(lines[0]!, /^buffers (ENOMEM|ENFILE) 1$/);
        assert.deepEqual(lines.slice(1), ['files EMFILE 1', 'echo 2']);
      });

      test('is killed with everything in its hands, and nothing of it is left', async () => {
        const before = descriptors();
        const guest = run('hold');
        await guest.said('holding');
        await until(() => machine.waiting() === 1, unnoticed);
        assert.equal(machine.devices.gpu.files.size, 1);
        assert.equal(machine.server.usage.descriptors, 2);
        assert.equal(machine.backing.files, 2);
        guest.kill();
        await guest.ended;
        await until(() => clean(machine), unnoticed);
        assert.equal(machine.waiting(), 0);
        assert.equal(descriptors(), before);
      });

      test('closes a file that a thread of it waits in: the file goes when the thread has come out', async () => {
        const guest = run('part');
        await until(() => machine.waiting() === 1, unnoticed);
        guest.type('\n');
        await guest.said('closed');
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(machine.devices.gpu.files.size, 1);
        assert.equal(machine.waiting(), 1);
        machine.signal();
        await guest.said('wait 0');
        await until(() => machine.devices.gpu.files.size === 0, unnoticed);
        guest.kill();
        await guest.ended;
        await until(() => clean(machine), unnoticed);
      });

      test('gets ENODEV, and no hang, when the machine is gone', async () => {
        const other = testMachine(memory);
        const old = machine;
        machine = other;
        const guest = run('outlive');
        machine = old;
        await guest.said('waiting');
        await until(() => other.waiting() === 1, unnoticed);
        other.close();
        guest.type('\n');
        assert.equal(await guest.ended, 0);
        assert.deepEqual(guest.lines, ['echo 2', 'waiting 1', 'wait ENODEV', 'ioctl ENODEV', 'mmap ENODEV', 'poll 1']);
        assert.equal(other.backing.files, 0);
      });
    });
  }
}

/** Has the machine nothing of any guest? The one file is its driver's own page. */
function clean({ server, devices, backing }: TestMachine): boolean {
  const { channels, descriptors: held } = server.usage;
  return channels + held + devices.gpu.files.size + devices.display.files.size === 0 && backing.files === 1;
}
