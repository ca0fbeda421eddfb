import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENT, SEQUENCE, VBLANK } from '../abi/kms.ts';
import * as I from '../abi/kms-ioctls.ts';
import { FRAME, type TestClient, testClient } from '../testing/display/client.ts';
import { start } from '../testing/drm/client.ts';

async function running(): Promise<TestClient> {
  const client = testClient();
  await client.setCrtc(client.framebuffer(1024, 768).id);
  return client;
}

test('a CRTC that is off has no vertical blanks', () => {
  const client = testClient();
  assert.equal(client.fail(I.WAIT_VBLANK, { type: VBLANK.RELATIVE, sequence: 1 }), 'EINVAL');
  assert.equal(client.fail(I.CRTC_GET_SEQUENCE, { crtc_id: client.ids.crtc }), 'EINVAL');
  assert.equal(client.fail(I.CRTC_QUEUE_SEQUENCE, { crtc_id: client.ids.crtc }), 'EINVAL');
});

test('WAIT_VBLANK: returns at the frame, with its number and time', async () => {
  const client = await running();
  const now = client.run(I.WAIT_VBLANK, { type: VBLANK.RELATIVE });
  const before = client.clock.now();
  const reply = await client.wait(I.WAIT_VBLANK, { type: VBLANK.RELATIVE, sequence: 3 });
  assert.equal(reply.sequence - now.sequence, 3);
  assert.ok(client.clock.now() - before <= 4 * FRAME);
  const us = (arg: { signal: bigint; tval_usec: bigint }): bigint => arg.signal * 1_000_000n + arg.tval_usec;
  // 1344×806 pixels at 65 MHz.
  assert.ok(Math.abs(Number(us(reply) - us(now)) - 3 * 16665.6) < 30);
});

test('WAIT_VBLANK: events carry user data; a frame that has passed answers at once', async () => {
  const client = await running();
  const { sequence } = client.run(I.WAIT_VBLANK, { type: VBLANK.RELATIVE });
  client.run(I.WAIT_VBLANK, { type: VBLANK.RELATIVE | VBLANK.EVENT, sequence: 2, signal: 42n });
  client.run(I.WAIT_VBLANK, { type: VBLANK.EVENT, sequence, signal: 43n });
  assert.deepEqual(
    client.events.map(({ type, user_data }) => [type, user_data]),
    [[EVENT.VBLANK, 43n]],
  );
  client.clock.advance(FRAME);
  assert.equal(client.events.length, 1);
  client.clock.advance(FRAME);
  assert.equal(client.events.length, 2);
  assert.equal(client.events[1]!.sequence, sequence + 2);
  const next = client.run(I.WAIT_VBLANK, { type: VBLANK.EVENT | VBLANK.NEXTONMISS, sequence, signal: 44n });
  assert.equal(next.sequence, sequence + 3);
});

test('a frame began when it began, however late in it one asks', async () => {
  const client = await running();
  const ask = () => client.run(I.WAIT_VBLANK, { type: VBLANK.RELATIVE });
  await client.wait(I.WAIT_VBLANK, { type: VBLANK.RELATIVE, sequence: 1 });
  const first = ask();
  for (const nanoseconds of [1e6, 3000, 17_000, 9_000_000]) {
    client.clock.advance(nanoseconds);
    const later = ask();
    assert.deepEqual([later.sequence, later.tval_usec], [first.sequence, first.tval_usec]);
  }
});

test('a time stamp is right though time passes while it is taken', async () => {
  const client = await running();
  const { clock } = client;
  const ask = () => {
    const { signal: seconds, tval_usec } = client.run(I.WAIT_VBLANK, { type: VBLANK.RELATIVE });
    return Number(seconds) * 1e6 + Number(tval_usec);
  };
  await client.wait(I.WAIT_VBLANK, { type: VBLANK.RELATIVE, sequence: 1 });
  const before = ask();
  clock.advance(FRAME + 2e6);
  const read = clock.monotonic.bind(clock);
  let interrupted = false;
  clock.monotonic = () => {
    const time = read();
    if (!interrupted) clock.advance(5e6);
    interrupted = true;
    return time;
  };
  const error = ask() - before - FRAME / 1000;
  assert.ok(interrupted && Math.abs(error) < 50, `${error} µs`);
});

test('WAIT_VBLANK: unknown types and CRTCs are EINVAL', async () => {
  const client = await running();
  const bad = (type: number): string => client.fail(I.WAIT_VBLANK, { type });
  assert.equal(bad(VBLANK.RELATIVE | VBLANK.SECONDARY), 'EINVAL');
  assert.equal(bad(VBLANK.RELATIVE | (5 << VBLANK.HIGH_CRTC_SHIFT)), 'EINVAL');
  assert.equal(bad(VBLANK.SIGNAL), 'EINVAL');
  assert.equal(bad(0x800), 'EINVAL');
});

test('a wait for a far frame gives up after three seconds', async () => {
  const client = await running();
  const outcome = start(client.file, I.WAIT_VBLANK, { type: VBLANK.RELATIVE, sequence: 100_000 }, client.user);
  assert.ok(outcome instanceof Promise);
  client.clock.advance(3.1e9);
  assert.equal((await outcome).value, -16);
  assert.equal(client.user.waiting, 0);
});

test('a wait ends when its process dies, or the CRTC goes off', async () => {
  const client = await running();
  const wait = { type: VBLANK.RELATIVE, sequence: 1000 };
  const first = start(client.file, I.WAIT_VBLANK, wait, client.user);
  client.user.die();
  assert.equal((await first).value, -4);
  const second = start(client.file, I.WAIT_VBLANK, wait, client.user);
  client.run(I.WAIT_VBLANK, { ...wait, type: wait.type | VBLANK.EVENT });
  await client.wait(I.MODE_SETCRTC, { crtc_id: client.ids.crtc });
  assert.equal((await second).value, 0);
  assert.equal(client.events.length, 1);
});

test('CRTC_QUEUE_SEQUENCE: 64-bit numbers and nanoseconds', async () => {
  const client = await running();
  const { crtc: crtc_id } = client.ids;
  const { sequence, active } = client.run(I.CRTC_GET_SEQUENCE, { crtc_id });
  assert.equal(active, 1);
  const queued = client.run(I.CRTC_QUEUE_SEQUENCE, {
    crtc_id,
    flags: SEQUENCE.RELATIVE,
    sequence: 1n,
    user_data: 9n,
  });
  assert.equal(queued.sequence, sequence + 1n);
  client.clock.advance(FRAME);
  const event = client.events[0]!;
  assert.ok('time_ns' in event);
  assert.deepEqual([event.type, event.user_data, event.sequence], [EVENT.CRTC_SEQUENCE, 9n, sequence + 1n]);
  const after = client.run(I.CRTC_GET_SEQUENCE, { crtc_id });
  assert.ok(after.sequence_ns >= event.time_ns);
  assert.equal(client.fail(I.CRTC_QUEUE_SEQUENCE, { crtc_id, flags: 8 }), 'EINVAL');
  assert.equal(client.fail(I.CRTC_QUEUE_SEQUENCE, { crtc_id: 0 }), 'ENOENT');
});

test('one file has no more events under way than it could read', async () => {
  const client = await running();
  const wait = { type: VBLANK.RELATIVE | VBLANK.EVENT, sequence: 1 };
  for (let i = 0; i < 128; i++) client.run(I.WAIT_VBLANK, wait);
  assert.equal(client.fail(I.WAIT_VBLANK, wait), 'ENOMEM');
  client.clock.advance(FRAME);
  assert.equal(client.events.length, 128);
  client.run(I.WAIT_VBLANK, wait);
  client.file.close();
  for (let i = 0; i < 4; i++) client.clock.advance(FRAME);
  assert.equal(client.events.length, 128);
});

test('frame numbers go on when the display is switched off and on', async () => {
  const client = await running();
  const { crtc: crtc_id } = client.ids;
  client.clock.advance(10 * FRAME);
  const before = client.run(I.CRTC_GET_SEQUENCE, { crtc_id }).sequence;
  await client.wait(I.MODE_SETCRTC, { crtc_id });
  client.clock.advance(100 * FRAME);
  await client.setCrtc(client.framebuffer(1024, 768).id);
  const after = client.run(I.CRTC_GET_SEQUENCE, { crtc_id }).sequence;
  assert.ok(after >= before && after <= before + 3n, `${before} → ${after}`);
});
