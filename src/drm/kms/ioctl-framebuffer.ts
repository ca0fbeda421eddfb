/**
 * Framebuffers and dumb buffers.
 * After Linux `drivers/gpu/drm/{drm_framebuffer,drm_dumb_buffers}.c`, the dumb pitch after `rockchip_drm_gem.c`.
 */
import { legacyFormat } from '../../abi/fourcc.ts';
import { FB_DIRTY, FB_FLAG } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import { ClipRect } from '../../abi/kms-structs.ts';
import { OutOfMemory } from '../../board/dram.ts';
import { DrmError, must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import { GemObject } from '../gem.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import type { UserContext } from '../user.ts';
import { framebufferOf, type KmsFile, type ModeConfig } from './config.ts';
import { createFramebuffer, type Framebuffer } from './framebuffer.ts';

const U32_MAX = 0xffffffff;
/** Rows of dumb buffers start at multiples of this many bytes, as the GPU wants them. */
const PITCH_ALIGN = 64;

/** Takes a framebuffer out of the file's list; the list's reference goes to the caller. Throws ENOENT. */
function takeFramebuffer(config: ModeConfig, file: DrmFile<KmsFile>, id: number): Framebuffer {
  const fb = framebufferOf(config, id);
  must(file.private.fbs.delete(fb), 'ENOENT', () => `framebuffer ${id} belongs to another file`);
  return fb;
}

/** Who may get at the buffer behind any client's framebuffer. */
const mayTake = (file: DrmFile<KmsFile>, user: UserContext): boolean => file.isMaster || user.capable('SYS_ADMIN');

export function framebufferIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  const add = (file: DrmFile<KmsFile>, fb: Framebuffer): number => {
    file.private.fbs.add(fb);
    return fb.id;
  };
  return [
    ioctl(I.MODE_ADDFB, {}, (file: DrmFile<KmsFile>, arg) => {
      const format = legacyFormat(arg.bpp, arg.depth);
      must(format, 'EINVAL', () => `no format has ${arg.bpp} bits per pixel and depth ${arg.depth}`);
      config.checkRoom(file);
      const fb = createFramebuffer(config, file, {
        fb_id: 0,
        width: arg.width,
        height: arg.height,
        pixel_format: format.code,
        flags: 0,
        handles: [arg.handle, 0, 0, 0],
        pitches: [arg.pitch, 0, 0, 0],
        offsets: [0, 0, 0, 0],
        modifier: [0n, 0n, 0n, 0n],
      });
      arg.fb_id = add(file, fb);
    }),

    ioctl(I.MODE_ADDFB2, {}, (file: DrmFile<KmsFile>, arg) => {
      config.checkRoom(file);
      arg.fb_id = add(file, createFramebuffer(config, file, arg));
    }),

    ioctl(I.MODE_RMFB, {}, (file: DrmFile<KmsFile>, arg) =>
      config.removeFramebuffer(takeFramebuffer(config, file, arg.fb_id)),
    ),

    ioctl(I.MODE_CLOSEFB, {}, (file: DrmFile<KmsFile>, arg) => {
      must(arg.pad === 0, 'EINVAL', 'the padding is not zero');
      takeFramebuffer(config, file, arg.fb_id).put();
    }),

    ioctl(I.MODE_GETFB, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const fb = framebufferOf(config, arg.fb_id);
      const { width, height, format, pitch } = fb.shape;
      arg.width = width;
      arg.height = height;
      arg.pitch = pitch;
      arg.bpp = format.bytesPerPixel * 8;
      arg.depth = format.depth;
      arg.handle = mayTake(file, user) ? file.createHandle(fb.object) : 0;
    }),

    ioctl(I.MODE_GETFB2, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const fb = framebufferOf(config, arg.fb_id);
      const { width, height, format, pitch, offset, modifier } = fb.shape;
      arg.width = width;
      arg.height = height;
      arg.pixel_format = format.code;
      arg.flags = FB_FLAG.MODIFIERS;
      arg.handles = [mayTake(file, user) ? file.createHandle(fb.object) : 0, 0, 0, 0];
      arg.pitches = [pitch, 0, 0, 0];
      arg.offsets = [offset, 0, 0, 0];
      arg.modifier = [modifier, 0n, 0n, 0n];
    }),

    // Scanout reads the framebuffer afresh for every frame, so there is nothing to flush; but who looks on may look again.
    ioctl(I.MODE_DIRTYFB, { master: true }, (_file: DrmFile<KmsFile>, arg, user) => {
      const fb = framebufferOf(config, arg.fb_id);
      const { num_clips: count, clips_ptr: address } = arg;
      must((count === 0) === (address === 0n), 'EINVAL', 'clips without an address, or an address without clips');
      must(!(arg.flags & FB_DIRTY.ANNOTATE_COPY) || count % 2 === 0, 'EINVAL', 'clips to copy do not come in pairs');
      must(count <= FB_DIRTY.MAX_CLIPS, 'EINVAL', () => `${count} clips; ${FB_DIRTY.MAX_CLIPS} at most`);
      if (count > 0) user.read(address, count * ClipRect.size);
      config.hardware.drawn(fb);
    }),

    ioctl(I.MODE_CREATE_DUMB, {}, (file: DrmFile<KmsFile>, arg) => {
      const { width, height, bpp } = arg;
      arg.handle = 0;
      arg.pitch = 0;
      arg.size = 0n;
      must(width > 0 && height > 0 && bpp > 0, 'EINVAL', () => `a dumb buffer of ${width}×${height}×${bpp}`);
      const pitch = Math.ceil((width * Math.ceil(bpp / 8)) / PITCH_ALIGN) * PITCH_ALIGN;
      const size = Math.ceil((pitch * height) / 4096) * 4096;
      must(
        pitch <= U32_MAX && size <= U32_MAX,
        'EINVAL',
        () => `a dumb buffer of ${width}×${height}×${bpp} is too big`,
      );
      const object = allocate(config, size);
      try {
        arg.handle = file.addHandle(object);
      } finally {
        object.put();
      }
      arg.pitch = pitch;
      arg.size = BigInt(size);
    }),

    ioctl(I.MODE_MAP_DUMB, {}, (file: DrmFile<KmsFile>, arg) => {
      arg.offset = file.mmapOffset(arg.handle);
    }),

    ioctl(I.MODE_DESTROY_DUMB, {}, (file: DrmFile<KmsFile>, arg) => file.removeHandle(arg.handle)),
  ];
}

function allocate(config: ModeConfig, size: number): GemObject {
  const { dram } = config.context;
  try {
    return new GemObject(dram, dram.allocShared('dumb', size));
  } catch (error) {
    if (error instanceof OutOfMemory) throw new DrmError('ENOMEM', error.message);
    throw error;
  }
}
