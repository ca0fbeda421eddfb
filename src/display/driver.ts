/**
 * The display controller's driver: turns checked commits into registers, and frame-start interrupts into vertical blanks
 * and finished flips. It knows the controller by its registers and its interrupt line alone.
 * After Linux `drivers/gpu/drm/rockchip/rockchip_drm_vop2.c`.
 */
import {
  ALPHA_MODE,
  GAMMA_ENTRIES,
  GAMMA_MAX,
  gammaEntry,
  toField16,
  VOP,
  VOP_FORMATS,
  WINDOW,
  windowBase,
} from '../abi/display/vop.ts';
import { BLEND_MODE, MODE_FLAG } from '../abi/kms.ts';
import { ColorLut, type ModeInfo } from '../abi/kms-structs.ts';
import type { Clock } from '../board/clock.ts';
import type { IrqLine } from '../board/irq.ts';
import { type Mmio, readReg, writeReg } from '../board/mmio.ts';
import { must } from '../drm/error.ts';
import type { AtomicCommit, DisplayHardware, Framebuffer, FrameTime, Plane, PlaneState } from '../drm/kms/index.ts';
import { refreshRate } from '../drm/kms/mode.ts';
import { Vblank } from '../drm/kms/vblank.ts';

/** What the controller can do: pixel clock in kHz, frames per second, sizes in pixels, scaling both ways. */
const LIMITS = { clock: 600_000, refreshMin: 1, refreshMax: 1000, width: 4096, height: 4096, scale: 8 } as const;
const FIXED_ONE = 0x10000;
/** Nanoseconds between the two readings that make a time stamp, and how often they are repeated for its sake. */
const MOST_BETWEEN_READINGS = 5000n;
const MOST_READINGS = 3;
const ALPHA_MODES: Record<number, number> = {
  [BLEND_MODE['Pre-multiplied']]: ALPHA_MODE.premultiplied,
  [BLEND_MODE.Coverage]: ALPHA_MODE.coverage,
  [BLEND_MODE.None]: ALPHA_MODE.ignore,
};

interface Window {
  readonly plane: Plane;
  readonly index: number;
  zpos: number;
  /** Read by the controller now, and from the next frame on. Each holds a reference. */
  scanning: Framebuffer | undefined;
  armed: Framebuffer | undefined;
}

interface Waiting {
  /** Parts of CFG_DONE that the controller has to take first. */
  readonly parts: number;
  readonly presents: boolean;
  readonly shown: (at: FrameTime) => void;
}

export class VopDriver implements DisplayHardware {
  readonly vblank: Vblank;
  readonly #mmio: Mmio;
  readonly #clock: Clock;
  #windows: Window[] = [];
  /** The registers hold the windows' order. */
  #ordered = false;
  #waiting: Waiting[] = [];
  /** The mode that runs, and nanoseconds of one of its lines; none in stand-by. */
  #mode: ModeInfo | undefined;
  #lineTime = 0;
  /** The 64-bit number of the frame that was looked at last, and when it began: the same however often one asks. */
  #sequence = 0n;
  #lastTime = 0n;
  /** Is that of the running mode? */
  #timed = false;
  /** Called when a commit with a framebuffer is on the screen, and when the screen is about to go dark. */
  onShown: () => void = () => {};
  onDark: () => void = () => {};
  /** Called when the screen shows something else than before, if only a moved cursor, or a client says that it may. */
  onChanged: () => void = () => {};

  constructor(mmio: Mmio, irq: IrqLine, clock: Clock) {
    this.#mmio = mmio;
    this.#clock = clock;
    this.vblank = new Vblank({
      enable: (on) => {
        writeReg(mmio, VOP.INTR_CLR, VOP.INTR_CLR.encode({ frameStart: 1 }));
        writeReg(mmio, VOP.INTR_EN, VOP.INTR_EN.encode({ frameStart: on ? 1 : 0 }));
      },
      read: () => this.#frameTime(),
    });
    writeReg(mmio, VOP.DSP_CTRL, VOP.DSP_CTRL.encode({ standby: 1 }));
    irq.attach(() => this.#interrupt());
  }

  /** The planes, in the order of the controller's windows. */
  attach(planes: readonly Plane[]): void {
    this.#windows = planes.map((plane, index) => ({
      plane,
      index,
      zpos: plane.state.zpos,
      scanning: undefined,
      armed: undefined,
    }));
  }

  check(commit: AtomicCommit): void {
    for (const { crtc, next, modeChanged } of commit.crtcs.values())
      if (next.mode && modeChanged) checkMode(crtc.name, next.mode);
    for (const { plane, next } of commit.planes.values()) {
      if (!next.crtc || !next.fb) continue;
      checkScale(plane.name, next.srcW, next.crtcW);
      checkScale(plane.name, next.srcH, next.crtcH);
    }
  }

  /** A controller that is switched off finishes its frame first: until then its buffers are read. */
  program(commit: AtomicCommit, immediate: boolean, shown: (at: FrameTime) => void): void {
    const ends = [...commit.crtcs.values()].some(
      (change) => commit.needsModeset(change) && change.old.active && !change.next.active,
    );
    if (!ends || !this.vblank.running) this.#apply(commit, immediate, shown);
    else {
      const next = this.#frameTime().sequence + 1n;
      this.vblank.wait(next, (at) => this.#apply(commit, immediate, () => shown(at)));
    }
  }

  #apply(commit: AtomicCommit, immediate: boolean, shown: (at: FrameTime) => void): void {
    for (const change of commit.crtcs.values()) {
      if (!commit.needsModeset(change)) continue;
      if (change.old.active) this.#stop(change.next.active);
      if (change.next.active && change.next.mode) this.#start(change.next.mode);
    }
    if (!this.vblank.running) {
      for (const { plane, next } of commit.planes.values()) this.#setOrder(this.#windowOf(plane), next.zpos);
      shown(this.#frameTime());
      return;
    }
    let windows = 0;
    for (const { plane, next } of commit.planes.values()) {
      const window = this.#windowOf(plane);
      this.#setOrder(window, next.zpos);
      this.#writeWindow(window, next);
      windows += 2 ** window.index;
    }
    this.#writeOrder();
    for (const change of commit.crtcs.values())
      if (change.old.gammaLut !== change.next.gammaLut || commit.needsModeset(change))
        this.#writeGamma(change.next.gammaLut?.data);
    const parts = VOP.CFG_DONE.encode({ windows, post: 1 });
    const presents = [...commit.planes.values()].some(
      ({ plane, presents, next }) => presents && next.fb && plane.kind !== 'Cursor',
    );
    // The interrupt has to be on before the configuration is complete: a free-running controller takes it at once.
    if (!immediate) this.vblank.acquire();
    writeReg(this.#mmio, VOP.CFG_DONE, parts + VOP.CFG_DONE.encode({ immediate: immediate ? 1 : 0 }));
    const waiting = { parts, presents, shown };
    if (immediate) this.#finish(waiting);
    else this.#waiting.push(waiting);
  }

  drawn(fb: Framebuffer): void {
    if (this.#windows.some(({ scanning }) => scanning === fb)) this.onChanged();
  }

  #windowOf(plane: Plane): Window {
    const window = this.#windows.find((one) => one.plane === plane);
    if (!window) throw new Error(`vop: ${plane.name} is no window`);
    return window;
  }

  #interrupt(): void {
    writeReg(this.#mmio, VOP.INTR_CLR, readReg(this.#mmio, VOP.INTR_STATUS));
    this.vblank.handle();
    const pending = readReg(this.#mmio, VOP.CFG_DONE);
    const done = this.#waiting.filter(({ parts }) => (parts & pending) === 0);
    this.#waiting = this.#waiting.filter(({ parts }) => (parts & pending) !== 0);
    for (const waiting of done) {
      this.vblank.release();
      this.#finish(waiting);
    }
  }

  /** The controller has taken a configuration: what it read before is free. */
  #finish({ parts, presents, shown }: Waiting): void {
    for (const window of this.#windows) {
      if (!(VOP.CFG_DONE.get(parts, 'windows') & (2 ** window.index))) continue;
      window.scanning?.put();
      window.scanning = window.armed?.get();
    }
    if (presents) this.onShown();
    this.onChanged();
    shown(this.#frameTime());
  }

  #frameTime(): FrameTime {
    if (!this.#mode) return { sequence: this.#sequence, time: this.#lastTime };
    const frame = readReg(this.#mmio, VOP.FRAME_COUNT);
    if (BigInt.asUintN(32, BigInt(frame) - this.#sequence) > 0n || !this.#timed) this.#lookAtFrame();
    return { sequence: this.#sequence, time: this.#lastTime };
  }

  /**
   * Reads when the running frame began: now, less the lines since. If much time passes between the two readings (another
   * process had its turn) or a frame began, once more (Linux `drm_vblank.c` does the same).
   */
  #lookAtFrame(): void {
    for (let attempt = 0; ; attempt++) {
      const frame = readReg(this.#mmio, VOP.FRAME_COUNT);
      const before = this.#clock.monotonic();
      const lines = readReg(this.#mmio, VOP.LINE_COUNT);
      const after = this.#clock.monotonic();
      const precise = after - before <= MOST_BETWEEN_READINGS && readReg(this.#mmio, VOP.FRAME_COUNT) === frame;
      if (!precise && attempt < MOST_READINGS) continue;
      this.#sequence += BigInt.asUintN(32, BigInt(frame) - this.#sequence);
      this.#timed = true;
      this.#lastTime = before - BigInt(Math.round(lines * this.#lineTime));
      return;
    }
  }

  #start(mode: ModeInfo): void {
    const { hdisplay, hsync_start, hsync_end, htotal, vdisplay, vsync_start, vsync_end, vtotal } = mode;
    const hstart = htotal - hsync_start;
    const vstart = vtotal - vsync_start;
    writeReg(this.#mmio, VOP.DCLK, mode.clock);
    const { DSP_HTOTAL_HS_END: H, DSP_VTOTAL_VS_END: V, DSP_HACT_ST_END: HA, DSP_VACT_ST_END: VA } = VOP;
    writeReg(this.#mmio, H, H.encode({ total: htotal, syncEnd: hsync_end - hsync_start }));
    writeReg(this.#mmio, HA, HA.encode({ start: hstart, end: hstart + hdisplay }));
    writeReg(this.#mmio, V, V.encode({ total: vtotal, syncEnd: vsync_end - vsync_start }));
    writeReg(this.#mmio, VA, VA.encode({ start: vstart, end: vstart + vdisplay }));
    writeReg(this.#mmio, VOP.DSP_CTRL, VOP.DSP_CTRL.encode({ standby: 0 }));
    this.#mode = mode;
    this.#timed = false;
    this.#lineTime = (htotal * 1e6) / mode.clock;
    this.vblank.setRunning(true);
  }

  /** `again`: it starts with another mode at once, so the screen does not go dark. */
  #stop(again: boolean): void {
    if (!again && this.#windows.some((window) => window.scanning)) this.onDark();
    this.#frameTime();
    this.vblank.setRunning(false);
    this.#mode = undefined;
    this.#lineTime = 0;
    writeReg(this.#mmio, VOP.DSP_CTRL, VOP.DSP_CTRL.encode({ standby: 1 }));
    for (const window of this.#windows) {
      window.armed?.put();
      window.armed = undefined;
      window.scanning?.put();
      window.scanning = undefined;
    }
    for (const waiting of this.#waiting.splice(0)) {
      this.vblank.release();
      waiting.shown(this.#frameTime());
    }
    this.onChanged();
  }

  #writeWindow(window: Window, state: PlaneState): void {
    const base = windowBase(window.index);
    const { fb } = state;
    const armed = fb?.get();
    window.armed?.put();
    window.armed = armed;
    const visible = fb !== undefined && this.#isVisible(state);
    if (!visible) {
      if (window.plane.kind === 'Primary' && window.scanning && !fb) this.onDark();
      writeReg(this.#mmio, WINDOW.CTRL, WINDOW.CTRL.encode({ enable: 0 }), base);
      return;
    }
    const { format, pitch, offset } = fb.shape;
    const fixed = (value: number): number => Math.floor(value / FIXED_ONE);
    const size = (value: number): number => Math.max(1, fixed(value)) - 1;
    const write = (register: (typeof WINDOW)[keyof typeof WINDOW], value: number): void =>
      writeReg(this.#mmio, register, value, base);
    write(WINDOW.CTRL, WINDOW.CTRL.encode({ enable: 1, format: VOP_FORMATS.indexOf(format) }));
    write(WINDOW.YRGB_MST, fb.object.run.physical + offset);
    write(WINDOW.VIR, pitch / 4);
    write(WINDOW.ACT_INFO, WINDOW.ACT_INFO.encode({ width: size(state.srcW), height: size(state.srcH) }));
    const { width, height } = fb.shape;
    const corner = { x: Math.min(fixed(state.srcX), width - 1), y: Math.min(fixed(state.srcY), height - 1) };
    write(WINDOW.ACT_ST, WINDOW.ACT_ST.encode(corner));
    write(WINDOW.DSP_INFO, WINDOW.DSP_INFO.encode({ width: state.crtcW - 1, height: state.crtcH - 1 }));
    write(WINDOW.DSP_ST, WINDOW.DSP_ST.encode({ x: toField16(state.crtcX), y: toField16(state.crtcY) }));
    write(WINDOW.ALPHA, WINDOW.ALPHA.encode({ mode: ALPHA_MODES[state.blendMode]!, global: state.alpha }));
  }

  #isVisible({ crtcX, crtcY, crtcW, crtcH }: PlaneState): boolean {
    const mode = this.#mode;
    if (!mode || crtcW === 0 || crtcH === 0) return false;
    return crtcX < mode.hdisplay && crtcY < mode.vdisplay && crtcX + crtcW > 0 && crtcY + crtcH > 0;
  }

  #setOrder(window: Window, zpos: number): void {
    if (window.zpos !== zpos) this.#ordered = false;
    window.zpos = zpos;
  }

  #writeOrder(): void {
    if (this.#ordered) return;
    this.#ordered = true;
    const [layer0, layer1, layer2] = [...this.#windows]
      .sort((a, b) => a.zpos - b.zpos || a.index - b.index)
      .map((window) => window.index);
    writeReg(this.#mmio, VOP.OVL_LAYER_SEL, VOP.OVL_LAYER_SEL.encode({ layer0, layer1, layer2 }));
  }

  #writeGamma(data: Uint8Array | undefined): void {
    writeReg(this.#mmio, VOP.POST_CTRL, VOP.POST_CTRL.encode({ gammaEnable: data ? 1 : 0 }));
    if (!data) return;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const entries = data.length / ColorLut.size;
    const ten = (value: number): number => Math.round((value * GAMMA_MAX) / 0xffff);
    for (let level = 0; level < GAMMA_ENTRIES; level++) {
      const entry = ColorLut.read(view, Math.floor((level * entries) / GAMMA_ENTRIES) * ColorLut.size);
      const register = gammaEntry(level);
      const { red, green, blue } = entry;
      writeReg(this.#mmio, register, register.encode({ red: ten(red), green: ten(green), blue: ten(blue) }));
    }
  }
}

function checkMode(name: string, mode: ModeInfo): void {
  const { clock, hdisplay, vdisplay, flags } = mode;
  must(
    hdisplay <= LIMITS.width && vdisplay <= LIMITS.height && clock <= LIMITS.clock,
    'EINVAL',
    () => `${name}: ${hdisplay}×${vdisplay} with ${clock} kHz is beyond the controller`,
  );
  must(
    (flags & (MODE_FLAG.INTERLACE | MODE_FLAG.DBLSCAN)) === 0 && mode.vscan <= 1,
    'EINVAL',
    () => `${name}: the controller scans each line once, in order`,
  );
  const refresh = refreshRate(mode);
  must(
    refresh >= LIMITS.refreshMin && refresh <= LIMITS.refreshMax,
    'EINVAL',
    () => `${name}: ${refresh.toFixed(1)} frames per second`,
  );
}

/** `source` is 16.16. */
function checkScale(name: string, source: number, screen: number): void {
  const scale = screen === 0 ? 0 : source / FIXED_ONE / screen;
  must(
    scale >= 1 / LIMITS.scale && scale <= LIMITS.scale,
    'ERANGE',
    () => `${name}: ${source / FIXED_ONE} pixels to ${screen}; the controller scales by up to ${LIMITS.scale}`,
  );
}
