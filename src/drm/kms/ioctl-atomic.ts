/**
 * MODE_ATOMIC: any number of properties of any number of objects, all at once or not at all.
 * After Linux `drivers/gpu/drm/drm_atomic_uapi.c` (drm_mode_atomic_ioctl).
 */
import { ATOMIC, FLIP } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import type { Values } from '../../abi/layout.ts';
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
import { getU32s, getU64s, UserArray } from './user-array.ts';

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

      const commit = new AtomicCommit(config, file);
      commit.allowModeset = (flags & ATOMIC.ALLOW_MODESET) !== 0;
      try {
        const async = (flags & FLIP.ASYNC) !== 0;
        collect(config, file, commit, user, arg, async);
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

type Arrays = Pick<
  Values<NonNullable<typeof I.MODE_ATOMIC.arg>['fields']>,
  'count_objs' | 'objs_ptr' | 'count_props_ptr' | 'props_ptr' | 'prop_values_ptr'
>;

/** Collects what the client wants changed, and finds what is wrong with it in the order in which the kernel would. */
function collect(
  config: ModeConfig,
  file: DrmFile<KmsFile>,
  commit: AtomicCommit,
  user: UserContext,
  arg: Arrays,
  async: boolean,
): void {
  const { objects, total, wrong } = readObjects(config, file, user, arg);
  const properties = new UserArray(user, arg.props_ptr, getU32s, 4);
  const values = new UserArray(user, arg.prop_values_ptr, getU64s, 8);
  let at = 0;
  for (const { object, count } of objects) {
    for (const end = at + count; at < end; at++) {
      must(at < MAX_PROPERTIES, 'EINVAL', () => `${total} property values; ${MAX_PROPERTIES} at most`);
      const id = properties.at(at, total);
      const property = object.property(id);
      must(property, 'ENOENT', () => `${object.type} ${object.id} has no property ${id}`);
      setProperty(commit, object, property, values.at(at, total), user, async);
    }
  }
  if (wrong) throw wrong;
}

interface Objects {
  readonly objects: readonly { readonly object: BoundObject<any, any>; readonly count: number }[];
  /** How many property values they have. */
  readonly total: number;
  /** Why there are no more objects, though the client names more. */
  readonly wrong: DrmError | undefined;
}

function readObjects(config: ModeConfig, file: DrmFile<KmsFile>, user: UserContext, arg: Arrays): Objects {
  const ids = new UserArray(user, arg.objs_ptr, getU32s, 4);
  const counts = new UserArray(user, arg.count_props_ptr, getU32s, 4);
  const objects: { object: BoundObject<any, any>; count: number }[] = [];
  let total = 0;
  try {
    for (let i = 0; i < arg.count_objs; i++) {
      must(i < MAX_OBJECTS, 'EINVAL', () => `${arg.count_objs} objects; ${MAX_OBJECTS} at most`);
      const id = ids.at(i, arg.count_objs);
      const object = config.peek(file, id);
      must(object instanceof BoundObject, 'ENOENT', () => `${id} names no object with properties`);
      const count = counts.at(i, arg.count_objs);
      objects.push({ object, count });
      total += count;
    }
  } catch (error) {
    if (!(error instanceof DrmError)) throw error;
    return { objects, total, wrong: error };
  }
  return { objects, total, wrong: undefined };
}
