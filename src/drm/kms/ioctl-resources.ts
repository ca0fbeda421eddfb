/**
 * What there is: resources, planes, CRTCs, encoders, connectors, as clients discover them.
 * After Linux `drivers/gpu/drm/drm_{mode_config,plane,crtc,encoder,connector}.c`.
 */
import { DRM_CLIENT_CAP } from '../../abi/drm.ts';
import { MODE_FLAG_ASPECT, SUBPIXEL_UNKNOWN } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import type { ModeInfo } from '../../abi/kms-structs.ts';
import type { DrmFile } from '../file.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import type { UserContext } from '../user.ts';
import { isAtomic, type KmsFile, type ModeConfig, seesAllPlanes } from './config.ts';
import type { Connector, Encoder } from './connector.ts';
import type { Crtc } from './crtc.ts';
import { modeBytes } from './mode.ts';
import type { ModeObject, PropertyValue } from './object.ts';
import type { Plane } from './plane.ts';
import { putStructs, putU32s, putU64s } from './user-array.ts';

/** The properties that this client is shown: atomic ones only if it asked for atomic. */
export const visibleProperties = (file: DrmFile<KmsFile>, object: ModeObject): PropertyValue[] =>
  (object.properties() ?? []).filter(({ property }) => isAtomic(file) || !property.options.atomic);

/** Fills the two arrays of property ids and values; returns how many there are. */
export function putProperties(
  user: UserContext,
  ids: bigint,
  values: bigint,
  room: number,
  properties: readonly PropertyValue[],
): number {
  putU32s(
    user,
    ids,
    room,
    properties.map(({ property }) => property.id),
  );
  return putU64s(
    user,
    values,
    room,
    properties.map(({ value }) => value),
  );
}

/** The mode as this client may see it: the picture aspect ratio only if it asked. */
function shownMode(file: DrmFile<KmsFile>, mode: ModeInfo): ModeInfo {
  const all = isAtomic(file) || (file.clientCaps.get(DRM_CLIENT_CAP.ASPECT_RATIO) ?? 0n) !== 0n;
  return all ? mode : { ...mode, flags: mode.flags & ~MODE_FLAG_ASPECT.mask };
}

const ids = (objects: Iterable<ModeObject>): number[] => [...objects].map((object) => object.id);

export function resourceIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  /** What a lessee sees. */
  const held = <T extends ModeObject>(file: DrmFile<KmsFile>, objects: readonly T[]): T[] =>
    objects.filter(({ id }) => config.holds(file, id));
  const heldId = (file: DrmFile<KmsFile>, object: ModeObject | undefined): number =>
    object && config.holds(file, object.id) ? object.id : 0;
  /** A mask of CRTCs by their places in the file's own list. */
  const heldCrtcs = (file: DrmFile<KmsFile>, mask: number): number =>
    held(file, config.crtcs).reduce((all, crtc, i) => all | (((mask >>> config.crtcs.indexOf(crtc)) & 1) << i), 0);
  return [
    ioctl(I.MODE_GETRESOURCES, {}, (file: DrmFile<KmsFile>, arg, user) => {
      arg.count_fbs = putU32s(user, arg.fb_id_ptr, arg.count_fbs, ids(file.private.fbs));
      arg.count_crtcs = putU32s(user, arg.crtc_id_ptr, arg.count_crtcs, ids(held(file, config.crtcs)));
      arg.count_encoders = putU32s(user, arg.encoder_id_ptr, arg.count_encoders, ids(config.encoders));
      arg.count_connectors = putU32s(
        user,
        arg.connector_id_ptr,
        arg.count_connectors,
        ids(held(file, config.connectors)),
      );
      arg.min_width = 0;
      arg.max_width = config.maxWidth;
      arg.min_height = 0;
      arg.max_height = config.maxHeight;
    }),

    ioctl(I.MODE_GETPLANERESOURCES, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const planes = held(file, config.planes).filter((plane) => plane.kind === 'Overlay' || seesAllPlanes(file));
      arg.count_planes = putU32s(user, arg.plane_id_ptr, arg.count_planes, ids(planes));
    }),

    ioctl(I.MODE_GETPLANE, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const plane = config.find<Plane>(file, arg.plane_id, 'plane');
      arg.crtc_id = heldId(file, plane.state.crtc);
      arg.fb_id = plane.state.fb?.id ?? 0;
      arg.possible_crtcs = heldCrtcs(file, plane.possibleCrtcs);
      arg.gamma_size = 0;
      const { formats } = plane;
      if (arg.count_format_types >= formats.length) putU32s(user, arg.format_type_ptr, formats.length, formats);
      arg.count_format_types = formats.length;
    }),

    ioctl(I.MODE_GETCRTC, {}, (file: DrmFile<KmsFile>, arg) => {
      const crtc = config.find<Crtc>(file, arg.crtc_id, 'crtc');
      const { fb, srcX, srcY } = crtc.primary.state;
      arg.fb_id = fb?.id ?? 0;
      arg.x = srcX >>> 16;
      arg.y = srcY >>> 16;
      arg.gamma_size = crtc.gammaSize;
      const { mode } = crtc.state;
      arg.mode_valid = mode ? 1 : 0;
      if (mode) arg.mode = shownMode(file, mode);
    }),

    ioctl(I.MODE_GETENCODER, {}, (file: DrmFile<KmsFile>, arg) => {
      const encoder = config.objects.find<Encoder>(arg.encoder_id, 'encoder');
      const connector = config.connectors.find((one) => one.encoder === encoder);
      arg.encoder_type = encoder.encoderType;
      arg.crtc_id = heldId(file, connector?.state.crtc);
      arg.possible_crtcs = heldCrtcs(file, encoder.possibleCrtcs);
      arg.possible_clones = encoder.possibleClones;
    }),

    ioctl(I.MODE_GETCONNECTOR, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const connector = config.find<Connector>(file, arg.connector_id, 'connector');
      const { type, typeId, modes, widthMm, heightMm } = connector.options;
      if (arg.count_encoders >= 1) putU32s(user, arg.encoders_ptr, 1, [connector.encoder.id]);
      arg.count_encoders = 1;
      if (arg.count_modes >= modes.length) {
        const entries = modes.map((mode) => modeBytes(shownMode(file, mode)));
        putStructs(user, arg.modes_ptr, modes.length, entries);
      }
      arg.count_modes = modes.length;
      arg.connector_type = type;
      arg.connector_type_id = typeId;
      arg.connection = connector.connection;
      arg.mm_width = widthMm;
      arg.mm_height = heightMm;
      arg.subpixel = SUBPIXEL_UNKNOWN;
      arg.encoder_id = connector.state.crtc ? connector.encoder.id : 0;
      const properties = visibleProperties(file, connector);
      arg.count_props = putProperties(user, arg.props_ptr, arg.prop_values_ptr, arg.count_props, properties);
    }),
  ];
}
