/**
 * Qmp: QEMU's machine protocol, as far as a virtual machine is stopped, continued and ended by it: one JSON object a line.
 * Source: QEMU `docs/interop/qmp-spec.rst`.
 */
import { VmChannel } from './channel.ts';

interface Line {
  readonly QMP?: object;
  readonly event?: string;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

export class Qmp {
  readonly channel: VmChannel;
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  #text = '';
  onEvent: (name: string) => void = () => {};

  private constructor(channel: VmChannel) {
    this.channel = channel;
  }

  static async listen(path: string): Promise<Qmp> {
    let qmp: Qmp;
    const channel = await VmChannel.listen(path, (bytes) => qmp.#take(bytes.toString()));
    qmp = new Qmp(channel);
    void qmp.command('qmp_capabilities').catch(() => {});
    return qmp;
  }

  /** Resolves to its answer; rejects if QEMU refuses it. Commands are done in order. */
  command(execute: string, args: object = {}): Promise<unknown> {
    this.channel.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close(): void {
    this.channel.close();
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('host: QEMU is gone'));
  }

  #take(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop()!;
    for (const line of lines.filter((each) => each.trim())) {
      const said = JSON.parse(line) as Line;
      if (said.event !== undefined) this.onEvent(said.event);
      else if (said.error) this.#waiting.shift()?.reject(new Error(`host: QEMU: ${said.error.desc}`));
      else if (!said.QMP) this.#waiting.shift()?.resolve(said.return);
    }
  }
}
