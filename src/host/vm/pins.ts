/**
 * InterruptPins: the GPU's interrupt lines as pins of the virtual machine's interrupt controller, each with a level of its own, as on a
 * board.
 *
 * A PCI pin would not do: QEMU takes an INTx of VFIO's for lowered only when the guest next touches a register, and panthor masks by a
 * register, waits until its thread runs, and touches none. QEMU's test protocol sets a controller's input to a level at any time.
 * Source: QEMU `system/qtest.c` (set_irq_in), `hw/arm/virt.c`.
 */
import type { IrqLine } from '../../board/irq.ts';
import { VmChannel } from './channel.ts';
import type { Qmp } from './qmp.ts';

/** The interrupt controller's type in QEMU's tree of objects, and where devices without a place of their own are. */
const CONTROLLER = 'child<arm-gicv3>';
const DEVICES = '/machine/unattached';

/** A line, and the number of the controller's shared interrupt that it is. */
export interface Pin {
  readonly line: IrqLine;
  readonly spi: number;
}

export class InterruptPins {
  readonly channel: VmChannel;
  readonly #pins: readonly Pin[];
  #controller: string | undefined;
  /** How often a line has gone high. */
  raised = 0;
  /** Hears of what QEMU refuses. */
  onRefusal: (sentence: string) => void = () => {};

  private constructor(channel: VmChannel, pins: readonly Pin[]) {
    this.channel = channel;
    this.#pins = pins;
    for (const pin of pins) {
      pin.line.observe((high) => {
        if (high) this.raised++;
        this.#set(pin);
      });
    }
  }

  /** Listens at `path`, where QEMU's `-qtest` connects. */
  static async listen(path: string, pins: readonly Pin[]): Promise<InterruptPins> {
    let own: InterruptPins;
    const channel = await VmChannel.listen(path, (bytes) => own.#take(bytes.toString()));
    own = new InterruptPins(channel, pins);
    return own;
  }

  /** Finds the controller; until then the lines are low for the guest. */
  async connect(qmp: Qmp): Promise<void> {
    const devices = (await qmp.command('qom-list', { path: DEVICES })) as { name: string; type: string }[];
    const found = devices.find(({ type }) => type === CONTROLLER);
    if (!found) throw new Error('host: QEMU’s machine has no interrupt controller');
    this.#controller = `${DEVICES}/${found.name}`;
    for (const pin of this.#pins) this.#set(pin);
  }

  close(): void {
    this.channel.close();
  }

  #set({ line, spi }: Pin): void {
    if (this.#controller === undefined) return;
    this.channel.write(`set_irq_in ${this.#controller} unnamed-gpio-in ${spi} ${line.high ? 1 : 0}\n`);
  }

  #take(text: string): void {
    for (const line of text.split('\n')) if (/^(FAIL|ERR)/.test(line)) this.onRefusal(line);
  }
}
