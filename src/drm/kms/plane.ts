/**
 * Plane: one layer of the picture: a framebuffer, which part of it, and where it goes.
 * After Linux `drivers/gpu/drm/{drm_plane,drm_blend}.c`.
 */
import { BLEND_MODE, PLANE_TYPE, type PlaneType } from '../../abi/kms.ts';
import { FORMAT_BLOB_CURRENT, FormatModifier, FormatModifierBlob } from '../../abi/kms-structs.ts';
import { DrmError, must } from '../error.ts';
import type { SyncFile } from '../sync-file.ts';
import type { SetContext } from './atomic.ts';
import { type Bindings, BoundObject, id, number, signed32 } from './binding.ts';
import type { ModeConfig } from './config.ts';
import type { Crtc } from './crtc.ts';
import type { Framebuffer } from './framebuffer.ts';
import { Blob, type Property, propertyMaker } from './property.ts';
import type { PlaneChange, PlaneState } from './state.ts';

/** What a plane of the hardware can show: each format with these modifiers. */
export interface PlaneFormats {
  readonly formats: readonly number[];
  readonly modifiers: readonly bigint[];
  /** Combinations that do not go together. */
  readonly excludes?: (format: number, modifier: bigint) => boolean;
}

export interface PlaneOptions extends PlaneFormats {
  readonly name: string;
  readonly type: PlaneType;
  readonly zpos: number;
}

export class Plane extends BoundObject<PlaneState, PlaneChange> {
  readonly name: string;
  readonly kind: PlaneType;
  readonly formats: readonly number[];
  readonly modifiers: readonly bigint[];
  readonly possibleCrtcs = 1;
  readonly #excludes: (format: number, modifier: bigint) => boolean;
  readonly bindings: Bindings<PlaneState, PlaneChange>;
  /** As after power-on. */
  readonly initial: Readonly<PlaneState>;
  state: PlaneState;

  constructor(config: ModeConfig, options: PlaneOptions) {
    super(config.objects, 'plane');
    this.name = options.name;
    this.kind = options.type;
    this.formats = options.formats;
    this.modifiers = options.modifiers;
    this.#excludes = options.excludes ?? (() => false);
    this.initial = {
      crtc: undefined,
      fb: undefined,
      crtcX: 0,
      crtcY: 0,
      crtcW: 0,
      crtcH: 0,
      srcX: 0,
      srcY: 0,
      srcW: 0,
      srcH: 0,
      alpha: 0xffff,
      blendMode: BLEND_MODE['Pre-multiplied'],
      zpos: options.zpos,
    };
    this.state = { ...this.initial };
    const inFormats = new Blob(config.objects, this.#formatBlob());
    this.bindings = planeBindings(config.planeProperties, this, inFormats);
  }

  shows(format: number, modifier: bigint): boolean {
    return this.formats.includes(format) && this.modifiers.includes(modifier) && !this.#excludes(format, modifier);
  }

  #formatBlob(): Uint8Array {
    const head = FormatModifierBlob.size;
    const formatsSize = Math.ceil((this.formats.length * 4) / 8) * 8;
    const out = new Uint8Array(head + formatsSize + this.modifiers.length * FormatModifier.size);
    const view = new DataView(out.buffer);
    FormatModifierBlob.write(view, 0, {
      version: FORMAT_BLOB_CURRENT,
      count_formats: this.formats.length,
      formats_offset: head,
      count_modifiers: this.modifiers.length,
      modifiers_offset: head + formatsSize,
    });
    for (const [i, format] of this.formats.entries()) view.setUint32(head + i * 4, format, true);
    for (const [i, modifier] of this.modifiers.entries()) {
      const formats = this.formats.reduce(
        (mask, format, bit) => (this.#excludes(format, modifier) ? mask : mask | (1n << BigInt(bit))),
        0n,
      );
      FormatModifier.write(view, head + formatsSize + i * FormatModifier.size, { formats, modifier });
    }
    return out;
  }
}

const U32_MAX = 0xffffffffn;
const S32 = { min: -0x80000000n, max: 0x7fffffffn };
const atomic = { atomic: true };

/** The properties that all planes share. */
export function planeProperties(config: ModeConfig) {
  const make = propertyMaker(config.objects);
  return {
    type: make.enum('type', PLANE_TYPE, { immutable: true }),
    fbId: make.object('FB_ID', 'fb', atomic),
    inFenceFd: make.signed('IN_FENCE_FD', -1n, S32.max, atomic),
    crtcId: make.object('CRTC_ID', 'crtc', atomic),
    crtcX: make.signed('CRTC_X', S32.min, S32.max, atomic),
    crtcY: make.signed('CRTC_Y', S32.min, S32.max, atomic),
    crtcW: make.range('CRTC_W', 0n, S32.max, atomic),
    crtcH: make.range('CRTC_H', 0n, S32.max, atomic),
    srcX: make.range('SRC_X', 0n, U32_MAX, atomic),
    srcY: make.range('SRC_Y', 0n, U32_MAX, atomic),
    srcW: make.range('SRC_W', 0n, U32_MAX, atomic),
    srcH: make.range('SRC_H', 0n, U32_MAX, atomic),
    inFormats: make.blob('IN_FORMATS', { immutable: true }),
    alpha: make.range('alpha', 0n, 0xffffn),
    blendMode: make.enum('pixel blend mode', BLEND_MODE),
    zpos: make.range('zpos', 0n, 2n),
  };
}

type NumberKey = 'crtcW' | 'crtcH' | 'srcX' | 'srcY' | 'srcW' | 'srcH' | 'alpha' | 'blendMode' | 'zpos';

function planeBindings(
  p: ReturnType<typeof planeProperties>,
  plane: Plane,
  inFormats: Blob,
): Bindings<PlaneState, PlaneChange> {
  const field = (property: Property, key: NumberKey) => ({
    property,
    get: (state: PlaneState) => BigInt(state[key]),
    set: (change: PlaneChange, value: bigint) => {
      change.next[key] = Number(value);
    },
  });
  return [
    { property: p.type, get: () => BigInt(PLANE_TYPE[plane.kind]) },
    {
      property: p.fbId,
      get: (state) => id(state.fb),
      set: (change, value, { commit }) =>
        commit.setFramebuffer(change, value ? commit.config.objects.find<Framebuffer>(number(value), 'fb') : undefined),
    },
    {
      property: p.inFenceFd,
      get: () => BigInt.asUintN(64, -1n),
      set: (change, value, context) => {
        must(!change.fence, 'EINVAL', 'IN_FENCE_FD was set already');
        const fd = Number(BigInt.asIntN(64, value));
        if (fd !== -1) change.fence = syncFile(fd, context);
      },
    },
    {
      property: p.crtcId,
      get: (state) => id(state.crtc),
      set: (change, value, { commit }) =>
        commit.setPlaneCrtc(change, value ? commit.find<Crtc>(number(value), 'crtc') : undefined),
    },
    {
      property: p.crtcX,
      get: (state) => BigInt.asUintN(64, BigInt(state.crtcX)),
      set: (change, value) => {
        change.next.crtcX = signed32(value);
      },
    },
    {
      property: p.crtcY,
      get: (state) => BigInt.asUintN(64, BigInt(state.crtcY)),
      set: (change, value) => {
        change.next.crtcY = signed32(value);
      },
    },
    field(p.crtcW, 'crtcW'),
    field(p.crtcH, 'crtcH'),
    field(p.srcX, 'srcX'),
    field(p.srcY, 'srcY'),
    field(p.srcW, 'srcW'),
    field(p.srcH, 'srcH'),
    { property: p.inFormats, get: () => BigInt(inFormats.id) },
    field(p.alpha, 'alpha'),
    field(p.blendMode, 'blendMode'),
    field(p.zpos, 'zpos'),
  ];
}

function syncFile(fd: number, { user }: SetContext): SyncFile {
  try {
    const descriptor = user.descriptor(fd);
    must(descriptor.kind === 'sync-file', 'EINVAL', () => `descriptor ${fd} is a ${descriptor.kind}, no sync file`);
    return descriptor.syncFile;
  } catch (error) {
    if (error instanceof DrmError) throw new DrmError('EINVAL', `IN_FENCE_FD ${fd}: ${error.message}`);
    throw error;
  }
}
