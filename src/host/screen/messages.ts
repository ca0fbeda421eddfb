/**
 * What the machine's thread and the screen's thread say to each other. The machine's thread speaks only when it was asked:
 * while nobody looks on, nobody asks.
 */
import type { WindowScan } from '../../display/index.ts';
import type { InputPort } from '../../input/port.ts';

/** A copy of what the windows of a scan show, taken between two commits. */
export interface Snapshot {
  readonly width: number;
  readonly height: number;
  /** Addresses lie in `memory`; `format` is the pixel format's fourcc code. */
  readonly windows: readonly (Omit<WindowScan, 'format'> & { readonly format: number })[];
  readonly gamma: { readonly red: Uint16Array; readonly green: Uint16Array; readonly blue: Uint16Array } | undefined;
  /** The screen's thread reads it until it asks for the next snapshot. */
  readonly memory: SharedArrayBuffer;
}

/** One call of the machine's input port. */
export type InputCall = {
  [Name in keyof InputPort]: [Name, ...Parameters<InputPort[Name]>];
}[keyof InputPort];

export type ToScreen =
  | { readonly kind: 'picture'; readonly snapshot: Snapshot }
  /** Frames that came onto the screen since power-on; `time` of the board in nanoseconds. */
  | { readonly kind: 'frames'; readonly frames: number; readonly time: number };

export type FromScreen =
  /** A picture, as soon as there is another one; `now`: at once. */
  | { readonly kind: 'want'; readonly now: boolean }
  | { readonly kind: 'count' }
  | { readonly kind: 'input'; readonly calls: readonly InputCall[] }
  | { readonly kind: 'log'; readonly level: 'warn' | 'info'; readonly message: string };

export interface ScreenThreadData {
  /** Listening sockets: of the page, and of VNC. */
  readonly page: { readonly fd: number; readonly port: number };
  readonly vnc: { readonly fd: number };
  /** In the link's path. */
  readonly token: string;
  /** Of VNC. */
  readonly password: string;
  /** What viewers show as the screen's name. */
  readonly title: string;
}
