/**
 * Framebuffer: a picture in a buffer object: size, format, where its rows lie. It keeps the buffer alive.
 * After Linux `drivers/gpu/drm/{drm_framebuffer,drm_gem_framebuffer_helper}.c`.
 */
import { fourccName, MOD_LINEAR, PIXEL_FORMATS, type PixelFormat } from '../../abi/fourcc.ts';
import { FB_FLAG } from '../../abi/kms.ts';
import type { FbCmd2 } from '../../abi/kms-structs.ts';
import { must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import type { GemObject } from '../gem.ts';
import type { KmsFile, ModeConfig } from './config.ts';
import { CountedObject, type ObjectTable } from './object.ts';

export interface FramebufferShape {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly format: PixelFormat;
  readonly modifier: bigint;
  /** Bytes from one row to the next. */
  readonly pitch: number;
  /** Byte of the object where the first row starts. */
  readonly offset: number;
}

export class Framebuffer extends CountedObject {
  readonly shape: FramebufferShape;
  readonly object: GemObject;

  constructor(table: ObjectTable, shape: FramebufferShape, object: GemObject) {
    super(table, 'fb');
    this.shape = shape;
    this.object = object.get();
  }

  protected override release(): void {
    this.object.put();
  }
}

/**
 * The framebuffer that ADDFB2 asks for, with one reference for the caller. Throws EINVAL for what no plane can show,
 * ERANGE for rows that end beyond 4 GiB, ENOENT for a handle that is not open.
 */
export function createFramebuffer(config: ModeConfig, file: DrmFile<KmsFile>, cmd: FbCmd2): Framebuffer {
  const { width, height, pixel_format: code, flags } = cmd;
  must(
    (flags & ~(FB_FLAG.INTERLACED | FB_FLAG.MODIFIERS)) === 0,
    'EINVAL',
    () => `framebuffer flags 0x${flags.toString(16)} are unknown`,
  );
  must(
    width > 0 && width <= config.maxWidth && height > 0 && height <= config.maxHeight,
    'EINVAL',
    () => `a framebuffer of ${width}×${height}: at most ${config.maxWidth}×${config.maxHeight}`,
  );
  const format = PIXEL_FORMATS.get(code);
  must(format, 'EINVAL', () => `pixel format '${fourccName(code)}' is unknown here`);
  const explicit = (flags & FB_FLAG.MODIFIERS) !== 0;
  const [modifier = 0n, ...otherModifiers] = cmd.modifier;
  const [pitch = 0] = cmd.pitches;
  const [offset = 0] = cmd.offsets;
  const [handle = 0] = cmd.handles;
  must(handle !== 0, 'EINVAL', 'the framebuffer has no buffer handle');
  must(height * pitch + offset <= 0xffffffff, 'ERANGE', () => `${height} rows of ${pitch} bytes leave 4 GiB`);
  must(pitch >= width * format.bytesPerPixel, 'EINVAL', () => `a pitch of ${pitch} bytes for ${width} ${format.name}`);
  must(explicit || modifier === 0n, 'EINVAL', 'a modifier without DRM_MODE_FB_MODIFIERS');
  must(
    otherModifiers.every((other) => other === 0n),
    'EINVAL',
    'a modifier for an unused plane',
  );
  if (explicit) {
    const unused = [...cmd.handles.slice(1), ...cmd.pitches.slice(1), ...cmd.offsets.slice(1)];
    must(
      unused.every((value) => value === 0),
      'EINVAL',
      'a handle, pitch or offset for an unused plane',
    );
  }
  must(
    config.planes.some((plane) => plane.shows(code, modifier)),
    'EINVAL',
    () => `no plane shows ${format.name} with modifier 0x${modifier.toString(16)}`,
  );
  const object = file.object(handle);
  if (modifier === MOD_LINEAR) {
    const end = offset + (height - 1) * pitch + width * format.bytesPerPixel;
    must(end <= object.size, 'EINVAL', () => `the picture ends at byte ${end} of a buffer of ${object.size} bytes`);
    must(
      offset % 4 === 0 && pitch % 4 === 0,
      'EINVAL',
      () => `the display reads words: offset ${offset} and pitch ${pitch} are no multiples of 4`,
    );
  }
  return new Framebuffer(config.objects, { width, height, format, modifier, pitch, offset }, object);
}
