/**
 * The disassembler: an instruction as one line of text that the assembler reads back to the same bits.
 *
 * NAME.modifier….flow dest, @staging:registers, sources, immediates. `^r1` is a register's last use, `u5` a uniform word,
 * `0x3F800000` a constant of the table, `lane_id.w0` a word of a special. It is the syntax of Mesa's tools, with two additions
 * for what those cannot say: `@r4*0` are no registers from r4 on, and `.quad 0x…` is a word whose bits no text gives.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/valhall/{disasm,asm}.py`.
 */
import { CONSTANTS, FLOWS, HALVES, SPECIALS } from '../../abi/isa/encoding.ts';
import { assembleLine } from './assemble.ts';
import { decode, EncodingError, type Instruction, type Source } from './decode.ts';

const hex = (value: number): string => `0x${value.toString(16).toUpperCase()}`;

function selectText({ spec: { select }, select: part }: Source): string {
  if (!select || part === '' || (!select.shown && part === select.values[select.default])) return '';
  return `.${select.text?.[part] ?? part}`;
}

function sourceText(source: Source, page: number): string {
  let text: string;
  if (source.kind === 'register') text = `${source.last ? '^' : ''}r${source.index}`;
  else if (source.kind === 'uniform') text = `u${source.index}`;
  else if (source.kind === 'constant') text = hex(CONSTANTS[source.index]!);
  else text = `${SPECIALS[page]![source.index >>> 1]}.w${source.index & 1}`;
  if (source.negate) text += '.neg';
  if (source.absolute) text += '.abs';
  text += selectText(source);
  if (source.not) text += '.not';
  return text;
}

/** The text of a decoded instruction. */
export function format(instruction: Instruction): string {
  const { spec } = instruction;
  let head = spec.name;
  for (const field of spec.modifiers) {
    const value = instruction.modifiers[field.name]!;
    const initial = field.default === undefined || field.shown ? undefined : field.values?.[field.default];
    if (value !== '' && value !== initial) head += `.${value}`;
  }
  if (instruction.flow) head += `.${FLOWS[instruction.flow]}`;
  const operands: string[] = [];
  if (spec.dest) {
    const part = { [HALVES.LOW]: '.h0', [HALVES.HIGH]: '.h1' }[instruction.destHalves] ?? '';
    operands.push(`r${instruction.dest}${part}`);
  }
  for (const { register, count } of instruction.staging) {
    const names = Array.from({ length: count }, (_, i) => `r${register + i}`);
    // A run of no registers still has a first one.
    operands.push(count ? `@${names.join(':')}` : register ? `@r${register}*0` : '@');
  }
  for (const source of instruction.sources) operands.push(sourceText(source, instruction.page));
  for (const field of spec.immediates) {
    const value = instruction.immediates[field.name]!;
    const text = field.signed ? String(value) : hex(value);
    operands.push(field.name === 'constant' ? `#${text}` : `${field.name}:${text}`);
  }
  return operands.length ? `${head} ${operands.join(', ')}` : head;
}

/** What `decode` makes of a word as text, or the word itself with the reason. */
function textOf(low: number, high: number): { text: string; comment?: string } {
  const word = `.quad 0x${high.toString(16).padStart(8, '0')}${low.toString(16).padStart(8, '0')}`;
  let text: string;
  try {
    text = format(decode(low, high));
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    return { text: word, comment: error.message.replace(/ \(encoding \w+\)$/, '') };
  }
  const again = assembleLine(text);
  if (again[0] === low && again[1] === high) return { text };
  // Bits that mean nothing to anyone, or a second way to say the same.
  return { text: word, comment: text };
}

/** A word of a program as one line that the assembler reads back to the same 64 bits, whatever they are. */
export function disassembleWord(low: number, high: number): string {
  const { text, comment } = textOf(low >>> 0, high >>> 0);
  return comment === undefined ? text : `${text} // ${comment}`;
}

/** All of `code`, one line for each instruction (two words), padding too. */
export function disassembleAll(code: Uint32Array): string[] {
  const lines: string[] = [];
  for (let i = 0; i + 1 < code.length; i += 2) lines.push(disassembleWord(code[i]!, code[i + 1]!));
  return lines;
}

/** A program's text, one line per instruction, as far as its first two all-zero words or the end of `code`. */
export function disassemble(code: Uint32Array, address = 0): string {
  const lines: string[] = [];
  for (let i = 0; i + 1 < code.length; i += 2) {
    const low = code[i]!;
    const high = code[i + 1]!;
    if (low === 0 && high === 0) break;
    lines.push(`${(address + i * 4).toString(16).padStart(8, '0')}: ${disassembleWord(low, high)}`);
  }
  return lines.join('\n');
}
