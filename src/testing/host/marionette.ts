/**
 * For tests: Firefox asked about itself by its own remote control, Marionette: a message is its length, a colon, and JSON. Fact: Firefox
 * `remote/marionette/packets.sys.mjs` and `message.sys.mjs`.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class Marionette {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: [error: unknown, result: unknown]) => void>();
  #last = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A session with the Firefox that listens at a port of this host. */
  static async of(port: number): Promise<Marionette> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const marionette = new Marionette(socket);
    let rest = Buffer.alloc(0);
    socket.on('data', (more: Buffer) => {
      rest = Buffer.concat([rest, more]);
      for (;;) {
        const colon = rest.indexOf(':');
        const length = Number(rest.subarray(0, colon));
        if (colon < 0 || rest.length < colon + 1 + length) return;
        marionette.#take(JSON.parse(rest.subarray(colon + 1, colon + 1 + length).toString()));
        rest = rest.subarray(colon + 1 + length);
      }
    });
    socket.on('error', () => {});
    await marionette.call('WebDriver:NewSession', {});
    return marionette;
  }

  /** A command's result. Throws what Firefox says is wrong. */
  async call(name: string, parameters: object): Promise<unknown> {
    const id = ++this.#last;
    const text = JSON.stringify([0, id, name, parameters]);
    const answer = new Promise<[unknown, unknown]>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    const [error, result] = await answer;
    if (error) throw new Error(`${name}: ${JSON.stringify(error)}`);
    return result;
  }

  /** What a script in the page returns. */
  async evaluate(script: string): Promise<unknown> {
    const result = (await this.call('WebDriver:ExecuteScript', { script, args: [] })) as { value: unknown };
    return result.value;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** An answer to a command, or Firefox's greeting, which is an object. */
  #take(message: unknown): void {
    if (!Array.isArray(message)) return;
    const [, id, error, result] = message as [number, number, unknown, unknown];
    this.#waiting.get(id)?.([error, result]);
    this.#waiting.delete(id);
  }
}
