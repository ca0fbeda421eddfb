/**
 * Master: who owns the display hardware of a primary node, and the magic numbers by which it lets other files of the node
 * do more. Each new master opens a group of its own; files opened while it rules belong to its group.
 * A master may lend some of its objects: then a group of the lessee's own hangs below its group (Linux `drm_lease.c`).
 * After Linux `drivers/gpu/drm/drm_auth.c`.
 */
import { DRM_IOCTL } from '../abi/drm.ts';
import { DrmError, must } from './error.ts';
import type { DrmFile } from './file.ts';
import { HandleTable } from './handle-table.ts';
import { type IoctlEntry, ioctl } from './ioctl.ts';
import type { UserContext } from './user.ts';

/** What a group was lent. */
export interface Lease {
  readonly lessor: MasterGroup;
  /** Its number with the lessor. */
  readonly id: number;
  /** Ids of mode objects; empty once it was taken back. */
  readonly objects: Set<number>;
}

/** Leases that one master may give. */
const MOST_LEASES = 1024;

export class MasterGroup {
  /** What it was lent; undefined: everything is its own. */
  readonly lease: Lease | undefined;
  /** Those whom it has lent something, by the numbers of their leases. */
  readonly lessees = new HandleTable<MasterGroup>('lease', MOST_LEASES);
  /** The bus name, once SET_VERSION has asked for it. */
  unique = '';
  /** Magic numbers that wait for AUTH_MAGIC. */
  readonly magics = new Map<number, DrmFile<any>>();
  #next = 1;

  /** `lent`: objects of `lessor`'s, from which it will be a lessee. Throws ENOMEM. */
  constructor(lessor?: MasterGroup, lent: ReadonlySet<number> = new Set()) {
    if (lessor) this.lease = { lessor, id: lessor.lessees.add(this), objects: new Set(lent) };
  }

  /** Takes back what it was lent, and what it has lent. */
  revoke(): void {
    this.lease?.objects.clear();
    for (const lessee of this.lessees.values()) lessee.revoke();
  }

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
    must(!file.group?.lease, 'EINVAL', 'a lessee is master for as long as its lessor is');
    file.device.setMaster(file);
  }),

  ioctl(DRM_IOCTL.DROP_MASTER, {}, (file, _arg, user) => {
    mayChange(file, user);
    must(file.isMaster, 'EINVAL', 'the client is not DRM master');
    must(!file.group?.lease, 'EINVAL', 'a lessee is master for as long as its lessor is');
    file.device.dropMaster();
  }),
];
