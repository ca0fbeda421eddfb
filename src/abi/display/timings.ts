/**
 * Standard timings at 60 Hz. Source: CEA-861 (1920×1080 is VIC 16, 1280×720 is VIC 4) and VESA DMT 1.13 (1024×768, 800×600).
 */
import { MODE_FLAG } from '../kms.ts';

export interface Timing {
  /** Pixel clock in kHz. */
  readonly clock: number;
  /** Pixels: visible, start and end of sync, all. */
  readonly horizontal: readonly [display: number, syncStart: number, syncEnd: number, total: number];
  /** Lines, likewise. */
  readonly vertical: readonly [display: number, syncStart: number, syncEnd: number, total: number];
  /** MODE_FLAG sync polarities. */
  readonly flags: number;
}

const POSITIVE = MODE_FLAG.PHSYNC | MODE_FLAG.PVSYNC;
const NEGATIVE = MODE_FLAG.NHSYNC | MODE_FLAG.NVSYNC;

export const TIMINGS: readonly Timing[] = [
  { clock: 148500, horizontal: [1920, 2008, 2052, 2200], vertical: [1080, 1084, 1089, 1125], flags: POSITIVE },
  { clock: 74250, horizontal: [1280, 1390, 1430, 1650], vertical: [720, 725, 730, 750], flags: POSITIVE },
  { clock: 65000, horizontal: [1024, 1048, 1184, 1344], vertical: [768, 771, 777, 806], flags: NEGATIVE },
  { clock: 40000, horizontal: [800, 840, 968, 1056], vertical: [600, 601, 605, 628], flags: POSITIVE },
];

/** VESA CVT 1.2, reduced blanking version 1: what its formula takes as given. */
export const CVT_RB = {
  /** Pixels. */
  hblank: 160,
  hsync: 32,
  hfront: 48,
  /** Lines. */
  vfront: 3,
  vbackMin: 6,
  /** Microseconds. */
  vblankMin: 460,
  /** kHz. */
  clockStep: 250,
  /** Not of the standard: what is used below `clockSmall`. */
  clockStepSmall: 10,
  clockSmall: 25_000,
  /** Lines of vertical sync by aspect ratio: the monitor tells the ratio from them. */
  vsync: [
    [4, 3, 4],
    [16, 9, 5],
    [16, 10, 6],
    [5, 4, 7],
    [15, 9, 7],
  ],
  vsyncOther: 10,
} as const;
