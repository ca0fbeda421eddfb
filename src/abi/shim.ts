/**
 * The wire between the preload shim in a guest process and the machine: the one source from which both sides take it.
 * `shim/protocol.h` is printed from these tables by `src/host/shim-header.ts`; a test holds the two together.
 *
 * Three kinds of sockets (all AF_UNIX, SOCK_SEQPACKET: one message is one packet):
 * - a control channel, a connection of a guest process to the machine's listening socket. The guest sends a HELLO, then
 *   one request at a time; the machine answers with any number of READ, TAKE and WRITE, each of which the guest answers
 *   or obeys, and with one DONE;
 * - a DRM file: one end of a socket pair, whose other end the machine holds and has bound to an abstract address that
 *   names the node. Its packets are DRM events;
 * - an input device's file: the same, but events are asked for (READ). A packet waits in it while there are some, so that it
 *   can be polled; who reads takes the packet off first;
 * - a sync file: the same; it is readable (end of file) once its fences have signalled.
 *
 * Beside its socket a control channel may have a mailbox: a page of memory that both sides see. While the machine watches
 * it, requests and answers without descriptors go through it, and a packet is announced there, so that neither side has to
 * sleep and be woken. Either side counts requests: the guest's `asked` tells that there is one, the machine's `told` that the
 * answer is there. A guest that has waited long enough says SLEEP, and from then on everything comes by the socket.
 */
import { DMA_BUF_IOCTL, DmaBufSyncFile } from './dma-buf.ts';
import { DRM_IOCTL, DrmPrimeHandle, DrmSyncobjEventfd, DrmSyncobjHandle } from './drm.ts';
import { EVIOC, EVIOC_READ, EVIOC_TYPE, INPUT_MAJOR } from './input/evdev.ts';
import type { IoctlDef } from './ioctl.ts';
import { type Layout, s32, s64, struct, u32, u64 } from './layout.ts';
import { SW_SYNC_IOC, SwSyncGetDeadline } from './sw-sync.ts';
import { SYNC_IOC, SyncMergeData } from './sync-file.ts';

/** Grows with every change that an older peer would misread. */
export const SHIM_VERSION = 7;

/** Environment variable with the machine's folder. */
export const SHIM_ENVIRONMENT = 'TYR_MACHINE';
/**
 * Environment variable of programs in the guest: "EMULATOR:ROOT:LIBRARY", the qemu-user program that runs them (empty
 * where the host itself does), the guest's root, and the folder with its shim. Without an emulator then ":FOLDER" for each folder of
 * libraries that goes before the root's common ones, and, after another colon, those that go behind them. Programs of the host have none.
 */
export const SHIM_GUEST = 'TYR_GUEST';
/** The processor that the emulator is: the machine's own, as on an RK3588. It has no pointer authentication to compute. */
export const SHIM_CPU = 'cortex-a76';
/** In the machine's folder: the listening socket, and the tree that stands for /dev/dri and parts of /sys. */
export const SHIM_SOCKET = 'socket';
export const SHIM_TREE = 'root';

/** After the leading zero byte, every address of a machine's socket ends starts with this. */
export const SHIM_ADDRESS_PREFIX = 'tyr/';
/** Third part of the address of a sync file's end; a file of a node has `MAJOR:MINOR` there. */
export const SHIM_ADDRESS_SYNC = 'sync';

/** DRM's character device major number. Source: Linux `include/uapi/linux/major.h`. */
export const DRM_MAJOR = 226;

/**
 * A node's number: major and minor in one, as the kernel has them (`include/linux/kdev_t.h`, MKDEV). Its placeholder in the
 * tree is so many bytes long.
 */
export const MINOR_BITS = 20;
export const deviceNumber = (major: number, minor: number): number => major * 2 ** MINOR_BITS + minor;

/** Greatest number of payload bytes in one packet. */
export const SHIM_CHUNK = 65536;
/** Greatest number of descriptors that one DONE brings. */
export const SHIM_MAX_FDS = 16;

/** Flags of a greeting. MAILBOX: the guest wants one. */
export const SHIM_HELLO = { MAILBOX: 1 } as const;

/** Guest to machine. `fd`: descriptors ride on the packet. */
export const SHIM_REQUEST = {
  /**
   * First packet of a channel. number: SHIM_VERSION; address: where `size` stands in the guest's memory, as a proof. flags:
   * SHIM_HELLO. Where the guest wants a mailbox DONE follows, and brings its memory if it gets one.
   */
  HELLO: 1,
  /** Open a node. number: its deviceNumber; flags: open flags. DONE brings the file's descriptor. */
  OPEN: 2,
  /**
   * number: the ioctl's request; subject: the descriptor's number; the argument's bytes follow where its direction has a
   * write. The descriptor itself rides along, fd, unless it is a DRM file: `end` says which, and a machine to which this
   * channel has not shown it yet takes it by its number. fd too: the descriptor that the argument names, if `named` is not
   * negative (SHIM_NAMED).
   */
  IOCTL: 3,
  /**
   * A DRM file, `subject` and `end` as above; number: PROT_*; flags: MAP_*; address: offset; size: length. DONE brings a
   * file to map and value, its offset.
   */
  MMAP: 4,
  /** Answer to READ: number is 0 and the bytes follow, or number is an errno. */
  DATA: 5,
  /** Answer to TAKE: fd and number 0, or number is an errno. */
  GIVE: 6,
  /** Answer to WRITE: the guest is about to receive the bytes at their place. */
  READY: 7,
  /** The guest no longer looks into the mailbox for the answer to the request `serial`. Not answered. */
  SLEEP: 8,
  /**
   * Read an input device's file, `subject` and `end` as above; number: how many bytes at most. DONE brings them, value says
   * how many.
   */
  READ: 9,
  /** Write to one; number: how many bytes, which follow as far as they can be read. DONE's value says how many were taken. */
  WRITE: 10,
  /** What /proc tells of a node's file, `subject` and `end` as above. DONE brings a file with the text. */
  FDINFO: 11,
} as const;

/** Machine to guest. */
export const SHIM_REPLY = {
  /** Send `size` bytes from `address`. */
  READ: 1,
  /** Send the descriptor with the number `value`. */
  TAKE: 2,
  /** After READY, one packet of `size` bytes comes: receive it at `address`. */
  WRITE: 3,
  /**
   * The end. value: result or -errno. argSize bytes of the argument follow: all of it, or where there are no places perhaps
   * fewer from its start. Then `fds` places, of which the last `size` are offers.
   */
  DONE: 4,
} as const;

export const ShimRequest = struct('tyr_request', {
  kind: u32(),
  number: u32(),
  flags: u32(),
  subject: s32(),
  address: u64(),
  size: u64(),
  end: u64(),
  named: s32(),
  /** The request's number in the mailbox, if the guest looks there for the answer; else 0. */
  serial: u32(),
});

/** A mailbox: its size, and where its parts begin. Words of the machine and of the guest are not of one cache line. */
export const SHIM_MAILBOX = { SIZE: 4096, GUEST: 64, REQUEST: 128, ANSWER: 2048 } as const;

/** What the machine writes, from byte 0 on. */
export const ShimMailboxMachine = struct('tyr_mailbox_machine', {
  /** Not 0: the machine will find a request by itself. */
  watching: u32(),
  /** Microseconds for which the guest should wait before it sleeps, once the request has been taken. */
  patience: u32(),
  /** The last request that was taken. */
  taken: u32(),
  /** The last one that was answered. A reply of kind 0 says that the answer, or a question, is a packet. */
  told: u32(),
  /** Microseconds for which the guest should wait for the request to be taken: who is at work will look soon. */
  hope: u32(),
});

/** What the guest writes, from byte GUEST on; `asked` comes last. */
export const ShimMailboxGuest = struct('tyr_mailbox_guest', {
  /** Number of the last request; the next one's is greater, modulo 2^32. */
  asked: u32(),
  /** Bytes of it, from REQUEST on; 0: it is a packet. */
  size: u32(),
});

/**
 * Ioctls whose argument names a descriptor: type and number, as in the low half of a request, and the byte of the argument
 * where the descriptor's number stands. It rides on the request, so that the machine need not ask for it.
 */
export const SHIM_NAMED: readonly (readonly [ioctl: number, at: number])[] = [
  named(DRM_IOCTL.PRIME_FD_TO_HANDLE, DrmPrimeHandle.offset.fd),
  named(DRM_IOCTL.SYNCOBJ_FD_TO_HANDLE, DrmSyncobjHandle.offset.fd),
  named(DRM_IOCTL.SYNCOBJ_EVENTFD, DrmSyncobjEventfd.offset.fd),
  named(DMA_BUF_IOCTL.IMPORT_SYNC_FILE, DmaBufSyncFile.offset.fd),
  named(SYNC_IOC.MERGE, SyncMergeData.offset.fd2),
  named(SW_SYNC_IOC.GET_DEADLINE, SwSyncGetDeadline.offset.fence_fd),
];

/** Ioctls that take the argument for a number, and no address. It is sent as four bytes. */
export const SHIM_BY_VALUE: readonly (readonly [ioctl: number])[] = [EVIOC.GRAB, EVIOC.REVOKE, EVIOC.RMFF].map(
  ({ request }) => [request % 0x10000],
);

/** Ioctls that read their argument although their number speaks of writing alone. */
export const SHIM_READ_TOO: readonly (readonly [ioctl: number])[] = [
  EVIOC.GKEYCODE.nr,
  EVIOC_READ.GMTSLOTS,
  EVIOC.GMASK.nr,
].map((nr) => [EVIOC_TYPE.charCodeAt(0) * 256 + nr]);

function named({ request }: IoctlDef, at: number): readonly [number, number] {
  return [request % 0x10000, at];
}

export const ShimReply = struct('tyr_reply', {
  kind: u32(),
  fds: u32(),
  size: u32(),
  argSize: u32(),
  value: s64(),
  address: u64(),
});

/** Where the number of a descriptor that DONE brings has to be stored, as an int. */
export const SHIM_PLACE = {
  /** It is the result of the call. */
  RESULT: 0,
  /** At byte `at` of the ioctl's argument. */
  ARGUMENT: 1,
  /** At address `at` of the guest's memory. */
  MEMORY: 2,
  /**
   * Nowhere yet: it is what MMAP would bring for up to `size` bytes from offset `at` of the same DRM file, sent before the
   * guest asks, which it does next as a rule. An answer to anything else makes it void. `inode`: how to know it.
   */
  OFFER: 3,
} as const;

export const ShimPlace = struct('tyr_place', {
  where: u32(),
  cloexec: u32(),
  at: u64(),
  size: u64(),
  inode: u64(),
});

/** What `shim/protocol.h` declares. */
export const SHIM_PROTOCOL: {
  readonly numbers: Readonly<Record<string, number>>;
  readonly strings: Readonly<Record<string, string>>;
  /** Macros of initialisers: rows of numbers. */
  readonly rows: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly structs: readonly Layout<any>[];
} = {
  numbers: {
    TYR_VERSION: SHIM_VERSION,
    TYR_DRM_MAJOR: DRM_MAJOR,
    TYR_INPUT_MAJOR: INPUT_MAJOR,
    TYR_MINOR_BITS: MINOR_BITS,
    TYR_CHUNK: SHIM_CHUNK,
    TYR_MAX_FDS: SHIM_MAX_FDS,
    ...prefixed('TYR_REQUEST', SHIM_REQUEST),
    ...prefixed('TYR_HELLO', SHIM_HELLO),
    ...prefixed('TYR_REPLY', SHIM_REPLY),
    ...prefixed('TYR_PLACE', SHIM_PLACE),
    ...prefixed('TYR_MAILBOX', SHIM_MAILBOX),
  },
  strings: {
    TYR_ENVIRONMENT: SHIM_ENVIRONMENT,
    TYR_GUEST: SHIM_GUEST,
    TYR_CPU: SHIM_CPU,
    TYR_SOCKET: SHIM_SOCKET,
    TYR_TREE: SHIM_TREE,
    TYR_ADDRESS_PREFIX: SHIM_ADDRESS_PREFIX,
    TYR_ADDRESS_SYNC: SHIM_ADDRESS_SYNC,
  },
  rows: { TYR_NAMED: SHIM_NAMED, TYR_BY_VALUE: SHIM_BY_VALUE, TYR_READ_TOO: SHIM_READ_TOO },
  structs: [ShimRequest, ShimReply, ShimPlace, ShimMailboxMachine, ShimMailboxGuest],
};

function prefixed(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}_${name}`, value]));
}
