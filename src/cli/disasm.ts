/** `tyr disasm` and `tyr asm`: shader programs as text and back, in the syntax of Mesa's Valhall tools. `tyr decode`: command streams. */
import { readFile, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { CS_INSTRUCTION_SIZE, printCs } from '../abi/gpu/cs.ts';
import { viewOf } from '../abi/layout.ts';
import { Problem } from '../host/userland/problem.ts';
import { assemble, unfetchable } from '../mali/shader/assemble.ts';
import { EncodingError } from '../mali/shader/decode.ts';
import { disassembleWord } from '../mali/shader/disassemble.ts';

const INSTRUCTION_BYTES = 8;

/** A file's bytes; `-` is the standard input. */
async function read(file: string): Promise<Buffer> {
  if (file === '-') return buffer(process.stdin);
  try {
    return await readFile(file);
  } catch (error) {
    throw new Problem(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** The bytes that a listing has in front of its instructions, or a dump has and nothing else. */
function bytesOf(text: string): Buffer {
  const rows = text.split('\n').flatMap((line) => {
    const [, row] = /^\s*(?:[0-9a-f]{5,}:)?\s*((?:[0-9a-f]{2}\s+){7}[0-9a-f]{2})(?![0-9a-f])/i.exec(line) ?? [];
    return row === undefined ? [] : [row];
  });
  const digits = (rows.length > 0 ? rows.join('') : text).replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Problem('this is no text of bytes in hexadecimal digits');
  return Buffer.from(digits, 'hex');
}

/** One instruction's bytes, as Mesa's listings have them. */
const row = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

export interface ListingOptions {
  /** Input: bytes as hexadecimal text. */
  hex?: boolean;
  /** Each instruction's bytes in front of it. */
  bytes?: boolean;
}

/** The listing of a program, a line an instruction. */
export function listing(code: Uint8Array, { bytes }: ListingOptions = {}): string {
  if (code.length % INSTRUCTION_BYTES !== 0) {
    throw new Problem(`a program is made of instructions of ${INSTRUCTION_BYTES} bytes; this has ${code.length}`);
  }
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  let out = '';
  for (let at = 0; at < code.length; at += INSTRUCTION_BYTES) {
    const text = disassembleWord(view.getUint32(at, true), view.getUint32(at + 4, true));
    out += bytes ? `${row(code.subarray(at, at + INSTRUCTION_BYTES))}    ${text}\n` : `${text}\n`;
  }
  return out;
}

export async function disasm(file: string, options: ListingOptions): Promise<number> {
  await put(listing(given(await read(file), options), options));
  return 0;
}

/** What a file holds: bytes, or the text of bytes. */
export const given = (input: Buffer, { hex }: ListingOptions): Buffer => (hex ? bytesOf(input.toString()) : input);

export async function decode(file: string, options: ListingOptions): Promise<number> {
  await put(streamListing(given(await read(file), options)));
  return 0;
}

/** Command-stream instructions, a line each. */
export function streamListing(code: Uint8Array): string {
  if (code.length % CS_INSTRUCTION_SIZE !== 0) {
    throw new Problem(
      `a command stream is made of instructions of ${CS_INSTRUCTION_SIZE} bytes; this has ${code.length}`,
    );
  }
  const lines: string[] = [];
  for (let at = 0; at < code.length; at += CS_INSTRUCTION_SIZE) lines.push(`${printCs(viewOf(code), at)}\n`);
  return lines.join('');
}

export interface AsmOptions {
  output?: string;
  bytes?: boolean;
}

export async function asm(file: string, { output, bytes }: AsmOptions): Promise<number> {
  const code = assembled((await read(file)).toString());
  const text = bytes || (output === undefined && process.stdout.isTTY);
  const result = text ? listing(code, { bytes: true }) : code;
  if (output === undefined) await put(result);
  else {
    try {
      await writeFile(output, result);
    } catch (error) {
      throw new Problem(`${output} cannot be written: ${(error as Error).message}`);
    }
  }
  return 0;
}

/** A program's bytes. What no GPU could execute is refused as Mesa's assembler refuses it. */
export function assembled(text: string): Uint8Array {
  let words: Uint32Array<ArrayBuffer>;
  try {
    words = assemble(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Problem(error.message);
    throw error;
  }
  for (let i = 0; i < words.length; i += 2) {
    try {
      const problem = unfetchable(words[i]!, words[i + 1]!);
      if (problem !== undefined) throw new Problem(`instruction ${i / 2}: ${problem}`);
    } catch (error) {
      // A `.quad` need not be an instruction.
      if (!(error instanceof EncodingError)) throw error;
    }
  }
  return new Uint8Array(words.buffer);
}

/** To standard output, all of it before the process ends. */
function put(data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(data, (error) =>
      error && (error as NodeJS.ErrnoException).code !== 'EPIPE' ? reject(error) : resolve(),
    );
  });
}
