/**
 * Input devices on the whole road to a guest process: shim/test/input.c with the shim preloaded, as a program of the host
 * and as one of the guest userland, and a person's doings at the machine's port. What evdev owes stands in
 * input/evdev.test.ts.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { ABS, BTN, EV, LED, REL, SYN } from '../abi/input/codes.ts';
import { KEY } from '../abi/input/keys.ts';
import { HostClock } from '../board/clock.ts';
import { recorder } from '../board/log.ts';
import { Input } from '../input/index.ts';
import { type Client, client, killClients } from '../testing/host/transport.ts';
import { until } from '../testing/host/until.ts';
import { MemfdBacking } from './memfd-backing.ts';
import { GuestServer } from './server.ts';
import { programStart } from './userland/start.ts';
import { ensureUserland, type Userland } from './userland/userland.ts';

let userland: Userland;

before(async () => {
  userland = await ensureUserland();
});

const REPORT = `event ${EV.SYN} ${SYN.REPORT} 0`;
const key = (code: number, value: number): string => `event ${EV.KEY} ${code} ${value}`;

for (const where of ['host', 'guest'] as const) {
  describe(`a ${where} program`, () => {
    let input: Input;
    let server: GuestServer;
    let lines: string[];
    before(() => {
      const record = recorder();
      lines = record.lines;
      input = new Input(new HostClock(), record.log, { widthMm: 271, heightMm: 203 });
      const inputNodes = input.devices.map((device) => ({
        path: `/dev/input/${device.name}`,
        minor: device.minor,
        device,
      }));
      server = new GuestServer({ nodes: [], inputNodes, backing: new MemfdBacking(), log: record.log });
    });
    afterEach(killClients);
    after(() => server.close());

    const run = (scenario: string): Client => {
      const start = programStart(userland, userland[where].clients.input!, [scenario], server.environment);
      return client([start.file, ...start.args], start.env);
    };
    /** Nothing of any client is left. */
    const clean = () =>
      until(
        () => input.files + server.usage.channels + server.usage.descriptors === 0,
        () => `${input.files} files are left`,
      );
    /** Runs a scenario to its end. `act`: what is done when it says that it waits for that. */
    const see = async (scenario: string, act: Record<string, () => void> = {}): Promise<string[]> => {
      const guest = run(scenario);
      for (const [what, run] of Object.entries(act)) {
        await guest.said(`wait ${what}`);
        run();
        guest.type('\n');
      }
      assert.equal(await guest.ended, 0, guest.lines.join('\n'));
      await clean();
      assert.deepEqual(
        lines.filter((line) => line.startsWith('error')),
        [],
      );
      return guest.lines.filter((line) => !line.startsWith('wait '));
    };

    test('finds the devices in /dev/input, /sys and udev’s data', async () => {
      const seen = await see('look');
      assert.deepEqual(seen.slice(0, 7), [
        'fstat 1 13:65',
        'link /dev/input/event1',
        'nodes 5',
        'relative 13:65',
        'terminal 0 ENOTTY',
        'name Tyr keyboard',
        'uevent PRODUCT=6/0/1/1',
      ]);
      for (const line of [
        'uevent NAME="Tyr keyboard"',
        'uevent EV=120003',
        'uevent LED=7',
        'abs 260800000000003',
        'uevent MAJOR=13',
        'uevent MINOR=64',
        'uevent DEVNAME=input/event0',
        'c13:64 I:1',
        'c13:64 E:ID_INPUT=1',
        'c13:64 E:ID_INPUT_KEYBOARD=1',
        '+input:input4 E:ID_INPUT_JOYSTICK=1',
        '+input:input4 G:seat',
      ])
        assert.ok(seen.includes(line), `${line} in\n${seen.join('\n')}`);
    });

    test('polls, sleeps and reads: whole events, as many as it likes, each reader for itself', async () => {
      const guest = run('events');
      await guest.said('wait key');
      // The line comes just before it sleeps; whether it does yet is all the same.
      input.key(KEY.A, true);
      input.key(KEY.A, false);
      await guest.said('wait nowhere');
      input.key(KEY.B, true);
      guest.type('\n');
      assert.equal(await guest.ended, 0, guest.lines.join('\n'));
      await clean();
      const told = guest.lines.indexOf(key(KEY.A, 1));
      assert.deepEqual(guest.lines.slice(0, told), ['ready 0', 'read EAGAIN', 'short EINVAL', 'wait key']);
      // The first reader may have woken between the two reports.
      const fast = guest.lines.slice(guest.lines.indexOf('ready 1'));
      assert.deepEqual(fast, [
        'ready 1',
        key(KEY.A, 1),
        'left 1',
        'pieces 48 0',
        REPORT,
        'wait nowhere',
        'ready 1',
        'nowhere EFAULT',
      ]);
      input.key(KEY.B, false);
    });

    test('has its events stamped by the clock that it chose', async () => {
      const press = () => input.key(KEY.A, true);
      assert.deepEqual(await see('clocks', { key: press }), ['wrong EINVAL', 'between 1', 'between 1']);
      input.key(KEY.A, false);
    });

    test('asks by ioctls, which bring bytes, numbers and errors where they belong', async () => {
      input.touch(1, 0.5, 0.5);
      input.key(KEY.LEFTSHIFT, true);
      const seen = await see('ioctls');
      input.release(1);
      input.key(KEY.LEFTSHIFT, false);
      assert.match(seen.splice(8, 1)[0]!, /^slots \d+ -1 0$/);
      assert.deepEqual(seen, [
        'version 10001',
        'bus 6',
        'name 13 Tyr keyboard x',
        'uniq ENOENT',
        'keys 96 1 0',
        'repeat 250 33',
        'state 96 1',
        'axis 0 32767',
        'effects 0 0',
        'effect ENOSYS',
        'erase ENOSYS',
        'nowhere EFAULT',
        'drm EINVAL',
        'grab 0',
        'grab EBUSY',
        'ungrab 0',
        'grab 0',
        'mask 0',
        'mask EFAULT',
      ]);
    });

    test('lights the keyboard', async () => {
      assert.deepEqual(await see('lights'), [
        'write 48',
        'short EINVAL',
        'nowhere EFAULT',
        'ready 1',
        `event ${EV.LED} ${LED.CAPSL} 1`,
        REPORT,
        `lit ${1 << LED.CAPSL}`,
        'writev 48',
        `event ${EV.LED} ${LED.CAPSL} 0`,
        REPORT,
      ]);
    });

    test('revokes a file, whose copies are dead from then on', async () => {
      const seen = await see('revoked', { move: () => input.moveBy(5, 0) });
      assert.deepEqual(seen, [
        'revoke EINVAL',
        'revoke 0',
        'poll 1',
        'read ENODEV',
        'ioctl ENODEV',
        'write ENODEV',
        'other 1',
        `event ${EV.REL} ${REL.X} 5`,
        REPORT,
      ]);
    });

    test('shares a file with its child: each event goes to one of them', async () => {
      const seen = await see('shared', {
        keys: () => {
          input.key(KEY.C, true);
          input.key(KEY.C, false);
        },
      });
      assert.deepEqual(seen, [
        'ready 1',
        key(KEY.C, 1),
        REPORT,
        'left 1',
        key(KEY.C, 0),
        REPORT,
        'read EAGAIN',
        'ready 0',
      ]);
    });

    test('that is too slow is told so', async () => {
      const seen = await see('slow', {
        flood: () => {
          for (let i = 0; i < 64; i++) input.key(KEY.D, i % 2 === 0);
        },
      });
      assert.equal(seen[0], 'ready 1');
      assert.ok(seen.includes(`event ${EV.SYN} ${SYN.DROPPED} 0`));
      assert.deepEqual(seen.slice(-2), [key(KEY.D, 0), REPORT]);
    });

    test('is killed while it has grabbed a device, which is free again', async () => {
      const guest = run('hold');
      await guest.said('wait holding');
      assert.equal(input.gamepad.grab?.pid, guest.pid);
      guest.kill();
      await guest.ended;
      await clean();
      assert.equal(input.gamepad.grab, undefined);
      input.padButton(BTN.SOUTH, true);
      input.axis(ABS.X, 1);
      input.padButton(BTN.SOUTH, false);
    });
  });
}
