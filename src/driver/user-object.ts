/**
 * Objects in a client's memory, which may be older or newer than ours: what they lack is zero, what we do not know has to
 * be zero. After Linux `drivers/gpu/drm/panthor/panthor_drv.c` (panthor_set_uobj, panthor_get_uobj_array).
 */
import { type Infer, type Layout, viewOf } from '../abi/layout.ts';
import type { UserObject } from '../abi/panthor.ts';
import { must } from '../drm/error.ts';
import type { UserContext } from '../drm/user.ts';

/** The most that one array or object may measure. */
const MAX_ARRAY_BYTES = 16 * 1024 * 1024;
const MAX_OBJECT_BYTES = 4096;

interface ObjectArray {
  readonly stride: number;
  readonly count: number;
  readonly array: bigint;
}

function decode<L extends Layout<any>>(bytes: Uint8Array, layout: L): Infer<L> {
  if (bytes.length >= layout.size) {
    const unknown = bytes.subarray(layout.size);
    must(
      unknown.every((byte) => byte === 0),
      'E2BIG',
      `${layout.name} has fields that this driver does not know`,
    );
    return layout.read(viewOf(bytes), 0) as Infer<L>;
  }
  const whole = new Uint8Array(layout.size);
  whole.set(bytes);
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
  return Array.from({ length: count }, (_, i) => decode(bytes.subarray(i * stride, (i + 1) * stride), object.layout));
}

/** Reads one object of `size` bytes. */
export function readObject<L extends Layout<any>>(
  user: UserContext,
  address: bigint,
  size: number,
  object: UserObject<L>,
): Infer<L> {
  must(size <= MAX_OBJECT_BYTES, 'E2BIG', () => `an object of ${size} bytes`);
  return decode(user.read(address, size), object.layout);
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
