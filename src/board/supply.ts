/**
 * Supply: the clocks, the regulator and the power domain of one device of a SoC, as its driver switches them.
 *
 * A device without power has lost its state, and an access to its registers is an error of the bus (gated-bus.ts).
 */

/** A pair of clock rate and voltage at which a device works. */
export interface OperatingPoint {
  readonly hertz: number;
  readonly microvolts: number;
}

export class Supply {
  /** By rising rate. */
  readonly points: readonly OperatingPoint[];
  readonly #onPower: (on: boolean) => void;
  readonly #onRate: (hertz: number) => void;
  #on = false;
  #rate: number;
  #microvolts: number;

  /**
   * `rate`: Hz as the boot loader left the clock. `onPower` and `onRate` tell the device of changes, after them.
   */
  constructor(
    points: readonly OperatingPoint[],
    rate: number,
    onPower: (on: boolean) => void,
    onRate: (hertz: number) => void,
  ) {
    if (points.length === 0) throw new RangeError('a supply needs an operating point');
    this.points = points;
    this.#rate = rate;
    this.#microvolts = points[0]!.microvolts;
    this.#onPower = onPower;
    this.#onRate = onRate;
  }

  get powered(): boolean {
    return this.#on;
  }

  /** Hz of the device's clock while it has power. */
  get rate(): number {
    return this.#rate;
  }

  get microvolts(): number {
    return this.#microvolts;
  }

  on(): void {
    this.#switch(true);
  }

  /** The device loses its state. */
  off(): void {
    this.#switch(false);
  }

  /** Throws RangeError for a rate that is no operating point's. */
  setRate(hertz: number): void {
    const point = this.points.find((each) => each.hertz === hertz);
    if (!point) throw new RangeError(`${hertz} Hz is none of the operating points`);
    this.#rate = hertz;
    this.#microvolts = point.microvolts;
    this.#onRate(hertz);
  }

  #switch(on: boolean): void {
    if (this.#on === on) return;
    this.#on = on;
    this.#onPower(on);
  }
}
