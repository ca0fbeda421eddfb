/** What calls as text may name: ioctls, and numbers. */
import { DMA_BUF_IOCTL, DMA_BUF_SYNC } from '../../../abi/dma-buf.ts';
import {
  DRM_CAP,
  DRM_IOCTL,
  DRM_PRIME_FLAGS,
  DRM_SYNCOBJ_CREATE,
  DRM_SYNCOBJ_FD,
  DRM_SYNCOBJ_QUERY,
  DRM_SYNCOBJ_WAIT,
} from '../../../abi/drm.ts';
import { CS_CONDITION, CS_FLUSH_MODE, CS_SYNC_SCOPE } from '../../../abi/gpu/cs.ts';
import type { IoctlDef } from '../../../abi/ioctl.ts';
import {
  BO_FLAGS,
  BO_SYNC_TYPE,
  DEV_QUERY,
  GROUP_PRIORITY,
  PANTHOR,
  SYNC_OP,
  TIMESTAMP_FLAGS,
  VM_BIND_ASYNC,
  VM_BIND_OP,
  VM_BIND_OP_TYPE,
  VM_BIND_OP_TYPE_SCALE,
} from '../../../abi/panthor.ts';
import { SYNC_IOC } from '../../../abi/sync-file.ts';

/** Ioctls by the name of their table's entry. */
export const IOCTLS: Readonly<Record<string, IoctlDef>> = Object.fromEntries(
  [DRM_IOCTL, PANTHOR, SYNC_IOC, DMA_BUF_IOCTL].flatMap((table) =>
    Object.entries<IoctlDef>(table).map(([name, def]) => [
      table === SYNC_IOC || table === DMA_BUF_IOCTL ? def.name : name,
      def,
    ]),
  ),
);

export const CONSTANTS = {
  BIND: {
    ...VM_BIND_OP,
    UNMAP: VM_BIND_OP_TYPE.UNMAP * VM_BIND_OP_TYPE_SCALE,
    SYNC_ONLY: VM_BIND_OP_TYPE.SYNC_ONLY * VM_BIND_OP_TYPE_SCALE,
    ASYNC: VM_BIND_ASYNC,
  },
  BO: BO_FLAGS,
  BO_SYNC_TYPE,
  CAP: DRM_CAP,
  CONDITION: CS_CONDITION,
  CREATE: DRM_SYNCOBJ_CREATE,
  DMA_BUF: DMA_BUF_SYNC,
  FD: DRM_SYNCOBJ_FD,
  FLUSH: CS_FLUSH_MODE,
  PRIME: DRM_PRIME_FLAGS,
  PRIORITY: GROUP_PRIORITY,
  QUERY: DEV_QUERY,
  QUERY_SYNCOBJ: DRM_SYNCOBJ_QUERY,
  SCOPE: CS_SYNC_SCOPE,
  SYNC: SYNC_OP,
  TIMESTAMP: TIMESTAMP_FLAGS,
  WAIT: DRM_SYNCOBJ_WAIT,
} as const;
