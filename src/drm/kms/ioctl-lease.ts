/**
 * Leases: lending planes, CRTCs and connectors to another client, which gets a file that is master for them alone.
 * After Linux `drivers/gpu/drm/drm_lease.c`.
 */
import * as I from '../../abi/kms-ioctls.ts';
import { CreateLease } from '../../abi/kms-structs.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../../abi/linux.ts';
import { must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import { MasterGroup } from '../master.ts';
import type { UserContext } from '../user.ts';
import { type KmsFile, type ModeConfig, seesAllPlanes } from './config.ts';
import { Crtc } from './crtc.ts';
import { isLeasable } from './lease.ts';
import { getU32s, putU32s } from './user-array.ts';

/** Objects that one lease may name. */
const MOST_OBJECTS = 1024;

const groupOf = (file: DrmFile<KmsFile>): MasterGroup => {
  must(file.group, 'EACCES', 'the file belongs to no master');
  return file.group;
};

/** The ids that a lease will hold: what the client names, and for one that knows of no planes those of its CRTCs. */
function lent(config: ModeConfig, file: DrmFile<KmsFile>, names: readonly number[]): Set<number> {
  const objects = names.map((id) => {
    const object = config.peek(file, id);
    must(object, 'ENOENT', () => `${id} names no object`);
    must(isLeasable(object.type), 'EINVAL', () => `a ${object.type} cannot be lent`);
    return object;
  });
  const has = (type: string): boolean => objects.some((object) => object.type === type);
  must(has('crtc') && has('connector'), 'EINVAL', 'a lease has a CRTC and a connector');
  must(!seesAllPlanes(file) || has('plane'), 'EINVAL', 'a lease has a plane');
  const ids = objects.flatMap((object) =>
    object instanceof Crtc && !seesAllPlanes(file) ? [object.id, object.primary.id, object.cursor.id] : [object.id],
  );
  const all = new Set(ids);
  must(all.size === ids.length, 'ENOSPC', 'an object is named twice');
  return all;
}

function createLease(
  config: ModeConfig,
  file: DrmFile<KmsFile>,
  arg: { object_ids: bigint; object_count: number; flags: number; lessee_id: number },
  user: UserContext,
): void {
  must((arg.flags & ~(O_CLOEXEC | O_NONBLOCK)) === 0, 'EINVAL', () => `lease flags 0x${arg.flags.toString(16)}`);
  const lessor = groupOf(file);
  must(!lessor.lease, 'EINVAL', 'what was lent cannot be lent on');
  must(arg.object_count <= MOST_OBJECTS, 'ENOMEM', () => `a lease of ${arg.object_count} objects`);
  const names = getU32s(user, arg.object_ids, arg.object_count);
  const ids = arg.object_count === 0 ? new Set<number>() : lent(config, file, names);
  for (const { lease } of lessor.lessees.values())
    for (const id of ids) must(!lease!.objects.has(id), 'EBUSY', () => `${id} has been lent already`);
  const lessee = config.lend(file, new MasterGroup(lessor, ids));
  user.install({ kind: 'drm', file: lessee }, CreateLease.offset.fd, { cloexec: (arg.flags & O_CLOEXEC) !== 0 });
  arg.lessee_id = lessee.group!.lease!.id;
}

export function leaseIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  const master = { master: true };
  return [
    ioctl(I.MODE_CREATE_LEASE, master, (file: DrmFile<KmsFile>, arg, user) => createLease(config, file, arg, user)),

    ioctl(I.MODE_LIST_LESSEES, master, (file: DrmFile<KmsFile>, arg, user) => {
      must(arg.pad === 0, 'EINVAL', 'the padding is not zero');
      const given = [...groupOf(file).lessees].filter(([, { lease }]) => lease!.objects.size > 0);
      arg.count_lessees = putU32s(
        user,
        arg.lessees_ptr,
        arg.count_lessees,
        given.map(([id]) => id),
      );
    }),

    ioctl(I.MODE_GET_LEASE, master, (file: DrmFile<KmsFile>, arg, user) => {
      must(arg.pad === 0, 'EINVAL', 'the padding is not zero');
      const all = [...config.crtcs, ...config.connectors, ...config.planes].map(({ id }) => id);
      const ids = [...(groupOf(file).lease?.objects ?? all)].sort((a, b) => a - b);
      arg.count_objects = putU32s(user, arg.objects_ptr, arg.count_objects, ids);
    }),

    ioctl(I.MODE_REVOKE_LEASE, master, (file: DrmFile<KmsFile>, arg) => {
      const group = groupOf(file);
      const owner = group.lease?.lessor ?? group;
      const lessee = owner.lessees.get(arg.lessee_id);
      must(lessee, 'ENOENT', () => `there is no lease ${arg.lessee_id}`);
      must(owner === group, 'EACCES', () => `lease ${arg.lessee_id} is the lessor's to take back`);
      lessee.revoke();
    }),
  ];
}
