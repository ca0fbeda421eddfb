/**
 * Crtc: one picture pipeline: blends the planes and sends frames out at the mode's rate.
 * After Linux `drivers/gpu/drm/drm_crtc.c`.
 */
import { ColorLut, ModeInfo } from '../../abi/kms-structs.ts';
import { viewOf } from '../../abi/layout.ts';
import { must } from '../error.ts';
import { type Bindings, BoundObject, id, number } from './binding.ts';
import type { ModeConfig } from './config.ts';
import { checkedMode } from './mode.ts';
import type { Plane } from './plane.ts';
import { type Blob, propertyMaker } from './property.ts';
import type { CrtcChange, CrtcState } from './state.ts';
import type { Vblank } from './vblank.ts';

export interface CrtcOptions {
  readonly name: string;
  readonly primary: Plane;
  readonly cursor: Plane;
  readonly vblank: Vblank;
  /** Entries of the gamma table; 0: the hardware has none. */
  readonly gammaSize: number;
}

export class Crtc extends BoundObject<CrtcState, CrtcChange> {
  readonly name: string;
  readonly primary: Plane;
  readonly cursor: Plane;
  readonly vblank: Vblank;
  readonly gammaSize: number;
  readonly bindings: Bindings<CrtcState, CrtcChange>;
  /** Where the legacy cursor ioctls left it. */
  cursorX = 0;
  cursorY = 0;
  state: CrtcState = { enable: false, active: false, mode: undefined, modeBlob: undefined, gammaLut: undefined };

  constructor(config: ModeConfig, options: CrtcOptions) {
    super(config.objects, 'crtc');
    this.name = options.name;
    this.primary = options.primary;
    this.cursor = options.cursor;
    this.vblank = options.vblank;
    this.gammaSize = options.gammaSize;
    this.bindings = crtcBindings(config.crtcProperties, this);
  }
}

/** Sets the mode that a blob holds; none switches the CRTC off. Throws EINVAL for a blob that is no good mode. */
export function setModeBlob(change: CrtcChange, blob: Blob | undefined): void {
  const { next } = change;
  if (blob === next.modeBlob) return;
  if (blob) {
    must(blob.data.length === ModeInfo.size, 'EINVAL', () => `a mode blob of ${blob.data.length} bytes`);
    next.mode = checkedMode(ModeInfo.read(viewOf(blob.data), 0));
  } else next.mode = undefined;
  next.modeBlob = blob;
  next.enable = blob !== undefined;
}

export function crtcProperties(config: ModeConfig) {
  const make = propertyMaker(config.objects);
  return {
    active: make.bool('ACTIVE', { atomic: true }),
    modeId: make.blob('MODE_ID', { atomic: true }),
    outFencePtr: make.range('OUT_FENCE_PTR', 0n, 0xffff_ffff_ffff_ffffn, { atomic: true }),
    gammaLut: make.blob('GAMMA_LUT'),
    gammaLutSize: make.range('GAMMA_LUT_SIZE', 0n, 0xffffffffn, { immutable: true }),
  };
}

function crtcBindings(p: ReturnType<typeof crtcProperties>, crtc: Crtc): Bindings<CrtcState, CrtcChange> {
  const standard: Bindings<CrtcState, CrtcChange> = [
    {
      property: p.active,
      get: (state) => (state.active ? 1n : 0n),
      set: (change, value) => {
        change.next.active = value === 1n;
      },
    },
    {
      property: p.modeId,
      get: (state) => id(state.modeBlob),
      set: (change, value, { commit }) =>
        setModeBlob(change, value ? commit.config.objects.find<Blob>(number(value), 'blob') : undefined),
    },
    {
      property: p.outFencePtr,
      get: () => 0n,
      set: (change, value) => {
        if (value) change.outFencePtr = value;
      },
    },
  ];
  if (crtc.gammaSize === 0) return standard;
  return [
    ...standard,
    {
      property: p.gammaLut,
      get: (state) => id(state.gammaLut),
      set: (change, value, { commit }) => {
        const blob = value ? commit.config.objects.find<Blob>(number(value), 'blob') : undefined;
        if (blob) {
          const size = blob.data.length;
          must(
            size % ColorLut.size === 0 && size <= crtc.gammaSize * ColorLut.size,
            'EINVAL',
            () => `a gamma table of ${size} bytes; ${crtc.gammaSize} entries of ${ColorLut.size} bytes fit`,
          );
        }
        change.next.gammaLut = blob;
      },
    },
    { property: p.gammaLutSize, get: () => BigInt(crtc.gammaSize) },
  ];
}
