/**
 * Ioctl numbers: direction, size of the argument, type letter and number in one word.
 * Source: Linux `include/uapi/asm-generic/ioctl.h` (arm64 and x86-64 alike).
 */
import { type Layout, layout, uint, viewOf } from './layout.ts';

export const IoctlNumber = layout('IoctlNumber', 4, {
  nr: uint(0, 8),
  type: uint(8, 8),
  size: uint(16, 14),
  direction: uint(30, 2),
});
/** Seen from the client: `w` passes a struct to the driver, `r` takes one from it. */
export const DIRECTION = { none: 0, w: 1, r: 2, wr: 3 } as const;

/** One ioctl as data: its number, and the struct that it takes (undefined for an argument without meaning). */
export interface IoctlDef<F extends Record<string, any> = any> {
  readonly name: string;
  readonly type: number;
  readonly nr: number;
  readonly direction: keyof typeof DIRECTION;
  readonly arg: Layout<F> | undefined;
  /** The 32-bit request number. */
  readonly request: number;
}

function define<F extends Record<string, any>>(
  name: string,
  type: string,
  nr: number,
  direction: keyof typeof DIRECTION,
  arg: Layout<F> | undefined,
): IoctlDef<F> {
  const code = type.charCodeAt(0);
  const word = IoctlNumber.pack({ nr, type: code, size: arg?.size ?? 0, direction: DIRECTION[direction] });
  return { name, type: code, nr, direction, arg, request: viewOf(word).getUint32(0, true) };
}

/** _IO, _IOW, _IOR, _IOWR. */
export const io = (name: string, type: string, nr: number): IoctlDef => define(name, type, nr, 'none', undefined);
export const iow = <F extends Record<string, any>>(
  name: string,
  type: string,
  nr: number,
  arg: Layout<F>,
): IoctlDef<F> => define(name, type, nr, 'w', arg);
export const ior = <F extends Record<string, any>>(
  name: string,
  type: string,
  nr: number,
  arg: Layout<F>,
): IoctlDef<F> => define(name, type, nr, 'r', arg);
export const iowr = <F extends Record<string, any>>(
  name: string,
  type: string,
  nr: number,
  arg: Layout<F>,
): IoctlDef<F> => define(name, type, nr, 'wr', arg);
