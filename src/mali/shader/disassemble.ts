/**
 * The disassembler: an instruction as one line of text that the assembler reads back to the same bits.
 *
 * NAME.modifier….flow dest, @staging:registers, sources, immediates. `^r1` is a register's last use, `u5` a uniform word,
 * `0x3f800000` a constant of the table, `lane_id.w0` a word of a special.
 */
import { CONSTANTS, FLOWS, HALVES, SPECIALS } from '../../abi/isa/encoding.ts';
import { decode, EncodingError, type Instruction, type Source } from './decode.ts';

const defaultOf = (source: Source): string => {
  const select = source.spec.select;
  return select ? (select.values[select.default] ?? '') : '';
};

function sourceText(source: Source, page: number): string {
  let text: string;
  if (source.kind === 'register') text = `${source.last ? '^' : ''}r${source.index}`;
  else if (source.kind === 'uniform') text = `u${source.index}`;
  else if (source.kind === 'constant') text = `0x${CONSTANTS[source.index]!.toString(16)}`;
  else text = `${SPECIALS[page]![source.index >>> 1]}.w${source.index & 1}`;
  if (source.negate) text += '.neg';
  if (source.absolute) text += '.abs';
  if (source.select !== '' && source.select !== defaultOf(source)) text += `.${source.select}`;
  if (source.not) text += '.not';
  return text;
}

/** The text of a decoded instruction. */
export function format(instruction: Instruction): string {
  const { spec } = instruction;
  let head = spec.name;
  for (const field of spec.modifiers) {
    const value = instruction.modifiers[field.name]!;
    const initial = field.default === undefined ? undefined : field.values?.[field.default];
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
    operands.push(field.name === 'constant' ? `#0x${value.toString(16)}` : `${field.name}:${value}`);
  }
  return operands.length ? `${head} ${operands.join(', ')}` : head;
}

/** A program's text, one line per instruction, as far as its first two all-zero words or the end of `code`. */
export function disassemble(code: Uint32Array, address = 0): string {
  const lines: string[] = [];
  for (let i = 0; i + 1 < code.length; i += 2) {
    const low = code[i]!;
    const high = code[i + 1]!;
    if (low === 0 && high === 0) break;
    let text: string;
    try {
      text = format(decode(low, high));
    } catch (error) {
      if (!(error instanceof EncodingError)) throw error;
      text = `?? ${error.message}`;
    }
    lines.push(`${(address + i * 4).toString(16).padStart(8, '0')}: ${text}`);
  }
  return lines.join('\n');
}
