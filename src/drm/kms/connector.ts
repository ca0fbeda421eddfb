/**
 * Connector and Encoder: where the picture leaves the board, and what is plugged in there.
 * After Linux `drivers/gpu/drm/{drm_connector,drm_encoder}.c`.
 */
import { CONNECTION, DPMS, ENCODER_TMDS, LINK_STATUS } from '../../abi/kms.ts';
import type { ModeInfo } from '../../abi/kms-structs.ts';
import { DrmError } from '../error.ts';
import { type Bindings, BoundObject, id, number } from './binding.ts';
import type { ModeConfig } from './config.ts';
import type { Crtc } from './crtc.ts';
import { ModeObject } from './object.ts';
import { Blob, propertyMaker } from './property.ts';
import type { ConnectorChange, ConnectorState } from './state.ts';

export class Encoder extends ModeObject {
  readonly encoderType = ENCODER_TMDS;
  readonly possibleCrtcs = 1;
  /** Itself alone. */
  readonly possibleClones = 1;

  constructor(config: ModeConfig) {
    super(config.objects, 'encoder');
  }
}

export interface ConnectorOptions {
  readonly name: string;
  /** DRM_MODE_CONNECTOR_*, and its number among those of its type. */
  readonly type: number;
  readonly typeId: number;
  readonly encoder: Encoder;
  readonly edid: Uint8Array;
  /** Best first. */
  readonly modes: readonly ModeInfo[];
  /** Of the picture, in millimetres. */
  readonly widthMm: number;
  readonly heightMm: number;
}

export class Connector extends BoundObject<ConnectorState, ConnectorChange> {
  readonly options: ConnectorOptions;
  readonly encoder: Encoder;
  readonly connection = CONNECTION.connected;
  readonly bindings: Bindings<ConnectorState, ConnectorChange>;
  /** What the legacy DPMS property was set to. */
  dpms: number = DPMS.On;
  state: ConnectorState = { crtc: undefined, linkStatus: LINK_STATUS.Good };

  constructor(config: ModeConfig, options: ConnectorOptions) {
    super(config.objects, 'connector');
    this.options = options;
    this.encoder = options.encoder;
    this.bindings = connectorBindings(
      config.connectorProperties,
      this,
      new Blob(config.objects, Uint8Array.from(options.edid)),
    );
  }
}

export function connectorProperties(config: ModeConfig) {
  const make = propertyMaker(config.objects);
  return {
    edid: make.blob('EDID', { immutable: true }),
    dpms: make.enum('DPMS', DPMS),
    linkStatus: make.enum('link-status', LINK_STATUS),
    nonDesktop: make.bool('non-desktop', { immutable: true }),
    crtcId: make.object('CRTC_ID', 'crtc', { atomic: true }),
  };
}

function connectorBindings(
  p: ReturnType<typeof connectorProperties>,
  connector: Connector,
  edid: Blob,
): Bindings<ConnectorState, ConnectorChange> {
  return [
    { property: p.edid, get: () => BigInt(edid.id) },
    {
      property: p.dpms,
      get: () => BigInt(connector.dpms),
      set: () => {
        throw new DrmError('EINVAL', 'DPMS is set by the legacy ioctls, ACTIVE by atomic ones');
      },
    },
    {
      property: p.linkStatus,
      get: (state) => BigInt(state.linkStatus),
      // Hardware alone makes a link bad; a client can only say that it has dealt with it.
      set: (change, value) => {
        if (change.next.linkStatus !== LINK_STATUS.Good) change.next.linkStatus = Number(value);
      },
    },
    { property: p.nonDesktop, get: () => 0n },
    {
      property: p.crtcId,
      get: (state) => id(state.crtc),
      set: (change, value, { commit }) =>
        commit.setConnectorCrtc(change, value ? commit.find<Crtc>(number(value), 'crtc') : undefined),
    },
  ];
}
