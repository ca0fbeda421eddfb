/**
 * Master: who owns the display hardware of a primary node, and the magic numbers by which it lets other files of the node
 * do more. Each new master opens a group of its own; files opened while it rules belong to its group.
 * After Linux `drivers/gpu/drm/drm_auth.c` (without leases).
 */
import { DRM_IOCTL } from '../abi/drm.ts';
import { DrmError, must } from './error.ts';
import type { DrmFile } from './file.ts';
import { type IoctlEntry, ioctl } from './ioctl.ts';
import type { UserContext } from './user.ts';

export class MasterGroup {
  /** The bus name, once SET_VERSION has asked for it. */
  unique = '';
  /** Magic numbers that wait for AUTH_MAGIC. */
  readonly magics = new Map<number, DrmFile<any>>();
  #next = 1;

  /** The magic number of a file of this group, the same on every call. */
  magic(file: DrmFile<any>): number {
    if (file.magic === 0) {
      file.magic = this.#next++;
      this.magics.set(file.magic, file);
    }
    return file.magic;
  }
}

/** Only who is or was master in the same process, or the superuser, may take or drop mastery. */
function mayChange(file: DrmFile<any>, user: UserContext): void {
  must(
    (file.wasMaster && user.pid === file.pid) || user.capable('SYS_ADMIN'),
    'EACCES',
    'only the process whose file is or was DRM master may change that',
  );
}

const groupOf = (file: DrmFile<any>): MasterGroup => {
  must(file.group, 'EINVAL', 'the file belongs to no master');
  return file.group;
};

export const masterIoctls: readonly IoctlEntry[] = [
  ioctl(DRM_IOCTL.GET_MAGIC, {}, (file, arg) => {
    arg.magic = groupOf(file).magic(file);
  }),

  ioctl(DRM_IOCTL.AUTH_MAGIC, { master: true }, (file, arg) => {
    const group = groupOf(file);
    const other = group.magics.get(arg.magic);
    must(other, 'EINVAL', () => `magic ${arg.magic} names no client`);
    group.magics.delete(arg.magic);
    other.authenticated = true;
  }),

  ioctl(DRM_IOCTL.SET_MASTER, {}, (file, _arg, user) => {
    mayChange(file, user);
    if (file.isMaster) return;
    if (file.device.master) throw new DrmError('EBUSY', `pid ${file.device.master.pid} is DRM master`);
    file.device.setMaster(file);
  }),

  ioctl(DRM_IOCTL.DROP_MASTER, {}, (file, _arg, user) => {
    mayChange(file, user);
    must(file.isMaster, 'EINVAL', 'the client is not DRM master');
    file.device.dropMaster();
  }),
];
