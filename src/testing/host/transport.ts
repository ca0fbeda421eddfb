/**
 * For tests of the transport: a DRM driver that does nothing but what shim/test/transport.c asks it for, a server around
 * it, and `client`, which runs that program.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { io, iow, iowr } from '../../abi/ioctl.ts';
import { s32, struct, u32, u64 } from '../../abi/layout.ts';
import { HostClock } from '../../board/clock.ts';
import { Dram, OutOfMemory, type PageRun } from '../../board/dram.ts';
import { recorder } from '../../board/log.ts';
import { DrmDevice, type DrmDriver } from '../../drm/device.ts';
import { DrmError } from '../../drm/error.ts';
import { Fence } from '../../drm/fence.ts';
import { GemObject } from '../../drm/gem.ts';
import { ioctl } from '../../drm/ioctl.ts';
import { SyncFile } from '../../drm/sync-file.ts';
import { MemfdBacking } from '../../host/memfd-backing.ts';
import { GuestServer } from '../../host/server.ts';

const Echo = struct('echo', { value: u64(), result: u64() });
const Copy = struct('copy', { from: u64(), to: u64(), size: u32(), pad: u32() });
const Create = struct('create', { size: u64(), handle: u32(), pad: u32(), offset: u64() });
const Give = struct('give', { what: u32(), fd: s32(), at: u64() });
const Peek = struct('peek', { handle: u32(), offset: u32(), value: u32(), pad: u32() });
const Event = struct('event', { number: u32() });

const KINDS = ['drm', 'dma-buf', 'sync-file', 'eventfd', 'syncobj'];
/** Where the driver's own page is mapped, and what it holds. */
const PAGE_OFFSET = 2n ** 40n;
export const PAGE_VALUE = 4711;

export interface TestMachine {
  readonly server: GuestServer;
  readonly devices: { readonly gpu: DrmDevice; readonly display: DrmDevice };
  readonly backing: MemfdBacking;
  readonly dram: Dram;
  readonly lines: string[];
  /** Signals the fence that WAIT and GIVE hand out, and makes a new one. */
  signal(): void;
  /** Has the machine at work, in pieces of so many milliseconds, until the function that it returns is called. */
  work(piece: number): () => void;
  /** Ioctls that wait for it. */
  readonly waiting: () => number;
  close(): void;
}

/**
 * A machine with the three nodes of a Rock 5B and the test's driver behind all of them. `patience`: microseconds for which guests look for
 * an answer once their request has been taken.
 */
export function testMachine(memory: 'direct' | 'ask' = 'direct', patience = 150): TestMachine {
  const { log, lines } = recorder();
  const clock = new HostClock();
  const backing = new MemfdBacking(2000);
  const dram = new Dram(1 << 26, backing);
  const context = { clock, dram, log };
  const page = dram.allocShared('page', 4096);
  dram.view.setUint32(page.physical, PAGE_VALUE, true);
  let fence = new Fence(clock, 'test', 'test');
  let waiting = 0;
  let working = false;
  const signal = (): void => {
    const old = fence;
    fence = new Fence(clock, 'test', 'test');
    old.signal();
  };

  const allocate = (size: number): PageRun => {
    try {
      return dram.allocShared('bo', size);
    } catch (error) {
      throw error instanceof OutOfMemory ? new DrmError('ENOMEM', error.message) : error;
    }
  };
  const driver = (name: string): DrmDriver<undefined> => ({
    name,
    description: 'test',
    date: '20260101',
    version: [1, 0, 0],
    features: { render: true, modeset: false, syncobj: true },
    open: () => undefined,
    close: () => {},
    mmap: (_file, offset) => (offset === PAGE_OFFSET ? { run: page, offset: 0, writable: false } : undefined),
    ioctls: [
      ioctl(iowr('ECHO', 'd', 0x40, Echo), { render: true }, (_file, arg) => {
        arg.result = arg.value + 1n;
      }),
      ioctl(iow('COPY', 'd', 0x41, Copy), { render: true }, (_file, arg, user) => {
        user.write(arg.to, user.read(arg.from, arg.size));
      }),
      ioctl(iowr('CREATE', 'd', 0x42, Create), { render: true }, (file, arg) => {
        const object = new GemObject(dram, allocate(Number(arg.size)));
        arg.handle = file.addHandle(object);
        object.put();
        arg.offset = file.mmapOffset(arg.handle);
      }),
      ioctl(iowr('GIVE', 'd', 0x43, Give), { render: true }, (_file, arg, user) => {
        if (arg.what === 2) return signal();
        const syncFile = new SyncFile('test', [fence]);
        user.install({ kind: 'sync-file', syncFile }, arg.what === 0 ? Give.offset.fd : arg.at, { cloexec: true });
      }),
      ioctl(iowr('TAKE', 'd', 0x44, Give), { render: true }, (_file, arg, user) => {
        const found = user.descriptor(arg.fd);
        if (found.kind === 'eventfd') {
          found.signal();
          found.close();
        }
        arg.what = KINDS.indexOf(found.kind);
      }),
      ioctl(iowr('PEEK', 'd', 0x45, Peek), { render: true }, (file, arg) => {
        const { run } = file.object(arg.handle);
        if (arg.offset + 4 > run.size) throw new DrmError('EINVAL', 'outside the buffer');
        arg.value = dram.view.getUint32(run.physical + arg.offset, true);
      }),
      ioctl(io('WAIT', 'd', 0x46), { render: true }, (_file, _arg, user) => {
        waiting++;
        return new Promise<number>((resolve, reject) => {
          const undoGone = user.onGone(() => {
            undoSignal();
            waiting--;
            reject(new DrmError('EINTR', 'the caller died'));
          });
          const undoSignal = fence.onSignal(() => {
            undoGone();
            waiting--;
            resolve(0);
          });
        });
      }),
      ioctl(io('STALL', 'd', 0x48), { render: true }, () => {
        const end = clock.now() + 30e6;
        while (clock.now() < end);
      }),
      ioctl(io('MASTER', 'd', 0x49), {}, (file) => (file.isMaster ? 1 : 0)),
      ioctl(iow('EVENT', 'd', 0x47, Echo), { render: true }, (file, arg) => {
        for (let number = 0; number < Number(arg.value); number++) file.sendEvent(Event.pack({ number }));
      }),
    ],
  });

  const gpu = new DrmDevice<any>(driver('panthor'), context);
  const display = new DrmDevice<any>(driver('rockchip'), context);
  const server = new GuestServer({
    nodes: [
      { path: '/dev/dri/card0', minor: 0, kind: 'primary', device: display },
      { path: '/dev/dri/card1', minor: 1, kind: 'primary', device: gpu },
      { path: '/dev/dri/renderD128', minor: 128, kind: 'render', device: gpu },
    ],
    backing,
    log,
    memory,
    // However busy the host is.
    working: () => working,
    patience: { untaken: 200_000, taken: patience },
  });
  return {
    server,
    devices: { gpu, display },
    backing,
    dram,
    lines,
    signal,
    work(piece) {
      const work = (): void => {
        const end = performance.now() + piece;
        while (performance.now() < end);
        if (working) setImmediate(work);
      };
      working = true;
      work();
      return () => {
        working = false;
      };
    },
    waiting: () => waiting,
    close() {
      server.close();
      dram.free(page);
    },
  };
}

/** A client under way: its lines so far, its end, and its standard input. */
export interface Client {
  readonly pid: number;
  readonly lines: string[];
  readonly ended: Promise<number>;
  /** Settles when it has printed a line that starts so; rejects if it ends before. */
  said(start: string): Promise<void>;
  type(text: string): void;
  kill(): void;
}

const running = new Set<ChildProcess>();

/** Kills the clients that a test has left running, whatever became of it. For `afterEach`. */
export function killClients(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Starts `command` in the environment `env`; `quiet`: its complaints are of no interest. */
export function client(command: readonly string[], env: NodeJS.ProcessEnv, quiet = false): Client {
  const [file, ...args] = command;
  const child = spawn(file!, args, {
    env,
    stdio: ['pipe', 'pipe', quiet ? 'ignore' : 'inherit'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const lines: string[] = [];
  const waiting: { start: string; done: () => void; fail: (error: Error) => void }[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    lines.push(...parts);
    for (const each of waiting) if (lines.some((line) => line.startsWith(each.start))) each.done();
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const each of waiting) each.fail(new Error(`the client ended without '${each.start}': ${lines.join('; ')}`));
      resolve(signal ? 128 : (code ?? 1));
    });
  });
  return {
    pid: child.pid!,
    lines,
    ended,
    said: (start) =>
      new Promise((done, fail) => {
        if (lines.some((line) => line.startsWith(start))) done();
        else waiting.push({ start, done, fail });
      }),
    type: (text) => void child.stdin.end(text),
    kill: () => void child.kill('SIGKILL'),
  };
}
