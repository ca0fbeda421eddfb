/**
 * What `glmark2 --validate` prints: a line for each scene, in the order in which they were asked for, `[build] use-vbo=true: Validation:
 * Success` (MainLoopValidation of its sources). `Unknown` is a scene without a reference. One that cannot be set up says so; what the
 * GPU lacks for it is `Unsupported`.
 */
import type { Event, Reader, Verdict } from '../suite.ts';

const WORDS: Readonly<Record<string, Verdict>> = { Success: 'pass', Unknown: 'skip', Failure: 'fail' };

export class ValidationReader implements Reader {
  readonly #count: number;
  #next = 0;

  /** Of so many scenes; none: nothing is to be said. */
  constructor(count: number) {
    this.#count = count;
  }

  line(text: string, stream: 'stdout' | 'stderr'): Event[] {
    if (stream === 'stderr' || this.#next >= this.#count) return [];
    const [, word] = /^\[\w+\] .*: (?:Validation: (\w+)|Set up failed|Unsupported)\s*$/.exec(text) ?? [];
    if (word === undefined && !/: (Set up failed|Unsupported)\s*$/.test(text)) return [];
    const unsupported = /: Unsupported\s*$/.test(text);
    const verdict = word === undefined ? (unsupported ? 'skip' : 'fail') : (WORDS[word] ?? 'fail');
    const index = this.#next++;
    const note = verdict === 'pass' ? undefined : word === 'Unknown' ? 'glmark2 has no reference' : text.trim();
    const end: Event = { kind: 'end', index, verdict, note };
    return this.#next < this.#count ? [end, { kind: 'begin', index: this.#next }] : [end];
  }

  end(): Event[] {
    return [];
  }
}
