/**
 * The register map of the virtual board's display controller: a VOP as Rockchip builds them, one video port and three
 * windows, with as many registers as that needs.
 *
 * Window and post-processing registers are shadowed: what is written waits until CFG_DONE names its part, and takes effect
 * when the next frame starts. Timings and stand-by take effect at once. Register names, and how a window is described, after
 * Linux `drivers/gpu/drm/rockchip/rockchip_drm_vop2.h`; the map is this board's own, so its driver is too.
 */
import {
  ABGR8888,
  ARGB8888,
  type PixelFormat,
  RGB565,
  XBGR8888,
  XBGR2101010,
  XRGB8888,
  XRGB2101010,
} from '../fourcc.ts';
import { type Register, reg32 } from '../register.ts';

/** Bytes of the register window. */
export const VOP_WINDOW = 0x5000;
export const WINDOWS = 3;

export const VOP = {
  /** Write: the parts that are complete. Read: those that still wait for a frame. `immediate` waits for none. */
  CFG_DONE: reg32('REG_CFG_DONE', 0x000, { windows: [0, WINDOWS], post: [8, 1], immediate: [28, 1] }),
  INTR_EN: reg32('INTR_EN', 0x0a0, { frameStart: [0, 1] }),
  /** Write 1 to clear. */
  INTR_CLR: reg32('INTR_CLR', 0x0a4, { frameStart: [0, 1] }),
  INTR_STATUS: reg32('INTR_STATUS', 0x0a8, { frameStart: [0, 1] }),
  /** Frames started since power-on; stands still in stand-by. */
  FRAME_COUNT: reg32('FRAME_COUNT', 0x0c0),
  /** Lines since the frame started. */
  LINE_COUNT: reg32('LINE_COUNT', 0x0c4),
  /** Which window lies in which layer; layer 0 is the farthest. */
  OVL_LAYER_SEL: reg32('OVL_LAYER_SEL', 0x604, { layer0: [0, 4], layer1: [4, 4], layer2: [8, 4] }),
  DSP_CTRL: reg32('DSP_CTRL', 0xc00, { standby: [31, 1] }),
  /** Pixel clock in kHz. */
  DCLK: reg32('DCLK', 0xc04),
  POST_CTRL: reg32('POST_CTRL', 0xc08, { gammaEnable: [0, 1] }),
  DSP_HTOTAL_HS_END: reg32('DSP_HTOTAL_HS_END', 0xc48, { syncEnd: [0, 16], total: [16, 16] }),
  DSP_HACT_ST_END: reg32('DSP_HACT_ST_END', 0xc4c, { end: [0, 16], start: [16, 16] }),
  DSP_VTOTAL_VS_END: reg32('DSP_VTOTAL_VS_END', 0xc50, { syncEnd: [0, 16], total: [16, 16] }),
  DSP_VACT_ST_END: reg32('DSP_VACT_ST_END', 0xc54, { end: [0, 16], start: [16, 16] }),
} as const;

/** Registers of one window, at `windowBase` + their offset. */
export const WINDOW = {
  CTRL: reg32('WIN_CTRL', 0x10, { enable: [0, 1], format: [1, 5] }),
  /** Address of the first row. */
  YRGB_MST: reg32('WIN_YRGB_MST', 0x14),
  /** Words from one row to the next. */
  VIR: reg32('WIN_VIR', 0x1c, { pitchWords: [0, 32] }),
  /** Size of the source, minus one. */
  ACT_INFO: reg32('WIN_ACT_INFO', 0x20, { width: [0, 16], height: [16, 16] }),
  /** Size on the screen, minus one. */
  DSP_INFO: reg32('WIN_DSP_INFO', 0x24, { width: [0, 16], height: [16, 16] }),
  /** Top left corner on the screen, signed. */
  DSP_ST: reg32('WIN_DSP_ST', 0x28, { x: [0, 16], y: [16, 16] }),
  /** Top left pixel of the source. */
  ACT_ST: reg32('WIN_ACT_ST', 0x2c, { x: [0, 16], y: [16, 16] }),
  /** How pixels mix with what lies below; `global` 0xffff changes nothing. */
  ALPHA: reg32('WIN_ALPHA', 0x30, { mode: [0, 2], global: [16, 16] }),
} as const;

const WINDOW_FIRST = 0x1800;
const WINDOW_STRIDE = 0x200;
export const windowBase = (index: number): number => WINDOW_FIRST + index * WINDOW_STRIDE;

/** ALPHA.mode: colours come multiplied with alpha, or not, or alpha is ignored. */
export const ALPHA_MODE = { premultiplied: 0, coverage: 1, ignore: 2 } as const;

/** CTRL.format is an index into this. */
export const VOP_FORMATS: readonly PixelFormat[] = [
  XRGB8888,
  ARGB8888,
  XBGR8888,
  ABGR8888,
  XRGB2101010,
  XBGR2101010,
  RGB565,
];

/** The gamma table: one word per 8-bit level. */
export const GAMMA_ENTRIES = 256;
export const GAMMA_MAX = 1023;
const GAMMA_FIRST = 0x4000;
const gammaEntries: readonly Register<{ blue: [0, 10]; green: [10, 10]; red: [20, 10] }>[] = Array.from(
  { length: GAMMA_ENTRIES },
  (_, i) => reg32(`GAMMA_LUT${i}`, GAMMA_FIRST + i * 4, { blue: [0, 10], green: [10, 10], red: [20, 10] }),
);
export const gammaEntry = (level: number): (typeof gammaEntries)[number] => gammaEntries[level]!;

/** A signed number in a 16-bit register field, and back. */
export const toField16 = (value: number): number => value & 0xffff;
export const fromField16 = (raw: number): number => (raw << 16) >> 16;
