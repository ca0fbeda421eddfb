/**
 * Vop: the model of the display controller: registers, the frame clock, the interrupt, and what is being scanned out.
 *
 * A frame starts every mode's period. Then the windows whose registers are complete (CFG_DONE) take effect and the
 * frame-start interrupt is raised. The clock ticks only while something waits for it: an enabled interrupt or a complete
 * configuration; otherwise the counters are computed when they are read. A free-running controller starts a frame as soon as
 * a configuration is complete, as a panel without a rate of its own would.
 */
import {
  fromField16,
  GAMMA_ENTRIES,
  gammaEntry,
  VOP,
  VOP_FORMATS,
  VOP_WINDOW,
  WINDOW,
  WINDOWS,
  windowBase,
} from '../abi/display/vop.ts';
import type { PixelFormat } from '../abi/fourcc.ts';
import type { Register } from '../abi/register.ts';
import type { Clock, Timer } from '../board/clock.ts';
import type { IrqLine } from '../board/irq.ts';
import type { Mmio } from '../board/mmio.ts';

/** One window as it is scanned out. */
export interface WindowScan {
  readonly format: PixelFormat;
  /** Physical address of the picture's first row. */
  readonly address: number;
  /** Bytes from one row to the next. */
  readonly pitch: number;
  /** Source rectangle in pixels. */
  readonly srcX: number;
  readonly srcY: number;
  readonly srcW: number;
  readonly srcH: number;
  /** Rectangle on the screen; may leave it. */
  readonly dstX: number;
  readonly dstY: number;
  readonly dstW: number;
  readonly dstH: number;
  /** One of ALPHA_MODE. */
  readonly alphaMode: number;
  readonly alpha: number;
}

/** What a frame is made of. Windows from the farthest to the nearest. */
export interface Scan {
  readonly width: number;
  readonly height: number;
  readonly windows: readonly WindowScan[];
  /** 10-bit outputs for 256 levels of each colour; none: unchanged. */
  readonly gamma: { readonly red: Uint16Array; readonly green: Uint16Array; readonly blue: Uint16Array } | undefined;
}

export class Vop implements Mmio {
  readonly #clock: Clock;
  readonly #irq: IrqLine;
  readonly #freeRunning: boolean;
  readonly #registers = new Uint32Array(VOP_WINDOW / 4);
  /** What is on the screen, taken from the registers when a frame started. */
  readonly #windows: (WindowScan | undefined)[] = Array.from({ length: WINDOWS }, () => undefined);
  #order: number[] = [0, 1, 2];
  #gamma: Scan['gamma'];
  #running = false;
  /** The last frame whose start was acted upon or counted, and when it was (nanoseconds of the board). */
  #frame = 0;
  #frameStart = 0;
  /** The last frame that raised its interrupt. */
  #raised = 0;
  #pending = 0;
  #status = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, irq: IrqLine, options: { freeRunning: boolean }) {
    this.#clock = clock;
    this.#irq = irq;
    this.#freeRunning = options.freeRunning;
  }

  read32(offset: number): number {
    switch (offset) {
      case VOP.CFG_DONE.offset:
        return this.#pending;
      case VOP.INTR_STATUS.offset:
        return this.#status;
      case VOP.FRAME_COUNT.offset:
        this.#count();
        return this.#frame >>> 0;
      case VOP.LINE_COUNT.offset:
        this.#count();
        return this.#running ? Math.floor((this.#clock.now() - this.#frameStart) / this.#lineTime) : 0;
      default:
        return this.#registers[offset / 4] ?? 0;
    }
  }

  write32(offset: number, value: number): void {
    switch (offset) {
      case VOP.CFG_DONE.offset:
        this.#configure(value);
        return;
      case VOP.INTR_CLR.offset:
        this.#status &= ~value;
        this.#drive();
        return;
      case VOP.INTR_STATUS.offset:
      case VOP.FRAME_COUNT.offset:
      case VOP.LINE_COUNT.offset:
        return;
    }
    if (offset / 4 < this.#registers.length) this.#registers[offset / 4] = value;
    if (offset === VOP.DSP_CTRL.offset) this.#power(VOP.DSP_CTRL.get(value >>> 0, 'standby') === 0);
    if (offset === VOP.INTR_EN.offset) {
      this.#count();
      this.#raised = this.#frame;
      this.#drive();
      this.#arm();
    }
  }

  /** What is on the screen now; nothing in stand-by. */
  get scan(): Scan | undefined {
    if (!this.#running) return undefined;
    const horizontal = this.#field(VOP.DSP_HACT_ST_END);
    const vertical = this.#field(VOP.DSP_VACT_ST_END);
    return {
      width: horizontal.end - horizontal.start,
      height: vertical.end - vertical.start,
      windows: this.#order.map((index) => this.#windows[index]).filter((window) => window !== undefined),
      gamma: this.#gamma,
    };
  }

  #field<B extends Record<string, readonly [number, number]>>(
    register: Register<B>,
    base = 0,
  ): Record<keyof B, number> {
    return register.decode(this.#registers[(base + register.offset) / 4]!);
  }

  /** Nanoseconds of one line, and of one frame: a whole number. */
  get #lineTime(): number {
    const dclk = Math.max(1, this.#registers[VOP.DCLK.offset / 4]!);
    return (Math.max(1, this.#field(VOP.DSP_HTOTAL_HS_END).total) * 1e6) / dclk;
  }

  get #frameTime(): number {
    return Math.max(1, Math.round(Math.max(1, this.#field(VOP.DSP_VTOTAL_VS_END).total) * this.#lineTime));
  }

  #power(on: boolean): void {
    if (on === this.#running) return;
    this.#count();
    this.#running = on;
    this.#frameStart = this.#clock.now();
    this.#raised = this.#frame;
    if (!on) {
      this.#pending = 0;
      this.#windows.fill(undefined);
    }
    this.#arm();
  }

  #configure(value: number): void {
    const { windows, post, immediate } = VOP.CFG_DONE.decode(value >>> 0);
    const parts = VOP.CFG_DONE.encode({ windows, post });
    if (!this.#running) return;
    if (immediate) {
      this.#pending &= ~parts;
      this.#latch(parts);
      return;
    }
    this.#pending |= parts;
    if (this.#freeRunning) {
      this.#count();
      this.#frame++;
      this.#frameStart = this.#clock.now();
      this.#startFrame();
    }
    this.#arm();
  }

  /** Brings the frame counter up to now. */
  #count(): void {
    if (!this.#running) return;
    const passed = Math.floor((this.#clock.now() - this.#frameStart) / this.#frameTime);
    if (passed <= 0) return;
    this.#frame += passed;
    this.#frameStart += passed * this.#frameTime;
  }

  /** The clock ticks at the next frame's start if anything depends on it. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const wanted = this.#pending !== 0 || this.#field(VOP.INTR_EN).frameStart === 1;
    if (!this.#running || !wanted) return;
    const next = this.#frameStart + this.#frameTime;
    this.#timer = this.#clock.after(Math.max(0, next - this.#clock.now()), () => {
      this.#timer = undefined;
      this.#count();
      // A timer may come a little early; then the frame has not started yet.
      if (this.#frame !== this.#raised) this.#startFrame();
      this.#arm();
    });
  }

  #startFrame(): void {
    this.#raised = this.#frame;
    const parts = this.#pending;
    this.#pending = 0;
    this.#latch(parts);
    this.#status = VOP.INTR_STATUS.encode({ frameStart: 1 });
    this.#drive();
  }

  #drive(): void {
    this.#irq.set((this.#status & this.#registers[VOP.INTR_EN.offset / 4]!) !== 0);
  }

  #latch(parts: number): void {
    const { windows, post } = VOP.CFG_DONE.decode(parts);
    for (let i = 0; i < WINDOWS; i++) if (Math.floor(windows / 2 ** i) % 2 === 1) this.#windows[i] = this.#window(i);
    if (!post) return;
    const { layer0, layer1, layer2 } = this.#field(VOP.OVL_LAYER_SEL);
    this.#order = [layer0, layer1, layer2];
    this.#gamma = this.#field(VOP.POST_CTRL).gammaEnable ? this.#gammaTable() : undefined;
  }

  #window(index: number): WindowScan | undefined {
    const base = windowBase(index);
    const { enable, format: code } = this.#field(WINDOW.CTRL, base);
    const format = VOP_FORMATS[code];
    if (!enable || !format) return undefined;
    const source = this.#field(WINDOW.ACT_INFO, base);
    const screen = this.#field(WINDOW.DSP_INFO, base);
    const corner = this.#field(WINDOW.ACT_ST, base);
    const at = this.#field(WINDOW.DSP_ST, base);
    const alpha = this.#field(WINDOW.ALPHA, base);
    return {
      format,
      address: this.#registers[(base + WINDOW.YRGB_MST.offset) / 4]!,
      pitch: this.#field(WINDOW.VIR, base).pitchWords * 4,
      srcX: corner.x,
      srcY: corner.y,
      srcW: source.width + 1,
      srcH: source.height + 1,
      dstX: fromField16(at.x),
      dstY: fromField16(at.y),
      dstW: screen.width + 1,
      dstH: screen.height + 1,
      alphaMode: alpha.mode,
      alpha: alpha.global,
    };
  }

  #gammaTable(): NonNullable<Scan['gamma']> {
    const table = {
      red: new Uint16Array(GAMMA_ENTRIES),
      green: new Uint16Array(GAMMA_ENTRIES),
      blue: new Uint16Array(GAMMA_ENTRIES),
    };
    for (let level = 0; level < GAMMA_ENTRIES; level++) {
      const entry = this.#field(gammaEntry(level));
      table.red[level] = entry.red;
      table.green[level] = entry.green;
      table.blue[level] = entry.blue;
    }
    return table;
  }
}
