import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as I from '../../abi/kms-ioctls.ts';
import { RFB_CLIENT, RFB_ENCODING } from '../../abi/rfb.ts';
import { FRAME } from '../../testing/display/client.ts';
import { Stage } from '../../testing/host/stage.ts';
import { until } from '../../testing/host/until.ts';
import { parseAddress, SCREEN_FILE } from './address.ts';

/** Compared without assert, which would print hundreds of thousands of numbers. */
function same(seen: Uint32Array, shown: Uint32Array): void {
  assert.equal(seen.length, shown.length);
  const at = seen.findIndex((pixel, i) => pixel !== shown[i]);
  if (at >= 0) assert.fail(`pixel ${at}: ${seen[at]!.toString(16)} instead of ${shown[at]!.toString(16)}`);
}

/** Flat, of two colours, of a few, and of very many, in this order from the left. */
const motley = (x: number, y: number): number => {
  if (x < 64) return 0x204060;
  if (x < 160) return (x + y) % 3 ? 0xffffff : 0x102030;
  if (x < 300) return ((x * 7 + y) % 16) * 0x100804;
  return ((x * 0x9e3779b1) ^ (y * 0x85ebca6b)) & 0xffffff;
};

const quick = (x: number, y: number) => (x < 320 ? 0x113355 : (x ^ y) & 0xff);

test('a client sees every pixel that the monitor shows, in Raw and in Tight', async (t) => {
  const stage = await Stage.of(t);
  await stage.show(motley);
  for (const encodings of [[], [RFB_ENCODING.RAW], [RFB_ENCODING.TIGHT, RFB_ENCODING.RAW]]) {
    const client = await stage.connect({ encodings });
    assert.deepEqual([client.width, client.height, client.title], [640, 480, 'stage']);
    await client.update(false);
    same(client.pixels, stage.shown);
    await client.close();
  }
});

test('older clients, and those that want other pixels, are served too', async (t) => {
  const stage = await Stage.of(t);
  await stage.show(motley);
  const shown = stage.shown;
  for (const version of ['RFB 003.003\n', 'RFB 003.007\n', 'RFB 003.889\n']) {
    const client = await stage.connect({ version: version === 'RFB 003.889\n' ? 'RFB 003.003\n' : version });
    await client.update(false);
    same(client.pixels, shown);
    await client.close();
  }
  const rgb565 = { bitsPerPixel: 16, depth: 16, redMax: 31, greenMax: 63, blueMax: 31, redShift: 11, greenShift: 5 };
  const bgr233 = { bitsPerPixel: 8, depth: 8, redMax: 7, greenMax: 7, blueMax: 3, redShift: 0, greenShift: 3 };
  for (const bigEndian of [0, 1])
    for (const encoding of [RFB_ENCODING.RAW, RFB_ENCODING.TIGHT])
      for (const [format, blueShift] of [
        [rgb565, 0],
        [bgr233, 6],
      ] as const) {
        const client = await stage.connect({ encodings: [encoding] });
        client.setFormat({ ...format, blueShift, bigEndian, trueColour: 1, pad0: 0, pad1: 0 });
        await client.update(false);
        const part = (colour: number, bit: number, max: number) => Math.round((((colour >> bit) & 255) * max) / 255);
        const want = shown.map(
          (colour) =>
            (part(colour, 16, format.redMax) << format.redShift) |
            (part(colour, 8, format.greenMax) << format.greenShift) |
            (part(colour, 0, format.blueMax) << blueShift),
        );
        same(client.pixels, want);
        await client.close();
      }
});

test('only what changed is sent', async (t) => {
  const stage = await Stage.of(t);
  await stage.show(motley);
  const client = await stage.connect();
  await client.update(false);
  const whole = client.bytes;
  await stage.show((x, y) => (x >= 330 && x < 350 && y >= 200 && y < 210 ? 0xff0000 : motley(x, y)));
  const news = await client.update();
  assert.deepEqual(news, [{ x: 320, y: 192, width: 64, height: 64, encoding: RFB_ENCODING.TIGHT }]);
  assert.ok(client.bytes - whole < 64 * 64 * 3 + 100);
  same(client.pixels, stage.shown);
});

test('a picture that is the same again is not sent at all, and the next one is', async (t) => {
  const stage = await Stage.of(t);
  await stage.show(quick);
  const client = await stage.connect();
  await client.update(false);
  const before = client.bytes;
  client.ask(true);
  await stage.show(quick);
  await sleep(100);
  assert.equal(client.bytes, before);
  assert.equal(client.stream.readableLength, 0);
  await stage.show((x, y) => quick(x, y) ^ (y === 479 ? 0xff : 0));
  assert.deepEqual(
    (await client.receive()).map(({ y }) => y),
    [448],
  );
  same(client.pixels, stage.shown);
});

test('the cursor is drawn, and a move of it sends the place that it left and the one that it came to', async (t) => {
  const stage = await Stage.of(t);
  const { guest } = stage;
  await stage.show(quick);
  const { handle } = guest.run(I.MODE_CREATE_DUMB, { width: 64, height: 64, bpp: 32 });
  guest.fill(handle, 0xff00ff00 | 0);
  const { crtc } = guest.ids;
  await guest.wait(I.MODE_CURSOR, { flags: 3, crtc_id: crtc, x: 70, y: 70, width: 64, height: 64, handle });
  guest.clock.advance(2 * FRAME);
  const client = await stage.connect();
  await client.update(false);
  assert.equal(client.pixels[80 * 640 + 80], 0x00ff00);
  client.ask(true);
  guest.run(I.MODE_CURSOR, { flags: 2, crtc_id: crtc, x: 400, y: 300 });
  guest.clock.advance(2 * FRAME);
  const news = await client.receive();
  same(client.pixels, stage.shown);
  assert.equal(client.pixels[310 * 640 + 410], 0x00ff00);
  const area = news.reduce((sum, { width, height }) => sum + width * height, 0);
  assert.ok(area <= 8 * 64 * 64, `${area} pixels`);
});

test('a new size of the screen is told to clients that know of it; others keep what fits', async (t) => {
  const stage = await Stage.of(t);
  const { guest } = stage;
  await stage.show(motley);
  const knows = await stage.connect({ encodings: [RFB_ENCODING.TIGHT, RFB_ENCODING.DESKTOP_SIZE] });
  const other = await stage.connect();
  for (const client of [knows, other]) await client.update(false);
  for (const client of [knows, other]) client.ask(true);
  const mode = guest.modes().find(({ hdisplay }) => hdisplay === 1024)!;
  const { id, handle } = guest.framebuffer(1024, 768);
  guest.fill(handle, 0x8899aa);
  await guest.setCrtc(id, mode);
  await knows.receive();
  while (!(knows.width === 1024 && knows.pixels.every((pixel) => pixel === 0x8899aa))) await knows.update();
  while (!other.pixels.every((pixel) => pixel === 0x8899aa)) await other.receive().then(() => other.ask(true));
  assert.deepEqual([other.width, other.height], [640, 480]);
});

test('a wrong password is refused with a reason, and so is none', async (t) => {
  const stage = await Stage.of(t);
  await assert.rejects(stage.connect({ password: 'guess' }), /wrong password/);
  await assert.rejects(stage.connect({ password: 'guess', version: 'RFB 003.003\n' }), /refused/);
  await assert.rejects(stage.connect({ password: undefined as unknown as string }), /deep/i);
  assert.ok(stage.lines.some((line) => /VNC client: it gave a wrong password/.test(line)));
});

test('who is slow gets the newest picture, once, and holds up nobody', async (t) => {
  const stage = await Stage.of(t);
  await stage.show(quick);
  const [slow, fast] = [await stage.connect({ encodings: [] }), await stage.connect()];
  await slow.update(false);
  await fast.update(false);
  const before = slow.bytes;
  // It asks again and again and reads nothing, so that its socket is full.
  const PICTURE = 640 * 480 * 4;
  for (let i = 1; i <= 24; i++) {
    slow.ask(true);
    await stage.show((x, y) => quick(x, y) ^ i);
    await fast.update();
    same(fast.pixels, stage.shown);
  }
  while (!sameAs(slow.pixels, stage.shown)) await slow.receive();
  const pictures = (slow.bytes - before) / PICTURE;
  assert.ok(pictures >= 1 && pictures < 16, `${pictures} of 24 pictures`);
});

const sameAs = (a: Uint32Array, b: Uint32Array): boolean =>
  Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer)) === 0;

test('what is no RFB ends that connection alone', async (t) => {
  const stage = await Stage.of(t);
  await stage.show(quick);
  const good = await stage.connect();
  await good.update(false);
  const bad: [name: RegExp, bytes: number[]][] = [
    [/message 99/, [99]],
    [/encodings/, [RFB_CLIENT.SET_ENCODINGS, 0, 0xff, 0xff]],
    [/text of/, [RFB_CLIENT.CUT_TEXT, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]],
    [/text of/, [RFB_CLIENT.CUT_TEXT, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]],
    [/submessage 3/, [RFB_CLIENT.QEMU, 3]],
    [/colour map/, [RFB_CLIENT.SET_PIXEL_FORMAT, 0, 0, 0, 8, 8, 0, 0, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0]],
    [/7 bits/, [RFB_CLIENT.SET_PIXEL_FORMAT, 0, 0, 0, 7, 8, 0, 1, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0]],
    [/at bit 200/, [RFB_CLIENT.SET_PIXEL_FORMAT, 0, 0, 0, 32, 8, 0, 1, 0, 7, 0, 7, 0, 3, 200, 3, 6, 0, 0, 0]],
  ];
  for (const [why, bytes] of bad) {
    const client = await stage.connect();
    client.stream.write(Uint8Array.from(bytes));
    await client.closed();
    await until(
      () => stage.lines.some((line) => why.test(line)),
      () => `${why} in ${stage.lines.join('\n')}`,
    );
  }
  const stranger = connect(stage.screen.address.vnc.port, '127.0.0.1').on('error', () => {});
  stranger.write('GET / HTTP/1.1\r\n\r\n');
  await new Promise((resolve) => stranger.resume().once('close', resolve));
  // Areas that are nowhere, and requests without end, are none of its business.
  good.say(RFB_CLIENT.UPDATE_REQUEST, Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
  good.ask(false);
  await stage.show(motley);
  while (!sameAs(good.pixels, stage.shown)) await good.receive().then(() => good.ask(true));
});

test('nobody looks on: nothing is copied, and no thread is there; who has gone leaves nothing behind', async (t) => {
  const stage = await Stage.of(t);
  const { display } = stage.guest;
  let taken = 0;
  const { onChange } = display;
  display.onChange = (fn) => {
    taken++;
    return onChange.call(display, fn);
  };
  for (let i = 0; i < 5; i++) await stage.show((x) => x + i);
  assert.equal(stage.screen.serving, false);
  assert.equal(taken, 0);
  const client = await stage.connect();
  assert.equal(stage.screen.serving, true);
  await client.update(false);
  await client.close();
  // A last look at the screen may be on its way.
  for (let i = 0; i < 20; i++) {
    taken = 0;
    for (let k = 0; k < 3; k++) await stage.show((x) => x + i + k);
    await sleep(200);
    if (taken === 0) break;
  }
  assert.equal(taken, 0);
});

test('keys, buttons, wheels and places arrive at the input port, and nothing stays down', async (t) => {
  const stage = await Stage.of(t);
  const client = await stage.connect({ encodings: [RFB_ENCODING.QEMU_EXTENDED_KEY] });
  assert.deepEqual(
    (await client.update(false)).map(({ encoding }) => encoding),
    [RFB_ENCODING.QEMU_EXTENDED_KEY],
  );
  const arrives = async (act: () => void, ...calls: unknown[][]) => {
    stage.calls.length = 0;
    act();
    await until(
      () => stage.calls.length >= calls.length,
      () => `${JSON.stringify(stage.calls)}`,
    );
    assert.deepEqual(stage.calls, calls);
  };
  await arrives(() => client.extendedKey(0x1e, 0x61, true), ['key', 30, true]);
  await arrives(() => client.extendedKey(0x1e, 0x61, false), ['key', 30, false]);
  await arrives(() => client.extendedKey(0xc8, 0xff52, true), ['key', 103, true]); // up
  await arrives(() => client.extendedKey(0, 0x62, true), ['key', 48, true]); // a screen's keyboard has no places
  await arrives(() => client.key(0x41, true), ['key', 42, true], ['key', 30, true], ['key', 42, false]); // A
  await arrives(() => client.key(0x41, false), ['key', 30, false]);
  await arrives(() => client.key(0xffe1, true), ['key', 42, true]); // Shift, on a keyboard that has / with it
  await arrives(() => client.key(0x2f, true), ['key', 42, false], ['key', 53, true], ['key', 42, true]);
  await arrives(() => client.key(0x2f, false), ['key', 53, false]);
  await arrives(() => client.pointer(320, 120, 1), ['moveTo', 320.5 / 640, 120.5 / 480], ['button', 0x110, true]);
  await arrives(() => client.pointer(320, 120, 1 | 16), ['scroll', 0, 1]);
  await arrives(
    () => client.pointer(0, 0, 4),
    ['moveTo', 0.5 / 640, 0.5 / 480],
    ['button', 0x110, false],
    ['button', 0x111, true],
  );
  await arrives(
    () => void client.close(),
    ['key', 103, false],
    ['key', 48, false],
    ['key', 42, false],
    ['button', 0x111, false],
  );
});

test('the link and the password lie in a file of the machine’s, for this user alone', async (t) => {
  const { screen, directory } = await Stage.of(t);
  const file = join(directory, SCREEN_FILE);
  assert.deepEqual(parseAddress(readFileSync(file, 'utf8')), screen.address);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  await screen.close();
  assert.equal(statSync(file, { throwIfNoEntry: false }), undefined);
  for (const text of ['', '{}', '[]', 'null', JSON.stringify({ ...screen.address, link: 'http://example.org/x/' })])
    assert.equal(parseAddress(text), undefined);
});
