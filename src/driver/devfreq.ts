/**
 * Devfreq: at which rate the GPU's clock runs. A governor chooses from how much of the last 50 ms jobs were in flight; the rate that is
 * set is the nearest operating point within the user's bounds. Asleep, nothing is measured and nothing chosen.
 *
 * After Linux `drivers/devfreq/devfreq.c` and `governor_*.c`, with the thresholds of `drivers/gpu/drm/panthor/panthor_devfreq.c`;
 * files as `Documentation/ABI/testing/sysfs-class-devfreq` has them. A clock that is set by hand is `userspace/set_freq`, as there.
 */
import type { Clock, Timer } from '../board/clock.ts';
import type { Supply } from '../board/supply.ts';
import type { DeviceAttribute } from '../drm/device.ts';
import { DrmError, must } from '../drm/error.ts';
import { MILLISECOND } from './async.ts';

const POLLING = 50 * MILLISECOND;
/** Percent of the time: above it the fastest clock, and how far below it the clock stays as it is. */
const UP_THRESHOLD = 45;
const DOWN_DIFFERENTIAL = 5;
const FASTEST = Number.POSITIVE_INFINITY;

/** What a governor goes by. Times in nanoseconds since the last look, rates in Hz. */
export interface Load {
  readonly busy: number;
  readonly total: number;
  readonly rate: number;
  /** What was set by hand. */
  readonly chosen: number;
}

interface Governor {
  /** Looks again every 50 ms. */
  readonly polls: boolean;
  /** The rate that it would like, in Hz, whether there is such a point or not. */
  target(load: Load): number;
}

export const GOVERNORS = {
  simple_ondemand: {
    polls: true,
    target({ busy, total, rate }) {
      if (total === 0 || busy * 100 > total * UP_THRESHOLD) return FASTEST;
      if (busy * 100 > total * (UP_THRESHOLD - DOWN_DIFFERENTIAL)) return rate;
      return Math.floor((((busy * rate) / total) * 100) / (UP_THRESHOLD - Math.floor(DOWN_DIFFERENTIAL / 2)));
    },
  },
  performance: { polls: false, target: () => FASTEST },
  powersave: { polls: false, target: () => 0 },
  userspace: { polls: false, target: ({ chosen }) => chosen },
} as const satisfies Record<string, Governor>;
export type GovernorName = keyof typeof GOVERNORS;

export interface DevfreqResources {
  readonly clock: Clock;
  readonly supply: Supply;
  /** The clock is about to change. */
  readonly beforeChange: () => void;
  /** What the files show has changed. */
  readonly changed: () => void;
}

export class Devfreq {
  readonly #hw: DevfreqResources;
  #governor: GovernorName = 'simple_ondemand';
  #min: number;
  #max: number;
  #chosen: number;
  #timer: Timer | undefined;
  #running = false;
  #busy = false;
  #busyTime = 0;
  #idleTime = 0;
  #last: number;
  /** Changes from point to point, and nanoseconds at each, up to the last change. */
  readonly #transitions: number[][];
  readonly #times: number[];
  #since: number;

  constructor(hw: DevfreqResources) {
    this.#hw = hw;
    const rates = this.#rates;
    this.#min = rates[0]!;
    this.#max = rates.at(-1)!;
    this.#transitions = rates.map(() => rates.map(() => 0));
    this.#times = rates.map(() => 0);
    this.#last = hw.clock.now();
    this.#since = this.#last;
    // What the boot loader left may be no operating point.
    hw.supply.setRate(this.#point(hw.supply.rate));
    this.#chosen = hw.supply.rate;
    this.resume();
  }

  get governor(): GovernorName {
    return this.#governor;
  }

  /** Jobs are in flight, or none is any more. */
  record(busy: boolean): void {
    if (busy === this.#busy) return;
    this.#account();
    this.#busy = busy;
  }

  /** The GPU goes to sleep. */
  suspend(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#busy = false;
  }

  resume(): void {
    this.#running = true;
    this.#forget();
    this.#update();
  }

  /** The files of /sys/class/devfreq/NAME, below a folder of the device's. */
  attributes(folder: string, name: string): DeviceAttribute[] {
    const file = (path: string, show: () => string | number, store?: (text: string) => void): DeviceAttribute => ({
      path: `${folder}/${path}`,
      show: () => String(show()),
      ...(store && { store }),
    });
    const rate = (text: string): number => {
      must(/^\d+/.test(text), 'EINVAL', () => `'${text}' is no frequency`);
      return Number.parseInt(text, 10);
    };
    return [
      file('name', () => name),
      file(
        'governor',
        () => this.#governor,
        (text) => this.setGovernor(text),
      ),
      file('available_governors', () => Object.keys(GOVERNORS).reverse().join(' ')),
      file('cur_freq', () => this.#hw.supply.rate),
      file('target_freq', () => this.#hw.supply.rate),
      file('available_frequencies', () => this.#rates.join(' ')),
      file(
        'min_freq',
        () => this.#min,
        (text) => this.#bound({ min: rate(text) }),
      ),
      file(
        'max_freq',
        () => this.#max,
        (text) => this.#bound({ max: rate(text) }),
      ),
      file('polling_interval', () => POLLING / MILLISECOND),
      file('timer', () => 'delayed'),
      file('trans_stat', () => this.#statistics()),
      file(
        'userspace/set_freq',
        () => (this.#governor === 'userspace' ? this.#chosen : 'undefined'),
        (text) => this.#choose(rate(text)),
      ),
    ];
  }

  /** Throws EINVAL. */
  setGovernor(name: string): void {
    if (!Object.hasOwn(GOVERNORS, name)) throw new DrmError('EINVAL', `no governor '${name}'`);
    this.#governor = name as GovernorName;
    this.#chosen = this.#hw.supply.rate;
    this.#forget();
    this.#update();
    this.#hw.changed();
  }

  #choose(hertz: number): void {
    must(this.#governor === 'userspace', 'EINVAL', () => `the clock is ${this.#governor}'s to set`);
    this.#chosen = hertz;
    this.#update();
    this.#hw.changed();
  }

  #bound({ min = this.#min, max = this.#max }: { min?: number; max?: number }): void {
    const [slowest, fastest] = [this.#rates[0]!, this.#rates.at(-1)!];
    // 0 is no bound.
    this.#min = Math.min(fastest, Math.max(slowest, min));
    this.#max = max === 0 ? fastest : Math.min(fastest, Math.max(slowest, max));
    this.#update();
    this.#hw.changed();
  }

  get #rates(): number[] {
    return this.#hw.supply.points.map(({ hertz }) => hertz);
  }

  /** The operating point for a wish: the next one not below it, or the fastest; within bounds, of which the upper one counts more. */
  #point(wish: number): number {
    const rates = this.#rates;
    const wanted = Math.min(Math.max(wish, this.#min), this.#max);
    const above = rates.find((each) => each >= wanted);
    const below = rates.findLast((each) => each <= wanted);
    return (wish > this.#max ? (below ?? above) : (above ?? below))!;
  }

  #account(): void {
    const now = this.#hw.clock.now();
    if (this.#busy) this.#busyTime += now - this.#last;
    else this.#idleTime += now - this.#last;
    this.#last = now;
  }

  #forget(): void {
    this.#busyTime = 0;
    this.#idleTime = 0;
    this.#last = this.#hw.clock.now();
  }

  /** Sets the rate that the governor wishes, and sees to it that it looks again. */
  #update(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { supply, clock } = this.#hw;
    const governor: Governor = GOVERNORS[this.#governor];
    this.#account();
    const load = {
      busy: this.#busyTime,
      total: this.#busyTime + this.#idleTime,
      rate: supply.rate,
      chosen: this.#chosen,
    };
    // Nothing is known yet just after a start.
    const wish = governor.polls && load.total === 0 ? supply.rate : governor.target(load);
    const point = this.#point(wish);
    if (point !== supply.rate) this.#change(point);
    if (!this.#running || !governor.polls) return;
    this.#timer = clock.after(POLLING, () => {
      this.#update();
      this.#forget();
    });
  }

  #change(hertz: number): void {
    const { supply, clock } = this.#hw;
    const rates = this.#rates;
    const from = rates.indexOf(supply.rate);
    const now = clock.now();
    this.#times[from]! += now - this.#since;
    this.#since = now;
    this.#transitions[from]![rates.indexOf(hertz)]!++;
    this.#hw.beforeChange();
    supply.setRate(hertz);
    this.#hw.changed();
  }

  #statistics(): string {
    const rates = this.#rates;
    const cell = (value: number): string => String(value).padStart(10);
    const row = (from: number, i: number): string => {
      const mark = from === this.#hw.supply.rate ? '*' : ' ';
      const changes = this.#transitions[i]!.map(cell).join('');
      return `${mark}${cell(from)}:${changes}${cell(Math.floor(this.#times[i]! / MILLISECOND))}`;
    };
    const total = this.#transitions.flat().reduce((sum, each) => sum + each, 0);
    return [
      '     From  :   To',
      `           :${rates.map(cell).join('')}   time(ms)`,
      ...rates.map(row),
      `Total transition : ${total}`,
    ].join('\n');
  }
}
