/** For tests of the vfio-user server: a device of a few registers behind it, and a client that says what it is told to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Layout, viewOf } from '../../abi/layout.ts';
import {
  VFIO_USER,
  VFIO_USER_FLAG,
  VfioUserHeader,
  VfioUserRegionAccess,
  VfioUserVersion,
} from '../../abi/vfio-user.ts';
import { TestClock } from '../../board/clock.ts';
import { ForeignMemory } from '../../board/foreign-memory.ts';
import { IrqLine } from '../../board/irq.ts';
import { recorder } from '../../board/log.ts';
import { ForeignMapper } from '../../host/foreign-mapper.ts';
import * as sys from '../../host/syscalls.ts';
import { VfioServer } from '../../host/vfio/server.ts';

/** Registers that keep what is written, and tell how often the bus was reset. */
class Registers {
  readonly words = new Map<number, number>();
  resets = 0;
  changes = 0;

  read32(offset: number): number {
    return this.words.get(offset) ?? 0;
  }

  write32(offset: number, value: number): void {
    this.words.set(offset, value);
  }

  reset(): void {
    this.resets++;
    this.words.clear();
  }

  memoryChanged(): void {
    this.changes++;
  }
}

export const BAR_SIZE = 0x1000;

export class TestDevice {
  readonly folder = mkdtempSync(join(tmpdir(), 'tyr-vfio-'));
  readonly path = join(this.folder, 'socket');
  readonly registers = new Registers();
  readonly record = recorder();
  readonly lines = ['job', 'mmu'].map((name) => new IrqLine(name, new TestClock()));
  readonly memory = new ForeignMemory(0xffff0000, new ForeignMapper());
  readonly server = new VfioServer({
    path: this.path,
    registers: this.registers,
    size: BAR_SIZE,
    lines: this.lines,
    memory: this.memory,
    log: this.record.log,
  });

  get log(): string {
    return this.record.lines.join('\n');
  }

  close(): void {
    this.server.close();
    rmSync(this.folder, { recursive: true });
  }
}

export interface Reply {
  readonly id: number;
  readonly command: number;
  readonly error: number;
  readonly body: DataView;
}

const SECONDS = 10_000;

export class VfioClient {
  readonly fd: number;
  #id = 0;
  readonly #bytes: number[] = [];
  gone = false;

  constructor(path: string) {
    this.fd = sys.connectTo(path);
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array, fds: readonly number[] = []): void {
    sys.sendPacket(this.fd, bytes, undefined, fds);
  }

  send(command: number, body: Uint8Array = new Uint8Array(), fds: readonly number[] = [], flags = 0): number {
    const id = ++this.#id;
    const head = VfioUserHeader.pack({ id, command, size: VfioUserHeader.size + body.length, flags });
    sys.sendPacket(this.fd, head, body, fds);
    return id;
  }

  /** The next answer; undefined if the connection ends instead. */
  async reply(): Promise<Reply | undefined> {
    if (!(await this.#fill(VfioUserHeader.size))) return undefined;
    const { id, command, size, error, flags } = VfioUserHeader.read(viewOf(this.#take(VfioUserHeader.size)), 0);
    if ((flags & VFIO_USER_FLAG.TYPE) !== VFIO_USER_FLAG.REPLY) throw new Error('no reply');
    await this.#fill(size - VfioUserHeader.size);
    return { id, command, error, body: viewOf(this.#take(size - VfioUserHeader.size)) };
  }

  /** Asks, and answers the reply; the connection has to go on. */
  async ask(command: number, body?: Uint8Array, fds?: readonly number[]): Promise<Reply> {
    const id = this.send(command, body, fds);
    const reply = await this.reply();
    if (reply?.id !== id || reply.command !== command) throw new Error(`no answer to message ${command}`);
    return reply;
  }

  async greet(): Promise<string> {
    const { body } = await this.ask(VFIO_USER.VERSION, VfioUserVersion.pack({ major: 0, minor: 0 }));
    return new TextDecoder().decode(new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(4, -1));
  }

  async get<L extends Layout<any>>(command: number, layout: L, values: object): Promise<ReturnType<L['read']>> {
    const { body, error } = await this.ask(command, layout.pack(values));
    if (error) throw new Error(`errno ${error}`);
    return layout.read(body, 0) as ReturnType<L['read']>;
  }

  async readWord(region: number, offset: number): Promise<number> {
    const access = VfioUserRegionAccess.pack({ offset: BigInt(offset), region, count: 4 });
    const { body, error } = await this.ask(VFIO_USER.REGION_READ, access);
    if (error) throw new Error(`errno ${error}`);
    return body.getUint32(VfioUserRegionAccess.size, true);
  }

  async writeWord(region: number, offset: number, value: number): Promise<number> {
    const message = new Uint8Array(VfioUserRegionAccess.size + 4);
    VfioUserRegionAccess.write(viewOf(message), 0, { offset: BigInt(offset), region, count: 4 });
    viewOf(message).setUint32(VfioUserRegionAccess.size, value, true);
    return (await this.ask(VFIO_USER.REGION_WRITE, message)).error;
  }

  close(): void {
    sys.close(this.fd);
  }

  #take(count: number): Uint8Array {
    return Uint8Array.from(this.#bytes.splice(0, count));
  }

  async #fill(count: number): Promise<boolean> {
    const piece = new Uint8Array(65536);
    const end = performance.now() + SECONDS;
    while (this.#bytes.length < count) {
      const got = sys.receiveBytes(this.fd, piece);
      if (got === 'gone') {
        this.gone = true;
        return false;
      }
      if (got !== 'none') this.#bytes.push(...piece.subarray(0, got.length));
      else if (performance.now() > end) throw new Error('the server does not answer');
      else await setTimeout(1);
    }
    return true;
  }
}
