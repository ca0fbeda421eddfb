/**
 * Calls as text: what a client does with a render node, a line each, right or deliberately wrong.
 *
 *   vm = VM_CREATE
 *   bo = BO_CREATE size=64K exclusiveVmId=vm.id
 *   VM_BIND vmId=vm.id ops=[{ boHandle=bo.handle va=0x1000000 size=64K }]
 *   place = BO_MMAP_OFFSET handle=bo.handle
 *   memory = mmap place.offset 64K
 *   job = stream memory 0 {
 *     MOVE destination=0 immediate=0x1000800
 *   }
 *   SYNCOBJ_WAIT handles=[done.handle] count_handles=1 timeout_nsec=now+1s
 *   -> ETIME
 *
 * An ioctl goes by its name and the names of its fields in src/abi/; a list or a record in the place of a pointer is what it points to.
 * `name.field` is what an earlier call brought. The other verbs are those of `VERBS`. A backslash at its end carries a line on. What
 * is expected to come of a call, as transcript.ts tells it, may stand below it, behind an arrow. This file takes text apart; what it
 * means is compile.ts's.
 */

/** A mistake in the text, with its line. */
export class CallsError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
  }
}

export type Value =
  | { readonly kind: 'number'; readonly value: bigint }
  /** What an earlier call's field (or the number of its descriptor, without a field) is, and so much more. */
  | { readonly kind: 'result'; readonly name: string; readonly path: readonly string[]; readonly add: bigint }
  /** The monotonic clock, so many nanoseconds later. */
  | { readonly kind: 'time'; readonly after: bigint }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | { readonly kind: 'record'; readonly fields: readonly Field[] };

export interface Field {
  readonly path: readonly string[];
  readonly value: Value;
}

export interface Line {
  readonly number: number;
  /** As it was written. */
  readonly text: string;
  /** What its results are called. */
  readonly name: string | undefined;
  readonly verb: string;
  readonly words: readonly Value[];
  readonly fields: readonly Field[];
  /** What stands between the braces behind it. */
  readonly body: readonly Line[] | undefined;
  /** What is expected to come of it: the rest of the next line, behind an arrow. */
  readonly expected: string | undefined;
}

/** Several of them in one text begin with `sequence NAME`. */
export interface Sequence {
  readonly name: string;
  readonly lines: readonly Line[];
}

type Constants = Readonly<Record<string, Readonly<Record<string, number | bigint>>>>;

interface Token {
  readonly text: string;
  readonly line: number;
  /** Where it stands in the source. */
  readonly from: number;
  readonly to: number;
}

const TOKEN =
  /(?<space>[ \t\r]+|\\\n|#[^\n]*)|(?<token>\n|->[^\n]*|"[^"\n]*"|[A-Za-z_]\w*(?:\.\w+)*|0x[0-9a-fA-F]+|\d+(?:ns|us|ms|s|[KMG])?|[=[\]{}|+-])/y;
const UNITS: Readonly<Record<string, bigint>> = {
  K: 1n << 10n,
  M: 1n << 20n,
  G: 1n << 30n,
  ns: 1n,
  us: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
};

function tokens(source: string): Token[] {
  const found: Token[] = [];
  let line = 1;
  for (let at = 0; at < source.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (!match) throw new CallsError(line, `nobody knows what ${JSON.stringify(source.slice(at, at + 10))} is`);
    const text = match.groups!.token;
    if (text !== undefined) found.push({ text, line, from: at, to: TOKEN.lastIndex });
    if (match[0].endsWith('\n')) line++;
  }
  found.push({ text: '\n', line, from: source.length, to: source.length });
  return found;
}

const isName = (text: string | undefined): text is string => text !== undefined && /^[A-Za-z_]/.test(text);

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #constants: Constants;
  #at = 0;

  constructor(source: string, constants: Constants) {
    this.#source = source;
    this.#tokens = tokens(source);
    this.#constants = constants;
  }

  get #text(): string | undefined {
    return this.#tokens[this.#at]?.text;
  }

  get #line(): number {
    return (this.#tokens[this.#at] ?? this.#tokens.at(-1)!).line;
  }

  sequences(): Sequence[] {
    const all: { name: string; lines: Line[] }[] = [];
    for (const line of this.lines(false)) {
      if (line.verb === 'sequence') all.push({ name: this.#sequenceName(line), lines: [] });
      else if (all.length === 0) all.push({ name: '', lines: [line] });
      else all.at(-1)!.lines.push(line);
    }
    return all;
  }

  lines(inside: boolean): Line[] {
    const lines: Line[] = [];
    for (;;) {
      while (this.#text === '\n') this.#at++;
      if (this.#text === undefined && !inside) return lines;
      if (this.#text === '}' && inside) {
        this.#at++;
        return lines;
      }
      lines.push(this.#statement());
    }
  }

  #statement(): Line {
    const first = this.#tokens[this.#at];
    if (!first) throw this.#error('a } is missing');
    let name: string | undefined;
    if (this.#tokens[this.#at + 1]?.text === '=') {
      name = this.#name('a name');
      this.#at++;
    }
    const verb = this.#name('what to do');
    const words: Value[] = [];
    const fields: Field[] = [];
    let body: Line[] | undefined;
    while (this.#text !== '\n' && this.#text !== undefined) {
      if (this.#text === '{' && this.#tokens[this.#at + 1]?.text === '\n') {
        this.#at++;
        body = this.lines(true);
      } else if (isName(this.#text) && this.#tokens[this.#at + 1]?.text === '=') fields.push(this.#field());
      else words.push(this.#value());
    }
    const text = this.#source.slice(first.from, this.#tokens[this.#at - 1]!.to).replace(/[\s\\]+/g, ' ');
    const arrow = this.#tokens[this.#at + 1]?.text;
    const expected = arrow?.startsWith('->') ? arrow.slice(2).trim() : undefined;
    if (expected !== undefined) this.#at += 2;
    return { number: first.line, text, name, verb, words, fields, body, expected };
  }

  #field(): Field {
    const path = this.#name('a field').split('.');
    this.#expect('=');
    return { path, value: this.#value() };
  }

  #value(): Value {
    this.#skipNewlines();
    const text = this.#text;
    if (text === '[') return this.#list();
    if (text === '{') return this.#record();
    if (text?.startsWith('"')) {
      this.#at++;
      return { kind: 'text', text: text.slice(1, -1) };
    }
    return this.#sum();
  }

  #list(): Value {
    this.#expect('[');
    const items: Value[] = [];
    for (this.#skipNewlines(); this.#text !== ']'; this.#skipNewlines()) items.push(this.#value());
    this.#expect(']');
    return { kind: 'list', items };
  }

  #record(): Value {
    this.#expect('{');
    const fields: Field[] = [];
    for (this.#skipNewlines(); this.#text !== '}'; this.#skipNewlines()) fields.push(this.#field());
    this.#expect('}');
    return { kind: 'record', fields };
  }

  /** Terms with | and + and - between them, from left to right; a result may only be the first. */
  #sum(): Value {
    let value = this.#term();
    while (this.#text === '|' || this.#text === '+' || this.#text === '-') {
      const operator = this.#text;
      this.#at++;
      const term = this.#term();
      if (term.kind !== 'number') throw this.#error('only a number can be added');
      const more = operator === '-' ? -term.value : term.value;
      if (value.kind === 'number')
        value = { kind: 'number', value: operator === '|' ? value.value | more : value.value + more };
      else if (operator === '|') throw this.#error('| is for numbers');
      else if (value.kind === 'result') value = { ...value, add: value.add + more };
      else if (value.kind === 'time') value = { kind: 'time', after: value.after + more };
    }
    return value;
  }

  #term(): Value {
    const text = this.#text;
    if (text === '-') {
      this.#at++;
      const term = this.#term();
      if (term.kind !== 'number') throw this.#error('only a number can be negative');
      return { kind: 'number', value: -term.value };
    }
    const [, digits, unit] = /^(0x[0-9a-fA-F]+|\d+)(\w*)$/.exec(text ?? '') ?? [];
    if (digits !== undefined) {
      this.#at++;
      return { kind: 'number', value: BigInt(digits) * (unit ? UNITS[unit]! : 1n) };
    }
    const name = this.#name('a value');
    if (name === 'now') return { kind: 'time', after: 0n };
    const [first, ...path] = name.split('.') as [string, ...string[]];
    const constant = path.length === 1 ? this.#constants[first]?.[path[0]!] : undefined;
    if (constant !== undefined) return { kind: 'number', value: BigInt(constant) };
    return { kind: 'result', name: first, path, add: 0n };
  }

  #name(what: string): string {
    const text = this.#text;
    if (!isName(text)) throw this.#error(`${what} is expected, not ${JSON.stringify(text ?? 'the end')}`);
    this.#at++;
    return text;
  }

  #sequenceName({ words, number }: Line): string {
    const [word] = words;
    if (word?.kind === 'text') return word.text;
    if (word?.kind === 'result') return [word.name, ...word.path].join('.');
    if (word?.kind === 'number') return String(word.value);
    throw new CallsError(number, 'a sequence has a name');
  }

  #expect(text: string): void {
    if (this.#text !== text) throw this.#error(`${text} is expected, not ${JSON.stringify(this.#text ?? 'the end')}`);
    this.#at++;
  }

  #skipNewlines(): void {
    while (this.#text === '\n') this.#at++;
    if (this.#text === undefined) throw this.#error('the text ends in the midst of a value');
  }

  #error(message: string): CallsError {
    return new CallsError(this.#line, message);
  }
}

/** Takes a text apart. `constants`: numbers by name, in groups. Throws CallsError. */
export const parseCalls = (source: string, constants: Constants): Sequence[] =>
  new Parser(source, constants).sequences();
