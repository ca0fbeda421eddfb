import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ATOMIC, CURSOR, DPMS, FB_KEEP, FLIP, MODE_FLAG } from '../abi/kms.ts';
import * as I from '../abi/kms-ioctls.ts';
import { modeBytes, modeName } from '../drm/kms/mode.ts';
import { FRAME, type Settings, testClient } from '../testing/display/client.ts';

const rgb = ({ width, data }: { width: number; data: Uint8Array }, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3),
];

test('SETCRTC: what does not fit together is refused', () => {
  const client = testClient();
  const { ids } = client;
  const mode = client.modes()[0]!;
  const fb = client.framebuffer(1024, 768);
  const small = client.framebuffer(1023, 768);
  const set_connectors_ptr = client.user.putU32(ids.connector);
  const good = { crtc_id: ids.crtc, fb_id: fb.id, mode_valid: 1, mode, set_connectors_ptr, count_connectors: 1 };
  const bad = (change: object): string => client.fail(I.MODE_SETCRTC, { ...good, ...change });
  assert.equal(bad({ crtc_id: ids.primary }), 'ENOENT');
  assert.equal(bad({ fb_id: 0 }), 'ENOENT');
  assert.equal(bad({ fb_id: FB_KEEP }), 'EINVAL');
  assert.equal(bad({ fb_id: small.id }), 'ENOSPC');
  assert.equal(bad({ x: 1 }), 'ENOSPC');
  assert.equal(bad({ x: 0x10000 }), 'ERANGE');
  assert.equal(bad({ count_connectors: 0 }), 'EINVAL');
  assert.equal(bad({ count_connectors: 0xffffffff }), 'EINVAL');
  assert.equal(bad({ mode_valid: 0 }), 'EINVAL');
  assert.equal(bad({ set_connectors_ptr: 1n }), 'EFAULT');
  assert.equal(bad({ set_connectors_ptr: client.user.putU32(ids.crtc) }), 'ENOENT');
  assert.equal(bad({ mode: { ...mode, clock: 0 } }), 'EINVAL');
  assert.equal(bad({ mode: { ...mode, clock: 0x80000000 } }), 'ERANGE');
  assert.equal(bad({ mode: { ...mode, clock: 1 } }), 'EINVAL');
  assert.equal(bad({ mode: { ...mode, htotal: 10 } }), 'EINVAL');
  assert.equal(bad({ mode: { ...mode, vdisplay: 0 } }), 'EINVAL');
  assert.equal(bad({ mode: { ...mode, flags: mode.flags | MODE_FLAG.INTERLACE } }), 'EINVAL');
  assert.equal(bad({ mode: { ...mode, flags: mode.flags | 0x80000000 } }), 'EINVAL');
  assert.equal(client.run(I.MODE_GETCRTC, { crtc_id: ids.crtc }).mode_valid, 0);
});

test('SETCRTC: pans inside a larger framebuffer, switches modes, and off', async () => {
  const client = testClient();
  const { display, ids } = client;
  const fb = client.framebuffer(2048, 1100);
  const { run } = client.file.object(fb.handle);
  display.device.context.dram.u32[(run.physical + 10 * fb.pitch) / 4 + 20] = 0x123456;
  const mode = client.modes().find((one) => modeName(one) === '800x600')!;
  const set_connectors_ptr = client.user.putU32(ids.connector);
  const set = { crtc_id: ids.crtc, fb_id: fb.id, mode_valid: 1, mode, set_connectors_ptr, count_connectors: 1 };
  await client.wait(I.MODE_SETCRTC, { ...set, x: 20, y: 10 });
  assert.deepEqual(rgb(display.screenshot(), 0, 0), [0x12, 0x34, 0x56]);
  const crtc = client.run(I.MODE_GETCRTC, { crtc_id: ids.crtc });
  assert.deepEqual([crtc.x, crtc.y, crtc.fb_id, modeName(crtc.mode)], [20, 10, fb.id, '800x600']);
  assert.notEqual(client.run(I.MODE_GETCONNECTOR, { connector_id: ids.connector }).encoder_id, 0);
  await client.wait(I.MODE_SETCRTC, { ...set, fb_id: FB_KEEP, mode: client.modes()[1]! });
  assert.equal(display.screenshot().width, 1920);
  await client.wait(I.MODE_SETCRTC, { crtc_id: ids.crtc });
  assert.deepEqual(rgb(display.screenshot(), 20, 10), [0, 0, 0]);
  assert.equal(client.run(I.MODE_GETCRTC, { crtc_id: ids.crtc }).mode_valid, 0);
  assert.equal(client.run(I.MODE_GETCONNECTOR, { connector_id: ids.connector }).encoder_id, 0);
});

test('page flip: of a format or size that the CRTC does not have is refused', async () => {
  const client = testClient();
  const { crtc: crtc_id } = client.ids;
  const fb = client.framebuffer(1024, 768);
  const flip = { crtc_id, fb_id: fb.id };
  assert.equal(client.fail(I.MODE_PAGE_FLIP, flip), 'EBUSY');
  await client.setCrtc(fb.id);
  const { handle, pitch } = fb;
  const other = client.run(I.MODE_ADDFB, { width: 1024, height: 768, bpp: 32, depth: 32, pitch, handle });
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { crtc_id, fb_id: other.fb_id }), 'EINVAL');
  const small = client.framebuffer(640, 480);
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { crtc_id, fb_id: small.id }), 'ENOSPC');
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { ...flip, flags: 0x80 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { ...flip, sequence: 1 }), 'EINVAL');
  const { TARGET_ABSOLUTE, TARGET_RELATIVE } = FLIP;
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { ...flip, flags: TARGET_ABSOLUTE | TARGET_RELATIVE }), 'EINVAL');
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { ...flip, flags: TARGET_RELATIVE, sequence: 2 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { ...flip, fb_id: 0 }), 'ENOENT');
  client.run(I.MODE_PAGE_FLIP, flip);
});

test('page flip: asynchronous ones and those for the current frame are shown at once', async () => {
  const client = testClient();
  const { display } = client;
  const { crtc: crtc_id } = client.ids;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  client.fill(b.handle, 0xffffff);
  await client.setCrtc(a.id);
  client.run(I.MODE_PAGE_FLIP, { crtc_id, fb_id: b.id, flags: FLIP.ASYNC | FLIP.EVENT });
  assert.equal(client.events.length, 1);
  assert.deepEqual(rgb(display.screenshot(), 0, 0), [255, 255, 255]);
  client.run(I.MODE_PAGE_FLIP, { crtc_id, fb_id: a.id, flags: FLIP.TARGET_RELATIVE | FLIP.EVENT });
  assert.equal(client.events.length, 2);
  client.run(I.MODE_PAGE_FLIP, { crtc_id, fb_id: b.id, flags: FLIP.TARGET_RELATIVE | FLIP.EVENT, sequence: 1 });
  assert.equal(client.events.length, 2);
  client.clock.advance(FRAME);
  assert.equal(client.events.length, 3);
});

test('page flips follow the rate of the mode, and nothing ticks when nobody waits', async () => {
  const client = testClient({ mode: '800x600@60' });
  const { crtc: crtc_id } = client.ids;
  const [a, b] = [client.framebuffer(800, 600), client.framebuffer(800, 600)];
  await client.setCrtc(a.id);
  const times: number[] = [];
  const sequences: number[] = [];
  for (let i = 0; i < 60; i++) {
    client.run(I.MODE_PAGE_FLIP, { crtc_id, fb_id: i % 2 ? a.id : b.id, flags: FLIP.EVENT });
    while (client.events.length === i) client.clock.advance(1_000_000);
    const event = client.events[i]!;
    assert.ok('tv_sec' in event);
    times.push(event.tv_sec * 1e6 + event.tv_usec);
    sequences.push(event.sequence);
  }
  // 1056×628 pixels at 40 MHz: 16579.2 µs.
  assert.ok(Math.abs((times[59]! - times[0]!) / 59 - 16579.2) < 1, `${(times[59]! - times[0]!) / 59} µs a frame`);
  assert.equal(sequences[59]! - sequences[0]!, 59);
  assert.equal(client.display.frames, 61);
  const scheduled = client.clock.after;
  let timers = 0;
  client.clock.after = (delay, fn) => {
    timers++;
    return scheduled.call(client.clock, delay, fn);
  };
  client.clock.advance(1e9);
  assert.equal(timers, 0);
});

test('refresh unlimited: a flip is done as soon as it is asked for', async () => {
  const client = testClient({ refresh: 'unlimited' });
  const { crtc: crtc_id } = client.ids;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  await client.setCrtc(a.id);
  const before = client.clock.now();
  for (let i = 0; i < 100; i++) {
    client.run(I.MODE_PAGE_FLIP, { crtc_id, fb_id: i % 2 ? a.id : b.id, flags: FLIP.EVENT });
    client.clock.run();
    assert.equal(client.events.length, i + 1);
  }
  assert.equal(client.clock.now(), before);
  const [first, last] = [client.events[0]!, client.events[99]!];
  assert.equal(Number(last.sequence) - Number(first.sequence), 99);
});

test('cursor: shown, moved past the edge, hidden; it neither waits nor hinders a flip', async () => {
  const client = testClient();
  const { display } = client;
  const { crtc: crtc_id } = client.ids;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  client.fill(a.handle, 0x0000ff);
  client.fill(b.handle, 0x0000ff);
  const { handle } = client.run(I.MODE_CREATE_DUMB, { width: 64, height: 64, bpp: 32 });
  client.fill(handle, 0xffff0000);
  await client.setCrtc(a.id);
  const image = { crtc_id, width: 64, height: 64, handle };
  client.run(I.MODE_PAGE_FLIP, { crtc_id, fb_id: b.id, flags: FLIP.EVENT });
  client.run(I.MODE_CURSOR2, { ...image, flags: CURSOR.BO | CURSOR.MOVE, x: 100, y: 50 });
  client.clock.advance(FRAME);
  assert.equal(client.events.length, 1);
  assert.deepEqual(rgb(display.screenshot(), 100, 50), [255, 0, 0]);
  assert.deepEqual(rgb(display.screenshot(), 163, 113), [255, 0, 0]);
  assert.deepEqual(rgb(display.screenshot(), 164, 113), [0, 0, 255]);
  client.run(I.MODE_CURSOR, { crtc_id, flags: CURSOR.MOVE, x: -32, y: 767 });
  client.clock.advance(FRAME);
  assert.deepEqual(rgb(display.screenshot(), 31, 767), [255, 0, 0]);
  assert.deepEqual(rgb(display.screenshot(), 32, 767), [0, 0, 255]);
  client.run(I.MODE_CURSOR, { crtc_id, flags: CURSOR.BO, width: 64, height: 64 });
  client.clock.advance(FRAME);
  assert.deepEqual(rgb(display.screenshot(), 31, 767), [0, 0, 255]);
  assert.equal(client.fail(I.MODE_CURSOR, { ...image, flags: 0 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_CURSOR, { ...image, flags: CURSOR.BO, width: 65 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_CURSOR, { ...image, flags: CURSOR.BO, handle: 77 }), 'ENOENT');
  assert.equal(display.frames, 2);
});

test('cursor: waits until a modeset that is under way is done', async () => {
  const client = testClient();
  const { crtc, cursor, primary, connector } = client.ids;
  client.setCap('ATOMIC');
  const fb = client.framebuffer(1024, 768);
  const MODE_ID = client.blob(modeBytes(client.modes()[0]!));
  const plane = { FB_ID: fb.id, CRTC_ID: crtc, SRC_W: 1024 << 16, SRC_H: 768 << 16, CRTC_W: 1024, CRTC_H: 768 };
  const settings: Settings = { [crtc]: { MODE_ID, ACTIVE: 1 }, [primary]: plane, [connector]: { CRTC_ID: crtc } };
  const flags = ATOMIC.NONBLOCK | ATOMIC.ALLOW_MODESET | FLIP.EVENT;
  client.run(I.MODE_ATOMIC, client.atomic(settings, flags));
  const { handle } = client.run(I.MODE_CREATE_DUMB, { width: 64, height: 64, bpp: 32 });
  const image = { flags: CURSOR.BO, crtc_id: crtc, width: 64, height: 64, handle };
  assert.equal(client.events.length, 0);
  await client.wait(I.MODE_CURSOR, image);
  assert.equal(client.events.length, 1);
  client.run(I.MODE_CURSOR, { ...image, flags: CURSOR.MOVE, x: 5 });
  assert.equal(client.properties(cursor).get('CRTC_X')!.value, 5n);
});

test('planes may be set up while the CRTC is off, and are there when it goes on', async () => {
  const client = testClient();
  const { ids } = client;
  const cursor = client.framebuffer(64, 64);
  client.fill(cursor.handle, 0xffff0000);
  const set = { flags: CURSOR.BO | CURSOR.MOVE, crtc_id: ids.crtc, x: 10, y: 20, width: 64, height: 64 };
  client.run(I.MODE_CURSOR, { ...set, handle: cursor.handle });
  client.run(I.MODE_CURSOR, { ...set, flags: CURSOR.MOVE, x: 30 });
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0x0000ff);
  await client.setCrtc(fb.id);
  const shown = client.display.screenshot();
  assert.deepEqual(rgb(shown, 29, 20), [0, 0, 255]);
  assert.deepEqual(rgb(shown, 30, 20), [255, 0, 0]);
});

test('SETPLANE: puts an overlay on the picture, scaled, and takes it off', async () => {
  const client = testClient();
  const { display, ids } = client;
  const fb = client.framebuffer(1024, 768);
  const video = client.framebuffer(2, 2);
  const { run } = client.file.object(video.handle);
  const { u32 } = display.device.context.dram;
  u32.set([0xff0000, 0x00ff00], run.physical / 4);
  u32.set([0x0000ff, 0xffffff], (run.physical + video.pitch) / 4);
  await client.setCrtc(fb.id);
  const set = {
    plane_id: ids.overlay,
    crtc_id: ids.crtc,
    fb_id: video.id,
    crtc_x: 10,
    crtc_y: 20,
    crtc_w: 8,
    crtc_h: 8,
    src_w: 2 << 16,
    src_h: 2 << 16,
  };
  await client.wait(I.MODE_SETPLANE, set);
  const picture = display.screenshot();
  assert.deepEqual(rgb(picture, 9, 20), [0, 0, 0]);
  assert.deepEqual(rgb(picture, 10, 20), [255, 0, 0]);
  assert.deepEqual(rgb(picture, 13, 23), [255, 0, 0]);
  assert.deepEqual(rgb(picture, 14, 23), [0, 255, 0]);
  assert.deepEqual(rgb(picture, 13, 24), [0, 0, 255]);
  assert.deepEqual(rgb(picture, 17, 27), [255, 255, 255]);
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, src_w: 3 << 16 }), 'ENOSPC');
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, src_x: 0xffffffff }), 'ENOSPC');
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, crtc_w: 0xffffffff }), 'ERANGE');
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, crtc_x: 0x7fffffff }), 'ERANGE');
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, crtc_w: 100 }), 'ERANGE');
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, crtc_w: 0 }), 'ERANGE');
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, plane_id: ids.crtc }), 'ENOENT');
  assert.equal(client.fail(I.MODE_SETPLANE, { ...set, crtc_id: 0 }), 'ENOENT');
  await client.wait(I.MODE_SETPLANE, { plane_id: ids.overlay });
  assert.deepEqual(rgb(display.screenshot(), 10, 20), [0, 0, 0]);
});

test('gamma: changes what is shown and reads back', async () => {
  const client = testClient();
  const { crtc: crtc_id } = client.ids;
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0x102030);
  await client.setCrtc(fb.id);
  const ramp = new Uint8Array(Uint16Array.from({ length: 256 }, (_, i) => (255 - i) * 257).buffer);
  const table = { red: client.user.put(ramp), green: client.user.put(ramp), blue: client.user.put(ramp) };
  assert.equal(client.fail(I.MODE_SETGAMMA, { crtc_id, gamma_size: 255, ...table }), 'EINVAL');
  await client.wait(I.MODE_SETGAMMA, { crtc_id, gamma_size: 256, ...table });
  assert.deepEqual(rgb(client.display.screenshot(), 0, 0), [0xef, 0xdf, 0xcf]);
  const back = client.user.put(512);
  client.run(I.MODE_GETGAMMA, { crtc_id, gamma_size: 256, red: back, green: back, blue: back });
  assert.deepEqual(client.user.read(back, 512), ramp);
});

test('DPMS: off makes the screen dark and refuses flips, on brings the picture back', async () => {
  const client = testClient();
  const { ids, display } = client;
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0xffffff);
  await client.setCrtc(fb.id);
  const prop_id = client.properties(ids.connector).get('DPMS')!.id;
  const set = (value: number) =>
    client.wait(I.MODE_SETPROPERTY, { connector_id: ids.connector, prop_id, value: BigInt(value) });
  await set(DPMS.Standby);
  assert.deepEqual(rgb(display.screenshot(), 0, 0), [0, 0, 0]);
  assert.equal(client.properties(ids.connector).get('DPMS')!.value, BigInt(DPMS.Off));
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { crtc_id: ids.crtc, fb_id: fb.id }), 'EINVAL');
  assert.equal(client.fail(I.WAIT_VBLANK, { type: 1, sequence: 1 }), 'EINVAL');
  await set(DPMS.On);
  assert.deepEqual(rgb(display.screenshot(), 0, 0), [255, 255, 255]);
  assert.equal(client.fail(I.MODE_SETPROPERTY, { connector_id: ids.connector, prop_id, value: 9n }), 'EINVAL');
});
