/**
 * The assembler: the disassembler's text back to bits. For tests, and for whoever wants to run a shader of their own.
 *
 * Lines may carry labels (`loop:`), and `offset:loop` in a BRANCHZ; `//` starts a comment, as does `#` at a line's begin.
 * Modifiers may come in any order. Bytes before an instruction, as Mesa's listings have them, are skipped: `02 … 91 00  MOV.i32 …`.
 * `.quad 0x…` is 64 bits as they are.
 */
import {
  type BitField,
  CONSTANTS,
  DEST,
  DEST_HALVES,
  FAU_PAGE,
  FLOW,
  FLOWS,
  getField,
  HALVES,
  type Modifier,
  NO_DEST,
  OPCODE,
  type Selector,
  SOURCE_KIND,
  SOURCE_KIND_SHIFT,
  SPECIAL_FIRST,
  SPECIALS,
  STAGING_COUNT,
  STAGING_READ,
  STAGING_WRITE,
  STAGING_WRITE_COUNT,
  setField,
  UNIFORMS_PER_PAGE,
} from '../../abi/isa/encoding.ts';
import { INSTRUCTIONS, type InstructionSpec, LATER_NAMES, type SourceSpec } from '../../abi/isa/instructions.ts';
import { decode } from './decode.ts';

const byName = new Map(INSTRUCTIONS.map((spec) => [spec.name, spec]));

function findSpec(head: string): { spec: InstructionSpec; rest: string[] } {
  const parts = head.split('.');
  parts[0] = LATER_NAMES[parts[0]!] ?? parts[0]!;
  for (let n = Math.min(2, parts.length); n > 0; n--) {
    const spec = byName.get(parts.slice(0, n).join('.'));
    if (spec) return { spec, rest: parts.slice(n) };
  }
  throw new SyntaxError(`no instruction ${head}`);
}

const number = (text: string): number => {
  const value = Number(text);
  if (text === '' || !Number.isInteger(value)) throw new SyntaxError(`'${text}' is no number`);
  return value;
};

const register = (text: string): number => {
  const match = /^r(\d+)$/.exec(text);
  const value = match ? Number(match[1]) : 64;
  if (value > 63) throw new SyntaxError(`'${text}' is no register`);
  return value;
};

/** The value of a selector whose text is `part`, or -1. */
function partOf({ values, text, later }: Selector, part: string): number {
  const written = values.findIndex((value) => value !== undefined && (text?.[value] ?? value) === part);
  return written >= 0 ? written : values.indexOf(later?.[part] ?? part);
}

class Encoder {
  readonly words = new Uint32Array(2);
  page: number | undefined;

  set(field: BitField, value: number): void {
    setField(this.words, field, value);
  }

  usePage(page: number, text: string): void {
    if (this.page !== undefined && this.page !== page) throw new SyntaxError(`${text}: not in FAU page ${this.page}`);
    this.page = page;
  }

  source(spec: SourceSpec, text: string): void {
    const [name = '', ...parts] = text.split('.');
    let byte: number;
    if (name.startsWith('^')) byte = register(name.slice(1)) | (SOURCE_KIND.LAST << SOURCE_KIND_SHIFT);
    else if (/^r\d+$/.test(name)) byte = register(name);
    else if (/^u\d+$/.test(name)) {
      const word = Number(name.slice(1));
      this.usePage(Math.floor(word / UNIFORMS_PER_PAGE), name);
      byte = (word % UNIFORMS_PER_PAGE) | (SOURCE_KIND.UNIFORM << SOURCE_KIND_SHIFT);
    } else if (name.startsWith('0x')) {
      const index = CONSTANTS.indexOf(number(name));
      if (index < 0) throw new SyntaxError(`${name} is not in the constant table`);
      byte = index | (SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT);
    } else {
      const page = SPECIALS.findIndex((entries) => entries.includes(name));
      if (page < 0) throw new SyntaxError(`'${name}' is no source`);
      this.usePage(page, name);
      const word = parts.shift();
      if (word !== 'w0' && word !== 'w1') throw new SyntaxError(`${name} needs .w0 or .w1`);
      const index = SPECIALS[page]!.indexOf(name) * 2 + (word === 'w1' ? 1 : 0);
      byte = (SPECIAL_FIRST + index) | (SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT);
    }
    this.set({ bit: spec.bit, width: 8 }, byte);
    let select = spec.select?.default ?? 0;
    for (const part of parts) {
      if (part === 'neg' && spec.negate) this.set(spec.negate, 1);
      else if (part === 'abs' && spec.absolute) this.set(spec.absolute, 1);
      else if (part === 'not' && spec.not) this.set(spec.not, 1);
      else {
        select = spec.select ? partOf(spec.select, part) : -1;
        if (select < 0) throw new SyntaxError(`${text}: '${part}' does not fit here`);
      }
    }
    if (spec.select) this.set(spec.select, select);
  }
}

/** One instruction to [low, high]. Throws SyntaxError. */
export function assembleLine(line: string): Uint32Array {
  const quad = /^\.quad\s+0x([0-9a-f]{1,16})$/i.exec(line)?.[1];
  if (quad !== undefined) {
    const digits = quad.padStart(16, '0');
    return Uint32Array.of(Number.parseInt(digits.slice(8), 16), Number.parseInt(digits.slice(0, 8), 16));
  }
  const space = line.indexOf(' ');
  const head = space < 0 ? line : line.slice(0, space);
  const operands =
    space < 0
      ? []
      : line
          .slice(space + 1)
          .split(',')
          .map((s) => s.trim())
          .filter((s) => s !== '');
  const { spec, rest } = findSpec(head);
  const out = new Encoder();
  out.set(OPCODE, spec.opcode);
  for (const field of spec.secondary) out.set(field, field.value);
  const next = (what: string): string => {
    const text = operands.shift();
    if (text === undefined) throw new SyntaxError(`${line}: ${what} is missing`);
    return text;
  };

  if (spec.dest) {
    const [name = '', half] = next('destination').split('.');
    out.set(DEST, register(name));
    out.set(DEST_HALVES, half === 'h0' ? HALVES.LOW : half === 'h1' ? HALVES.HIGH : HALVES.BOTH);
  } else if (spec.staging.length === 0) out.set(DEST_HALVES, NO_DEST);
  for (const staging of spec.staging) {
    const text = next('staging registers');
    if (!text.startsWith('@')) throw new SyntaxError(`${line}: staging registers begin with @`);
    const empty = text === '@' || text.endsWith('*0');
    const names = text.slice(1).replace('*0', '').split(':');
    const first = text === '@' ? 0 : register(names[0]!);
    const count = empty ? 0 : names.length;
    out.set(staging.base, first);
    if (staging.counted === 'writeCount') out.set(STAGING_WRITE_COUNT, count - 1);
    else out.set(STAGING_COUNT, count);
    if (staging.flags) out.set(DEST_HALVES, (staging.write ? STAGING_WRITE : 0) | (staging.read ? STAGING_READ : 0));
  }
  for (const source of spec.sources) out.source(source, next('source'));
  for (const field of spec.immediates) {
    const text = next(field.name);
    const value = number(text.startsWith('#') ? text.slice(1) : text.slice(text.indexOf(':') + 1));
    if (!text.startsWith('#') && !text.startsWith(`${field.name}:`))
      throw new SyntaxError(`${line}: wants ${field.name}`);
    const low = field.signed ? -(2 ** (field.width - 1)) : 0;
    if (value < low || value >= low + 2 ** field.width) throw new SyntaxError(`${line}: ${field.name} out of range`);
    out.set(field, value);
  }
  if (operands.length) throw new SyntaxError(`${line}: too many operands`);

  const given = new Map<string, number>();
  const fieldOf = (text: string): Modifier | undefined =>
    spec.modifiers.find((m) => (m.values ? m.values.includes(text) : m.name === text) && !given.has(m.name));
  let hasFlow = false;
  for (let i = 0; i < rest.length; i++) {
    // Some names are of two words: `16.32`.
    const both = `${rest[i]}.${rest[i + 1]}`;
    const text = i + 1 < rest.length && fieldOf(both) ? both : rest[i]!;
    if (text === both) i++;
    const flow = FLOWS.indexOf(text);
    const field = fieldOf(text);
    if (field) given.set(field.name, field.values ? field.values.indexOf(text) : 1);
    else if (flow >= 0 && !hasFlow) {
      out.set(FLOW, flow);
      hasFlow = true;
    } else throw new SyntaxError(`${line}: no modifier '${text}'`);
  }
  for (const field of spec.modifiers) {
    const value = given.get(field.name) ?? (field.values ? field.default : 0);
    if (value === undefined) throw new SyntaxError(`${line}: ${field.name} is missing`);
    out.set(field, value);
  }
  if (out.page) out.set(FAU_PAGE, out.page);
  return out.words;
}

/** A program: two words for each instruction. Throws SyntaxError that names the line. */
export function assemble(text: string): Uint32Array<ArrayBuffer> {
  const labels = new Map<string, number>();
  const lines: string[] = [];
  const numbers: number[] = [];
  for (const [number, raw] of text.split('\n').entries()) {
    let line = raw.replace(/\/\/.*|^\s*#.*/, '').trim();
    line = line.replace(/^([0-9a-f]{2} ){7}[0-9a-f]{2}\s+/i, '');
    const label = /^(\w+):\s*/.exec(line);
    if (label) {
      labels.set(label[1]!, lines.length);
      line = line.slice(label[0].length);
    }
    if (!line) continue;
    lines.push(line);
    numbers.push(number + 1);
  }
  const words = new Uint32Array(lines.length * 2);
  for (const [i, line] of lines.entries()) {
    try {
      const resolved = line.replace(/offset:([A-Za-z_]\w*)/, (_, name: string) => {
        const target = labels.get(name);
        if (target === undefined) throw new SyntaxError(`${line}: no label ${name}`);
        return `offset:${target - i - 1}`;
      });
      words.set(assembleLine(resolved), i * 2);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(`line ${numbers[i]}: ${error.message}`);
    }
  }
  return words;
}

/**
 * Why the hardware could not fetch an instruction's uniforms, specials and constants: it has room for two of them, of one
 * 64-bit slot (message: for three words of two slots). Undefined if it can.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/valhall/asm.py` (FAUState).
 */
export function unfetchable(low: number, high: number): string | undefined {
  const { spec, sources } = decode(low, high);
  const fetched = new Set(
    spec.sources
      .map(({ bit }) => getField(low, high, { bit, width: 8 }))
      .filter((_, i) => sources[i]!.kind !== 'register'),
  );
  if (fetched.size > 2) return `${spec.name}: more than two uniforms, specials and constants`;
  const words = new Set(
    spec.sources
      .filter((_, i) => sources[i]!.kind === 'uniform' || sources[i]!.kind === 'special')
      .map(({ bit }) => getField(low, high, { bit, width: 8 })),
  );
  const slots = new Set([...words].map((word) => word >>> 1));
  const [mostSlots, mostWords] = spec.message ? [2, 3] : [1, 2];
  if (slots.size > mostSlots) return `${spec.name}: uniforms and specials of more than ${mostSlots} 64-bit slots`;
  return words.size > mostWords ? `${spec.name}: more than ${mostWords} words of uniforms and specials` : undefined;
}
