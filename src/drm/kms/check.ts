/**
 * Check: whether a commit describes a state that the pipeline can take. It changes nothing but the commit.
 * After Linux `drivers/gpu/drm/{drm_atomic,drm_atomic_helper}.c` (drm_atomic_check_only and what it calls), errno for errno.
 */
import { fourccName } from '../../abi/fourcc.ts';
import { must } from '../error.ts';
import type { AtomicCommit } from './atomic.ts';
import { sameTimings } from './mode.ts';
import type { ConnectorChange, CrtcChange, PlaneChange, PlaneState } from './state.ts';

const INT_MAX = 0x7fffffff;
const FIXED_ONE = 0x10000;

export function checkCommit(commit: AtomicCommit): void {
  for (const change of commit.planes.values()) checkPlane(change);
  for (const change of commit.crtcs.values()) checkCrtc(change);
  for (const change of commit.connectors.values()) checkRouting(commit, change);
  for (const change of commit.crtcs.values()) checkModeset(commit, change);
  commit.config.hardware.check(commit);
  if (commit.allowModeset) return;
  for (const change of commit.crtcs.values())
    must(!commit.needsModeset(change), 'EINVAL', () => `${change.crtc.name} needs a modeset, which is not allowed`);
}

/** The source rectangle lies inside the framebuffer. Throws ENOSPC. Also the legacy page flip's own check. */
export function checkSource(state: Pick<PlaneState, 'srcX' | 'srcY' | 'srcW' | 'srcH' | 'fb'>): void {
  const { srcX, srcY, srcW, srcH, fb } = state;
  if (!fb) return;
  const { width, height } = fb.shape;
  must(
    srcX + srcW <= width * FIXED_ONE && srcY + srcH <= height * FIXED_ONE,
    'ENOSPC',
    () =>
      `source ${srcW / FIXED_ONE}×${srcH / FIXED_ONE}+${srcX / FIXED_ONE}+${srcY / FIXED_ONE} leaves a framebuffer of ${width}×${height}`,
  );
}

function checkPlane({ plane, old, next }: PlaneChange): void {
  must(!next.crtc || next.fb, 'EINVAL', () => `${plane.name} has a CRTC and no framebuffer`);
  must(!next.fb || next.crtc, 'EINVAL', () => `${plane.name} has a framebuffer and no CRTC`);
  const { crtc, fb } = next;
  if (!crtc || !fb) return;
  const { format, modifier } = fb.shape;
  must(
    plane.shows(format.code, modifier),
    'EINVAL',
    () => `${plane.name} cannot show ${fourccName(format.code)} with modifier 0x${modifier.toString(16)}`,
  );
  must(
    next.crtcW <= INT_MAX &&
      next.crtcX <= INT_MAX - next.crtcW &&
      next.crtcH <= INT_MAX &&
      next.crtcY <= INT_MAX - next.crtcH,
    'ERANGE',
    () => `${plane.name}: ${next.crtcW}×${next.crtcH}+${next.crtcX}+${next.crtcY} leaves the number range`,
  );
  checkSource(next);
  must(!old.crtc || old.crtc === crtc, 'EINVAL', () => `${plane.name} changes its CRTC while it is on`);
}

function checkCrtc({ crtc, old, next, event, outFencePtr }: CrtcChange): void {
  must(!next.active || next.enable, 'EINVAL', () => `${crtc.name} is to be active without a mode`);
  const wantsEvent = event !== undefined || outFencePtr !== 0n;
  must(!wantsEvent || next.active || old.active, 'EINVAL', () => `${crtc.name} is off and has no events`);
}

/** A connector that changes hands touches both CRTCs. */
function checkRouting(commit: AtomicCommit, { old, next }: ConnectorChange): void {
  if (old.crtc !== next.crtc) {
    if (old.crtc) commit.crtc(old.crtc).connectorsChanged = true;
    if (next.crtc) commit.crtc(next.crtc).connectorsChanged = true;
  }
  if (next.crtc && old.linkStatus !== next.linkStatus) commit.crtc(next.crtc).connectorsChanged = true;
}

function checkModeset(commit: AtomicCommit, change: CrtcChange): void {
  const { crtc, old, next } = change;
  if (!sameTimings(old.mode, next.mode)) change.modeChanged = true;
  if (old.enable !== next.enable) {
    change.modeChanged = true;
    change.connectorsChanged = true;
  }
  if (old.active !== next.active) change.activeChanged = true;
  const connected = commit.config.connectors.some((connector) => commit.connectorAfter(connector).crtc === crtc);
  must(next.enable === connected, 'EINVAL', () =>
    connected ? `${crtc.name} has a connector and no mode` : `${crtc.name} has a mode and no connector`,
  );
  if (!commit.needsModeset(change)) return;
  for (const connector of commit.config.connectors) if (connector.state.crtc === crtc) commit.connector(connector);
  for (const plane of commit.config.planes) if (plane.state.crtc === crtc) commit.plane(plane);
}
