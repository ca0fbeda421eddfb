/**
 * Properties and blobs: their description, their values, and setting them one at a time.
 * After Linux `drivers/gpu/drm/drm_{property,mode_object,atomic_uapi}.c`.
 */
import { DPMS, PROP_NAME_LENGTH } from '../../abi/kms.ts';
import * as I from '../../abi/kms-ioctls.ts';
import { PropertyEnum } from '../../abi/kms-structs.ts';
import { must } from '../error.ts';
import type { DrmFile } from '../file.ts';
import { type IoctlEntry, ioctl } from '../ioctl.ts';
import type { UserContext } from '../user.ts';
import { AtomicCommit } from './atomic.ts';
import type { KmsFile, ModeConfig } from './config.ts';
import { Connector } from './connector.ts';
import { putProperties, visibleProperties } from './ioctl-resources.ts';
import { nameBytes } from './mode.ts';
import type { ModeObject } from './object.ts';
import { Blob, type Property } from './property.ts';
import { setProperty } from './set-property.ts';
import { putStructs, putU64s } from './user-array.ts';

/** The longest blob that a client may make. */
const BLOB_MAX = 16 * 1024 * 1024;

export function propertyIoctls(config: ModeConfig): IoctlEntry<any, KmsFile>[] {
  return [
    ioctl(I.MODE_GETPROPERTY, {}, (_file: DrmFile<KmsFile>, arg, user) => {
      const property = config.objects.find<Property>(arg.prop_id, 'property');
      arg.flags = property.flags;
      arg.name = nameBytes(property.name, PROP_NAME_LENGTH);
      arg.count_values = putU64s(user, arg.values_ptr, arg.count_values, property.values);
      if (property.kind === 'enum' || property.kind === 'bitmask') {
        const entries = property.names.map((name, i) =>
          PropertyEnum.pack({ value: property.values[i]!, name: nameBytes(name, PROP_NAME_LENGTH) }),
        );
        arg.count_enum_blobs = putStructs(user, arg.enum_blob_ptr, arg.count_enum_blobs, entries);
      } else if (property.kind === 'blob') arg.count_enum_blobs = 0;
    }),

    ioctl(I.MODE_GETPROPBLOB, {}, (_file: DrmFile<KmsFile>, arg, user) => {
      const { data } = config.objects.find<Blob>(arg.blob_id, 'blob');
      if (arg.length === data.length) user.write(arg.data, data);
      arg.length = data.length;
    }),

    ioctl(I.MODE_CREATEPROPBLOB, {}, (file: DrmFile<KmsFile>, arg, user) => {
      must(arg.length > 0, 'EINVAL', 'a blob of no bytes');
      must(arg.length <= BLOB_MAX, 'ENOMEM', () => `a blob of ${arg.length} bytes; ${BLOB_MAX} at most`);
      config.checkRoom(file, arg.length);
      const blob = new Blob(config.objects, Uint8Array.from(user.read(arg.data, arg.length)));
      file.private.blobs.add(blob);
      file.private.blobBytes += arg.length;
      arg.blob_id = blob.id;
    }),

    ioctl(I.MODE_DESTROYPROPBLOB, {}, (file: DrmFile<KmsFile>, arg) => {
      const blob = config.objects.find<Blob>(arg.blob_id, 'blob');
      must(file.private.blobs.delete(blob), 'EPERM', () => `blob ${arg.blob_id} was not made by this file`);
      file.private.blobBytes -= blob.data.length;
      blob.put();
    }),

    ioctl(I.MODE_OBJ_GETPROPERTIES, {}, (file: DrmFile<KmsFile>, arg, user) => {
      const object = config.peek(file, arg.obj_id, arg.obj_type);
      must(object, 'ENOENT', () => `${arg.obj_id} names no object of type 0x${arg.obj_type.toString(16)}`);
      must(object.properties(), 'EINVAL', () => `a ${object.type} has no properties`);
      const properties = visibleProperties(file, object);
      arg.count_props = putProperties(user, arg.props_ptr, arg.prop_values_ptr, arg.count_props, properties);
    }),

    ioctl(I.MODE_OBJ_SETPROPERTY, { master: true }, (file: DrmFile<KmsFile>, arg, user) => {
      const object = config.peek(file, arg.obj_id, arg.obj_type);
      must(object, 'ENOENT', () => `${arg.obj_id} names no object of type 0x${arg.obj_type.toString(16)}`);
      return setOne(config, file, object, arg.prop_id, arg.value, user);
    }),

    ioctl(I.MODE_SETPROPERTY, { master: true }, (file: DrmFile<KmsFile>, arg, user) => {
      const connector = config.find<Connector>(file, arg.connector_id, 'connector');
      return setOne(config, file, connector, arg.prop_id, arg.value, user);
    }),
  ];
}

function setOne(
  config: ModeConfig,
  file: DrmFile<KmsFile>,
  object: ModeObject,
  propertyId: number,
  value: bigint,
  user: UserContext,
): Promise<void> | undefined {
  const property = object.property(propertyId);
  must(property, 'EINVAL', () => `the ${object.type} has no property ${propertyId}`);
  if (property === config.connectorProperties.dpms) return setDpms(config, object, property, value);
  const commit = new AtomicCommit(config, file);
  setProperty(commit, object, property, value, user, false);
  return config.queue.submit(commit, { nonblock: false });
}

/** Everything that is not On is Off. The CRTC runs as long as one of its connectors is on. */
function setDpms(config: ModeConfig, object: ModeObject, property: Property, value: bigint): Promise<void> | undefined {
  must(object instanceof Connector, 'EINVAL', () => `a ${object.type} has no DPMS`);
  must(property.admits(value, config.objects), 'EINVAL', () => `DPMS has no value ${value}`);
  const dpms = Number(value) === DPMS.On ? DPMS.On : DPMS.Off;
  if (dpms === object.dpms) return Promise.resolve();
  const { crtc } = object.state;
  if (!crtc) {
    object.dpms = dpms;
    return Promise.resolve();
  }
  const on = (one: Connector): boolean => (one === object ? dpms : one.dpms) === DPMS.On;
  const commit = new AtomicCommit(config);
  commit.crtc(crtc).next.active = config.connectors.some((one) => one.state.crtc === crtc && on(one));
  const done = config.queue.submit(commit, { nonblock: false });
  object.dpms = dpms;
  return done;
}
