/**
 * The ioctls from before atomic: each makes a commit of its own.
 * After Linux `drivers/gpu/drm/{drm_crtc,drm_plane,drm_color_mgmt}.c` and the legacy helpers in `drm_atomic_helper.c`.
 */
import { ARGB8888, fourccName } from '../../abi/fourcc.ts';
import { CURSOR, FB_KEEP, FLIP, MODE_FLAG_ASPECT } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import { ColorLut, type ModeInfo } from '../../abi/kms-structs.ts';
import { DrmError, must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import { AtomicCommit } from './atomic.ts';
import { checkSource } from './check.ts';
import { framebufferOf, isAtomic, type KmsFile, type ModeConfig } from './config.ts';
import type { Connector } from './connector.ts';
import { type Crtc, setModeBlob } from './crtc.ts';
import { flipEvent } from './events.ts';
import { createFramebuffer, type Framebuffer } from './framebuffer.ts';
import { checkedMode, modeBytes, sameTimings } from './mode.ts';
import type { Plane } from './plane.ts';
import { Blob } from './property.ts';
import { getU16s, getU32s, putU16s } from './user-array.ts';

const FIXED_ONE = 0x10000;

interface Placement {
  crtcX: number;
  crtcY: number;
  crtcW: number;
  crtcH: number;
  srcX: number;
  srcY: number;
  srcW: number;
  srcH: number;
}

function place(commit: AtomicCommit, plane: Plane, crtc: Crtc, fb: Framebuffer, at: Placement): void {
  const change = commit.plane(plane);
  commit.setPlaneCrtc(change, crtc);
  commit.setFramebuffer(change, fb);
  Object.assign(change.next, at);
}

/** Puts `mode` and `fb` on a CRTC that feeds these connectors, and no others. */
function setCrtc(
  config: ModeConfig,
  crtc: Crtc,
  mode: ModeInfo,
  fb: Framebuffer,
  connectors: readonly Connector[],
  x: number,
  y: number,
): Promise<void> | undefined {
  const commit = new AtomicCommit(config);
  const change = commit.crtc(crtc);
  // The same timings keep their blob, so that a client which sets its mode again does not restart the display.
  let blob: Blob | undefined;
  if (!sameTimings(change.next.mode, mode)) {
    blob = new Blob(config.objects, modeBytes(mode));
    setModeBlob(change, blob);
  }
  change.next.active = true;
  const { hdisplay: crtcW, vdisplay: crtcH } = mode;
  const source = { srcX: x * FIXED_ONE, srcY: y * FIXED_ONE, srcW: crtcW * FIXED_ONE, srcH: crtcH * FIXED_ONE };
  place(commit, crtc.primary, crtc, fb, { crtcX: 0, crtcY: 0, crtcW, crtcH, ...source });
  for (const connector of config.connectors) {
    const wanted = connectors.includes(connector);
    if (!wanted && connector.state.crtc !== crtc) continue;
    commit.setConnectorCrtc(commit.connector(connector), wanted ? crtc : undefined);
  }
  try {
    return config.queue.submit(commit, { nonblock: false });
  } finally {
    blob?.put();
  }
}

function disableCrtc(config: ModeConfig, crtc: Crtc): Promise<void> | undefined {
  const commit = new AtomicCommit(config);
  const change = commit.crtc(crtc);
  setModeBlob(change, undefined);
  change.next.active = false;
  commit.disablePlane(crtc.primary);
  for (const connector of config.connectors)
    if (connector.state.crtc === crtc) commit.setConnectorCrtc(commit.connector(connector), undefined);
  return config.queue.submit(commit, { nonblock: false });
}

interface CursorRequest {
  flags: number;
  crtc_id: number;
  x: number;
  y: number;
  width: number;
  height: number;
  handle: number;
}

/**
 * Sets or moves the cursor. It neither waits for the screen nor disturbs a flip that is under way; it does wait for a
 * commit that sets the same plane, or starts or stops the CRTC.
 */
function setCursor(config: ModeConfig, file: DrmFile<KmsFile>, request: CursorRequest): Promise<void> | undefined {
  const { flags } = request;
  must(
    flags !== 0 && (flags & ~(CURSOR.BO | CURSOR.MOVE)) === 0,
    'EINVAL',
    () => `cursor flags 0x${flags.toString(16)}`,
  );
  const crtc = config.find<Crtc>(file, request.crtc_id, 'crtc');
  const plane = crtc.cursor;
  let fb: Framebuffer | undefined;
  if (flags & CURSOR.BO) {
    if (request.handle) {
      fb = createFramebuffer(config, file, {
        fb_id: 0,
        width: request.width,
        height: request.height,
        pixel_format: ARGB8888.code,
        flags: 0,
        handles: [request.handle, 0, 0, 0],
        pitches: [request.width * ARGB8888.bytesPerPixel, 0, 0, 0],
        offsets: [0, 0, 0, 0],
        modifier: [0n, 0n, 0n, 0n],
      });
    }
  } else fb = plane.state.fb?.get();
  const crtcX = flags & CURSOR.MOVE ? request.x : crtc.cursorX;
  const crtcY = flags & CURSOR.MOVE ? request.y : crtc.cursorY;
  const commit = new AtomicCommit(config);
  commit.unsynced = true;
  try {
    if (fb) {
      const { width, height } = fb.shape;
      const source = { srcX: 0, srcY: 0, srcW: width * FIXED_ONE, srcH: height * FIXED_ONE };
      place(commit, plane, crtc, fb, { crtcX, crtcY, crtcW: width, crtcH: height, ...source });
    } else commit.disablePlane(plane);
    const shown = config.queue.submit(commit, { nonblock: false });
    if (flags & CURSOR.BO) {
      file.private.cursor?.put();
      file.private.cursor = fb?.get();
    }
    crtc.cursorX = crtcX;
    crtc.cursorY = crtcY;
    return shown;
  } finally {
    fb?.put();
  }
}

export function legacyIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  const find = {
    crtc: (file: DrmFile<KmsFile>, id: number): Crtc => config.find<Crtc>(file, id, 'crtc'),
    plane: (file: DrmFile<KmsFile>, id: number): Plane => config.find<Plane>(file, id, 'plane'),
  };
  return [
    ioctl(I.MODE_SETCRTC, { master: true }, (file: DrmFile<KmsFile>, arg, user) => {
      must(arg.x < FIXED_ONE && arg.y < FIXED_ONE, 'ERANGE', () => `a picture origin of ${arg.x},${arg.y}`);
      const crtc = find.crtc(file, arg.crtc_id);
      const count = arg.count_connectors;
      if (!arg.mode_valid) {
        must(count === 0, 'EINVAL', () => `${count} connectors and no mode`);
        return disableCrtc(config, crtc);
      }
      const fb = arg.fb_id === FB_KEEP ? crtc.primary.state.fb : framebufferOf(config, arg.fb_id);
      must(fb, 'EINVAL', () => `${crtc.name} shows no framebuffer to keep`);
      const aspect = (arg.mode.flags & MODE_FLAG_ASPECT.mask) >>> MODE_FLAG_ASPECT.shift;
      must(aspect === 0 || isAtomic(file), 'EINVAL', 'an aspect ratio from a client that did not ask for them');
      const mode = checkedMode(arg.mode);
      const { format, modifier, width, height } = fb.shape;
      must(
        crtc.primary.shows(format.code, modifier),
        'EINVAL',
        () => `${crtc.primary.name} cannot show ${fourccName(format.code)}`,
      );
      must(
        arg.x + mode.hdisplay <= width && arg.y + mode.vdisplay <= height,
        'ENOSPC',
        () => `${mode.hdisplay}×${mode.vdisplay}+${arg.x}+${arg.y} leaves a framebuffer of ${width}×${height}`,
      );
      must(count > 0, 'EINVAL', 'a mode and no connector');
      must(count <= config.connectors.length, 'EINVAL', () => `${count} connectors of ${config.connectors.length}`);
      const connectors = getU32s(user, arg.set_connectors_ptr, count).map((id) =>
        config.find<Connector>(file, id, 'connector'),
      );
      return setCrtc(config, crtc, mode, fb, connectors, arg.x, arg.y);
    }),

    ioctl(I.MODE_PAGE_FLIP, { master: true }, (file: DrmFile<KmsFile>, arg) => {
      const { flags, sequence } = arg;
      const targets = flags & (FLIP.TARGET_ABSOLUTE | FLIP.TARGET_RELATIVE);
      const known = FLIP.EVENT | FLIP.ASYNC | FLIP.TARGET_ABSOLUTE | FLIP.TARGET_RELATIVE;
      must((flags & ~known) === 0, 'EINVAL', () => `page flip flags 0x${flags.toString(16)}`);
      must(sequence === 0 || targets, 'EINVAL', 'a target sequence without a target flag');
      must(targets !== (FLIP.TARGET_ABSOLUTE | FLIP.TARGET_RELATIVE), 'EINVAL', 'an absolute and relative target');
      const crtc = find.crtc(file, arg.crtc_id);
      const atOnce = flipsAtOnce(crtc, flags, sequence);
      const { state } = crtc.primary;
      must(state.fb, 'EBUSY', () => `${crtc.primary.name} shows nothing that a flip could replace`);
      const fb = framebufferOf(config, arg.fb_id);
      checkSource({ ...state, fb });
      must(
        state.fb.shape.format === fb.shape.format,
        'EINVAL',
        () => `a flip from ${state.fb!.shape.format.name} to ${fb.shape.format.name}`,
      );
      must(crtc.state.active, 'EINVAL', () => `${crtc.name} is off`);
      const commit = new AtomicCommit(config);
      commit.allowModeset = false;
      commit.setFramebuffer(commit.plane(crtc.primary), fb);
      const change = commit.crtc(crtc);
      change.async = atOnce;
      const event = flags & FLIP.EVENT ? flipEvent(file, crtc, arg.user_data) : undefined;
      change.event = event;
      try {
        void config.queue.submit(commit, { nonblock: true });
      } catch (error) {
        event?.cancel();
        throw error;
      }
    }),

    ioctl(I.MODE_SETPLANE, { master: true }, (file: DrmFile<KmsFile>, arg) => {
      const plane = find.plane(file, arg.plane_id);
      const commit = new AtomicCommit(config);
      if (arg.fb_id) {
        const fb = framebufferOf(config, arg.fb_id);
        const { crtc_x: crtcX, crtc_y: crtcY, crtc_w: crtcW, crtc_h: crtcH } = arg;
        const { src_x: srcX, src_y: srcY, src_w: srcW, src_h: srcH } = arg;
        const at = { crtcX, crtcY, crtcW, crtcH, srcX, srcY, srcW, srcH };
        place(commit, plane, find.crtc(file, arg.crtc_id), fb, at);
      } else commit.disablePlane(plane);
      commit.unsynced = plane.kind === 'Cursor';
      return config.queue.submit(commit, { nonblock: false });
    }),

    ioctl(I.MODE_CURSOR, { master: true }, (file: DrmFile<KmsFile>, arg) => setCursor(config, file, arg)),
    // The hotspot matters to virtual machines that draw the cursor elsewhere; this display draws it where it is put.
    ioctl(I.MODE_CURSOR2, { master: true }, (file: DrmFile<KmsFile>, arg) => setCursor(config, file, arg)),

    ioctl(I.MODE_GETGAMMA, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const crtc = find.crtc(file, arg.crtc_id);
      const size = crtc.gammaSize;
      must(arg.gamma_size === size, 'EINVAL', () => `a gamma table of ${arg.gamma_size} entries, not ${size}`);
      const table = gammaTable(crtc);
      for (const channel of ['red', 'green', 'blue'] as const)
        putU16s(
          user,
          arg[channel],
          size,
          table.map((entry) => entry[channel]),
        );
    }),

    ioctl(I.MODE_SETGAMMA, { master: true }, (file: DrmFile<KmsFile>, arg, user) => {
      const crtc = find.crtc(file, arg.crtc_id);
      const size = crtc.gammaSize;
      must(size > 0, 'ENOSYS', () => `${crtc.name} has no gamma table`);
      must(arg.gamma_size === size, 'EINVAL', () => `a gamma table of ${arg.gamma_size} entries, not ${size}`);
      const [red, green, blue] = [arg.red, arg.green, arg.blue].map((address) => getU16s(user, address, size));
      const data = new Uint8Array(size * ColorLut.size);
      const view = new DataView(data.buffer);
      for (let i = 0; i < size; i++)
        ColorLut.write(view, i * ColorLut.size, { red: red![i]!, green: green![i]!, blue: blue![i]! });
      const blob = new Blob(config.objects, data);
      const commit = new AtomicCommit(config);
      commit.crtc(crtc).next.gammaLut = blob;
      try {
        return config.queue.submit(commit, { nonblock: false });
      } finally {
        blob.put();
      }
    }),
  ];
}

/** Whether a flip goes to the screen without waiting for the next frame. Throws EINVAL for a target out of reach. */
function flipsAtOnce(crtc: Crtc, flags: number, sequence: number): boolean {
  if (flags & FLIP.TARGET_RELATIVE) {
    must(sequence <= 1, 'EINVAL', () => `a relative flip target of ${sequence}: 0 or 1`);
    return sequence === 0;
  }
  if (flags & FLIP.TARGET_ABSOLUTE) {
    if (!crtc.vblank.running) throw new DrmError('EINVAL', `${crtc.name} is off`);
    const ahead = (sequence - Number(BigInt.asUintN(32, crtc.vblank.now().sequence))) | 0;
    must(ahead <= 1, 'EINVAL', () => `an absolute flip target ${ahead} frames ahead: at most 1`);
    return ahead <= 0;
  }
  return (flags & FLIP.ASYNC) !== 0;
}

function gammaTable(crtc: Crtc): { red: number; green: number; blue: number }[] {
  const data = crtc.state.gammaLut?.data;
  const view = data && new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: crtc.gammaSize }, (_, i) => {
    if (view && (i + 1) * ColorLut.size <= view.byteLength) return ColorLut.read(view, i * ColorLut.size);
    const value = Math.round((i * 0xffff) / (crtc.gammaSize - 1));
    return { red: value, green: value, blue: value };
  });
}
