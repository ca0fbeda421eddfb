/** VmChannel: one of the virtual machine's ports as a socket that QEMU connects to: text or bytes, both ways. */
import { createServer, type Server, type Socket } from 'node:net';

export class VmChannel {
  readonly path: string;
  readonly #server: Server;
  #socket: Socket | undefined;
  /** What was written before there was anybody. */
  #early: (string | Uint8Array)[] = [];
  #ended = false;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
  }

  /** Listens at `path`. `data` gets what the guest writes. */
  static async listen(path: string, data: (bytes: Buffer) => void): Promise<VmChannel> {
    const server = createServer();
    const channel = new VmChannel(path, server);
    server.on('connection', (socket) => {
      channel.#socket = socket;
      socket.on('data', data);
      socket.on('error', () => {});
      for (const early of channel.#early.splice(0)) socket.write(early);
      if (channel.#ended) socket.end();
      server.close();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return channel;
  }

  write(data: string | Uint8Array): void {
    if (this.#socket) this.#socket.write(data);
    else this.#early.push(data);
  }

  /** Nothing more will be written. */
  end(): void {
    this.#ended = true;
    this.#socket?.end();
  }

  /** Resolves when the other side, which is gone, has been heard to its end. */
  drained(): Promise<void> {
    const socket = this.#socket;
    if (!socket || socket.readableEnded || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => socket.once('close', () => resolve()));
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }
}
