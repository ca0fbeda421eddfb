/**
 * The part of Linux's system-call interface that the host floor speaks: constants and structs, on x86-64 and arm64.
 * Source: Linux `include/uapi/` (asm-generic where the two architectures agree), `include/linux/socket.h`.
 */
import { array, bytes, layout, s32, struct, u16, u32, u64, uint, word } from './layout.ts';

export const CLOCK_THREAD_CPUTIME_ID = 3;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_PEERCRED = 17;
export const SCM_RIGHTS = 1;
export const SHUT_WR = 1;
/** Bytes that were sent and not yet read (`include/uapi/linux/sockios.h`). */
export const SIOCOUTQ = 0x5411;

/** `include/uapi/linux/capability.h` */
export const CAPABILITY_BIT = { DAC_OVERRIDE: 1, SYS_ADMIN: 21, SYS_NICE: 23 } as const;

/** The system call's number, the same on all architectures since 5.1, and a flag of it (`include/uapi/linux/landlock.h`). */
export const LANDLOCK_CREATE_RULESET = 444;
export const LANDLOCK_CREATE_RULESET_VERSION = 1;

export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;
export const MSG_CTRUNC = 0x08;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x01;
export const EPOLLOUT = 0x04;
export const EPOLLERR = 0x08;
export const EPOLLHUP = 0x10;

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_SHARED_VALIDATE = 0x03;
/** The bits of mmap's flags that hold the type of the mapping. */
export const MAP_TYPE = 0x0f;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MADV_DONTNEED = 4;

export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;
export const F_DUPFD_CLOEXEC = 1030;
export const F_GETFL = 3;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_SEAL_SEAL = 0x01;
export const F_SEAL_SHRINK = 0x02;
export const F_SEAL_GROW = 0x04;
export const F_SEAL_WRITE = 0x08;
export const F_SEAL_FUTURE_WRITE = 0x10;
export const O_ACCMODE = 0o3;
export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_CLOEXEC = 0o2000000;
export const O_NONBLOCK = 0o4000;
export const TMPFS_MAGIC = 0x01021994;

export const EINTR = 4;
export const EAGAIN = 11;

export const Iovec = struct('iovec', { base: u64(), length: u64() });

/** One scatter-gather message with up to two pieces. */
export const Msghdr = struct('msghdr', {
  name: u64(),
  nameLength: u32(),
  iov: u64(),
  iovLength: u64(),
  control: u64(),
  controlLength: u64(),
  flags: s32(),
});

export const Cmsghdr = struct('cmsghdr', { length: u64(), level: s32(), type: s32() });

/** Bytes of a control message with `n` descriptors: CMSG_SPACE(n * sizeof(int)). */
export const rightsSpace = (n: number): number => Cmsghdr.size + Math.ceil((n * 4) / 8) * 8;

/** Bytes of an address's path. */
export const UNIX_PATH_MAX = 108;
export const SockaddrUn = struct('sockaddr_un', { family: u16(), path: bytes(UNIX_PATH_MAX) });
/** Port and address are big-endian. */
export const SockaddrIn = struct('sockaddr_in', { family: u16(), port: bytes(2), address: bytes(4), zero: bytes(8) });

/** `struct statx`, as far as it names a file. Source: Linux `include/uapi/linux/stat.h`. */
export const Statx = layout('statx', 256, {
  ino: u64(word(8)),
  devMajor: uint(word(34), 32),
  devMinor: uint(word(35), 32),
});
export const AT_EMPTY_PATH = 0x1000;
export const STATX_INO = 0x100;

export const Ucred = struct('ucred', { pid: s32(), uid: u32(), gid: u32() });

/** Packed on x86-64 alone (`include/uapi/linux/eventpoll.h`). */
export const epollEvent = (arch: string) =>
  arch === 'x64'
    ? struct('epoll_event', { events: u32(), data: array(u32(), 2) })
    : struct('epoll_event', { events: u32(), unused: u32(), data: array(u32(), 2) });

export const Pollfd = struct('pollfd', { fd: s32(), events: u16(), revents: u16() });
