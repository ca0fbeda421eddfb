/** Leases: what a lessee sees and may do, and how a lease ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL } from '../abi/drm.ts';
import * as I from '../abi/kms-ioctls.ts';
import { TestClient, testClient } from '../testing/display/client.ts';

function leaseFrom(lessor: TestClient, objects: number[]): { id: number; lessee: TestClient } {
  const arg = { object_ids: lessor.user.putU32(...objects), object_count: objects.length };
  const { fd, lessee_id: id } = lessor.run(I.MODE_CREATE_LEASE, arg);
  const descriptor = lessor.user.descriptor(fd);
  assert.equal(descriptor.kind, 'drm');
  if (descriptor.kind !== 'drm') throw new Error('unreachable');
  return { id, lessee: new TestClient(lessor.display, descriptor.file) };
}

const whole = ({ ids }: TestClient): number[] => [ids.crtc, ids.connector, ids.primary];

function setUp() {
  const lessor = testClient();
  lessor.setCap('UNIVERSAL_PLANES');
  const lease = leaseFrom(lessor, whole(lessor));
  lease.lessee.setCap('UNIVERSAL_PLANES');
  return { lessor, ...lease };
}

const lessees = (client: TestClient): number[] => {
  const { count_lessees: count } = client.run(I.MODE_LIST_LESSEES, {});
  const lessees_ptr = client.user.put(4 * count);
  client.run(I.MODE_LIST_LESSEES, { count_lessees: count, lessees_ptr });
  return [...new Uint32Array(client.user.read(lessees_ptr, 4 * count).buffer)];
};

test('a lessee sees and sets what it was lent, and nothing else is there', async () => {
  const { lessor, lessee, id } = setUp();
  assert.deepEqual(lessees(lessor), [id]);
  assert.equal(lessee.run(I.MODE_GET_LEASE, {}).count_objects, 3);
  assert.equal(lessor.run(I.MODE_GET_LEASE, {}).count_objects, 5);
  assert.equal(lessee.run(I.MODE_GETPLANERESOURCES, {}).count_planes, 1);
  assert.equal(lessor.run(I.MODE_GETPLANERESOURCES, {}).count_planes, 3);
  assert.equal(lessee.fail(I.MODE_GETPLANE, { plane_id: lessee.ids.overlay }), 'ENOENT');
  assert.equal(lessee.fail(I.MODE_OBJ_GETPROPERTIES, { obj_id: lessee.ids.cursor }), 'ENOENT');
  const { id: fb_id } = lessee.framebuffer(1920, 1080);
  await lessee.setCrtc(fb_id);
  assert.equal(lessor.run(I.MODE_GETCRTC, { crtc_id: lessor.ids.crtc }).fb_id, fb_id);
  lessee.setCap('ATOMIC');
  const overlay = lessee.atomic({ [lessee.ids.overlay]: { FB_ID: 0 } });
  assert.equal(lessee.fail(I.MODE_ATOMIC, overlay), 'ENOENT');
});

test('a client that knows of no planes lends those of its CRTC along', () => {
  const lessor = testClient();
  const { lessee } = leaseFrom(lessor, [lessor.ids.crtc, lessor.ids.connector]);
  assert.equal(lessee.run(I.MODE_GET_LEASE, {}).count_objects, 4);
});

test('what cannot be lent is refused', () => {
  const { lessor, lessee } = setUp();
  const refuse = (client: TestClient, objects: number[]): string =>
    client.fail(I.MODE_CREATE_LEASE, { object_ids: client.user.putU32(...objects), object_count: objects.length });
  const { crtc, connector, primary, overlay } = lessor.ids;
  assert.equal(refuse(lessor, [crtc, connector, overlay]), 'EBUSY', 'the CRTC is lent already');
  assert.equal(refuse(lessor, [overlay]), 'EINVAL');
  assert.equal(refuse(lessor, [crtc, connector]), 'EINVAL', 'no plane');
  assert.equal(refuse(lessor, [crtc, connector, overlay, overlay]), 'ENOSPC');
  assert.equal(refuse(lessor, [crtc, connector, 4711]), 'ENOENT');
  assert.equal(refuse(lessor, [crtc, connector, lessor.display.config.encoders[0]!.id]), 'EINVAL');
  assert.equal(refuse(lessee, [crtc, connector, primary]), 'EINVAL', 'no leases of leases');
  assert.equal(lessor.fail(I.MODE_CREATE_LEASE, { flags: 1 }), 'EINVAL');
  const stranger = new TestClient(lessor.display);
  assert.equal(refuse(stranger, [crtc, connector, primary]), 'EACCES');
});

test('a lease that is revoked leaves its holder with nothing, and can be given anew', () => {
  const { lessor, lessee, id } = setUp();
  assert.equal(lessee.fail(I.MODE_REVOKE_LEASE, { lessee_id: id }), 'EACCES');
  lessor.run(I.MODE_REVOKE_LEASE, { lessee_id: id });
  assert.equal(lessee.fail(I.MODE_GETCRTC, { crtc_id: lessee.ids.crtc }), 'ENOENT');
  assert.equal(lessee.run(I.MODE_GETRESOURCES, {}).count_connectors, 0);
  assert.deepEqual(lessees(lessor), []);
  assert.equal(leaseFrom(lessor, whole(lessor)).id, id + 1, 'the holder still has its number');
  assert.equal(lessor.fail(I.MODE_REVOKE_LEASE, { lessee_id: 99 }), 'ENOENT');
});

test('a lease ends with its file, and all end with the lessor', () => {
  const { lessor, lessee, id } = setUp();
  lessee.file.close();
  assert.deepEqual(lessees(lessor), []);
  const next = leaseFrom(lessor, whole(lessor));
  assert.equal(next.id, id);
  lessor.file.close();
  assert.equal(next.lessee.file.isMaster, false);
  assert.equal(next.lessee.fail(I.MODE_GETCRTC, { crtc_id: lessor.ids.crtc }), 'ENOENT');
});

test('a lessee is master while its lessor is', () => {
  const { lessor, lessee } = setUp();
  assert.equal(lessee.file.isMaster, true);
  lessor.run(DRM_IOCTL.DROP_MASTER);
  assert.equal(lessee.file.isMaster, false);
  assert.equal(lessee.fail(DRM_IOCTL.SET_MASTER), 'EACCES');
  lessee.user.capabilities.add('SYS_ADMIN');
  assert.equal(lessee.fail(DRM_IOCTL.SET_MASTER), 'EINVAL');
  lessor.run(DRM_IOCTL.SET_MASTER);
  assert.equal(lessee.file.isMaster, true);
  assert.equal(lessee.fail(DRM_IOCTL.DROP_MASTER), 'EINVAL');
});
