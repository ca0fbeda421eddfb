/**
 * Screen: shows the machine's screen to whoever has its link: a page in a browser, or a VNC client.
 *
 * What lies on the machine's thread is this file and snapshot.ts: two listening sockets on loopback, and nothing else until
 * somebody connects. Then a thread of its own begins (thread.ts), which serves the page (page-server.ts) and the clients
 * (session.ts), compares pictures (surface.ts) and compresses what is new (tight.ts). It asks for one picture after another
 * while a viewer waits for one; the machine's thread answers with a copy, at the next change of the screen.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import koffi from 'koffi';
import { RFB_PASSWORD } from '../../abi/rfb.ts';
import type { Clock } from '../../board/clock.ts';
import type { Log } from '../../board/log.ts';
import type { Display } from '../../display/index.ts';
import type { InputPort } from '../../input/port.ts';
import type { Machine } from '../../machine/machine.ts';
import * as sys from '../syscalls.ts';
import { SCREEN_FILE, type ScreenAddress } from './address.ts';
import type { FromScreen, InputCall, ScreenThreadData, ToScreen } from './messages.ts';
import { Snapshots } from './snapshot.ts';

export interface ScreenOptions {
  readonly machine: Pick<Machine, 'display' | 'dram'> & { readonly input: InputPort };
  readonly clock: Clock;
  readonly log: Log;
  /** The machine's folder, in which `tyr screen` finds the link. */
  readonly directory: string;
  /** What viewers show as the screen's name. */
  readonly title: string;
}

/** Bytes of a token in the link. */
const TOKEN = 24;

export class Screen {
  readonly address: ScreenAddress;
  readonly #display: Display;
  readonly #input: InputPort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #snapshots: Snapshots;
  readonly #data: ScreenThreadData;
  readonly #file: string;
  /** Watch the listening sockets until somebody connects. */
  #polls: { close(): void }[];
  #worker: Worker | undefined;
  /** The change of the display that was sent last. */
  #sent = -1;
  #closed = false;
  /** Takes back the wish for the next change. */
  #waiting: (() => void) | undefined;

  /** Throws SystemError where there is no room for another socket. */
  constructor({ machine, clock, log, directory, title }: ScreenOptions) {
    this.#display = machine.display;
    this.#input = machine.input;
    this.#clock = clock;
    this.#log = log;
    this.#snapshots = new Snapshots(machine.dram.u8);
    const page = sys.listenOnLoopback();
    const vnc = sys.listenOnLoopback();
    const token = randomBytes(TOKEN).toString('base64url');
    const password = randomBytes(RFB_PASSWORD).toString('base64url').slice(0, RFB_PASSWORD);
    this.#data = { page, vnc, token, password, title };
    const link = `http://127.0.0.1:${page.port}/${token}/`;
    this.address = { link, vnc: { host: '127.0.0.1', port: vnc.port, password }, title, pid: process.pid };
    this.#file = join(directory, SCREEN_FILE);
    writeFileSync(this.#file, JSON.stringify(this.address), { mode: 0o600 });
    this.#polls = [page.fd, vnc.fd].map((fd) => koffi.node.poll(fd, { readable: true }, () => this.#start()));
  }

  /** Is there a thread that serves viewers? */
  get serving(): boolean {
    return this.#worker !== undefined;
  }

  /** Viewers are cut off. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    rmSync(this.#file, { force: true });
    this.#waiting?.();
    const worker = this.#worker;
    if (!worker) {
      this.#stopPolling();
      for (const { fd } of [this.#data.page, this.#data.vnc]) sys.close(fd);
      return;
    }
    this.#worker = undefined;
    await worker.terminate();
  }

  #stopPolling(): void {
    for (const poll of this.#polls.splice(0)) poll.close();
  }

  /** From here on the sockets are the thread's. */
  #start(): void {
    if (this.#worker || this.#polls.length === 0) return;
    this.#stopPolling();
    const worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: this.#data,
      name: 'tyr-screen',
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.#worker = worker;
    worker.on('message', (message: FromScreen) => this.#answer(message));
    worker.on('error', (error) => {
      this.#log('error', 'screen', `it is shown no more: ${error instanceof Error ? error.stack : String(error)}`);
    });
    worker.unref();
  }

  #answer(message: FromScreen): void {
    switch (message.kind) {
      case 'want':
        if (message.now || this.#display.changes !== this.#sent) this.#picture();
        else this.#waiting ??= this.#display.onChange(() => this.#picture());
        return;
      case 'count':
        this.#tell({ kind: 'frames', frames: this.#display.frames, time: this.#clock.now() });
        return;
      case 'input':
        for (const call of message.calls) this.#call(call);
        return;
      case 'log':
        this.#log(message.level, 'screen', message.message);
    }
  }

  #picture(): void {
    this.#waiting?.();
    this.#waiting = undefined;
    this.#sent = this.#display.changes;
    this.#tell({ kind: 'picture', snapshot: this.#snapshots.take(this.#display.scan) });
  }

  #call([name, ...args]: InputCall): void {
    (this.#input[name] as (...args: unknown[]) => void)(...args);
  }

  #tell(message: ToScreen): void {
    this.#worker?.postMessage(message);
  }
}
