/**
 * The modes that the display offers: four standard ones at 60 Hz, one of which, or one that the user names, is preferred.
 */
import { CVT_RB, TIMINGS, type Timing } from '../abi/display/timings.ts';
import { MODE_FLAG, MODE_TYPE } from '../abi/kms.ts';
import type { ModeInfo } from '../abi/kms-structs.ts';
import { nameBytes } from '../drm/kms/mode.ts';

export const DEFAULT_MODE = '1024x768@60';
export const MAX_WIDTH = 4096;
export const MAX_HEIGHT = 4096;
const MIN_SIZE = 64;
const MAX_REFRESH = 240;
/** The clock field of an EDID's detailed timing ends here, in kHz. */
const MAX_CLOCK = 655350;

/** All modes, the preferred one first, then from large to small. `text` is WIDTHxHEIGHT or WIDTHxHEIGHT@HZ. */
export function displayTimings(text: string = DEFAULT_MODE): Timing[] {
  const { width, height, refresh } = parseMode(text);
  const isIt = ({ horizontal, vertical }: Timing): boolean =>
    refresh === 60 && horizontal[0] === width && vertical[0] === height;
  const preferred = TIMINGS.find(isIt) ?? cvtReduced(width, height, refresh);
  if (preferred.clock > MAX_CLOCK) throw new Error(`mode ${text} needs a pixel clock above ${MAX_CLOCK} kHz`);
  return [preferred, ...TIMINGS.filter((timing) => timing !== preferred)];
}

/** Throws an Error that says what is wrong. */
export function parseMode(text: string): { width: number; height: number; refresh: number } {
  const match = /^(\d+)x(\d+)(?:@(\d+))?$/.exec(text);
  if (!match) throw new Error(`'${text}' is no mode; it looks like 1280x720@60`);
  const [width, height, refresh] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 60)] as const;
  if (width < MIN_SIZE || width > MAX_WIDTH || height < MIN_SIZE || height > MAX_HEIGHT)
    throw new Error(`mode ${text}: sizes go from ${MIN_SIZE}x${MIN_SIZE} to ${MAX_WIDTH}x${MAX_HEIGHT}`);
  if (refresh < 1 || refresh > MAX_REFRESH)
    throw new Error(`mode ${text}: refresh rates go from 1 to ${MAX_REFRESH} Hz`);
  return { width, height, refresh };
}

/** Timings for any size and rate by VESA's CVT formula with reduced blanking; for every width, not multiples of 8 alone. */
export function cvtReduced(width: number, height: number, refresh: number): Timing {
  const linePeriod = (1e6 / refresh - CVT_RB.vblankMin) / height;
  const vsync = CVT_RB.vsync.find(([x, y]) => Math.abs(width * y - height * x) < y)?.[2] ?? CVT_RB.vsyncOther;
  const vblankNeeded = linePeriod > 0 ? Math.floor(CVT_RB.vblankMin / linePeriod) + 1 : 0;
  const vblank = Math.max(vblankNeeded, CVT_RB.vfront + vsync + CVT_RB.vbackMin);
  const vtotal = height + vblank;
  const htotal = width + CVT_RB.hblank;
  // Below the formula's range its clock steps are too coarse; EDID's are the finest there are.
  const ideal = (refresh * vtotal * htotal) / 1000;
  const { clockStep, clockStepSmall, clockSmall } = CVT_RB;
  const small = ideal < clockSmall;
  const clock = small ? Math.ceil(ideal / clockStepSmall) * clockStepSmall : Math.floor(ideal / clockStep) * clockStep;
  const hstart = width + CVT_RB.hfront;
  const vstart = height + CVT_RB.vfront;
  return {
    clock,
    horizontal: [width, hstart, hstart + CVT_RB.hsync, htotal],
    vertical: [height, vstart, vstart + vsync, vtotal],
    flags: MODE_FLAG.PHSYNC | MODE_FLAG.NVSYNC,
  };
}

export function modeInfo(timing: Timing, preferred: boolean): ModeInfo {
  const [hdisplay, hsync_start, hsync_end, htotal] = timing.horizontal;
  const [vdisplay, vsync_start, vsync_end, vtotal] = timing.vertical;
  return {
    clock: timing.clock,
    hdisplay,
    hsync_start,
    hsync_end,
    htotal,
    hskew: 0,
    vdisplay,
    vsync_start,
    vsync_end,
    vtotal,
    vscan: 0,
    vrefresh: Math.round((timing.clock * 1000) / (htotal * vtotal)),
    flags: timing.flags,
    type: MODE_TYPE.DRIVER | (preferred ? MODE_TYPE.PREFERRED : 0),
    name: nameBytes(`${hdisplay}x${vdisplay}`),
  };
}
