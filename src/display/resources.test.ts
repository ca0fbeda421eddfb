import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EDID_HEADER, EdidBlock } from '../abi/display/edid.ts';
import { ARGB8888, fourcc, MOD_LINEAR, XRGB8888 } from '../abi/fourcc.ts';
import { CONNECTOR_HDMIA, MODE_TYPE, OBJECT, PROP } from '../abi/kms.ts';
import * as I from '../abi/kms-ioctls.ts';
import { FormatModifier, FormatModifierBlob, PropertyEnum } from '../abi/kms-structs.ts';
import { viewOf } from '../abi/layout.ts';
import { modeName } from '../drm/kms/mode.ts';
import { testClient } from '../testing/display/client.ts';
import { makeEdid } from './edid.ts';
import { cvtReduced, displayTimings, modeInfo, parseMode } from './modes.ts';

test('resources: counts first, then as many ids as there is room for', () => {
  const client = testClient();
  const first = client.run(I.MODE_GETRESOURCES);
  assert.deepEqual([first.count_fbs, first.count_crtcs, first.count_connectors, first.count_encoders], [0, 1, 1, 1]);
  assert.deepEqual([first.max_width, first.max_height], [4096, 4096]);
  const crtc_id_ptr = client.user.put(8);
  client.run(I.MODE_GETRESOURCES, { crtc_id_ptr, count_crtcs: 2 });
  const ids = viewOf(client.user.read(crtc_id_ptr, 8));
  assert.deepEqual([ids.getUint32(0, true), ids.getUint32(4, true)], [client.ids.crtc, 0]);
});

test('resources: an array at a bad address is EFAULT', () => {
  const client = testClient();
  assert.equal(client.fail(I.MODE_GETRESOURCES, { crtc_id_ptr: 1n, count_crtcs: 1 }), 'EFAULT');
});

test('planes: an old client sees the overlay alone, one that knows universal planes all three', () => {
  const client = testClient();
  const planes = (): number[] => {
    const plane_id_ptr = client.user.put(16);
    const { count_planes } = client.run(I.MODE_GETPLANERESOURCES, { plane_id_ptr, count_planes: 4 });
    const ids = viewOf(client.user.read(plane_id_ptr, 16));
    return Array.from({ length: count_planes }, (_, i) => ids.getUint32(i * 4, true));
  };
  assert.deepEqual(planes(), [client.ids.overlay]);
  client.setCap('UNIVERSAL_PLANES');
  assert.deepEqual(planes(), [client.ids.primary, client.ids.overlay, client.ids.cursor]);
});

test('plane: formats come only when there is room for all', () => {
  const client = testClient();
  const { count_format_types: count } = client.run(I.MODE_GETPLANE, { plane_id: client.ids.primary });
  const format_type_ptr = client.user.put(count * 4);
  client.run(I.MODE_GETPLANE, { plane_id: client.ids.primary, format_type_ptr, count_format_types: count - 1 });
  assert.equal(viewOf(client.user.read(format_type_ptr, 4)).getUint32(0, true), 0);
  client.run(I.MODE_GETPLANE, { plane_id: client.ids.primary, format_type_ptr, count_format_types: count });
  assert.equal(viewOf(client.user.read(format_type_ptr, 4)).getUint32(0, true), XRGB8888.code);
});

test('ids of another type or none are ENOENT', () => {
  const client = testClient();
  assert.equal(client.fail(I.MODE_GETCRTC, { crtc_id: client.ids.connector }), 'ENOENT');
  assert.equal(client.fail(I.MODE_GETPLANE, { plane_id: 0 }), 'ENOENT');
  assert.equal(client.fail(I.MODE_GETENCODER, { encoder_id: 0xffffffff }), 'ENOENT');
  assert.equal(client.fail(I.MODE_GETCONNECTOR, { connector_id: client.ids.crtc }), 'ENOENT');
  const wrong = { obj_id: client.ids.crtc, obj_type: OBJECT.plane };
  assert.equal(client.fail(I.MODE_OBJ_GETPROPERTIES, wrong), 'ENOENT');
});

test('connector: connected HDMI with the standard modes, the default one preferred', () => {
  const client = testClient();
  const arg = client.run(I.MODE_GETCONNECTOR, { connector_id: client.ids.connector });
  assert.deepEqual([arg.connector_type, arg.connector_type_id, arg.connection], [CONNECTOR_HDMIA, 1, 1]);
  assert.ok(arg.mm_width > 0 && arg.mm_height > 0);
  const modes = client.modes();
  assert.deepEqual(modes.map(modeName), ['1024x768', '1920x1080', '1280x720', '800x600']);
  assert.deepEqual(
    modes.map((mode) => mode.vrefresh),
    [60, 60, 60, 60],
  );
  assert.deepEqual(
    modes.map((mode) => (mode.type & MODE_TYPE.PREFERRED) !== 0),
    [true, false, false, false],
  );
});

test('mode option: a standard mode becomes preferred, any other is added in front', () => {
  const names = (mode: string): string[] => testClient({ mode }).modes().map(modeName);
  assert.deepEqual(names('1280x720@60'), ['1280x720', '1920x1080', '1024x768', '800x600']);
  assert.deepEqual(names('1366x768@75'), ['1366x768', '1920x1080', '1280x720', '1024x768', '800x600']);
  assert.throws(() => parseMode('huge'), /is no mode/);
  assert.throws(() => parseMode('9000x9000'), /sizes go from/);
  assert.throws(() => parseMode('800x600@0'), /refresh rates/);
  assert.throws(() => displayTimings('4096x4096@240'), /pixel clock/);
});

test('a monitor with a sole mode offers no other', () => {
  assert.deepEqual(testClient({ mode: '800x600@60', soleMode: true }).modes().map(modeName), ['800x600']);
});

test('CVT reduced blanking gives the rate that was asked for', () => {
  // 1920×1200 at 60 Hz is in the standard: 154 MHz, 2080×1235.
  const timing = cvtReduced(1920, 1200, 60);
  assert.deepEqual(
    [timing.clock, timing.horizontal, timing.vertical],
    [154000, [1920, 1968, 2000, 2080], [1200, 1203, 1209, 1235]],
  );
  for (const [width, height, refresh] of [
    [1366, 768, 75],
    [64, 64, 1],
    [3840, 2160, 30],
    [64, 64, 240],
  ] as const)
    assert.ok(Math.abs(modeInfo(cvtReduced(width, height, refresh), true).vrefresh - refresh) <= refresh * 0.2 + 1);
});

test('EDID: well formed, with the preferred timing first and the monitor named', () => {
  for (const mode of [undefined, '1920x1080@60', '1366x768@75']) {
    const timings = displayTimings(mode);
    const edid = makeEdid(timings);
    assert.equal(edid.length, 128);
    assert.equal(edid.reduce((sum, byte) => sum + byte, 0) % 256, 0);
    const block = EdidBlock.read(viewOf(edid), 0);
    assert.deepEqual(block.header, EDID_HEADER);
    const first = block.descriptors[0]!;
    assert.equal(viewOf(first).getUint16(0, true) * 10, Math.round(timings[0]!.clock / 10) * 10);
    assert.equal(first[2]! + ((first[4]! >> 4) << 8), timings[0]!.horizontal[0]);
    assert.equal(first[5]! + ((first[7]! >> 4) << 8), timings[0]!.vertical[0]);
    assert.ok(new TextDecoder('latin1').decode(edid).includes('Tyr Display'));
  }
});

test('EDID property leads to the blob', () => {
  const client = testClient();
  const edid = client.properties(client.ids.connector).get('EDID')!;
  const { length } = client.run(I.MODE_GETPROPBLOB, { blob_id: Number(edid.value) });
  assert.equal(length, 128);
  const data = client.user.put(length);
  client.run(I.MODE_GETPROPBLOB, { blob_id: Number(edid.value), length, data });
  assert.deepEqual(client.user.read(data, 8), EDID_HEADER);
});

test('properties: atomic ones are for atomic clients', () => {
  const client = testClient();
  const count = (): number =>
    client.run(I.MODE_OBJ_GETPROPERTIES, { obj_id: client.ids.primary, obj_type: OBJECT.plane }).count_props;
  const names = (): number => client.properties(client.ids.primary).size;
  assert.ok(count() < names());
  client.setCap('ATOMIC');
  assert.equal(count(), names());
});

test('property description: enum names and values, flags and ranges', () => {
  const client = testClient();
  const type = client.properties(client.ids.primary).get('type')!;
  assert.equal(type.value, 1n);
  const first = client.run(I.MODE_GETPROPERTY, { prop_id: type.id });
  assert.equal(first.count_enum_blobs, 3);
  assert.equal(first.flags, PROP.ENUM | PROP.IMMUTABLE);
  assert.equal(new TextDecoder().decode(first.name).replace(/\0+$/, ''), 'type');
  const enum_blob_ptr = client.user.put(3 * PropertyEnum.size);
  client.run(I.MODE_GETPROPERTY, { prop_id: type.id, enum_blob_ptr, count_enum_blobs: 3 });
  const data = viewOf(client.user.read(enum_blob_ptr, 3 * PropertyEnum.size));
  const entries = [0, 1, 2].map((i) => PropertyEnum.read(data, i * PropertyEnum.size));
  assert.deepEqual(
    entries.map(({ name, value }) => [new TextDecoder().decode(name).replace(/\0+$/, ''), value]),
    [
      ['Overlay', 0n],
      ['Primary', 1n],
      ['Cursor', 2n],
    ],
  );
});

test('IN_FORMATS: each format with each modifier', () => {
  const client = testClient();
  const blob_id = Number(client.properties(client.ids.primary).get('IN_FORMATS')!.value);
  const { length } = client.run(I.MODE_GETPROPBLOB, { blob_id });
  const data = client.user.put(length);
  client.run(I.MODE_GETPROPBLOB, { blob_id, length, data });
  const view = viewOf(client.user.read(data, length));
  const head = FormatModifierBlob.read(view, 0);
  const formats = Array.from({ length: head.count_formats }, (_, i) =>
    view.getUint32(head.formats_offset + i * 4, true),
  );
  for (const code of ['XR24', 'AR24', 'XB24', 'AB24', 'RG16', 'XR30']) assert.ok(formats.includes(fourcc(code)), code);
  const linear = FormatModifier.read(view, head.modifiers_offset);
  assert.equal(linear.modifier, MOD_LINEAR);
  assert.equal(linear.formats, (1n << BigInt(head.count_formats)) - 1n);
  assert.equal(head.modifiers_offset % 8, 0);
});

test('blobs: only who made one destroys it; they go with their file', () => {
  const client = testClient();
  const other = client.display.device.open('primary', 200);
  assert.ok(other);
  const edid = Number(client.properties(client.ids.connector).get('EDID')!.value);
  assert.equal(client.fail(I.MODE_DESTROYPROPBLOB, { blob_id: edid }), 'EPERM');
  assert.equal(client.fail(I.MODE_DESTROYPROPBLOB, { blob_id: 12345 }), 'ENOENT');
  assert.equal(client.fail(I.MODE_CREATEPROPBLOB, { length: 0 }), 'EINVAL');
  assert.equal(client.fail(I.MODE_CREATEPROPBLOB, { length: 0xffffffff }), 'ENOMEM');
  assert.equal(client.fail(I.MODE_CREATEPROPBLOB, { length: 8, data: 1n }), 'EFAULT');
  const before = client.display.config.objects.size;
  const id = client.blob(Uint8Array.of(1, 2, 3));
  client.run(I.MODE_DESTROYPROPBLOB, { blob_id: id });
  client.blob(Uint8Array.of(1, 2, 3));
  client.file.close();
  assert.equal(client.display.config.objects.size, before);
});

test('a new object gets the lowest id that is free', () => {
  const client = testClient();
  const [first, second, third] = [1, 2, 3].map((byte) => client.blob(Uint8Array.of(byte))) as [number, number, number];
  assert.deepEqual([second, third], [first + 1, first + 2]);
  client.run(I.MODE_DESTROYPROPBLOB, { blob_id: second });
  assert.equal(client.framebuffer(64, 64).id, second);
  assert.equal(client.blob(Uint8Array.of(4)), third + 1);
});

test('what changes the screen is for the master alone', () => {
  const client = testClient();
  const { device } = client.display;
  const other = testClient();
  const file = device.open('primary', 200);
  assert.equal(file.isMaster, false);
  const refused = [I.MODE_SETCRTC, I.MODE_PAGE_FLIP, I.MODE_ATOMIC, I.MODE_SETPLANE, I.MODE_CURSOR, I.MODE_SETGAMMA];
  for (const def of refused) {
    const result = device.ioctl(file, def.request, def.arg!.pack({}), other.user);
    assert.ok(!(result instanceof Promise) && result.value === -13, def.name);
  }
  assert.ok(ARGB8888);
});
