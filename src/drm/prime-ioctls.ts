/**
 * Buffer handles and PRIME: closing handles, and passing buffers between files and devices as dma-bufs.
 * After Linux `drivers/gpu/drm/drm_{gem,prime}.c`. Global names (flink) are left out: they let everyone in.
 */
import { DRM_IOCTL, DRM_PRIME_FLAGS } from '../abi/drm.ts';
import { OutOfMemory, PAGE } from '../board/dram.ts';
import { DrmError, must } from './error.ts';
import type { DrmFile } from './file.ts';
import { GemObject, objectOf } from './gem.ts';
import { type IoctlEntry, ioctl } from './ioctl.ts';
import { descriptorOf, type UserContext } from './user.ts';

/** The caller's dma-buf as an object of this device, with one reference for the caller of this function. */
export function importDmaBuf(file: DrmFile<any>, user: UserContext, fd: number): GemObject {
  const { file: backing } = descriptorOf(user, fd, 'dma-buf');
  const { device } = file;
  const known = objectOf(backing);
  let object: GemObject;
  if (known) object = known.get();
  else {
    if (backing.size === 0 || backing.size % PAGE !== 0) {
      backing.close();
      throw new DrmError('EINVAL', `a dma-buf of ${backing.size} bytes`);
    }
    try {
      object = new GemObject(device.context.dram, device.context.dram.adopt(backing));
    } catch (error) {
      if (error instanceof OutOfMemory) throw new DrmError('ENOMEM', error.message);
      throw error;
    }
  }
  try {
    object.exported = true;
    if (file.handleOf(object) === undefined) device.driver.importObject?.(object, file);
  } catch (error) {
    object.put();
    throw error;
  }
  return object;
}

export const primeIoctls: readonly IoctlEntry[] = [
  ioctl(DRM_IOCTL.GEM_CLOSE, { render: true }, (file, arg) => file.removeHandle(arg.handle)),

  ioctl(DRM_IOCTL.GEM_FLINK, { auth: true }, () => {
    throw new DrmError('EOPNOTSUPP', 'buffers have no global names here; pass them as dma-bufs');
  }),
  ioctl(DRM_IOCTL.GEM_OPEN, { auth: true }, () => {
    throw new DrmError('EOPNOTSUPP', 'buffers have no global names here; pass them as dma-bufs');
  }),
  ioctl(DRM_IOCTL.GEM_CHANGE_HANDLE, { render: true }, () => {
    throw new DrmError('EINVAL', 'handles cannot be changed');
  }),

  ioctl(DRM_IOCTL.PRIME_HANDLE_TO_FD, { render: true }, (file, arg, user) => {
    const known = DRM_PRIME_FLAGS.CLOEXEC | DRM_PRIME_FLAGS.RDWR;
    must((arg.flags & ~known) === 0, 'EINVAL', () => `flags 0x${arg.flags.toString(16)}`);
    const object = file.object(arg.handle);
    file.device.driver.exportObject?.(object, file);
    const backing = object.run.file;
    must(backing, 'EOPNOTSUPP', 'the buffer has no file behind it');
    object.exported = true;
    user.install({ kind: 'dma-buf', file: backing }, DRM_IOCTL.PRIME_HANDLE_TO_FD.arg!.offset.fd as number, {
      cloexec: (arg.flags & DRM_PRIME_FLAGS.CLOEXEC) !== 0,
      writable: (arg.flags & DRM_PRIME_FLAGS.RDWR) !== 0,
    });
  }),

  ioctl(DRM_IOCTL.PRIME_FD_TO_HANDLE, { render: true }, (file, arg, user) => {
    const object = importDmaBuf(file, user, arg.fd);
    try {
      arg.handle = file.addHandle(object);
    } finally {
      object.put();
    }
  }),
];
