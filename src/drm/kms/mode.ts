/**
 * Display modes: checks on what a client sends, and the numbers that follow from a mode's timings.
 * After Linux `drivers/gpu/drm/drm_modes.c`.
 */
import { MODE_FLAG, MODE_FLAG_3D_MASK, MODE_FLAG_ASPECT, MODE_NAME_LENGTH, MODE_TYPE } from '../../abi/kms.ts';
import { ModeInfo } from '../../abi/kms-structs.ts';
import { must } from '../error.ts';

const KNOWN_FLAGS = Object.values(MODE_FLAG).reduce<number>((all, flag) => all | flag, MODE_FLAG_3D_MASK);
const KNOWN_TYPES = Object.values(MODE_TYPE).reduce<number>((all, type) => all | type, 0);

/** Frames (fields, when interlaced) per second. */
export function refreshRate(mode: ModeInfo): number {
  const scans = (mode.flags & MODE_FLAG.DBLSCAN ? 2 : 1) * Math.max(1, mode.vscan);
  const fields = mode.flags & MODE_FLAG.INTERLACE ? 2 : 1;
  return (mode.clock * 1000 * fields) / (mode.htotal * mode.vtotal * scans);
}

export function modeName(mode: ModeInfo): string {
  const end = mode.name.indexOf(0);
  return new TextDecoder('latin1').decode(mode.name.subarray(0, end < 0 ? MODE_NAME_LENGTH - 1 : end));
}

/** A name field: at most 31 characters, then zeros. */
export function nameBytes(name: string, length: number = MODE_NAME_LENGTH): Uint8Array {
  const out = new Uint8Array(length);
  out.set(new TextEncoder().encode(name).subarray(0, length - 1));
  return out;
}

/** A mode from a client, cleaned as the kernel cleans it. Throws EINVAL, or ERANGE for numbers no mode can have. */
export function checkedMode(raw: ModeInfo): ModeInfo {
  must(raw.clock <= 0x7fffffff && raw.vrefresh <= 0x7fffffff, 'ERANGE', 'the mode has an absurd clock or refresh rate');
  const aspect = (raw.flags & MODE_FLAG_ASPECT.mask) >>> MODE_FLAG_ASPECT.shift;
  must(aspect <= MODE_FLAG_ASPECT.last, 'EINVAL', () => `picture aspect ratio ${aspect} is unknown`);
  const mode: ModeInfo = { ...raw, type: raw.type & KNOWN_TYPES };
  const flags = mode.flags & ~MODE_FLAG_ASPECT.mask;
  must((flags & ~KNOWN_FLAGS) === 0, 'EINVAL', () => `mode flags 0x${mode.flags.toString(16)} are unknown`);
  must(mode.clock > 0, 'EINVAL', 'the mode has no clock');
  must(
    mode.hdisplay > 0 &&
      mode.hsync_start >= mode.hdisplay &&
      mode.hsync_end >= mode.hsync_start &&
      mode.htotal >= mode.hsync_end,
    'EINVAL',
    () => `horizontal timings ${mode.hdisplay} ${mode.hsync_start} ${mode.hsync_end} ${mode.htotal} are out of order`,
  );
  must(
    mode.vdisplay > 0 &&
      mode.vsync_start >= mode.vdisplay &&
      mode.vsync_end >= mode.vsync_start &&
      mode.vtotal >= mode.vsync_end,
    'EINVAL',
    () => `vertical timings ${mode.vdisplay} ${mode.vsync_start} ${mode.vsync_end} ${mode.vtotal} are out of order`,
  );
  mode.vrefresh = Math.round(refreshRate(mode));
  mode.name = nameBytes(modeName(mode));
  return mode;
}

/** Whether two modes drive the display alike: timings and flags, not name or type. */
export function sameTimings(a: ModeInfo | undefined, b: ModeInfo | undefined): boolean {
  if (!a || !b) return a === b;
  const same = (key: 'clock' | 'hdisplay' | 'hsync_start' | 'hsync_end' | 'htotal' | 'hskew' | 'flags') =>
    a[key] === b[key];
  return (
    same('clock') &&
    same('hdisplay') &&
    same('hsync_start') &&
    same('hsync_end') &&
    same('htotal') &&
    same('hskew') &&
    same('flags') &&
    a.vdisplay === b.vdisplay &&
    a.vsync_start === b.vsync_start &&
    a.vsync_end === b.vsync_end &&
    a.vtotal === b.vtotal &&
    a.vscan === b.vscan
  );
}

export const modeBytes = (mode: ModeInfo): Uint8Array => ModeInfo.pack(mode);
