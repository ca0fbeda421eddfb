/**
 * What the pointers in ioctls' structs point to, so that somebody who writes calls down can write what is pointed to in their place.
 *
 * Source: Linux `include/uapi/drm/{drm,panthor_drm}.h`, `include/uapi/linux/sync_file.h`.
 */

import type { Layout } from './layout.ts';
import {
  BoSyncOp,
  CsifInfo,
  DEV_QUERY,
  GpuInfo,
  GroupPrioritiesInfo,
  MmuInfo,
  QueueCreate,
  QueueSubmit,
  SyncOp,
  TimestampInfo,
  VmBindOp,
} from './panthor.ts';

export type Pointee =
  /** A drm_panthor_obj_array of these. */
  | { readonly kind: 'objects'; readonly layout: Layout<any> }
  /** The address of numbers of so many bytes, one after another. */
  | { readonly kind: 'numbers'; readonly width: 4 | 8 }
  /** The address of text; `closed`: with a zero behind it. */
  | { readonly kind: 'text'; readonly closed: boolean }
  /** The address of the object that DEV_QUERY's type says. */
  | { readonly kind: 'query' };

const objects = ({ layout }: { readonly layout: Layout<any> }): Pointee => ({ kind: 'objects', layout });
const u32s: Pointee = { kind: 'numbers', width: 4 };
const u64s: Pointee = { kind: 'numbers', width: 8 };

/** By the struct's name and the field's. */
export const POINTEES: Readonly<Record<string, Readonly<Record<string, Pointee>>>> = {
  drm_panthor_vm_bind: { ops: objects(VmBindOp) },
  drm_panthor_vm_bind_op: { syncs: objects(SyncOp) },
  drm_panthor_group_create: { queues: objects(QueueCreate) },
  drm_panthor_group_submit: { queueSubmits: objects(QueueSubmit) },
  drm_panthor_queue_submit: { syncs: objects(SyncOp) },
  drm_panthor_bo_sync: { ops: objects(BoSyncOp) },
  drm_panthor_bo_set_label: { label: { kind: 'text', closed: true } },
  drm_panthor_dev_query: { pointer: { kind: 'query' } },
  drm_syncobj_wait: { handles: u32s },
  drm_syncobj_timeline_wait: { handles: u32s, points: u64s },
  drm_syncobj_array: { handles: u32s },
  drm_syncobj_timeline_array: { handles: u32s, points: u64s },
  drm_set_client_name: { name: { kind: 'text', closed: false } },
};

/** DEV_QUERY's objects by its type. */
export const QUERIED: Readonly<Record<number, Layout<any>>> = {
  [DEV_QUERY.GPU_INFO]: GpuInfo.layout,
  [DEV_QUERY.CSIF_INFO]: CsifInfo.layout,
  [DEV_QUERY.TIMESTAMP_INFO]: TimestampInfo.layout,
  [DEV_QUERY.GROUP_PRIORITIES_INFO]: GroupPrioritiesInfo.layout,
  [DEV_QUERY.MMU_INFO]: MmuInfo.layout,
};

/**
 * Fields whose values say nothing about what a driver does: where it puts things, what time it is, who called. Two drivers may
 * differ in them.
 */
export const ARBITRARY: Readonly<Record<string, readonly string[]>> = {
  drm_panthor_bo_mmap_offset: ['offset'],
  drm_panthor_tiler_heap_create: ['tilerHeapCtxGpuVa', 'firstHeapChunkGpuVa'],
  drm_panthor_timestamp_info: [
    'timestampFrequency',
    'currentTimestamp',
    'timestampOffset',
    'durationNsec',
    'cycleCount',
    'cpuTimestampSec',
    'cpuTimestampNsec',
  ],
  drm_syncobj_handle: ['fd'],
  drm_prime_handle: ['fd'],
  drm_client: ['pid', 'uid', 'magic', 'iocs'],
  drm_version: ['date_len', 'desc_len'],
  dma_buf_export_sync_file: ['fd'],
  sync_merge_data: ['fence'],
};

/** Fields that depend on what had happened already when the call came: they are not compared at all. */
export const RACING: Readonly<Record<string, readonly string[]>> = {
  drm_syncobj_wait: ['first_signaled'],
  drm_syncobj_timeline_wait: ['first_signaled'],
  // It names its driver while it has not signalled.
  sync_file_info: ['name'],
};
