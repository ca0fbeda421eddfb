/** Ioctls of dma-buf descriptors. Source: Linux `include/uapi/linux/dma-buf.h`. */
import { iow, iowr } from './ioctl.ts';
import { s32, struct, u32, u64 } from './layout.ts';

export const DmaBufSync = struct('dma_buf_sync', { flags: u64() });
export const DmaBufSyncFile = struct('dma_buf_export_sync_file', { flags: u32(), fd: s32() });
/** SET_NAME passes the name's address itself; the struct in its number only tells the width of a pointer. */
const NamePointer32 = struct('dma_buf_name_a', { address: u32() });
const NamePointer64 = struct('dma_buf_name_b', { address: u64() });

export const DMA_BUF_SYNC = { READ: 1, WRITE: 2, END: 4 } as const;
/** Bytes of a name with its closing zero. */
export const DMA_BUF_NAME_LEN = 32;

/** The letter of dma-bufs' ioctls. */
export const DMA_BUF_BASE = 'b';

export const DMA_BUF_IOCTL = {
  SYNC: iow('DMA_BUF_IOCTL_SYNC', DMA_BUF_BASE, 0, DmaBufSync),
  SET_NAME_A: iow('DMA_BUF_SET_NAME_A', DMA_BUF_BASE, 1, NamePointer32),
  SET_NAME_B: iow('DMA_BUF_SET_NAME_B', DMA_BUF_BASE, 1, NamePointer64),
  EXPORT_SYNC_FILE: iowr('DMA_BUF_IOCTL_EXPORT_SYNC_FILE', DMA_BUF_BASE, 2, DmaBufSyncFile),
  IMPORT_SYNC_FILE: iow('DMA_BUF_IOCTL_IMPORT_SYNC_FILE', DMA_BUF_BASE, 3, DmaBufSyncFile),
} as const;
