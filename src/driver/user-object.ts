/**
 * Objects in a client's memory, which may be older or newer than ours: what they lack is zero, what we do not know has to
 * be zero. After Linux `drivers/gpu/drm/panthor/panthor_drv.c` (panthor_set_uobj, panthor_get_uobj_array).
 */
import { type Infer, type Layout, viewOf } from '../abi/layout.ts';
import type { UserObject } from '../abi/panthor.ts';
import { DrmError, must } from '../drm/error.ts';
import { viewed } from '../drm/scratch.ts';
import type { UserContext } from '../drm/user.ts';

/** The most that one array or object may measure. */
const MAX_ARRAY_BYTES = 16 * 1024 * 1024;
const MAX_OBJECT_BYTES = MAX_ARRAY_BYTES;

interface ObjectArray {
  readonly stride: number;
  readonly count: number;
  readonly array: bigint;
}

/** The object of `size` bytes at byte `at`. */
function decode<L extends Layout<any>>(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  size: number,
  layout: L,
): Infer<L> {
  if (size >= layout.size) {
    for (let i = layout.size; i < size; i++)
      if (bytes[at + i] !== 0) throw new DrmError('E2BIG', `${layout.name} has fields that this driver does not know`);
    return layout.read(view, at) as Infer<L>;
  }
  const whole = new Uint8Array(layout.size);
  whole.set(bytes.subarray(at, at + size));
  return layout.read(viewOf(whole), 0) as Infer<L>;
}

/** Reads an array of objects. Throws EINVAL, E2BIG, EFAULT, ENOMEM for absurd sizes. */
export function readObjects<L extends Layout<any>>(
  user: UserContext,
  { stride, count, array }: ObjectArray,
  object: UserObject<L>,
): Infer<L>[] {
  if (count === 0) return [];
  must(stride >= object.minSize, 'EINVAL', () => `stride ${stride} is less than a ${object.layout.name}`);
  must(count * stride <= MAX_ARRAY_BYTES, 'ENOMEM', () => `${count} objects of ${stride} bytes are too many`);
  const bytes = user.read(array, count * stride);
  const view = viewed(bytes);
  const objects: Infer<L>[] = [];
  for (let i = 0; i < count; i++) objects.push(decode(bytes, view, i * stride, stride, object.layout));
  return objects;
}

/** Reads one object of `size` bytes. Throws E2BIG for absurd ones. */
export function readObject<L extends Layout<any>>(
  user: UserContext,
  address: bigint,
  size: number,
  object: UserObject<L>,
): Infer<L> {
  must(size <= MAX_OBJECT_BYTES, 'E2BIG', () => `an object of ${size} bytes`);
  const bytes = user.read(address, size);
  return decode(bytes, viewed(bytes), 0, size, object.layout);
}

/** Writes as much of an object as `size` bytes hold, and zeros behind it. Throws EINVAL if that is too little. */
export function writeObject<L extends Layout<any>>(
  user: UserContext,
  address: bigint,
  size: number,
  object: UserObject<L>,
  values: Partial<Infer<L>>,
): void {
  must(size >= object.minSize, 'EINVAL', () => `${size} bytes are less than a ${object.layout.name}`);
  must(size <= MAX_OBJECT_BYTES, 'E2BIG', () => `an object of ${size} bytes`);
  const bytes = new Uint8Array(size);
  bytes.set(object.layout.pack(values).subarray(0, size));
  user.write(address, bytes);
}
