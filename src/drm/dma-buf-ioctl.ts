/**
 * The ioctls of a dma-buf's descriptor: bracket the processor's accesses, name it, and turn its fences into a sync file
 * and back.
 * After Linux `drivers/dma-buf/dma-buf.c`.
 */
import { DMA_BUF_IOCTL, DMA_BUF_NAME_LEN, DMA_BUF_SYNC } from '../abi/dma-buf.ts';
import type { BackingFile } from '../board/dram.ts';
import { type Log, silent } from '../board/log.ts';
import { must } from './error.ts';
import { type Fence, SIGNALED } from './fence.ts';
import { leaves, mergeFences } from './fence-chain.ts';
import { objectOf, reservationOf } from './gem.ts';
import { type IoctlResult, ioctlOn, runOn } from './ioctl.ts';
import { SyncFile } from './sync-file.ts';
import { descriptorOf, type UserContext } from './user.ts';

const { READ, WRITE, END } = DMA_BUF_SYNC;

/** READ, WRITE or both. */
function checkAccess(flags: number): void {
  must(flags !== 0 && (flags & ~(READ | WRITE)) === 0, 'EINVAL', () => `flags 0x${flags.toString(16)}`);
}

const merged = (fences: readonly Fence[]): Fence => (fences[0] ? mergeFences(fences[0].clock, fences) : SIGNALED);

const ioctls = [
  ioctlOn(DMA_BUF_IOCTL.SYNC, (_file: BackingFile, arg) => {
    // All of the board sees the same pages at once, so there is nothing to do but to check.
    const flags = arg.flags <= BigInt(READ | WRITE | END) ? Number(arg.flags) : -1;
    must(flags >= 0, 'EINVAL', () => `flags 0x${arg.flags.toString(16)}`);
    checkAccess(flags & ~END);
  }),

  ioctlOn(DMA_BUF_IOCTL.EXPORT_SYNC_FILE, (file: BackingFile, arg, user) => {
    checkAccess(arg.flags);
    const fences = reservationOf(file).pending(arg.flags & WRITE ? 'write' : 'read');
    const at = DMA_BUF_IOCTL.EXPORT_SYNC_FILE.arg!.offset.fd as number;
    user.install({ kind: 'sync-file', syncFile: new SyncFile('', [merged(fences)]) }, at, { cloexec: true });
  }),

  ioctlOn(DMA_BUF_IOCTL.IMPORT_SYNC_FILE, (file: BackingFile, arg, user) => {
    checkAccess(arg.flags);
    const { syncFile } = descriptorOf(user, arg.fd, 'sync-file', 'EINVAL');
    const resv = reservationOf(file);
    for (const leaf of leaves(syncFile.fence)) resv.add(leaf, arg.flags & WRITE ? 'write' : 'read');
  }),
];

/** SET_NAME passes no struct but the name itself, of which the caller's bytes hold as much as the number has room for. */
function setName(file: BackingFile, text: Uint8Array): void {
  const end = text.indexOf(0);
  const object = objectOf(file);
  if (object) object.label = new TextDecoder().decode(text.subarray(0, end < 0 ? DMA_BUF_NAME_LEN : end));
}

/** Runs one ioctl on a dma-buf's descriptor. `arg`: the struct's bytes, as many as `request` says. */
export function dmaBufIoctl(
  file: BackingFile,
  request: number,
  arg: Uint8Array,
  user: UserContext,
  log: Log = silent,
): IoctlResult | Promise<IoctlResult> {
  const number = request >>> 0;
  if (number === DMA_BUF_IOCTL.SET_NAME_A.request || number === DMA_BUF_IOCTL.SET_NAME_B.request) {
    setName(file, arg);
    return { value: 0, arg };
  }
  return runOn(ioctls, file, 'dma_buf', request, arg, user, log);
}
