/** A person's doings on a whole machine: by a script that is played, and by commands to its control socket. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ABS, BTN, EV, REL } from '../abi/input/codes.ts';
import { KEY } from '../abi/input/keys.ts';
import { recorder } from '../board/log.ts';
import { parseScript } from '../input/script.ts';
import { until } from '../testing/host/until.ts';
import { CONTROL_SOCKET, sendInput } from './control.ts';
import { launch } from './launch.ts';
import { machineOf, runtimeFolders } from './runtime-folder.ts';
import { ensureUserland } from './userland/userland.ts';

const userland = await ensureUserland();
const runtime = mkdtempSync(join(tmpdir(), 'tyr-test-'));
process.env.XDG_RUNTIME_DIR = runtime;
after(() => rmSync(runtime, { recursive: true }));

/** Starts a machine with a guest that prints what input devices tell until Escape is let go. */
async function watched(script: string, during: (folder: string, lines: () => string[]) => Promise<void>) {
  let stdout = '';
  const recorded: string[] = [];
  const lines = () => stdout.split('\n').slice(0, -1);
  const { log, lines: logged } = recorder();
  const running = launch({
    userland,
    program: userland.guest.clients.input!,
    args: ['watch'],
    log,
    timeout: 60,
    input: parseScript(script),
    record: (line) => recorded.push(line),
    workers: 0,
    stdout: (text) => {
      stdout += text;
    },
  });
  await until(
    () => lines().length > 0,
    () => 'the guest says nothing',
  );
  const folder = runtimeFolders().find((each) => each.startsWith(runtime));
  assert.ok(folder);
  await during(folder, lines);
  const result = await running;
  assert.equal(result.exitCode, 0);
  assert.deepEqual(result.leaks, {});
  assert.deepEqual(readdirSync(runtime), []);
  return { lines: lines(), logged, recorded };
}

const event = (device: number, type: number, code: number, value: number) =>
  `event ${device}: ${type} ${code} ${value}`;
const pressed = (device: number, code: number) => [event(device, EV.KEY, code, 1), event(device, EV.KEY, code, 0)];

/** Events device by device. */
const ofDevices = (all: string[]) => [0, 1, 2, 3, 4].map((i) => all.filter((line) => line.startsWith(`event ${i}:`)));

test('guest: commands to the control socket are done before they are answered', async () => {
  // A guest that lags reads device by device, so the order of events is that of each device.
  const told = [
    event(0, EV.KEY, KEY.LEFTSHIFT, 1),
    ...pressed(0, KEY.O),
    event(0, EV.KEY, KEY.LEFTSHIFT, 0),
    ...pressed(0, KEY.K),
    event(1, EV.ABS, ABS.X, 32767),
    event(1, EV.ABS, ABS.Y, 16384),
    ...pressed(1, BTN.LEFT),
    event(2, EV.REL, REL.X, 3),
    ...pressed(2, BTN.RIGHT),
    event(3, EV.ABS, ABS.MT_TRACKING_ID, 0),
    event(3, EV.ABS, ABS.MT_POSITION_Y, 32767),
    event(3, EV.KEY, BTN.TOUCH, 1),
    event(3, EV.ABS, ABS.Y, 32767),
    event(4, EV.ABS, ABS.Y, -32768),
    ...pressed(4, BTN.START),
  ];
  const { lines } = await watched('', async (folder, lines) => {
    assert.equal(machineOf(folder), process.pid);
    assert.equal(statSync(join(folder, CONTROL_SOCKET)).mode & 0o777, 0o600);
    for (const command of [
      'type Ok',
      'move 1 0.5',
      'click',
      'moveby 3 0',
      'click right',
      'touch 1 0 1',
      'axis y -1',
      'pad start',
    ])
      await sendInput(folder, command.split(' '));
    await assert.rejects(sendInput(folder, ['jump']), /jump is no command/);
    await until(
      () => lines().length > told.length,
      () => lines().join('\n'),
    );
    await sendInput(folder, ['key', 'esc']);
  });
  assert.deepEqual(ofDevices(lines), ofDevices([...told, ...pressed(0, KEY.ESC)]));
});

test('guest: a script plays by itself; what is left of it when the program ends is told', async () => {
  // The guest takes a moment to start: the keys before that are nobody's.
  const script = `${Array.from({ length: 40 }, () => '+0.5 key f1').join('\n')}\n`;
  const { lines, logged } = await watched(script, async (folder, lines) => {
    await until(
      () => lines().length >= 3,
      () => lines().join('\n'),
    );
    await sendInput(folder, ['key', 'esc']);
  });
  assert.ok(lines.includes(event(0, EV.KEY, KEY.F1, 1)));
  assert.ok(logged.some((line) => /the program ended before \d+ of the script's 40 lines/.test(line)));
});

test('guest: what is done by socket and script is recorded, and comes again by the lines of it', async () => {
  const doings = ['type Hi', 'move 0.5 0.25', 'click right', 'pad a', 'axis x 0.5', 'axis x 0'];
  const first = await watched('3 key f2', async (folder, lines) => {
    for (const command of doings) await sendInput(folder, command.split(' '));
    await until(
      () => lines().includes(event(0, EV.KEY, KEY.F2, 0)),
      () => lines().join('\n'),
    );
    await sendInput(folder, ['key', 'esc']);
  });
  const again = await watched('', async (folder) => {
    for (const line of first.recorded) await sendInput(folder, line.split(' ').slice(1));
  });
  assert.deepEqual(ofDevices(again.lines), ofDevices(first.lines));
  assert.equal(parseScript(first.recorded.join('\n')).length, again.recorded.length);
});

test('guest: nonsense on the control socket is answered, and does no harm', async () => {
  const { lines, logged } = await watched('', async (folder) => {
    const say = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(join(folder, CONTROL_SOCKET));
        let answer = '';
        socket.on('error', reject);
        socket.setEncoding('utf8').on('data', (part) => {
          answer += part;
          if (answer.endsWith('\n')) socket.destroy();
        });
        socket.on('close', () => resolve(answer));
        socket.write(text);
      });
    for (const nonsense of ['hello', 'null', '[]', '{"input":"key a"}', '{"input":[1]}', '{"input":["__proto__"]}'])
      assert.match(await say(`${nonsense}\n`), /^{"error":/);
    assert.equal(await say('x'.repeat(1 << 17)), '');
    await sendInput(folder, ['key', 'esc']);
  });
  assert.deepEqual(lines, ['watching 5', ...pressed(0, KEY.ESC)]);
  assert.ok(logged.some((line) => line.includes('too long; its connection is closed')));
});
