/**
 * Display: the board's screen: a display controller (vop.ts), its driver (driver.ts) behind the KMS device `rockchip`, and
 * the monitor that is plugged in (modes.ts, edid.ts). What the monitor shows can be read back (scanout.ts).
 */
import { GAMMA_ENTRIES, VOP_FORMATS } from '../abi/display/vop.ts';
import { DRM_CAP } from '../abi/drm.ts';
import { MOD_LINEAR } from '../abi/fourcc.ts';
import { CONNECTOR_HDMIA } from '../abi/kms.ts';
import { IrqLine } from '../board/irq.ts';
import { type DeviceContext, DrmDevice } from '../drm/device.ts';
import { Connector, Crtc, Encoder, KmsFile, kmsIoctls, ModeConfig, Plane } from '../drm/kms/index.ts';
import { VopDriver } from './driver.ts';
import { makeEdid, physicalSize } from './edid.ts';
import { displayTimings, MAX_HEIGHT, MAX_WIDTH, modeInfo } from './modes.ts';
import { compose, type Picture } from './scanout.ts';
import { type Scan, Vop } from './vop.ts';

export { DEFAULT_MODE, parseMode } from './modes.ts';
export { compose, type Picture } from './scanout.ts';
export type { Scan, WindowScan } from './vop.ts';

export interface DisplayOptions {
  /** The preferred mode as WIDTHxHEIGHT@HZ; one that is not among the standard ones is added. Throws Error if malformed. */
  readonly mode?: string;
  /** The monitor can show the preferred mode alone: for programs that choose the largest one. */
  readonly soleMode?: boolean | undefined;
  /** 'unlimited': a flip is shown as soon as its fences have signalled. */
  readonly refresh?: 'mode' | 'unlimited';
}

/** Capabilities that differ from what the core answers. */
const CAPABILITIES: Readonly<Record<number, bigint>> = {
  [DRM_CAP.DUMB_BUFFER]: 1n,
  [DRM_CAP.ASYNC_PAGE_FLIP]: 1n,
  [DRM_CAP.PAGE_FLIP_TARGET]: 1n,
  [DRM_CAP.ATOMIC_ASYNC_PAGE_FLIP]: 1n,
};

export class Display {
  readonly device: DrmDevice<KmsFile>;
  readonly config: ModeConfig;
  /** The screen's, in millimetres. */
  readonly physicalSize: { readonly widthMm: number; readonly heightMm: number };
  /** Commits with a new framebuffer (primary or overlay) that came onto the screen. */
  frames = 0;
  /** How often what the monitor shows has become something else, or may have. */
  changes = 0;
  readonly #context: DeviceContext;
  readonly #vop: Vop;
  readonly #flipListeners = new Set<() => void>();
  readonly #darkListeners = new Set<() => void>();
  readonly #changeListeners = new Set<() => void>();
  #size: { width: number; height: number };

  constructor(context: DeviceContext, options: DisplayOptions = {}) {
    this.#context = context;
    const timings = displayTimings(options.mode).slice(0, options.soleMode ? 1 : undefined);
    const [width, height] = [timings[0]!.horizontal[0], timings[0]!.vertical[0]];
    this.#size = { width, height };
    this.physicalSize = physicalSize(timings);

    const irq = new IrqLine('vop', context.clock);
    this.#vop = new Vop(context.clock, irq, { freeRunning: options.refresh === 'unlimited' });
    const driver = new VopDriver(this.#vop, irq, context.clock);
    driver.onShown = () => {
      this.frames++;
      for (const fn of this.#flipListeners) fn();
    };
    driver.onDark = () => {
      for (const fn of this.#darkListeners) fn();
    };
    driver.onChanged = () => {
      this.changes++;
      for (const fn of this.#changeListeners) fn();
    };

    const config = new ModeConfig(context, driver, { driver: 'rockchip', maxWidth: MAX_WIDTH, maxHeight: MAX_HEIGHT });
    this.config = config;
    const formats = { formats: VOP_FORMATS.map((format) => format.code), modifiers: [MOD_LINEAR] };
    const primary = new Plane(config, { name: 'primary', type: 'Primary', zpos: 0, ...formats });
    const overlay = new Plane(config, { name: 'overlay', type: 'Overlay', zpos: 1, ...formats });
    const cursor = new Plane(config, { name: 'cursor', type: 'Cursor', zpos: 2, ...formats });
    config.planes.push(primary, overlay, cursor);
    driver.attach(config.planes);
    const { vblank } = driver;
    config.crtcs.push(new Crtc(config, { name: 'video port 0', primary, cursor, vblank, gammaSize: GAMMA_ENTRIES }));
    const encoder = new Encoder(config);
    config.encoders.push(encoder);
    config.connectors.push(
      new Connector(config, {
        name: 'HDMI-A-1',
        type: CONNECTOR_HDMIA,
        typeId: 1,
        encoder,
        edid: makeEdid(timings),
        modes: timings.map((timing, i) => modeInfo(timing, i === 0)),
        ...this.physicalSize,
      }),
    );
    this.device = new DrmDevice<KmsFile>(
      {
        name: 'rockchip',
        description: 'RockChip Soc DRM',
        date: '20140818',
        version: [1, 0, 0],
        unique: 'display-subsystem',
        features: { render: false, modeset: true, syncobj: false },
        ioctls: kmsIoctls(config),
        capability: (capability) => CAPABILITIES[capability],
        open: () => new KmsFile(),
        close: (file) => config.releaseFile(file),
      },
      context,
    );
  }

  /** The display controller falls asleep, once it is done with what is under way; the answer wakes it. */
  sleep(): Promise<() => Promise<void>> {
    return this.config.queue.sleep();
  }

  /** What the monitor shows now; black in the size of the last mode while it gets no picture. */
  screenshot(): Picture {
    return compose(this.#context.dram, this.scan);
  }

  /** What the monitor's picture is made of now; of nothing, in the size of the last mode, while it gets none. */
  get scan(): Scan {
    const { scan } = this.#vop;
    if (!scan) return { ...this.#size, windows: [], gamma: undefined };
    this.#size = { width: scan.width, height: scan.height };
    return scan;
  }

  /** Calls `fn` after each frame that came onto the screen. Returns what takes it back. */
  onFlip(fn: () => void): () => void {
    this.#flipListeners.add(fn);
    return () => this.#flipListeners.delete(fn);
  }

  /** Calls `fn` just before the picture goes away (CRTC off, or its framebuffer gone): the last chance to see it. */
  onDark(fn: () => void): () => void {
    this.#darkListeners.add(fn);
    return () => this.#darkListeners.delete(fn);
  }

  /** Calls `fn` after each change (see `changes`). Returns what takes it back. */
  onChange(fn: () => void): () => void {
    this.#changeListeners.add(fn);
    return () => this.#changeListeners.delete(fn);
  }
}
