/**
 * MODE_ATOMIC: any number of properties of any number of objects, all at once or not at all.
 * After Linux `drivers/gpu/drm/drm_atomic_uapi.c` (drm_mode_atomic_ioctl).
 */
import { ATOMIC, FLIP } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import { DrmError, must } from '../error.ts';
import { Fence } from '../fence.ts';
import type { DrmFile } from '../file.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import { SyncFile } from '../sync-file.ts';
import type { UserContext } from '../user.ts';
import { AtomicCommit } from './atomic.ts';
import { BoundObject } from './binding.ts';
import { checkCommit } from './check.ts';
import { isAtomic, type KmsFile, type ModeConfig } from './config.ts';
import { flipEvent } from './events.ts';
import { setProperty } from './set-property.ts';
import { getU32s, getU64s } from './user-array.ts';

/** Objects and property values that one commit may name: far above what the pipeline has. */
const MAX_OBJECTS = 4096;
const MAX_PROPERTIES = 65536;

const NO_FENCE = new Uint8Array([0xff, 0xff, 0xff, 0xff]);

export function atomicIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  return [
    ioctl(I.MODE_ATOMIC, { master: true }, (file: DrmFile<KmsFile>, arg, user) => {
      const { flags } = arg;
      must(isAtomic(file), 'EINVAL', 'the client did not ask for atomic');
      const known = FLIP.EVENT | FLIP.ASYNC | ATOMIC.TEST_ONLY | ATOMIC.NONBLOCK | ATOMIC.ALLOW_MODESET;
      must((flags & ~known) === 0, 'EINVAL', () => `atomic flags 0x${flags.toString(16)}`);
      must(arg.reserved === 0n, 'EINVAL', 'the reserved field is not zero');
      const test = (flags & ATOMIC.TEST_ONLY) !== 0;
      must(!test || !(flags & FLIP.EVENT), 'EINVAL', 'a test has no event');
      const settings = readSettings(user, arg);

      const commit = new AtomicCommit(config);
      commit.allowModeset = (flags & ATOMIC.ALLOW_MODESET) !== 0;
      try {
        const async = (flags & FLIP.ASYNC) !== 0;
        for (const { object, property, value } of settings) apply(config, commit, object, property, value, user, async);
        for (const change of commit.crtcs.values()) change.async = async;
        if (test) {
          checkCommit(commit);
          clearFences(commit, user);
          return;
        }
        must(
          !(flags & FLIP.EVENT) || commit.crtcs.size > 0,
          'EINVAL',
          'an event was asked for and no CRTC is there to send it',
        );
        for (const change of commit.crtcs.values())
          if (flags & FLIP.EVENT) change.event = flipEvent(file, change.crtc, arg.user_data);
        const nonblock = (flags & ATOMIC.NONBLOCK) !== 0;
        checkCommit(commit);
        if (nonblock && config.queue.busy) throw new DrmError('EBUSY', 'a commit is still under way');
        for (const change of commit.crtcs.values()) {
          if (!change.outFencePtr) continue;
          const fence = new Fence(config.clock, config.driver, `${change.crtc.name} out-fence`);
          change.outFence = fence;
          user.install({ kind: 'sync-file', syncFile: new SyncFile('crtc', [fence]) }, change.outFencePtr, {
            cloexec: true,
          });
        }
        const shown = config.queue.accept(commit, { nonblock });
        return nonblock ? undefined : shown;
      } catch (error) {
        for (const change of commit.crtcs.values()) change.event?.cancel();
        if (error instanceof DrmError) clearFences(commit, user);
        throw error;
      }
    }),
  ];
}

/** A commit that does not happen leaves -1 where its out-fences would be. */
function clearFences(commit: AtomicCommit, user: UserContext): void {
  for (const { outFencePtr } of commit.crtcs.values()) if (outFencePtr) user.write(outFencePtr, NO_FENCE);
}

interface Setting {
  readonly object: number;
  /** Absent: the object is named without any property. */
  readonly property: number | undefined;
  readonly value: bigint;
}

function readSettings(
  user: UserContext,
  arg: {
    count_objs: number;
    objs_ptr: bigint;
    count_props_ptr: bigint;
    props_ptr: bigint;
    prop_values_ptr: bigint;
  },
): Setting[] {
  must(arg.count_objs <= MAX_OBJECTS, 'EINVAL', () => `${arg.count_objs} objects; ${MAX_OBJECTS} at most`);
  const objects = getU32s(user, arg.objs_ptr, arg.count_objs);
  const counts = getU32s(user, arg.count_props_ptr, arg.count_objs);
  const total = counts.reduce((sum, count) => sum + count, 0);
  must(total <= MAX_PROPERTIES, 'EINVAL', () => `${total} property values; ${MAX_PROPERTIES} at most`);
  const properties = getU32s(user, arg.props_ptr, total);
  const values = getU64s(user, arg.prop_values_ptr, total);
  const settings: Setting[] = [];
  let at = 0;
  for (const [i, object] of objects.entries()) {
    const count = counts[i]!;
    if (count === 0) settings.push({ object, property: undefined, value: 0n });
    for (let n = 0; n < count; n++, at++) settings.push({ object, property: properties[at]!, value: values[at]! });
  }
  return settings;
}

function apply(
  config: ModeConfig,
  commit: AtomicCommit,
  objectId: number,
  propertyId: number | undefined,
  value: bigint,
  user: UserContext,
  async: boolean,
): void {
  const object = config.objects.peek(objectId);
  must(object instanceof BoundObject, 'ENOENT', () => `${objectId} names no object with properties`);
  if (propertyId === undefined) return;
  const property = object.property(propertyId);
  must(property, 'ENOENT', () => `${object.type} ${objectId} has no property ${propertyId}`);
  setProperty(commit, object, property, value, user, async);
}
