import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ATOMIC, BLEND_MODE, FLIP } from '../abi/kms.ts';
import * as I from '../abi/kms-ioctls.ts';
import { ModeInfo } from '../abi/kms-structs.ts';
import { Fence } from '../drm/fence.ts';
import { SyncFile } from '../drm/sync-file.ts';
import { FRAME, type Settings, type TestClient, testClient } from '../testing/display/client.ts';

const rgb = ({ width, data }: { width: number; data: Uint8Array }, x = 0, y = 0): number[] => [
  ...data.subarray((y * width + x) * 4, (y * width + x) * 4 + 3),
];

const whole = (fb: number, crtc: number, width = 1024, height = 768) => ({
  FB_ID: fb,
  CRTC_ID: crtc,
  SRC_X: 0,
  SRC_Y: 0,
  SRC_W: width << 16,
  SRC_H: height << 16,
  CRTC_X: 0,
  CRTC_Y: 0,
  CRTC_W: width,
  CRTC_H: height,
});

function modesetSettings(client: TestClient, fb: number): Settings {
  const { crtc, connector, primary } = client.ids;
  const blob = client.blob(ModeInfo.pack(client.modes()[0]!));
  return {
    [connector]: { CRTC_ID: crtc },
    [crtc]: { MODE_ID: blob, ACTIVE: 1 },
    [primary]: whole(fb, crtc),
  };
}

async function modeset(client: TestClient, fb: number): Promise<void> {
  client.setCap('ATOMIC');
  await client.wait(I.MODE_ATOMIC, client.atomic(modesetSettings(client, fb), ATOMIC.ALLOW_MODESET));
}

const outFence = (client: TestClient): { pointer: bigint; fd: () => number } => {
  const pointer = client.user.putU32(0x55555555);
  return { pointer, fd: () => new DataView(client.user.read(pointer, 4).buffer).getInt32(0, true) };
};

test('modeset and flips with fences, as kmscube does them', async () => {
  const client = testClient();
  const { display, ids, clock } = client;
  client.setCap('ATOMIC');
  const fbs = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  client.fill(fbs[0]!.handle, 0xff0000);
  client.fill(fbs[1]!.handle, 0x00ff00);
  let previous: SyncFile | undefined;
  for (let frame = 0; frame < 6; frame++) {
    const fb = fbs[frame % 2]!;
    const rendering = new Fence(clock, 'panthor', 'test');
    const fd = client.user.addDescriptor({ kind: 'sync-file', syncFile: new SyncFile('in', [rendering]) });
    const out = outFence(client);
    const settings: Settings =
      frame === 0 ? modesetSettings(client, fb.id) : { [ids.primary]: whole(fb.id, ids.crtc), [ids.crtc]: {} };
    settings[ids.crtc]!.OUT_FENCE_PTR = out.pointer;
    settings[ids.primary]!.IN_FENCE_FD = fd;
    const flags = ATOMIC.NONBLOCK | (frame === 0 ? ATOMIC.ALLOW_MODESET : 0);
    client.run(I.MODE_ATOMIC, client.atomic(settings, flags));
    const descriptor = client.user.descriptor(out.fd());
    assert.ok(descriptor.kind === 'sync-file');
    previous = descriptor.syncFile;
    clock.advance(3 * FRAME);
    assert.equal(previous.signaled, false);
    assert.equal(display.frames, frame);
    rendering.signal();
    assert.equal(previous.signaled, false);
    clock.advance(FRAME);
    assert.equal(previous.signaled, true);
    assert.equal(display.frames, frame + 1);
    assert.deepEqual(rgb(display.screenshot()), frame % 2 ? [0, 255, 0] : [255, 0, 0]);
  }
});

test('test-only: says what would happen and changes nothing', async () => {
  const client = testClient();
  const { ids } = client;
  client.setCap('ATOMIC');
  const fb = client.framebuffer(1024, 768);
  const settings = modesetSettings(client, fb.id);
  const out = outFence(client);
  Object.assign(settings[ids.crtc]!, { OUT_FENCE_PTR: out.pointer });
  client.run(I.MODE_ATOMIC, client.atomic(settings, ATOMIC.TEST_ONLY | ATOMIC.ALLOW_MODESET));
  assert.equal(out.fd(), -1);
  assert.equal(client.properties(ids.crtc).get('ACTIVE')!.value, 0n);
  assert.equal(client.run(I.MODE_GETPLANE, { plane_id: ids.primary }).fb_id, 0);
  assert.equal(client.fail(I.MODE_ATOMIC, client.atomic(settings, ATOMIC.TEST_ONLY)), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, client.atomic(settings, ATOMIC.TEST_ONLY | FLIP.EVENT)), 'EINVAL');
});

test('a failing commit leaves -1 where its out-fence would be', async () => {
  const client = testClient();
  const { ids } = client;
  const fb = client.framebuffer(1024, 768);
  await modeset(client, fb.id);
  const out = outFence(client);
  const bad = client.atomic({ [ids.crtc]: { OUT_FENCE_PTR: out.pointer }, [ids.primary]: { SRC_W: 2000 << 16 } });
  assert.equal(client.fail(I.MODE_ATOMIC, bad), 'ENOSPC');
  assert.equal(out.fd(), -1);
});

test('a non-blocking commit while another is under way is EBUSY, a blocking one waits its turn', async () => {
  const client = testClient();
  const { ids } = client;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  await modeset(client, a.id);
  const flip = (id: number, flags: number) => client.atomic({ [ids.primary]: whole(id, ids.crtc) }, flags, 5n);
  client.run(I.MODE_ATOMIC, flip(b.id, ATOMIC.NONBLOCK | FLIP.EVENT));
  assert.equal(client.fail(I.MODE_ATOMIC, flip(a.id, ATOMIC.NONBLOCK | FLIP.EVENT)), 'EBUSY');
  assert.equal(client.fail(I.MODE_PAGE_FLIP, { crtc_id: ids.crtc, fb_id: a.id }), 'EBUSY');
  await client.wait(I.MODE_ATOMIC, flip(a.id, FLIP.EVENT));
  assert.equal(client.events.length, 2);
  const [first, second] = client.events;
  assert.equal(Number(second!.sequence) - Number(first!.sequence), 1);
  assert.equal(first!.user_data, 5n);
});

test('implicit fences: a flip waits for who still writes the buffer, not for who reads it', async () => {
  const client = testClient();
  const { ids, clock, display } = client;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  await modeset(client, a.id);
  const { resv } = client.file.object(b.handle);
  const [writer, reader] = [new Fence(clock, 'panthor', 'w'), new Fence(clock, 'panthor', 'r')];
  resv.add(writer, 'write');
  resv.add(reader, 'read');
  client.run(I.MODE_PAGE_FLIP, { crtc_id: ids.crtc, fb_id: b.id, flags: FLIP.EVENT });
  clock.advance(5 * FRAME);
  assert.equal(display.frames, 1);
  writer.signal();
  clock.advance(FRAME);
  assert.equal(display.frames, 2);
  assert.equal(client.events.length, 1);
});

test('IN_FENCE_FD: anything but a sync file is EINVAL, -1 is none', async () => {
  const client = testClient();
  const { ids } = client;
  const fb = client.framebuffer(1024, 768);
  await modeset(client, fb.id);
  const set = (fd: number, flags = ATOMIC.TEST_ONLY) => client.atomic({ [ids.primary]: { IN_FENCE_FD: fd } }, flags);
  assert.equal(client.fail(I.MODE_ATOMIC, set(99)), 'EINVAL');
  const eventfd = client.user.addDescriptor({ kind: 'eventfd', signal: () => {}, close: () => {} });
  assert.equal(client.fail(I.MODE_ATOMIC, set(eventfd)), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, set(-2)), 'EINVAL');
  client.run(I.MODE_ATOMIC, set(-1));
});

test('states that cannot be are refused', async () => {
  const client = testClient();
  const { ids } = client;
  const fb = client.framebuffer(1024, 768);
  await modeset(client, fb.id);
  const { crtc, primary, overlay, connector } = ids;
  const bad = (settings: Settings, flags: number = ATOMIC.ALLOW_MODESET): string =>
    client.fail(I.MODE_ATOMIC, client.atomic(settings, flags | ATOMIC.TEST_ONLY));
  assert.equal(bad({ [primary]: { FB_ID: 0 } }), 'EINVAL');
  assert.equal(bad({ [primary]: { CRTC_ID: 0 } }), 'EINVAL');
  assert.equal(bad({ [overlay]: { FB_ID: fb.id } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { MODE_ID: 0 } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { MODE_ID: 0, ACTIVE: 0 } }), 'EINVAL');
  assert.equal(bad({ [connector]: { CRTC_ID: 0 } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { MODE_ID: client.blob(new Uint8Array(10)) } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { MODE_ID: client.blob(new Uint8Array(ModeInfo.size)) } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { MODE_ID: fb.id } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { GAMMA_LUT: client.blob(new Uint8Array(7)) } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { GAMMA_LUT: client.blob(new Uint8Array(257 * 8)) } }), 'EINVAL');
  assert.equal(bad({ [primary]: { FB_ID: crtc } }), 'EINVAL');
  assert.equal(bad({ [primary]: { type: 0 } }), 'EINVAL');
  assert.equal(bad({ [primary]: { alpha: 0x10000 } }), 'EINVAL');
  assert.equal(bad({ [primary]: { 'pixel blend mode': 3 } }), 'EINVAL');
  assert.equal(bad({ [primary]: { CRTC_X: -(2n ** 31n) - 1n } }), 'EINVAL');
  assert.equal(bad({ [primary]: { CRTC_W: 2n ** 31n } }), 'EINVAL');
  assert.equal(bad({ [primary]: { SRC_X: 2n ** 32n } }), 'EINVAL');
  assert.equal(bad({ [primary]: { CRTC_W: 2 ** 31 - 1, CRTC_X: 1 } }), 'ERANGE');
  assert.equal(bad({ [primary]: { SRC_W: 100 << 16 } }), 'ERANGE');
  assert.equal(bad({ [connector]: { DPMS: 0 } }), 'EINVAL');
  assert.equal(bad({ [crtc]: { ACTIVE: 0 } }, 0), 'EINVAL');
});

test('hostile arguments: unknown objects, absurd counts, bad addresses', async () => {
  const client = testClient();
  const { ids } = client;
  const good = { objs_ptr: client.user.putU32(ids.crtc), count_props_ptr: client.user.putU32(1) };
  assert.equal(client.fail(I.MODE_ATOMIC, {}), 'EINVAL');
  client.setCap('ATOMIC');
  assert.equal(client.fail(I.MODE_ATOMIC, { flags: 0x8000 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, { reserved: 1n }), 'EINVAL');
  const endless = client.user.putU32(...Array(4097).fill(ids.crtc));
  const none = client.user.putU32(...Array(4097).fill(0));
  const objects = { objs_ptr: endless, count_props_ptr: none };
  assert.equal(client.fail(I.MODE_ATOMIC, { ...objects, count_objs: 0xffffffff }), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, { count_objs: 1 }), 'EFAULT');
  assert.equal(client.fail(I.MODE_ATOMIC, { ...good, count_objs: 1 }), 'EFAULT');
  const active = client.properties(ids.crtc).get('ACTIVE')!.id;
  const many = {
    ...good,
    count_objs: 1,
    count_props_ptr: client.user.putU32(0xffffffff),
    props_ptr: client.user.putU32(...Array(65537).fill(active)),
    prop_values_ptr: client.user.put(65537 * 8),
  };
  assert.equal(client.fail(I.MODE_ATOMIC, many), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, client.atomic({ 999: {} })), 'ENOENT');
  const edid = client.properties(ids.connector).get('EDID')!.id;
  const foreign = {
    ...good,
    count_objs: 1,
    props_ptr: client.user.putU32(edid),
    prop_values_ptr: client.user.putU64(0n),
  };
  assert.equal(client.fail(I.MODE_ATOMIC, foreign), 'ENOENT');
  const property = { ...good, count_objs: 1, objs_ptr: client.user.putU32(edid) };
  assert.equal(client.fail(I.MODE_ATOMIC, { ...property, count_props_ptr: client.user.putU32(0) }), 'ENOENT');
  assert.equal(client.fail(I.MODE_ATOMIC, { flags: FLIP.EVENT }), 'EINVAL');
  await client.wait(I.MODE_ATOMIC, {});
});

test('what is wrong is told in the order in which the kernel meets it', async () => {
  const client = testClient();
  client.setCap('ATOMIC');
  const { ids, user } = client;
  // The client's memory ends right behind what it filled in, or so it would if its counts were true.
  const end = user.base + BigInt(user.memory.length);
  user.write(end - 8n, new Uint8Array(new Uint32Array([ids.crtc, 0xdead]).buffer));
  const counts = user.putU32(0, 1);
  const args = { objs_ptr: end - 8n, count_props_ptr: counts, count_objs: 0x3fffffff };
  assert.equal(client.fail(I.MODE_ATOMIC, args), 'ENOENT');
  user.write(end - 4n, new Uint8Array(new Uint32Array([ids.crtc]).buffer));
  assert.equal(client.fail(I.MODE_ATOMIC, args), 'EFAULT');
  await client.wait(I.MODE_ATOMIC, { ...args, count_objs: 1 });
  // An object that is unknown comes after the bad value of the one before it.
  const { id } = client.properties(ids.crtc).get('ACTIVE')!;
  const values = { props_ptr: user.putU32(id), prop_values_ptr: user.putU64(7n) };
  const both = {
    ...values,
    objs_ptr: user.putU32(ids.crtc, 0xdead),
    count_props_ptr: user.putU32(1, 1),
    count_objs: 2,
  };
  assert.equal(client.fail(I.MODE_ATOMIC, both), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, { ...both, prop_values_ptr: user.putU64(0n) }), 'ENOENT');
});

test('events of a CRTC that is off are refused; switching off sends its event at the end of the frame', async () => {
  const client = testClient();
  const { ids, display } = client;
  client.setCap('ATOMIC');
  assert.equal(client.fail(I.MODE_ATOMIC, client.atomic({ [ids.crtc]: {} }, FLIP.EVENT)), 'EINVAL');
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0xffffff);
  await modeset(client, fb.id);
  const off: Settings = {
    [ids.crtc]: { ACTIVE: 0, MODE_ID: 0 },
    [ids.connector]: { CRTC_ID: 0 },
    [ids.primary]: { FB_ID: 0, CRTC_ID: 0 },
  };
  client.run(I.MODE_ATOMIC, client.atomic(off, ATOMIC.ALLOW_MODESET | ATOMIC.NONBLOCK | FLIP.EVENT));
  assert.equal(client.events.length, 0);
  assert.deepEqual(rgb(display.screenshot()), [255, 255, 255]);
  client.clock.advance(FRAME);
  assert.equal(client.events.length, 1);
  assert.deepEqual(rgb(display.screenshot()), [0, 0, 0]);
  client.run(I.MODE_RMFB, { fb_id: fb.id });
});

test('asynchronous flips change the framebuffer of the primary plane and nothing else', async () => {
  const client = testClient();
  const { ids, display } = client;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  client.fill(b.handle, 0xffffff);
  await modeset(client, a.id);
  const flags = FLIP.ASYNC | FLIP.EVENT | ATOMIC.NONBLOCK;
  const flip = (settings: Record<string, number>) => client.atomic({ [ids.primary]: settings }, flags);
  assert.equal(client.fail(I.MODE_ATOMIC, flip({ FB_ID: b.id, CRTC_X: 1 })), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, client.atomic({ [ids.crtc]: { ACTIVE: 0 } }, flags)), 'EINVAL');
  assert.equal(client.fail(I.MODE_ATOMIC, client.atomic({ [ids.overlay]: { FB_ID: b.id } }, flags)), 'EINVAL');
  client.run(I.MODE_ATOMIC, flip({ FB_ID: b.id, CRTC_X: 0 }));
  assert.equal(client.events.length, 1);
  assert.deepEqual(rgb(display.screenshot()), [255, 255, 255]);
});

test('planes are blended by zpos, alpha and blend mode', async () => {
  const client = testClient();
  const { ids, display } = client;
  const below = client.framebuffer(1024, 768);
  client.fill(below.handle, 0x0000ff);
  await modeset(client, below.id);
  const { handle, pitch } = client.run(I.MODE_CREATE_DUMB, { width: 64, height: 64, bpp: 32 });
  client.fill(handle, 0x80_800000);
  const { fb_id } = client.run(I.MODE_ADDFB, { width: 64, height: 64, bpp: 32, depth: 32, pitch, handle });
  const show = async (settings: Record<string, number>): Promise<number[]> => {
    const overlay = { ...whole(fb_id, ids.crtc, 64, 64), ...settings };
    await client.wait(I.MODE_ATOMIC, client.atomic({ [ids.overlay]: overlay }));
    return rgb(display.screenshot());
  };
  assert.deepEqual(await show({}), [0x80, 0, 0x7f]);
  assert.deepEqual(await show({ 'pixel blend mode': BLEND_MODE.Coverage }), [0x40, 0, 0x7f]);
  assert.deepEqual(await show({ 'pixel blend mode': BLEND_MODE.None }), [0x80, 0, 0]);
  assert.deepEqual(await show({ alpha: 0x8000 }), [0x40, 0, 0x7f]);
  assert.deepEqual(await show({ alpha: 0xffff, zpos: 0 }), [0x80, 0, 0]);
  await client.wait(I.MODE_ATOMIC, client.atomic({ [ids.primary]: { zpos: 2 } }));
  assert.deepEqual(rgb(display.screenshot()), [0, 0, 255]);
});

test('GAMMA_LUT: a table in a blob, and none again', async () => {
  const client = testClient();
  const { ids, display } = client;
  const fb = client.framebuffer(1024, 768);
  client.fill(fb.handle, 0xff8000);
  await modeset(client, fb.id);
  const black = client.blob(new Uint8Array(256 * 8));
  await client.wait(I.MODE_ATOMIC, client.atomic({ [ids.crtc]: { GAMMA_LUT: black } }));
  assert.deepEqual(rgb(display.screenshot()), [0, 0, 0]);
  client.run(I.MODE_DESTROYPROPBLOB, { blob_id: black });
  assert.equal(client.properties(ids.crtc).get('GAMMA_LUT')!.value, BigInt(black));
  await client.wait(I.MODE_ATOMIC, client.atomic({ [ids.crtc]: { GAMMA_LUT: 0 } }));
  assert.deepEqual(rgb(display.screenshot()), [255, 128, 0]);
  assert.equal(client.fail(I.MODE_GETPROPBLOB, { blob_id: black }), 'ENOENT');
});

test('a fence that never signals does not keep a dying client from leaving; the next one has the display', async () => {
  const client = testClient();
  const { ids, clock, display } = client;
  const [a, b] = [client.framebuffer(1024, 768), client.framebuffer(1024, 768)];
  await modeset(client, a.id);
  const stuck = new Fence(clock, 'panthor', 'stuck');
  const fd = client.user.addDescriptor({ kind: 'sync-file', syncFile: new SyncFile('in', [stuck]) });
  const flip = { [ids.primary]: { FB_ID: b.id, IN_FENCE_FD: fd } };
  client.run(I.MODE_ATOMIC, client.atomic(flip, ATOMIC.NONBLOCK | FLIP.EVENT));
  client.file.close();
  stuck.signal('ECANCELED');
  for (let i = 0; i < 4; i++) clock.advance(FRAME);
  assert.equal(display.device.context.dram.used, 0);
  assert.deepEqual(rgb(display.screenshot()), [0, 0, 0]);
  assert.equal(client.events.length, 0);
});

test('one property at a time: OBJ_SETPROPERTY makes a commit of its own', async () => {
  const client = testClient();
  const { ids } = client;
  const fb = client.framebuffer(1024, 768);
  await modeset(client, fb.id);
  const alpha = client.properties(ids.primary).get('alpha')!.id;
  const set = { obj_id: ids.primary, obj_type: 0, prop_id: alpha, value: 5n };
  await client.wait(I.MODE_OBJ_SETPROPERTY, set);
  assert.equal(client.properties(ids.primary).get('alpha')!.value, 5n);
  assert.equal(client.fail(I.MODE_OBJ_SETPROPERTY, { ...set, obj_id: 0 }), 'ENOENT');
  assert.equal(client.fail(I.MODE_OBJ_SETPROPERTY, { ...set, prop_id: 0 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_OBJ_SETPROPERTY, { ...set, value: 1n << 40n }), 'EINVAL');
});
