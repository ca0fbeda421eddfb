/**
 * What dEQP logs (framework/qphelper/qpTestLog.c): lines `#beginTestCaseResult NAME` and `#endTestCaseResult`, and between them
 * XML with a `<Result StatusCode="Fail">sentence</Result>` and pictures, PNG as base64. A case that dEQP itself gives up ends with
 * `#terminateTestCaseResult WORD`. Cases run in the order of dEQP's own tree, whatever the order in which they were asked for.
 *
 * The log comes by standard output, between lines that dEQP prints for people. dEQP writes it out whenever a case has ended.
 */
import type { Case, Event, Picture, Reader, Verdict } from '../suite.ts';

const WORDS: Readonly<Record<string, Verdict>> = {
  Pass: 'pass',
  QualityWarning: 'warn',
  CompatibilityWarning: 'warn',
  CapabilityWarning: 'warn',
  Waiver: 'warn',
  NotSupported: 'skip',
};

/** Pictures of a case that are kept, and characters of one at most. */
const PICTURES = 6;
const LONGEST = 1 << 20;

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const plain = (text: string): string => text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name]!);

export class LogReader implements Reader {
  readonly #indices: ReadonlyMap<string, number>;
  #index: number | undefined;
  #verdict: Verdict | undefined;
  #note: string | undefined;
  #seconds: number | undefined;
  #pictures: Picture[] = [];
  /** A picture or a result whose end is in a later line. */
  #open: string | undefined;

  constructor(cases: readonly Case[]) {
    this.#indices = new Map(cases.map(({ name }, index) => [name, index]));
  }

  line(text: string, stream: 'stdout' | 'stderr'): Event[] {
    if (stream === 'stderr') return [];
    const [, word, rest] = /^#(begin|end|terminate)TestCaseResult ?(.*)$/.exec(text) ?? [];
    if (word === 'begin') return this.#begin(rest!.trim());
    if (word !== undefined) return this.#end(word === 'terminate');
    if (this.#index !== undefined) this.#xml(text);
    return [];
  }

  /** What had been begun and not ended has come to its end with the process, which is the runner's finding. */
  end(): Event[] {
    return [];
  }

  #begin(name: string): Event[] {
    this.#index = this.#indices.get(name);
    this.#verdict = this.#note = this.#seconds = this.#open = undefined;
    this.#pictures = [];
    return this.#index === undefined ? [] : [{ kind: 'begin', index: this.#index }];
  }

  #end(terminated: boolean): Event[] {
    const index = this.#index;
    this.#index = undefined;
    if (index === undefined) return [];
    const verdict = terminated ? 'crash' : (this.#verdict ?? 'fail');
    const bad = verdict === 'fail' || verdict === 'crash';
    return [
      {
        kind: 'end',
        index,
        verdict,
        note: verdict === 'pass' ? undefined : this.#note,
        seconds: this.#seconds,
        pictures: bad && this.#pictures.length > 0 ? this.#pictures : undefined,
      },
    ];
  }

  #xml(line: string): void {
    const microseconds = /<Number Name="TestDuration"[^>]*>(\d+)</.exec(line)?.[1];
    if (microseconds !== undefined) this.#seconds = Number(microseconds) / 1e6;
    if (this.#open === undefined && !/<(Image|Result) /.test(line)) return;
    const text = this.#open === undefined ? line : `${this.#open}\n${line}`;
    this.#open = undefined;
    const [, tag, attributes, content] = /<(Image|Result) ([^>]*)>([^<]*)<\/\1>/.exec(text) ?? [];
    if (tag === undefined) {
      if (text.length < LONGEST) this.#open = text;
    } else if (tag === 'Result') {
      this.#verdict = WORDS[attribute(attributes!, 'StatusCode') ?? ''] ?? 'fail';
      this.#note = plain(content!).trim() || undefined;
    } else if (this.#pictures.length < PICTURES && attribute(attributes!, 'CompressionMode') === 'PNG') {
      const name = attribute(attributes!, 'Description') || attribute(attributes!, 'Name') || '';
      this.#pictures.push({ name: plain(name), png: content!.replace(/\s/g, '') });
    }
  }
}

function attribute(attributes: string, name: string): string | undefined {
  return new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1];
}
