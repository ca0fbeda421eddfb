/**
 * The ioctls that the DRM core answers for every device: who it is, what it can, what the client can; and, from the files
 * named below, master, buffers and sync objects.
 * After Linux `drivers/gpu/drm/drm_ioctl.c`, whose table also says who may call what.
 */
import {
  DRM_CAP,
  DRM_CLIENT_CAP,
  DRM_CLIENT_NAME_MAX_LEN,
  DRM_INTERFACE,
  DRM_IOCTL,
  DRM_PRIME_CAP,
  OVERFLOW_UID,
} from '../abi/drm.ts';
import type { IoctlDef } from '../abi/ioctl.ts';
import { DrmError, must } from './error.ts';
import type { DrmFile } from './file.ts';
import { type IoctlEntry, ioctl } from './ioctl.ts';
import { masterIoctls } from './master.ts';
import { primeIoctls } from './prime-ioctls.ts';
import { syncobjIoctls } from './syncobj-ioctls.ts';
import { writeText } from './user.ts';

/** What the kernel answers where the driver says nothing; mode-setting capabilities only for devices that have modes. */
const MODESET_CAPS: Readonly<Record<number, bigint>> = {
  [DRM_CAP.DUMB_BUFFER]: 0n,
  [DRM_CAP.VBLANK_HIGH_CRTC]: 1n,
  [DRM_CAP.DUMB_PREFERRED_DEPTH]: 0n,
  [DRM_CAP.DUMB_PREFER_SHADOW]: 0n,
  [DRM_CAP.ASYNC_PAGE_FLIP]: 0n,
  [DRM_CAP.CURSOR_WIDTH]: 64n,
  [DRM_CAP.CURSOR_HEIGHT]: 64n,
  [DRM_CAP.ADDFB2_MODIFIERS]: 1n,
  [DRM_CAP.PAGE_FLIP_TARGET]: 0n,
  [DRM_CAP.CRTC_IN_VBLANK_EVENT]: 1n,
  [DRM_CAP.ATOMIC_ASYNC_PAGE_FLIP]: 0n,
};

function capability(file: DrmFile<any>, wide: bigint): bigint {
  const { driver } = file.device;
  const cap = wide > 0xffffffffn ? -1 : Number(wide);
  const own = driver.capability?.(cap);
  if (own !== undefined) return own;
  switch (cap) {
    case DRM_CAP.TIMESTAMP_MONOTONIC:
      return 1n;
    case DRM_CAP.PRIME:
      return DRM_PRIME_CAP.IMPORT | DRM_PRIME_CAP.EXPORT;
    case DRM_CAP.SYNCOBJ:
    case DRM_CAP.SYNCOBJ_TIMELINE:
      return driver.features.syncobj ? 1n : 0n;
  }
  must(driver.features.modeset, 'EOPNOTSUPP', () => `capability ${wide} of a device without a display`);
  const value = MODESET_CAPS[cap];
  must(value !== undefined, 'EINVAL', () => `there is no capability ${wide}`);
  return value;
}

function setClientCap(file: DrmFile<any>, cap: number, value: bigint): void {
  must(file.device.driver.features.modeset, 'EOPNOTSUPP', 'client capabilities are for devices with a display');
  const set = (...caps: number[]): void => {
    for (const each of caps) file.clientCaps.set(each, value);
  };
  const upTo = (most: bigint): void => must(value <= most, 'EINVAL', () => `client capability ${cap}: ${value}`);
  const afterAtomic = (): void =>
    must(
      (file.clientCaps.get(DRM_CLIENT_CAP.ATOMIC) ?? 0n) > 0n,
      'EINVAL',
      () => `client capability ${cap} before the one for atomic`,
    );
  switch (cap) {
    case DRM_CLIENT_CAP.STEREO_3D:
    case DRM_CLIENT_CAP.UNIVERSAL_PLANES:
    case DRM_CLIENT_CAP.ASPECT_RATIO:
      upTo(1n);
      set(cap);
      return;
    case DRM_CLIENT_CAP.ATOMIC:
      upTo(2n);
      set(cap, DRM_CLIENT_CAP.UNIVERSAL_PLANES, DRM_CLIENT_CAP.ASPECT_RATIO);
      return;
    case DRM_CLIENT_CAP.WRITEBACK_CONNECTORS:
      afterAtomic();
      upTo(1n);
      set(cap);
      return;
    case DRM_CLIENT_CAP.CURSOR_PLANE_HOTSPOT:
      throw new DrmError('EOPNOTSUPP', 'cursor hotspots are for paravirtual displays');
    case DRM_CLIENT_CAP.PLANE_COLOR_PIPELINE:
      afterAtomic();
      upTo(1n);
      throw new DrmError('EOPNOTSUPP', 'no plane has a colour pipeline');
    default:
      throw new DrmError('EINVAL', `there is no client capability ${cap}`);
  }
}

/** Printable ASCII without spaces. */
const isName = (text: Uint8Array): boolean => text.every((c) => c > 0x20 && c < 0x7f);

const identityIoctls: readonly IoctlEntry[] = [
  ioctl(DRM_IOCTL.VERSION, { render: true }, (file, arg, user) => {
    const { driver } = file.device;
    [arg.version_major, arg.version_minor, arg.version_patchlevel] = driver.version;
    // Clients expect a date that is not empty.
    const date = driver.date || '0';
    writeText(user, arg.name, arg.name_len, driver.name);
    writeText(user, arg.date, arg.date_len, date);
    writeText(user, arg.desc, arg.desc_len, driver.description);
    arg.name_len = BigInt(driver.name.length);
    arg.date_len = BigInt(date.length);
    arg.desc_len = BigInt(driver.description.length);
  }),

  ioctl(DRM_IOCTL.GET_UNIQUE, {}, (file, arg, user) => {
    // Empty until SET_VERSION: clients that open by name take that as a sign that the device is free.
    const unique = file.group?.unique ?? '';
    if (arg.unique_len >= unique.length) writeText(user, arg.unique, arg.unique_len, unique);
    arg.unique_len = BigInt(unique.length);
  }),

  ioctl(DRM_IOCTL.SET_VERSION, { master: true }, (file, arg) => {
    const { driver } = file.device;
    const [major, minor] = driver.version;
    const wanted = { ...arg };
    arg.drm_di_major = DRM_INTERFACE.major;
    arg.drm_di_minor = DRM_INTERFACE.minor;
    arg.drm_dd_major = major;
    arg.drm_dd_minor = minor;
    if (wanted.drm_di_major !== -1) {
      must(
        wanted.drm_di_major === DRM_INTERFACE.major &&
          wanted.drm_di_minor >= 0 &&
          wanted.drm_di_minor <= DRM_INTERFACE.minor,
        'EINVAL',
        () => `interface version ${wanted.drm_di_major}.${wanted.drm_di_minor}`,
      );
      if (wanted.drm_di_minor >= 1 && file.group) file.group.unique = driver.unique ?? driver.name;
    }
    if (wanted.drm_dd_major !== -1) {
      must(
        wanted.drm_dd_major === major && wanted.drm_dd_minor >= 0 && wanted.drm_dd_minor <= minor,
        'EINVAL',
        () => `driver version ${wanted.drm_dd_major}.${wanted.drm_dd_minor}`,
      );
    }
  }),

  ioctl(DRM_IOCTL.GET_CAP, { render: true }, (file, arg) => {
    arg.value = 0n;
    arg.value = capability(file, arg.capability);
  }),

  ioctl(DRM_IOCTL.SET_CLIENT_CAP, {}, (file, arg) =>
    setClientCap(file, arg.capability > 0xffffffffn ? -1 : Number(arg.capability), arg.value),
  ),

  ioctl(DRM_IOCTL.SET_CLIENT_NAME, { render: true }, (file, arg, user) => {
    must(arg.name_len <= DRM_CLIENT_NAME_MAX_LEN, 'EINVAL', () => `a name of ${arg.name_len} bytes`);
    const text = arg.name_len === 0n ? new Uint8Array() : user.read(arg.name, Number(arg.name_len));
    must(isName(text), 'EINVAL', 'a client name has only printable characters and no spaces');
    file.clientName = text.length === 0 ? undefined : new TextDecoder().decode(text);
  }),

  ioctl(DRM_IOCTL.GET_CLIENT, {}, (file, arg, user) => {
    // Nobody is listed but the caller, who may be asking whether he is authenticated.
    must(arg.idx === 0, 'EINVAL', () => `there is no client ${arg.idx}`);
    arg.auth = file.authenticated ? 1 : 0;
    arg.pid = BigInt(user.pid);
    arg.uid = OVERFLOW_UID;
    arg.magic = 0n;
    arg.iocs = 0n;
  }),

  ioctl(DRM_IOCTL.GET_STATS, {}, (_file, arg) => {
    arg.count = 0n;
    arg.data.fill(0n);
  }),
];

/** What is left of the time before kernel mode setting: nothing, for those who may. */
const legacyIoctls: readonly IoctlEntry[] = [
  ...[
    DRM_IOCTL.SET_UNIQUE,
    DRM_IOCTL.BLOCK,
    DRM_IOCTL.UNBLOCK,
    DRM_IOCTL.ADD_DRAW,
    DRM_IOCTL.RM_DRAW,
    DRM_IOCTL.UPDATE_DRAW,
  ].map((def: IoctlDef) => ioctl(def, { auth: true, master: true, root: true }, () => {})),
  ioctl(DRM_IOCTL.FINISH, { auth: true }, () => {}),
];

export const coreIoctls: readonly IoctlEntry[] = [
  ...identityIoctls,
  ...masterIoctls,
  ...primeIoctls,
  ...syncobjIoctls,
  ...legacyIoctls,
];
