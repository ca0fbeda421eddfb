/**
 * The system calls that Node has no word for, by koffi: sockets that carry descriptors, memfds, mappings at a chosen
 * place, another process's memory, epoll. A call that fails throws a SystemError; where failing is usual (`EAGAIN`), it
 * says so by its result.
 *
 * Everything runs on the main thread and never blocks, so one set of scratch buffers serves all calls.
 */
import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import * as linux from '../abi/linux.ts';

const libc = koffi.load(null);
const declare = (name: string, result: string, args: string[]) => libc.func(name, result, args);

const c = {
  close: declare('close', 'int', ['int']),
  socket: declare('socket', 'int', ['int', 'int', 'int']),
  socketpair: declare('socketpair', 'int', ['int', 'int', 'int', 'void *']),
  bind: declare('bind', 'int', ['int', 'void *', 'uint32_t']),
  connect: declare('connect', 'int', ['int', 'void *', 'uint32_t']),
  listen: declare('listen', 'int', ['int', 'int']),
  accept4: declare('accept4', 'int', ['int', 'void *', 'void *', 'int']),
  getsockname: declare('getsockname', 'int', ['int', 'void *', 'void *']),
  getpeername: declare('getpeername', 'int', ['int', 'void *', 'void *']),
  getsockopt: declare('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *']),
  shutdown: declare('shutdown', 'int', ['int', 'int']),
  ioctl: declare('ioctl', 'int', ['int', 'unsigned long', 'void *']),
  sendmsg: declare('sendmsg', 'int64_t', ['int', 'void *', 'int']),
  recvmsg: declare('recvmsg', 'int64_t', ['int', 'void *', 'int']),
  send: declare('send', 'int64_t', ['int', 'void *', 'size_t', 'int']),
  write: declare('write', 'int64_t', ['int', 'void *', 'size_t']),
  poll: declare('poll', 'int', ['void *', 'unsigned long', 'int']),
  clock_gettime: declare('clock_gettime', 'int', ['int', 'void *']),
  sched_yield: declare('sched_yield', 'int', []),
  epoll_create1: declare('epoll_create1', 'int', ['int']),
  epoll_ctl: declare('epoll_ctl', 'int', ['int', 'int', 'int', 'void *']),
  epoll_wait: declare('epoll_wait', 'int', ['int', 'void *', 'int', 'int']),
  memfd_create: declare('memfd_create', 'int', ['str', 'unsigned int']),
  ftruncate: declare('ftruncate', 'int', ['int', 'int64_t']),
  // fcntl's third argument is variadic in C; on Linux x86-64 and arm64 that is passed as any other.
  open: declare('open', 'int', ['str', 'int']),
  statx: declare('statx', 'int', ['int', 'str', 'int', 'unsigned int', 'void *']),
  fcntl: declare('fcntl', 'int', ['int', 'int', 'long']),
  mmap: declare('mmap', 'intptr_t', ['uint64_t', 'size_t', 'int', 'int', 'int', 'int64_t']),
  madvise: declare('madvise', 'int', ['uint64_t', 'size_t', 'int']),
  process_vm_readv: declare('process_vm_readv', 'int64_t', [
    'int',
    'void *',
    'unsigned long',
    'void *',
    'unsigned long',
    'unsigned long',
  ]),
  process_vm_writev: declare('process_vm_writev', 'int64_t', [
    'int',
    'void *',
    'unsigned long',
    'void *',
    'unsigned long',
    'unsigned long',
  ]),
};

/** How many descriptors this process may have open, and how many mappings. */
export function limits(): { openFiles: number; mappings: number } {
  const open = /Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return {
    openFiles: Number(open ?? 1024),
    mappings: Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8')),
  };
}

const NAMES = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

/** A system call said no. */
export class SystemError extends Error {
  readonly call: string;
  readonly errno: number;

  constructor(call: string, errno: number) {
    super(`${call}: ${NAMES.get(errno) ?? `errno ${errno}`}`);
    this.call = call;
    this.errno = errno;
  }
}

function check(call: string, result: number): number {
  if (result < 0) throw new SystemError(call, koffi.errno());
  return result;
}

/** A buffer whose address the kernel may be told: it neither moves nor goes. */
class Scratch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly address: bigint;

  constructor(size: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(size));
    this.view = new DataView(this.bytes.buffer);
    this.address = koffi.address(this.bytes);
  }
}

/** The host's address of the first byte of a buffer that stays where it is. */
export const addressOf = (bytes: Uint8Array): bigint => koffi.address(bytes);

export const close = (fd: number): void => void check('close', c.close(fd));

// --- sockets ---

const MESSAGE_MAX = 1 << 17;
const FDS_MAX = 16;
const header = new Scratch(linux.Msghdr.size);
const pieces = new Scratch(linux.Iovec.size);
const control = new Scratch(linux.rightsSpace(FDS_MAX));
const packet = new Scratch(MESSAGE_MAX);
const name = new Scratch(linux.SockaddrUn.size);
const small = new Scratch(16);
const NONE: readonly number[] = [];

/** Both ends of a connected pair of packet sockets; neither blocks us. */
export function socketPair(): [ours: number, theirs: number] {
  check('socketpair', c.socketpair(linux.AF_UNIX, linux.SOCK_SEQPACKET | linux.SOCK_CLOEXEC, 0, small.address));
  return [small.view.getInt32(0, true), small.view.getInt32(4, true)];
}

/** A socket, of packets or (SOCK_STREAM) of bytes, that listens at a path. */
export function listenAt(path: string, type = linux.SOCK_SEQPACKET): number {
  const text = new TextEncoder().encode(path);
  if (text.length >= linux.UNIX_PATH_MAX)
    throw new Error(`host: the socket path ${path} is longer than ${linux.UNIX_PATH_MAX - 1} bytes`);
  const fd = check('socket', c.socket(linux.AF_UNIX, type | linux.SOCK_CLOEXEC | linux.SOCK_NONBLOCK, 0));
  try {
    linux.SockaddrUn.write(name.view, 0, { family: linux.AF_UNIX, path: text });
    check(`bind to ${path}`, c.bind(fd, name.address, linux.SockaddrUn.size));
    check('listen', c.listen(fd, 128));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** A connection to a socket of bytes that listens at a path. */
export function connectTo(path: string): number {
  const type = linux.SOCK_STREAM | linux.SOCK_CLOEXEC | linux.SOCK_NONBLOCK;
  const fd = check('socket', c.socket(linux.AF_UNIX, type, 0));
  linux.SockaddrUn.write(name.view, 0, { family: linux.AF_UNIX, path: new TextEncoder().encode(path) });
  check(`connect to ${path}`, c.connect(fd, name.address, linux.SockaddrUn.size));
  return fd;
}

/** A TCP socket that listens on 127.0.0.1, at a port that the kernel chooses. */
export function listenOnLoopback(): { fd: number; port: number } {
  const flags = linux.SOCK_STREAM | linux.SOCK_CLOEXEC | linux.SOCK_NONBLOCK;
  const fd = check('socket', c.socket(linux.AF_INET, flags, 0));
  try {
    const { size, offset } = linux.SockaddrIn;
    linux.SockaddrIn.write(name.view, 0, {
      family: linux.AF_INET,
      port: new Uint8Array(2),
      address: Uint8Array.of(127, 0, 0, 1),
    });
    check('bind to 127.0.0.1', c.bind(fd, name.address, size));
    check('listen', c.listen(fd, 128));
    small.view.setUint32(0, size, true);
    check('getsockname', c.getsockname(fd, name.address, small.address));
    return { fd, port: name.view.getUint16(offset.port) };
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Gives a socket an abstract address. */
export function bindAbstract(fd: number, address: Uint8Array): void {
  const start = linux.SockaddrUn.offset.path;
  name.view.setUint16(0, linux.AF_UNIX, true);
  name.bytes[start] = 0;
  name.bytes.set(address, start + 1);
  check('bind', c.bind(fd, name.address, start + 1 + address.length));
}

const NO_NAME = new Uint8Array();

/** The abstract address of a socket's peer, good until the next call of this module; empty for anything else. */
export function peerAddress(fd: number): Uint8Array {
  small.view.setUint32(0, linux.SockaddrUn.size, true);
  if (c.getpeername(fd, name.address, small.address) < 0) return NO_NAME;
  const end = Math.min(small.view.getUint32(0, true), linux.SockaddrUn.size);
  const start = linux.SockaddrUn.offset.path;
  if (name.view.getUint16(0, true) !== linux.AF_UNIX || end <= start || name.bytes[start] !== 0) return NO_NAME;
  return name.bytes.subarray(start + 1, end);
}

/** The next connection, undefined when none waits. */
export function accept(fd: number): number | undefined {
  const connection = c.accept4(fd, null, null, linux.SOCK_CLOEXEC | linux.SOCK_NONBLOCK);
  if (connection >= 0) return connection;
  const errno = koffi.errno();
  if (errno === linux.EAGAIN || errno === koffi.os.errno.ECONNABORTED || errno === linux.EINTR) return undefined;
  throw new SystemError('accept4', errno);
}

/** The process that opened a connection; 0 if it is in a place that we cannot name. */
export function peerPid(fd: number): number {
  const size = new Scratch(4);
  size.view.setUint32(0, linux.Ucred.size, true);
  check('getsockopt', c.getsockopt(fd, linux.SOL_SOCKET, linux.SO_PEERCRED, small.address, size.address));
  return linux.Ucred.read(small.view, 0).pid;
}

/** We shall write nothing more: the peer reads an end of file. */
export const shutdownWrite = (fd: number): void => void c.shutdown(fd, linux.SHUT_WR);

/** Has the peer yet to read something that we have sent? */
export function isUnread(fd: number): boolean {
  check('ioctl', c.ioctl(fd, linux.SIOCOUTQ, small.address));
  return small.view.getInt32(0, true) > 0;
}

/** Points the message header at the packet buffer and the control buffer, once for all calls. */
function pointHeader(): void {
  linux.Iovec.write(pieces.view, 0, { base: packet.address, length: 0n });
  linux.Msghdr.write(header.view, 0, { iov: pieces.address, iovLength: 1n, control: control.address });
}
pointHeader();

/** Lengths stay below 2^32, so their low words are all that changes from call to call. */
function sizeHeader(length: number, controlLength: number): void {
  pieces.view.setUint32(linux.Iovec.offset.length, length, true);
  header.view.setUint32(linux.Msghdr.offset.controlLength, controlLength, true);
}

/**
 * Sends one packet, with descriptors (which stay ours to close). 'full' if the peer's queue or the kernel has no room (as
 * when this user has too many descriptors in flight), 'gone' if the peer is.
 */
export function sendPacket(
  fd: number,
  head: Uint8Array,
  body?: Uint8Array,
  fds: readonly number[] = NONE,
): 'sent' | 'full' | 'gone' {
  packet.bytes.set(head);
  if (body) packet.bytes.set(body, head.length);
  const length = head.length + (body?.length ?? 0);
  if (fds.length > 0) {
    linux.Cmsghdr.write(control.view, 0, {
      length: BigInt(linux.Cmsghdr.size + 4 * fds.length),
      level: linux.SOL_SOCKET,
      type: linux.SCM_RIGHTS,
    });
    fds.forEach((each, i) => {
      control.view.setInt32(linux.Cmsghdr.size + 4 * i, each, true);
    });
    sizeHeader(length, linux.rightsSpace(fds.length));
  }
  const flags = linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL;
  for (;;) {
    const sent = fds.length > 0 ? c.sendmsg(fd, header.address, flags) : c.send(fd, packet.address, length, flags);
    if (sent >= 0) return 'sent';
    const errno = koffi.errno();
    if (errno === linux.EINTR) continue;
    const { EPIPE, ECONNRESET, ENOTCONN, ENOBUFS, ENOMEM, ETOOMANYREFS } = koffi.os.errno;
    if (errno === linux.EAGAIN || errno === ENOBUFS || errno === ENOMEM || errno === ETOOMANYREFS) return 'full';
    if (errno === EPIPE || errno === ECONNRESET || errno === ENOTCONN) return 'gone';
    throw new SystemError('sendmsg', errno);
  }
}

/** One packet as it came. `bytes` is good until the next call of this module. */
export interface Packet {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** Descriptors that came with it: ours to close. */
  readonly fds: readonly number[];
  /** Longer than the buffer, or with more descriptors than we took. */
  readonly cut: boolean;
  /** More descriptors came than we may have. */
  readonly unaffordable: boolean;
}

function receivedDescriptors(filled: number): number[] {
  const fds: number[] = [];
  for (let at = 0; at + linux.Cmsghdr.size <= filled; ) {
    const { length: size, level, type } = linux.Cmsghdr.read(control.view, at);
    if (level === linux.SOL_SOCKET && type === linux.SCM_RIGHTS)
      for (let i = linux.Cmsghdr.size; i + 4 <= Number(size); i += 4) fds.push(control.view.getInt32(at + i, true));
    at += Math.max(linux.Cmsghdr.size, Math.ceil(Number(size) / 8) * 8);
  }
  return fds;
}

/** What the packet buffer holds now, and the descriptors that came with it. */
interface Received {
  readonly length: number;
  readonly fds: readonly number[];
  /** MSG_*. */
  readonly flags: number;
}

/** Receives into the packet buffer, as the message's header says. 'none' if nothing waits, 'gone' if the peer is. */
function receive(fd: number): Received | 'none' | 'gone' {
  for (;;) {
    const length = Number(c.recvmsg(fd, header.address, linux.MSG_DONTWAIT | linux.MSG_CMSG_CLOEXEC));
    if (length >= 0) {
      const filled = header.view.getUint32(linux.Msghdr.offset.controlLength, true);
      const fds = filled === 0 ? NONE : receivedDescriptors(filled);
      return { length, fds, flags: header.view.getInt32(linux.Msghdr.offset.flags, true) };
    }
    const errno = koffi.errno();
    if (errno !== linux.EINTR) return errno === linux.EAGAIN ? 'none' : 'gone';
  }
}

/** Descriptors that one packet may bring. */
const TAKEN = 2;
/** The next packet; 'none' if none waits, 'gone' at the end of the connection. An empty packet counts as the end. */
export function receivePacket(fd: number): Packet | 'none' | 'gone' {
  sizeHeader(MESSAGE_MAX, linux.rightsSpace(TAKEN));
  const received = receive(fd);
  if (typeof received === 'string') return received;
  const { length, fds, flags } = received;
  if (length === 0 && fds.length === 0) return 'gone';
  const unaffordable = (flags & linux.MSG_CTRUNC) !== 0 && fds.length < TAKEN;
  return {
    bytes: packet.bytes.subarray(0, length),
    view: packet.view,
    fds,
    unaffordable,
    cut: (flags & (linux.MSG_TRUNC | linux.MSG_CTRUNC)) !== 0,
  };
}

/** Descriptors that one piece of a byte stream may bring. */
const STREAM_FDS = FDS_MAX;

/**
 * Bytes of a stream, into `into` (which they may not fill), and the descriptors that came with them: ours to close. 'none' if
 * none wait, 'gone' at the end of the connection, or if more descriptors came than we take or may have.
 */
export function receiveBytes(
  fd: number,
  into: Uint8Array,
): { length: number; fds: readonly number[] } | 'none' | 'gone' {
  sizeHeader(Math.min(into.length, MESSAGE_MAX), linux.rightsSpace(STREAM_FDS));
  const received = receive(fd);
  if (typeof received === 'string') return received;
  const { length, fds, flags } = received;
  if (length === 0 || (flags & linux.MSG_CTRUNC) !== 0) {
    for (const each of fds) close(each);
    return 'gone';
  }
  into.set(packet.bytes.subarray(0, length));
  return { length, fds };
}

/** Sends bytes of a stream: how many went; 0 if the peer's queue is full, -1 if the peer is gone. */
export function sendBytes(fd: number, bytes: Uint8Array): number {
  const length = Math.min(bytes.length, MESSAGE_MAX);
  packet.bytes.set(bytes.subarray(0, length));
  for (;;) {
    const sent = Number(c.send(fd, packet.address, length, linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL));
    if (sent >= 0) return sent;
    const errno = koffi.errno();
    if (errno === linux.EINTR) continue;
    return errno === linux.EAGAIN || errno === koffi.os.errno.ENOBUFS ? 0 : -1;
  }
}

/** Lets other threads run, if any wait for this processor. */
export const yieldProcessor: () => void = c.sched_yield;

const timespec = new BigInt64Array(2);

/** Nanoseconds of processor time that this thread has had. */
export function threadTime(): number {
  c.clock_gettime(linux.CLOCK_THREAD_CPUTIME_ID, timespec);
  return Number(timespec[0]) * 1e9 + Number(timespec[1]);
}

// --- epoll ---

const EpollEvent = linux.epollEvent(process.arch);
const EVENTS_MAX = 256;
const events = new Scratch(EpollEvent.size * EVENTS_MAX);
const oneEvent = new Scratch(EpollEvent.size);

export const epollCreate = (): number => check('epoll_create1', c.epoll_create1(linux.EPOLL_CLOEXEC));

export function epollControl(epoll: number, what: 'add' | 'modify' | 'remove', fd: number, mask = 0, id = 0): void {
  const operation = { add: linux.EPOLL_CTL_ADD, modify: linux.EPOLL_CTL_MOD, remove: linux.EPOLL_CTL_DEL }[what];
  EpollEvent.write(oneEvent.view, 0, { events: mask, data: [id, 0] });
  check('epoll_ctl', c.epoll_ctl(epoll, operation, fd, oneEvent.address));
}

/** Is any ready now? */
export const epollAny = (epoll: number): boolean => c.epoll_wait(epoll, oneEvent.address, 1, 0) > 0;

/** How many are ready now; `readyId` and `readyMask` say which, until the next call. Does not wait. */
export function epollReady(epoll: number): number {
  const n = c.epoll_wait(epoll, events.address, EVENTS_MAX, 0);
  if (n < 0 && koffi.errno() === linux.EINTR) return 0;
  return check('epoll_wait', n);
}

export const readyId = (i: number): number => events.view.getUint32(i * EpollEvent.size + EpollEvent.offset.data, true);

export const readyMask = (i: number): number => events.view.getUint32(i * EpollEvent.size, true);

// --- files and mappings ---

/** A file of `size` zero bytes in memory. Sealed so that neither we nor anyone can change its size, ever. */
export function sealedMemory(label: string, size: number): number {
  const fd = check('memfd_create', c.memfd_create(label, linux.MFD_CLOEXEC | linux.MFD_ALLOW_SEALING));
  try {
    check('ftruncate', c.ftruncate(fd, size));
    check('fcntl', c.fcntl(fd, linux.F_ADD_SEALS, linux.F_SEAL_SHRINK | linux.F_SEAL_GROW | linux.F_SEAL_SEAL));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** The seals of a memfd; undefined for a file that cannot have any. */
export function sealsOf(fd: number): number | undefined {
  const seals = c.fcntl(fd, linux.F_GET_SEALS, 0);
  return seals < 0 ? undefined : seals;
}

/** A new descriptor of the file behind `fd` with an open mode of its own (O_RDWR, O_RDONLY). */
export const reopen = (fd: number, flags: number): number =>
  check('open', c.open(`/proc/self/fd/${fd}`, flags | linux.O_CLOEXEC));

const status = new Scratch(linux.Statx.size);

/** What an open file is known by: the same for all descriptors of it, and no other file's as long as one is open. */
export function fileKey(fd: number): string {
  check('statx', c.statx(fd, '', linux.AT_EMPTY_PATH, linux.STATX_INO, status.address));
  const { ino, devMajor, devMinor } = linux.Statx.read(status.view, 0);
  return `${devMajor}:${devMinor}:${ino}`;
}

/** A file's inode number. */
export function inodeOf(fd: number): bigint {
  fileKey(fd);
  return linux.Statx.read(status.view, 0).ino;
}

/** Another descriptor of the same open file. */
export const duplicate = (fd: number): number => check('fcntl', c.fcntl(fd, linux.F_DUPFD_CLOEXEC, 0));

/** The flags that a descriptor was opened with. */
export const openFlags = (fd: number): number => check('fcntl', c.fcntl(fd, linux.F_GETFL, 0));

/** Puts a file's pages, from `offset` on, at a host address, instead of what is mapped there. */
export function mapFixed(address: bigint, size: number, fd: number, offset = 0): void {
  const flags = linux.MAP_SHARED | linux.MAP_FIXED;
  check('mmap', Number(c.mmap(address, size, linux.PROT_READ | linux.PROT_WRITE, flags, fd, offset)));
}

/** Puts zeroed pages at a host address, instead of what is mapped there. */
export function mapAnonymous(address: bigint, size: number): void {
  const flags = linux.MAP_PRIVATE | linux.MAP_FIXED | linux.MAP_ANONYMOUS | linux.MAP_NORESERVE;
  check('mmap', Number(c.mmap(address, size, linux.PROT_READ | linux.PROT_WRITE, flags, -1, 0)));
}

/** Gives the pages of anonymous memory back; it reads zero from then on. */
export const discard = (address: bigint, size: number): void =>
  void check('madvise', c.madvise(address, size, linux.MADV_DONTNEED));

// --- eventfd ---

/** Adds 1 to an eventfd. One whose counter is full is left alone, as the kernel does. */
export function signalEventfd(fd: number): void {
  linux.Pollfd.write(small.view, 0, { fd, events: linux.EPOLLOUT, revents: 0 });
  if (c.poll(small.address, 1, 0) !== 1 || linux.Pollfd.read(small.view, 0).revents !== linux.EPOLLOUT) return;
  small.view.setBigUint64(0, 1n, true);
  c.write(fd, small.address, 8);
}

// --- another process's memory ---

const local = new Scratch(linux.Iovec.size);
const remote = new Scratch(linux.Iovec.size);
/** What most ioctls read or write fits here: a buffer whose address is known. */
const near = new Scratch(4096);
const { base: BASE, length: LENGTH } = linux.Iovec.offset;

function vm(call: typeof c.process_vm_readv, pid: number, address: bigint, here: bigint, length: number): boolean {
  local.view.setBigUint64(BASE, here, true);
  local.view.setUint32(LENGTH, length, true);
  remote.view.setBigUint64(BASE, address, true);
  remote.view.setUint32(LENGTH, length, true);
  return Number(call(pid, local.address, 1, remote.address, 1, 0)) === length;
}

/** Copies from a process's memory; false if not all of it can be had this way. */
export function readProcess(pid: number, address: bigint, into: Uint8Array): boolean {
  const { length } = into;
  if (length > near.bytes.length) return vm(c.process_vm_readv, pid, address, koffi.address(into), length);
  if (!vm(c.process_vm_readv, pid, address, near.address, length)) return false;
  for (let i = 0; i < length; i++) into[i] = near.bytes[i]!;
  return true;
}

/** Copies into a process's memory; false if not all of it could be done this way. */
export function writeProcess(pid: number, address: bigint, bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (length > near.bytes.length) return vm(c.process_vm_writev, pid, address, koffi.address(bytes), length);
  for (let i = 0; i < length; i++) near.bytes[i] = bytes[i]!;
  return vm(c.process_vm_writev, pid, address, near.address, length);
}
