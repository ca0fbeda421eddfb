/**
 * Ioctl dispatch: finds the entry, checks who may call, decodes the argument, calls the handler, encodes the result.
 * After Linux `drivers/gpu/drm/drm_ioctl.c`: a client may pass a shorter or a longer struct than ours; what is missing is
 * zero, what is beyond is left alone. Only what both numbers declare as input is read, and as output written. Output is
 * written for a failing ioctl too.
 */
import { DRM_COMMAND, DRM_TYPE, DUMB_NUMBERS, MODESET_NUMBERS } from '../abi/drm.ts';
import type { Errno } from '../abi/errno.ts';
import { DIRECTION, type IoctlDef, IoctlNumber } from '../abi/ioctl.ts';
import type { Layout, Values } from '../abi/layout.ts';
import type { Log } from '../board/log.ts';
import { DrmError } from './error.ts';
import type { DrmFile } from './file.ts';
import { scratch, scratchView } from './scratch.ts';
import type { UserContext } from './user.ts';

/** Changes `arg` in place for the fields it returns. A number is the ioctl's return value, 0 by default. */
export type IoctlHandler<F extends Record<string, any>, P> = (
  file: DrmFile<P>,
  arg: Values<F>,
  user: UserContext,
) => number | void | Promise<number | void>;

export interface IoctlEntry<F extends Record<string, any> = any, P = any> {
  readonly def: IoctlDef<F>;
  /**
   * `render`: allowed on render nodes. `auth`: primary node only after authentication. `master`: DRM master only.
   * `root`: for the superuser.
   */
  readonly access: {
    readonly render?: boolean;
    readonly auth?: boolean;
    readonly master?: boolean;
    readonly root?: boolean;
  };
  readonly handler: IoctlHandler<F, P>;
}

export function ioctl<F extends Record<string, any>, P>(
  def: IoctlDef<F>,
  access: IoctlEntry<F, P>['access'],
  handler: IoctlHandler<F, P>,
): IoctlEntry<F, P> {
  return { def, access, handler };
}

/** Ioctl tables by type letter and number. */
export type IoctlTable = ReadonlyMap<number, IoctlEntry>;

const key = (type: number, nr: number): number => type * 256 + nr;

export const ioctlTable = (entries: readonly IoctlEntry[]): IoctlTable =>
  new Map(entries.map((entry) => [key(entry.def.type, entry.def.nr), entry]));

/** The outcome that the client sees: the return value (negative: -errno) and the argument's bytes after the call. */
export interface IoctlResult {
  readonly value: number;
  readonly arg: Uint8Array;
}

/** The parts of a 32-bit request number. */
export function decodeRequest(request: number): { type: number; nr: number; size: number; direction: number } {
  word.setUint32(0, request, true);
  return IoctlNumber.read(word, 0);
}
const word = new DataView(new ArrayBuffer(4));

/** Errors that answer a question rather than name a fault: not worth a line in an ordinary log. */
const QUIET: ReadonlySet<Errno> = new Set<Errno>(['ETIME', 'EAGAIN', 'EINTR', 'EOPNOTSUPP']);

const nameOf = (def: IoctlDef | undefined, request: number): string =>
  def?.name ?? `ioctl 0x${(request >>> 0).toString(16)}`;

/**
 * Runs one ioctl. `arg` holds the client's struct (as many bytes as `request` says). A DrmError becomes its errno and a
 * log line; any other exception passes through: the host's restart, or a bug of ours.
 */
export function dispatch(
  table: IoctlTable,
  file: DrmFile<any>,
  request: number,
  arg: Uint8Array,
  user: UserContext,
): IoctlResult | Promise<IoctlResult> {
  const { device } = file;
  const { type, nr, direction } = decodeRequest(request);
  const entry = table.get(key(type, nr));
  try {
    if (device.gone) throw new DrmError('ENODEV', 'the device is gone');
    if (!entry) throw unknown(type, nr, file);
    allow(entry, file, user);
  } catch (error) {
    if (!(error instanceof DrmError)) throw error;
    logOfDevice(device, nameOf(entry?.def, request), user, error);
    return { value: error.code, arg };
  }
  return run(entry.def, direction, arg, entry.handler, file, user, logOfDevice, device);
}

function logOfDevice(device: DrmFile<any>['device'], name: string, user: UserContext, error: DrmError): void {
  device.log(QUIET.has(error.errno) ? 'debug' : 'warn', `${name} of pid ${user.pid}: ${error.errno}: ${error.message}`);
}

type Handler = (subject: any, values: any, user: UserContext) => number | void | Promise<number | void>;

/** Decodes `arg`, runs the handler and encodes the result. `log(owner, …)` hears of a DrmError. */
function run<O>(
  def: IoctlDef,
  direction: number,
  arg: Uint8Array,
  handler: Handler,
  subject: unknown,
  user: UserContext,
  log: (owner: O, name: string, user: UserContext, error: DrmError) => void,
  owner: O,
): IoctlResult | Promise<IoctlResult> {
  const layout: Layout<any> | undefined = def.arg;
  const both = direction & DIRECTION[def.direction];
  const values = layout ? decode(layout, arg, both) : {};
  const fail = (error: unknown): IoctlResult => {
    if (!(error instanceof DrmError)) throw error;
    log(owner, def.name, user, error);
    if (layout) encode(layout, arg, both, values);
    return { value: error.code, arg };
  };
  try {
    const value = handler(subject, values, user);
    if (value instanceof Promise) {
      return value.then((late) => {
        if (layout) encode(layout, arg, both, values);
        return { value: late ?? 0, arg };
      }, fail);
    }
    if (layout) encode(layout, arg, both, values);
    return { value: value ?? 0, arg };
  } catch (error) {
    return fail(error);
  }
}

/** Puts what the client passed into `scratch`, and zeros where it passed too little or nothing. */
function load(layout: Layout<any>, arg: Uint8Array, both: number): void {
  const given = both & DIRECTION.w ? arg.length : 0;
  if (given > 0) scratch.set(arg);
  if (given < layout.size) scratch.fill(0, given, layout.size);
}

function decode(layout: Layout<any>, arg: Uint8Array, both: number): any {
  load(layout, arg, both);
  return layout.read(scratchView, 0);
}

/** Writes the values back, and leaves the bytes between them as they were passed. */
function encode(layout: Layout<any>, arg: Uint8Array, both: number, values: any): void {
  if (!(both & DIRECTION.r)) return;
  load(layout, arg, both);
  layout.write(scratchView, 0, values);
  const size = Math.min(arg.length, layout.size);
  for (let i = 0; i < size; i++) arg[i] = scratch[i]!;
}

/** One ioctl of a descriptor that is no DRM node: its handler gets what stands behind the descriptor. */
export interface DescriptorIoctl<S> {
  readonly def: IoctlDef;
  readonly handler: (subject: S, arg: any, user: UserContext) => number | void;
}

export function ioctlOn<S, F extends Record<string, any>>(
  def: IoctlDef<F>,
  handler: (subject: S, arg: Values<F>, user: UserContext) => number | void,
): DescriptorIoctl<S> {
  return { def, handler };
}

/** Runs one ioctl on `subject`, by its whole number: such descriptors have no versions of a struct. ENOTTY for others. */
export function runOn<S>(
  ioctls: readonly DescriptorIoctl<S>[],
  subject: S,
  kind: string,
  request: number,
  arg: Uint8Array,
  user: UserContext,
  log: Log,
): IoctlResult | Promise<IoctlResult> {
  const entry = ioctls.find(({ def }) => def.request === request >>> 0);
  if (!entry) {
    const error = new DrmError('ENOTTY', `a ${kind} has no such ioctl`);
    logOfKind({ log, kind }, nameOf(undefined, request), user, error);
    return { value: error.code, arg };
  }
  return run(entry.def, DIRECTION[entry.def.direction], arg, entry.handler, subject, user, logOfKind, { log, kind });
}

function logOfKind(owner: { log: Log; kind: string }, name: string, user: UserContext, error: DrmError): void {
  owner.log('warn', owner.kind, `${name} of pid ${user.pid}: ${error.errno}: ${error.message}`);
}

function unknown(type: number, nr: number, file: DrmFile<any>): DrmError {
  const number = `0x${nr.toString(16)}`;
  if (type !== DRM_TYPE.charCodeAt(0))
    return new DrmError('ENOTTY', `ioctl ${number} of type ${type} is none of DRM's`);
  if (MODESET_NUMBERS.some(([first, last]) => nr >= first && nr <= last)) {
    if (file.node === 'render') return new DrmError('EACCES', `mode setting (${number}) is not for render nodes`);
    if (DUMB_NUMBERS.includes(nr)) return new DrmError('ENOSYS', 'the device has no dumb buffers');
    if (!file.device.driver.features.modeset)
      return new DrmError('EOPNOTSUPP', `mode setting (${number}) on a device without a display`);
  }
  const whose = nr >= DRM_COMMAND.first && nr < DRM_COMMAND.end ? "the driver's" : "the core's";
  return new DrmError('EINVAL', `${number} is none of ${whose} ioctls`);
}

function allow({ access }: IoctlEntry, file: DrmFile<any>, user: UserContext): void {
  if (access.root && !user.capable('SYS_ADMIN')) throw new DrmError('EACCES', 'only for the superuser');
  if (access.auth && file.node !== 'render' && !file.authenticated)
    throw new DrmError('EACCES', 'the client is not authenticated');
  if (access.master && !file.isMaster) throw new DrmError('EACCES', 'the client is not DRM master');
  if (!access.render && file.node === 'render') throw new DrmError('EACCES', 'not allowed on a render node');
}
