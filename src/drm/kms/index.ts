/**
 * KMS: how clients set modes and show framebuffers, for any display driver.
 *
 * Reading order: config.ts has the pipeline and the seam to the hardware; object.ts, property.ts, binding.ts the objects
 * with ids and properties; plane.ts, crtc.ts, connector.ts, framebuffer.ts the pipeline's parts; state.ts, atomic.ts,
 * check.ts, commit.ts the way of a change to the screen; vblank.ts and events.ts the beat; ioctl-*.ts the ways in.
 */
import type { IoctlEntry } from '../ioctl.ts';
import type { KmsFile, ModeConfig } from './config.ts';
import { atomicIoctls } from './ioctl-atomic.ts';
import { framebufferIoctls } from './ioctl-framebuffer.ts';
import { leaseIoctls } from './ioctl-lease.ts';
import { legacyIoctls } from './ioctl-legacy.ts';
import { propertyIoctls } from './ioctl-property.ts';
import { resourceIoctls } from './ioctl-resources.ts';
import { vblankIoctls } from './ioctl-vblank.ts';

export type { AtomicCommit } from './atomic.ts';
export { type DisplayHardware, KmsFile, ModeConfig } from './config.ts';
export { Connector, Encoder } from './connector.ts';
export { Crtc } from './crtc.ts';
export type { FrameTime } from './events.ts';
export type { Framebuffer } from './framebuffer.ts';
export { Plane } from './plane.ts';
export type { PlaneState } from './state.ts';
export { Vblank } from './vblank.ts';

/** All ioctls of a modeset device. */
export const kmsIoctls = (config: ModeConfig): IoctlEntry<any, KmsFile>[] => [
  ...resourceIoctls(config),
  ...propertyIoctls(config),
  ...framebufferIoctls(config),
  ...legacyIoctls(config),
  ...atomicIoctls(config),
  ...vblankIoctls(config),
  ...leaseIoctls(config),
];
