import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL } from '../abi/drm.ts';
import { ARGB8888, fourcc, MOD_LINEAR, RGB565, XRGB8888 } from '../abi/fourcc.ts';
import { CURSOR, FB_FLAG } from '../abi/kms.ts';
import * as I from '../abi/kms-ioctls.ts';
import { FRAME, testClient } from '../testing/display/client.ts';

const four = (value: number): number[] => [value, 0, 0, 0];
const fours = (value: bigint): bigint[] => [value, 0n, 0n, 0n];

test('dumb buffers: rows start at multiples of 64 bytes, sizes are whole pages, memory can be mapped', () => {
  const client = testClient();
  const { handle, pitch, size } = client.run(I.MODE_CREATE_DUMB, { width: 33, height: 10, bpp: 32 });
  assert.equal(pitch, 192);
  assert.equal(size, 4096n);
  const { offset } = client.run(I.MODE_MAP_DUMB, { handle });
  const target = client.file.mmap(offset, 4096, true);
  assert.equal(target.run, client.file.object(handle).run);
  client.run(I.MODE_DESTROY_DUMB, { handle });
  assert.equal(client.fail(I.MODE_MAP_DUMB, { handle }), 'ENOENT');
  assert.equal(client.fail(I.MODE_DESTROY_DUMB, { handle }), 'EINVAL');
});

test('dumb buffers of hostile sizes are refused', () => {
  const client = testClient();
  const max = 0xffffffff;
  for (const size of [
    { width: 0, height: 1, bpp: 32 },
    { width: 1, height: 0, bpp: 32 },
    { width: 1, height: 1, bpp: 0 },
    { width: max, height: max, bpp: 32 },
    { width: max, height: 1, bpp: max },
    { width: 0x10000, height: 0x10000, bpp: 32 },
  ])
    assert.equal(client.fail(I.MODE_CREATE_DUMB, size), 'EINVAL');
  assert.equal(client.fail(I.MODE_CREATE_DUMB, { width: 16384, height: 16384, bpp: 32 }), 'ENOMEM');
  assert.equal(client.display.device.context.dram.used, 0);
});

test('framebuffers that do not fit their buffer, or the display, are refused', () => {
  const client = testClient();
  const { handle, pitch } = client.run(I.MODE_CREATE_DUMB, { width: 64, height: 64, bpp: 32 });
  const good = { width: 64, height: 64, pixel_format: XRGB8888.code, handles: four(handle), pitches: four(pitch) };
  const { fb_id } = client.run(I.MODE_ADDFB2, good);
  client.run(I.MODE_RMFB, { fb_id });
  const bad = (change: object): string => client.fail(I.MODE_ADDFB2, { ...good, ...change });
  assert.equal(bad({ width: 0 }), 'EINVAL');
  assert.equal(bad({ width: 4097 }), 'EINVAL');
  assert.equal(bad({ height: 0xffffffff }), 'EINVAL');
  assert.equal(bad({ height: 65 }), 'EINVAL');
  assert.equal(bad({ offsets: four(4) }), 'EINVAL');
  assert.equal(bad({ offsets: four(0xffffffff) }), 'ERANGE');
  assert.equal(bad({ pitches: four(0xffffffff) }), 'ERANGE');
  assert.equal(bad({ pitches: four(255) }), 'EINVAL');
  assert.equal(bad({ height: 63, offsets: four(2) }), 'EINVAL');
  assert.equal(bad({ handles: four(0) }), 'EINVAL');
  assert.equal(bad({ handles: four(99) }), 'ENOENT');
  assert.equal(bad({ pixel_format: fourcc('NV12') }), 'EINVAL');
  assert.equal(bad({ flags: 4 }), 'EINVAL');
  assert.equal(bad({ modifier: fours(1n) }), 'EINVAL');
  const explicit = { flags: FB_FLAG.MODIFIERS };
  assert.equal(bad({ ...explicit, modifier: fours(1n) }), 'EINVAL');
  assert.equal(bad({ ...explicit, handles: [handle, handle, 0, 0] }), 'EINVAL');
  assert.equal(bad({ ...explicit, modifier: [0n, 1n, 0n, 0n] }), 'EINVAL');
  client.run(I.MODE_ADDFB2, { ...good, ...explicit, modifier: fours(MOD_LINEAR) });
});

test('ADDFB: bits and depth name the format', () => {
  const client = testClient();
  const { handle, pitch } = client.run(I.MODE_CREATE_DUMB, { width: 64, height: 64, bpp: 32 });
  const add = (bpp: number, depth: number): number => {
    const { fb_id } = client.run(I.MODE_ADDFB, { width: 64, height: 64, bpp, depth, pitch, handle });
    return client.run(I.MODE_GETFB2, { fb_id }).pixel_format;
  };
  assert.equal(add(32, 24), XRGB8888.code);
  assert.equal(add(32, 32), ARGB8888.code);
  assert.equal(add(16, 16), RGB565.code);
  assert.equal(client.fail(I.MODE_ADDFB, { width: 64, height: 64, bpp: 7, depth: 3, pitch, handle }), 'EINVAL');
});

test('GETFB tells the shape to everybody, the buffer to the master alone', () => {
  const client = testClient();
  const fb = client.framebuffer(64, 32);
  const shown = client.run(I.MODE_GETFB, { fb_id: fb.id });
  assert.deepEqual([shown.width, shown.height, shown.bpp, shown.depth, shown.pitch], [64, 32, 32, 24, 256]);
  assert.equal(client.file.object(shown.handle), client.file.object(fb.handle));
  client.run(DRM_IOCTL.DROP_MASTER);
  assert.equal(client.run(I.MODE_GETFB, { fb_id: fb.id }).handle, 0);
  assert.deepEqual(client.run(I.MODE_GETFB2, { fb_id: fb.id }).handles, [0, 0, 0, 0]);
});

test('GETFB makes a handle that is closed apart from others of its buffer', () => {
  const client = testClient();
  const { file } = client;
  const fb = client.framebuffer(64, 32);
  const [first, second] = [0, 0].map(() => client.run(I.MODE_GETFB, { fb_id: fb.id }).handle) as [number, number];
  const { handles } = client.run(I.MODE_GETFB2, { fb_id: fb.id });
  assert.equal(new Set([fb.handle, first, second, handles[0]]).size, 4);
  const { offset } = client.run(I.MODE_MAP_DUMB, { handle: second });
  for (const handle of [fb.handle, first]) client.run(DRM_IOCTL.GEM_CLOSE, { handle });
  assert.equal(client.fail(I.MODE_MAP_DUMB, { handle: first }), 'ENOENT');
  assert.equal(file.mmap(offset, 4096, true).offset, 0);
  for (const handle of [second, handles[0]!]) client.run(DRM_IOCTL.GEM_CLOSE, { handle });
  assert.throws(() => file.mmap(offset, 4096, true), { errno: 'EINVAL' });
});

test('GETFB gives the superuser the buffer, too', () => {
  const client = testClient();
  const fb = client.framebuffer(64, 32);
  client.run(DRM_IOCTL.DROP_MASTER);
  client.user.capabilities.add('SYS_ADMIN');
  assert.notEqual(client.run(I.MODE_GETFB, { fb_id: fb.id }).handle, 0);
  assert.notEqual(client.run(I.MODE_GETFB2, { fb_id: fb.id }).handles[0], 0);
});

test('a framebuffer keeps its buffer, and goes with its file', () => {
  const client = testClient();
  const { dram } = client.display.device.context;
  const fb = client.framebuffer(64, 64);
  client.run(I.MODE_DESTROY_DUMB, { handle: fb.handle });
  assert.ok(dram.used > 0);
  client.file.close();
  assert.equal(dram.used, 0);
});

test('RMFB: of another file is ENOENT; CLOSEFB leaves the picture on the screen', async () => {
  const client = testClient();
  const { display } = client;
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0xffffff);
  await client.setCrtc(fb.id);
  assert.equal(client.fail(I.MODE_RMFB, { fb_id: fb.id + 1000 }), 'ENOENT');
  client.run(I.MODE_CLOSEFB, { fb_id: fb.id });
  assert.equal(client.fail(I.MODE_CLOSEFB, { fb_id: fb.id }), 'ENOENT');
  client.clock.advance(50_000_000);
  assert.equal(display.screenshot().data[0], 255);
});

test('RMFB of the shown framebuffer returns when the plane is off', async () => {
  const client = testClient();
  const { display, ids } = client;
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0xffffff);
  await client.setCrtc(fb.id);
  let dark = 0;
  display.onDark(() => {
    dark++;
    assert.equal(display.screenshot().data[0], 255);
  });
  await client.wait(I.MODE_RMFB, { fb_id: fb.id });
  assert.equal(dark, 1);
  assert.equal(display.screenshot().data[0], 0);
  assert.equal(client.run(I.MODE_GETPLANE, { plane_id: ids.primary }).fb_id, 0);
  assert.equal(client.run(I.MODE_GETCRTC, { crtc_id: ids.crtc }).mode_valid, 1);
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { crtc_id: ids.crtc, fb_id: fb.id }), 'EBUSY');
});

test('a client that dies leaves no memory behind, even in the middle of a flip', async () => {
  const client = testClient();
  const { dram } = client.display.device.context;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  await client.setCrtc(a.id);
  client.run(I.MODE_PAGE_FLIP, { crtc_id: client.ids.crtc, fb_id: b.id, flags: 1 });
  client.file.close();
  for (let i = 0; i < 4; i++) client.clock.advance(17_000_000);
  assert.equal(dram.used, 0);
  assert.equal(client.events.length, 0);
});

test('a cursor goes with the file that set it, a closed framebuffer with the last file', async () => {
  const client = testClient();
  const { device } = client.display;
  const { dram } = device.context;
  const other = device.open('primary', 200);
  const { id, handle } = client.framebuffer(1024, 768);
  await client.setCrtc(id);
  client.run(I.MODE_CLOSEFB, { fb_id: id });
  const picture = client.file.object(handle).size;
  const cursor = client.run(I.MODE_CREATE_DUMB, { width: 64, height: 64, bpp: 32 }).handle;
  const image = { crtc_id: client.ids.crtc, flags: CURSOR.BO, width: 64, height: 64, handle: cursor };
  client.run(I.MODE_CURSOR, image);
  client.run(I.MODE_CURSOR, image);
  client.clock.advance(FRAME);
  client.file.close();
  client.clock.advance(2 * FRAME);
  assert.equal(dram.used, picture);
  other.close();
  client.clock.advance(2 * FRAME);
  assert.equal(dram.used, 0);
});

test('DIRTYFB: clips are checked', () => {
  const client = testClient();
  const { id: fb_id } = client.framebuffer(64, 64);
  client.run(I.MODE_DIRTYFB, { fb_id });
  assert.equal(client.fail(I.MODE_DIRTYFB, { fb_id, num_clips: 1 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_DIRTYFB, { fb_id, num_clips: 0xffffffff, clips_ptr: 0x10000n }), 'EINVAL');
  assert.equal(client.fail(I.MODE_DIRTYFB, { fb_id, num_clips: 1, clips_ptr: 1n }), 'EFAULT');
  assert.equal(client.fail(I.MODE_DIRTYFB, { fb_id: 0 }), 'ENOENT');
});
