/**
 * Setting one property of one object in a commit.
 * After Linux `drivers/gpu/drm/drm_atomic_uapi.c` (drm_atomic_set_property).
 */
import { DrmError, must } from '../error.ts';
import type { UserContext } from '../user.ts';
import type { AtomicCommit, SetContext } from './atomic.ts';
import type { Bindings } from './binding.ts';
import { Connector } from './connector.ts';
import { Crtc } from './crtc.ts';
import type { ModeObject } from './object.ts';
import { Plane } from './plane.ts';
import type { Property } from './property.ts';

/**
 * Throws EINVAL for a value that the property does not take. An `async` flip may change the primary plane's framebuffer
 * alone; everything else has to stay what it is.
 */
export function setProperty(
  commit: AtomicCommit,
  object: ModeObject,
  property: Property,
  value: bigint,
  user: UserContext,
  async: boolean,
): void {
  const { objects, planeProperties } = commit.config;
  must(property.admits(value, objects), 'EINVAL', () => `${property.name} of ${object.id} cannot be ${value}`);
  const context: SetContext = { commit, user };
  if (object instanceof Plane) {
    const change = commit.plane(object);
    const flips = property === planeProperties.fbId || property === planeProperties.inFenceFd;
    if (async && !(flips && object.kind === 'Primary')) unchanged(object.bindings, property, change.next, value);
    set(object.bindings, property, change, value, context);
  } else if (object instanceof Crtc) {
    const change = commit.crtc(object);
    if (async) unchanged(object.bindings, property, change.next, value);
    else set(object.bindings, property, change, value, context);
  } else if (object instanceof Connector) {
    const change = commit.connector(object);
    if (async) unchanged(object.bindings, property, change.next, value);
    else set(object.bindings, property, change, value, context);
  } else throw new DrmError('EINVAL', `a ${object.type} has no properties to set`);
}

function set<State, Change>(
  bindings: Bindings<State, Change>,
  property: Property,
  change: Change,
  value: bigint,
  context: SetContext,
): void {
  const binding = bindings.find((one) => one.property === property);
  if (!binding?.set) throw new DrmError('EINVAL', `${property.name} cannot be set`);
  binding.set(change, value, context);
}

function unchanged<State>(bindings: Bindings<State, never>, property: Property, state: State, value: bigint): void {
  const now = bindings.find((one) => one.property === property)?.get(state);
  must(now === value, 'EINVAL', () => `${property.name} cannot change in an asynchronous flip`);
}
