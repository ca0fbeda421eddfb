/**
 * Leases: lending CRTCs and connectors to another client is not offered. The questions about leases have true answers: there
 * are none, and the master holds everything.
 * After Linux `drivers/gpu/drm/drm_lease.c`.
 */
import * as I from '../../abi/kms-ioctls.ts';
import { DrmError, must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import type { KmsFile, ModeConfig } from './config.ts';
import { putU32s } from './user-array.ts';

export function leaseIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  const master = { master: true };
  return [
    ioctl(I.MODE_CREATE_LEASE, master, () => {
      throw new DrmError('EOPNOTSUPP', 'leases are not offered');
    }),
    ioctl(I.MODE_LIST_LESSEES, master, (_file: DrmFile<KmsFile>, arg) => {
      must(arg.pad === 0, 'EINVAL', 'the padding is not zero');
      arg.count_lessees = 0;
    }),
    ioctl(I.MODE_GET_LEASE, master, (_file: DrmFile<KmsFile>, arg, user) => {
      must(arg.pad === 0, 'EINVAL', 'the padding is not zero');
      const ids = [...config.crtcs, ...config.connectors, ...config.planes].map((object) => object.id);
      arg.count_objects = putU32s(user, arg.objects_ptr, arg.count_objects, ids);
    }),
    ioctl(I.MODE_REVOKE_LEASE, master, (_file: DrmFile<KmsFile>, arg) => {
      throw new DrmError('ENOENT', `there is no lease ${arg.lessee_id}`);
    }),
  ];
}
