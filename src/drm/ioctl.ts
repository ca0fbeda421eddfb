/**
 * Ioctl dispatch: finds the entry, checks who may call, decodes the argument, calls the handler, encodes the result.
 * After Linux `drivers/gpu/drm/drm_ioctl.c`: a client may pass a shorter or a longer struct than ours; what is missing is
 * zero, what is beyond is left alone.
 */
import { type IoctlDef, IoctlNumber } from '../abi/ioctl.ts';
import { type Layout, type Values, viewOf } from '../abi/layout.ts';
import { DrmError } from './error.ts';
import type { DrmFile } from './file.ts';
import type { UserContext } from './user.ts';

/** Changes `arg` in place for the fields it returns. A number is the ioctl's return value, 0 by default. */
export type IoctlHandler<F extends Record<string, any>, P> = (
  file: DrmFile<P>,
  arg: Values<F>,
  user: UserContext,
) => number | void | Promise<number | void>;

export interface IoctlEntry<F extends Record<string, any> = any, P = any> {
  readonly def: IoctlDef<F>;
  /** `render`: allowed on render nodes. `auth`: primary node only after authentication. `master`: DRM master only. */
  readonly access: { readonly render?: boolean; readonly auth?: boolean; readonly master?: boolean };
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

export const ioctlTable = (entries: readonly IoctlEntry[]): IoctlTable =>
  new Map(entries.map((entry) => [entry.def.type * 256 + entry.def.nr, entry]));

/** The outcome that the client sees: the return value (negative: -errno) and the argument's bytes after the call. */
export interface IoctlResult {
  readonly value: number;
  readonly arg: Uint8Array;
}

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
  const word = new DataView(new ArrayBuffer(4));
  word.setUint32(0, request, true);
  const { type, nr } = IoctlNumber.read(word, 0);
  const entry = table.get(type * 256 + nr);
  const fail = (error: unknown): IoctlResult => {
    if (!(error instanceof DrmError)) throw error;
    const quiet = error.errno === 'ETIME' || error.errno === 'EAGAIN' || error.errno === 'EINTR';
    device.log(
      quiet ? 'debug' : 'warn',
      `${entry?.def.name ?? `ioctl 0x${request.toString(16)}`} of pid ${user.pid}: ${error.errno}: ${error.message}`,
    );
    return { value: error.code, arg };
  };
  try {
    if (device.gone) throw new DrmError('ENODEV', 'the device is gone');
    if (!entry) throw new DrmError(type === 0x64 ? 'EINVAL' : 'ENOTTY', `no ioctl 0x${request.toString(16)} here`);
    allow(entry, file);
    const layout: Layout<any> | undefined = entry.def.arg;
    if (!layout) {
      const value = entry.handler(file, {}, user);
      return value instanceof Promise ? value.then((v) => ({ value: v ?? 0, arg }), fail) : { value: value ?? 0, arg };
    }
    const whole = new Uint8Array(layout.size);
    whole.set(arg.subarray(0, layout.size));
    const view = viewOf(whole);
    const values = layout.read(view, 0);
    const done = (value: number | void): IoctlResult => {
      layout.write(view, 0, values);
      arg.set(whole.subarray(0, Math.min(arg.length, whole.length)));
      return { value: value ?? 0, arg };
    };
    const value = entry.handler(file, values, user);
    return value instanceof Promise ? value.then(done, fail) : done(value);
  } catch (error) {
    return fail(error);
  }
}

function allow({ access }: IoctlEntry, file: DrmFile<any>): void {
  if (file.node === 'render') {
    if (!access.render) throw new DrmError('EACCES', 'not allowed on a render node');
    return;
  }
  if (access.auth && !file.authenticated && !file.isMaster)
    throw new DrmError('EACCES', 'the client is not authenticated');
  if (access.master && !file.isMaster) throw new DrmError('EACCES', 'the client is not DRM master');
}
