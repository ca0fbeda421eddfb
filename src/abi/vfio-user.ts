/**
 * vfio-user: VFIO's ioctls as messages on a Unix socket, by which a virtual machine's monitor (client) has a device in another
 * process (server). A message is a header, then what its command says; descriptors come with the header.
 * Source: QEMU `docs/interop/vfio-user.rst`, `hw/vfio-user/protocol.h`; Linux `include/uapi/linux/vfio.h`.
 */
import { bytes, struct, u16, u32, u64 } from './layout.ts';

export const VFIO_USER_MAJOR = 0;
export const VFIO_USER_MINOR = 1;

export const VFIO_USER = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_REGION_IO_FDS: 6,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DMA_READ: 11,
  DMA_WRITE: 12,
  DEVICE_RESET: 13,
  REGION_WRITE_MULTI: 15,
} as const;

/** `size` counts the header too. `error` is an errno in a reply with flag ERROR. */
export const VfioUserHeader = struct('vfio_user_header', {
  id: u16(),
  command: u16(),
  size: u32(),
  flags: u32(),
  error: u32(),
});

export const VFIO_USER_FLAG = { TYPE: 0xf, REPLY: 0x1, NO_REPLY: 0x10, ERROR: 0x20 } as const;

/** Followed by JSON text that ends with a zero byte. */
export const VfioUserVersion = struct('vfio_user_version', { major: u16(), minor: u16() });

/** `offset` is that of the descriptor's file, where there is one. */
export const VfioUserDmaMap = struct('vfio_user_dma_map', {
  argsz: u32(),
  flags: u32(),
  offset: u64(),
  address: u64(),
  size: u64(),
});
export const VFIO_DMA_MAP = { READ: 1, WRITE: 2 } as const;

export const VfioUserDmaUnmap = struct('vfio_user_dma_unmap', {
  argsz: u32(),
  flags: u32(),
  address: u64(),
  size: u64(),
});
export const VFIO_DMA_UNMAP = { GET_DIRTY_BITMAP: 1, ALL: 2 } as const;

export const VfioDeviceInfo = struct('vfio_device_info', { argsz: u32(), flags: u32(), regions: u32(), irqs: u32() });
export const VFIO_DEVICE = { RESET: 1, PCI: 2 } as const;

export const VfioRegionInfo = struct('vfio_region_info', {
  argsz: u32(),
  flags: u32(),
  index: u32(),
  capabilityOffset: u32(),
  size: u64(),
  offset: u64(),
});
export const VFIO_REGION = { READ: 1, WRITE: 2, MMAP: 4, CAPS: 8 } as const;
export const VFIO_PCI_REGION = { BAR0: 0, CONFIG: 7, COUNT: 9 } as const;

export const VfioIrqInfo = struct('vfio_irq_info', { argsz: u32(), flags: u32(), index: u32(), count: u32() });
export const VFIO_IRQ = { EVENTFD: 1, MASKABLE: 2, AUTOMASKED: 4, NORESIZE: 8 } as const;
export const VFIO_PCI_IRQ = { INTX: 0, COUNT: 5 } as const;

/** Followed by `count` bytes with DATA_BOOL; with DATA_EVENTFD descriptors come along, or none: no descriptor. */
export const VfioIrqSet = struct('vfio_irq_set', {
  argsz: u32(),
  flags: u32(),
  index: u32(),
  start: u32(),
  count: u32(),
});
export const VFIO_IRQ_SET = {
  DATA_NONE: 0x01,
  DATA_BOOL: 0x02,
  DATA_EVENTFD: 0x04,
  MASK: 0x08,
  UNMASK: 0x10,
  TRIGGER: 0x20,
} as const;

/** Of REGION_READ and REGION_WRITE, and of their replies; data follow a write, and the reply to a read. */
export const VfioUserRegionAccess = struct('vfio_user_region_access', { offset: u64(), region: u32(), count: u32() });

/** REGION_WRITE_MULTI: how many writes, then so many of these. */
export const VfioUserWrites = struct('vfio_user_region_write_multi', { count: u64() });
export const VfioUserWrite = struct('vfio_user_region_write', {
  offset: u64(),
  region: u32(),
  count: u32(),
  data: bytes(8),
});
