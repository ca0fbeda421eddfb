import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XRGB8888 } from '../../abi/fourcc.ts';
import { MODE_FLAG, MODE_TYPE, OBJECT } from '../../abi/kms.ts';
import type { ModeInfo } from '../../abi/kms-structs.ts';
import { testContext } from '../../testing/drm/client.ts';
import { Fence } from '../fence.ts';
import { GemObject } from '../gem.ts';
import { AtomicCommit } from './atomic.ts';
import { ModeConfig } from './config.ts';
import { Connector, Encoder } from './connector.ts';
import { Crtc, setModeBlob } from './crtc.ts';
import type { FrameTime } from './events.ts';
import { Framebuffer } from './framebuffer.ts';
import { checkedMode, modeBytes, nameBytes, refreshRate } from './mode.ts';
import { ObjectTable } from './object.ts';
import { Plane } from './plane.ts';
import { Blob, propertyMaker } from './property.ts';
import { Vblank } from './vblank.ts';

const MODE: ModeInfo = {
  clock: 65000,
  hdisplay: 1024,
  hsync_start: 1048,
  hsync_end: 1184,
  htotal: 1344,
  hskew: 0,
  vdisplay: 768,
  vsync_start: 771,
  vsync_end: 777,
  vtotal: 806,
  vscan: 0,
  vrefresh: 0,
  flags: 0,
  type: 0,
  name: nameBytes('1024x768'),
};

/** A frame counter that is moved by hand. */
function handCounter() {
  const counter = {
    frame: 0n,
    enabled: false,
    enable: (on: boolean): void => {
      counter.enabled = on;
    },
    read: (): FrameTime => ({ sequence: counter.frame, time: counter.frame * 16n }),
  };
  return counter;
}

/** A pipeline on hardware that shows a commit when the test says so. */
function pipeline() {
  const context = testContext();
  const programmed: { commit: AtomicCommit; show: () => void }[] = [];
  const config = new ModeConfig(
    context,
    {
      check: () => {},
      program: (commit, _immediate, shown) =>
        programmed.push({ commit, show: () => shown({ sequence: 0n, time: 0n }) }),
      drawn: () => {},
    },
    { driver: 'test', maxWidth: 4096, maxHeight: 4096 },
  );
  const formats = { formats: [XRGB8888.code], modifiers: [0n], zpos: 0 };
  const primary = new Plane(config, { name: 'primary', type: 'Primary', ...formats });
  const cursor = new Plane(config, { name: 'cursor', type: 'Cursor', ...formats });
  config.planes.push(primary, cursor);
  const crtc = new Crtc(config, { name: 'crtc', primary, cursor, vblank: new Vblank(handCounter()), gammaSize: 0 });
  config.crtcs.push(crtc);
  const encoder = new Encoder(config);
  const connector = new Connector(config, {
    name: 'test',
    type: 11,
    typeId: 1,
    encoder,
    edid: new Uint8Array(128),
    modes: [MODE],
    widthMm: 1,
    heightMm: 1,
  });
  config.connectors.push(connector);
  const framebuffer = (): Framebuffer => {
    const object = new GemObject(context.dram, context.dram.allocShared('test', 1024 * 768 * 4));
    const shape = { width: 1024, height: 768, format: XRGB8888, modifier: 0n, pitch: 4096, offset: 0 };
    const fb = new Framebuffer(config.objects, shape, object);
    object.put();
    return fb;
  };
  const commit = (fb: Framebuffer): AtomicCommit => {
    const next = new AtomicCommit(config);
    const change = next.crtc(crtc);
    if (!crtc.state.mode) {
      setModeBlob(change, new Blob(config.objects, modeBytes(MODE)));
      change.next.active = true;
      next.setConnectorCrtc(next.connector(connector), crtc);
    }
    const plane = next.plane(primary);
    next.setPlaneCrtc(plane, crtc);
    next.setFramebuffer(plane, fb);
    Object.assign(plane.next, { crtcW: 1024, crtcH: 768, srcW: 1024 << 16, srcH: 768 << 16 });
    return next;
  };
  return { context, config, crtc, primary, programmed, framebuffer, commit };
}

test('commits reach the hardware one by one, in order, each after its fences', async () => {
  const { context, config, programmed, framebuffer, commit } = pipeline();
  const [a, b] = [framebuffer(), framebuffer()];
  const fence = new Fence(context.clock, 'test', 'test');
  a.object.resv.add(fence, 'write');
  const order: string[] = [];
  const first = config.queue.submit(commit(a), { nonblock: false })?.then(() => order.push('a'));
  const second = config.queue.submit(commit(b), { nonblock: false })?.then(() => order.push('b'));
  assert.equal(programmed.length, 0);
  fence.signal();
  assert.equal(programmed.length, 1);
  programmed[0]!.show();
  assert.equal(programmed.length, 2);
  programmed[1]!.show();
  await Promise.all([first, second]);
  assert.deepEqual(order, ['a', 'b']);
  assert.equal(config.queue.busy, false);
});

test('a replaced framebuffer lives until the next one is shown', () => {
  const { context, config, programmed, framebuffer, commit } = pipeline();
  const [a, b] = [framebuffer(), framebuffer()];
  void config.queue.submit(commit(a), { nonblock: true });
  programmed[0]!.show();
  a.put();
  void config.queue.submit(commit(b), { nonblock: true });
  const both = context.dram.used;
  assert.equal(both, 2 * 1024 * 768 * 4);
  programmed[1]!.show();
  assert.equal(context.dram.used, both / 2);
  assert.throws(() => a.put(), /one reference too many/);
});

test('a commit that fails its check leaves the state as it was', () => {
  const { config, primary, programmed, framebuffer, commit } = pipeline();
  const bad = commit(framebuffer());
  bad.plane(primary).next.srcX = 1;
  const before = primary.state;
  assert.throws(() => config.queue.submit(bad, { nonblock: true }), { errno: 'ENOSPC' });
  assert.equal(primary.state, before);
  assert.equal(programmed.length, 0);
});

test('properties admit the values of their range, signed range, enum, bitmask, object and blob', () => {
  const table = new ObjectTable();
  const make = propertyMaker(table);
  const range = make.range('range', 2n, 5n);
  assert.deepEqual(
    [1n, 2n, 5n, 6n].map((value) => range.admits(value, table)),
    [false, true, true, false],
  );
  const signed = make.signed('signed', -3n, 3n);
  const minus = (value: bigint): bigint => BigInt.asUintN(64, -value);
  assert.deepEqual(
    [minus(4n), minus(3n), 3n, 4n].map((value) => signed.admits(value, table)),
    [false, true, true, false],
  );
  const bits = make.bitmask('bits', { a: 0, b: 4 });
  assert.deepEqual(
    [0n, 0x11n, 2n].map((value) => bits.admits(value, table)),
    [true, true, false],
  );
  const choice = make.enum('choice', { a: 1, b: 7 });
  assert.deepEqual(
    [1n, 7n, 2n].map((value) => choice.admits(value, table)),
    [true, true, false],
  );
  const blob = new Blob(table, Uint8Array.of(1));
  const blobs = make.blob('blob');
  assert.deepEqual(
    [0n, BigInt(blob.id), BigInt(range.id)].map((value) => blobs.admits(value, table)),
    [true, true, false],
  );
  const object = make.object('object', 'blob');
  assert.deepEqual([object.admits(BigInt(blob.id), table), object.admits(99n, table)], [true, false]);
  assert.equal(make.range('fixed', 0n, 9n, { immutable: true }).admits(1n, table), false);
});

test('ids die with the last reference, and the lowest is used first', () => {
  const table = new ObjectTable();
  const first = new Blob(table, Uint8Array.of(1));
  first.get();
  first.put();
  assert.equal(table.peek(first.id, OBJECT.blob), first);
  first.put();
  assert.equal(table.peek(first.id), undefined);
  const [second, third] = [new Blob(table, Uint8Array.of(1)), new Blob(table, Uint8Array.of(1))];
  assert.deepEqual([second.id, third.id], [first.id, first.id + 1]);
  second.put();
  assert.equal(new Blob(table, Uint8Array.of(1)).id, first.id);
});

test('modes: refresh rates count fields and doubled lines', () => {
  assert.ok(Math.abs(refreshRate(MODE) - 60.004) < 0.001);
  assert.ok(Math.abs(refreshRate({ ...MODE, flags: MODE_FLAG.INTERLACE }) - 120.007) < 0.001);
  assert.ok(Math.abs(refreshRate({ ...MODE, flags: MODE_FLAG.DBLSCAN }) - 30.002) < 0.001);
  const cleaned = checkedMode({ ...MODE, type: 0xffffffff });
  assert.deepEqual([cleaned.vrefresh, cleaned.type], [60, MODE_TYPE.PREFERRED | MODE_TYPE.USERDEF | MODE_TYPE.DRIVER]);
  assert.throws(() => checkedMode({ ...MODE, flags: 5 << 19 }), { errno: 'EINVAL' });
});

test('vblanks: the interrupt is on only while somebody waits', () => {
  const counter = handCounter();
  const vblank = new Vblank(counter);
  assert.throws(() => vblank.wait(1n, () => {}), { errno: 'EINVAL' });
  vblank.setRunning(true);
  const seen: bigint[] = [];
  vblank.wait(2n, (at) => seen.push(at.sequence));
  const undo = vblank.wait(9n, () => assert.fail());
  assert.equal(counter.enabled, true);
  for (counter.frame = 1n; counter.frame < 5n; counter.frame++) vblank.handle();
  assert.deepEqual(seen, [2n]);
  assert.equal(counter.enabled, true);
  undo();
  undo();
  assert.equal(counter.enabled, false);
});

test('vblanks: who waits when the CRTC stops is served at once', () => {
  const counter = handCounter();
  const vblank = new Vblank(counter);
  vblank.setRunning(true);
  let served = 0;
  vblank.wait(100n, () => served++);
  vblank.setRunning(false);
  assert.equal(served, 1);
  assert.equal(counter.enabled, false);
  vblank.setRunning(true);
  assert.equal(counter.enabled, false);
});
