/**
 * ShaderFolder: the shader programs that machines are given to run, a file each, named after their bytes: whoever meets one again,
 * in this run or another, writes nothing. `tyr disasm` reads them.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DecoderOptions } from '../mali/decode/decoder.ts';

/** Names the folder for machines that are told of none: so one command tells all processes that it starts. */
export const SHADERS_VARIABLE = 'TYR_SHADERS';
const NAME = /^[0-9a-f]{40}\.bin$/;

export class ShaderFolder {
  readonly #folder: string;
  readonly #kept = new Set<string>();

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
  }

  keep(code: Uint32Array): void {
    const bytes = new Uint8Array(code.buffer, code.byteOffset, code.byteLength);
    const name = `${createHash('sha1').update(bytes).digest('hex')}.bin`;
    if (this.#kept.has(name)) return;
    this.#kept.add(name);
    const path = join(this.#folder, name);
    if (existsSync(path)) return;
    // A machine may be ended at any moment, and leaves no half of a program.
    const part = `${path}.${process.pid}`;
    writeFileSync(part, bytes);
    renameSync(part, path);
  }
}

/** What lies in such a folder. */
export function* shadersOf(folder: string): Generator<{ name: string; code: Uint32Array }> {
  for (const name of readdirSync(folder).filter((each) => NAME.test(each))) {
    const bytes = readFileSync(join(folder, name));
    yield { name, code: new Uint32Array(Uint8Array.from(bytes).buffer) };
  }
}

/** What a machine's decoder has to do: what is asked for, and to keep programs where a folder is named. */
export function decoding(
  asked: DecoderOptions | undefined,
  folder = process.env[SHADERS_VARIABLE],
): DecoderOptions | undefined {
  if (!folder) return asked;
  const shaders = new ShaderFolder(folder);
  return {
    write: asked?.write,
    program: (address, code) => {
      asked?.program?.(address, code);
      shaders.keep(code);
    },
  };
}
