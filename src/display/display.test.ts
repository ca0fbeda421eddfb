import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENT, FLIP } from '../abi/kms.ts';
import * as I from '../abi/kms-ioctls.ts';
import { FRAME, testClient } from '../testing/display/client.ts';

const pixel = (picture: { width: number; data: Uint8Array }, x: number, y: number): number[] => [
  ...picture.data.subarray((y * picture.width + x) * 4, (y * picture.width + x) * 4 + 4),
];

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a dumb buffer set on the CRTC is what the screen shows', async () => {
  const client = testClient();
  const { display } = client;
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0x00_ff8040);
  assert.deepEqual(pixel(display.screenshot(), 5, 5), [0, 0, 0, 255]);
  await client.setCrtc(fb.id);
  const picture = display.screenshot();
  assert.deepEqual([picture.width, picture.height], [1024, 768]);
  assert.deepEqual(pixel(picture, 0, 0), [0xff, 0x80, 0x40, 255]);
  assert.deepEqual(pixel(picture, 1023, 767), [0xff, 0x80, 0x40, 255]);
  assert.equal(display.frames, 1);
});

test('a page flip is shown at the next vertical blank, and then sends its event', async () => {
  const client = testClient();
  const { display, ids } = client;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  client.fill(b.handle, 0x00_0000ff);
  await client.setCrtc(a.id);
  client.run(I.MODE_PAGE_FLIP, { crtc_id: ids.crtc, fb_id: b.id, flags: FLIP.EVENT, user_data: 77n });
  assert.deepEqual(pixel(display.screenshot(), 0, 0), [0, 0, 0, 255]);
  assert.equal(client.events.length, 0);
  client.clock.advance(FRAME);
  assert.deepEqual(pixel(display.screenshot(), 0, 0), [0, 0, 255, 255]);
  assert.equal(client.events.length, 1);
  const event = client.events[0]!;
  assert.equal(event.type, EVENT.FLIP_COMPLETE);
  assert.equal(event.length, 32);
  assert.equal(event.user_data, 77n);
  assert.ok('crtc_id' in event && event.crtc_id === ids.crtc);
});

test('a display that sleeps is dark and has no vertical blanks, and wakes with the picture that it had', async () => {
  const client = testClient();
  const { display, ids, clock } = client;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  client.fill(a.handle, 0x00_ff8040);
  client.fill(b.handle, 0x00_0000ff);
  await client.setCrtc(a.id);
  const flip = { crtc_id: ids.crtc, fb_id: b.id, flags: FLIP.EVENT, user_data: 7n };
  client.run(I.MODE_PAGE_FLIP, flip);
  // What is under way comes first.
  const sleeping = display.sleep();
  clock.advance(FRAME);
  await breathe();
  assert.equal(client.events.length, 1);
  clock.advance(FRAME);
  const wake = await sleeping;
  assert.deepEqual(pixel(display.screenshot(), 5, 5), [0, 0, 0, 255]);
  assert.equal(client.fail(I.WAIT_VBLANK, { type: 1, sequence: 1 }), 'EINVAL');
  const { changes } = display;
  clock.advance(60e9);
  assert.equal(display.changes, changes, 'nothing happens while it sleeps');
  const awake = wake();
  clock.advance(FRAME);
  await awake;
  assert.deepEqual(pixel(display.screenshot(), 5, 5), [0, 0, 255, 255]);
  client.run(I.MODE_PAGE_FLIP, { ...flip, fb_id: a.id });
  clock.advance(FRAME);
  assert.deepEqual(pixel(display.screenshot(), 5, 5), [0xff, 0x80, 0x40, 255]);
});

test('a display whose client has gone while it slept stays dark when it wakes, and so does one that was off', async () => {
  const client = testClient();
  const { display, clock } = client;
  await (await display.sleep())();
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0x00_ff8040);
  await client.setCrtc(fb.id);
  const sleeping = display.sleep();
  clock.advance(FRAME);
  const wake = await sleeping;
  client.file.close();
  await wake();
  clock.advance(FRAME);
  assert.deepEqual(pixel(display.screenshot(), 5, 5), [0, 0, 0, 255]);
  assert.deepEqual(display.config.usage, { framebuffers: 0, blobs: 0, commits: 0 });
});

test('a second flip before the first is shown is refused with EBUSY', async () => {
  const client = testClient();
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  await client.setCrtc(a.id);
  const flip = { crtc_id: client.ids.crtc, fb_id: b.id };
  client.run(I.MODE_PAGE_FLIP, flip);
  assert.equal(client.fail(I.MODE_PAGE_FLIP, flip), 'EBUSY');
  client.clock.advance(FRAME);
  client.run(I.MODE_PAGE_FLIP, flip);
});
