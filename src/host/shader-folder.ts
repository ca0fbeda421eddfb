/**
 * ShaderFolder: the shader programs that machines are given to run, a file each, named after their bytes: whoever meets one again,
 * in this run or another, writes nothing. `tyr disasm` reads them.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../board/log.ts';
import type { DecoderOptions } from '../mali/decode/decoder.ts';
import { Problem } from './userland/problem.ts';

/** Names the folder for machines that are told of none: so one command tells all processes that it starts. */
export const SHADERS_VARIABLE = 'TYR_SHADERS';
const NAME = /^[0-9a-f]{40}\.bin$/;

export class ShaderFolder {
  readonly #folder: string;
  readonly #log: Log;
  readonly #kept = new Set<string>();
  #failed = false;

  /** Throws Problem where nothing can be written. */
  constructor(folder: string, log: Log) {
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new Problem(`shader programs cannot be kept: ${(error as Error).message}`);
    }
    this.#folder = folder;
    this.#log = log;
  }

  /** What the disk does not take is no matter of the GPU's, which asks for it: it is told once, and no more are kept. */
  keep(code: Uint32Array): void {
    if (this.#failed) return;
    try {
      this.#write(code);
    } catch (error) {
      this.#failed = true;
      this.#log('error', 'shaders', `no more shader programs are kept: ${(error as Error).message}`);
    }
  }

  #write(code: Uint32Array): void {
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
  log: Log,
  folder = process.env[SHADERS_VARIABLE],
): DecoderOptions | undefined {
  if (!folder) return asked;
  const shaders = new ShaderFolder(folder, log);
  return {
    write: asked?.write,
    program: (address, code) => {
      asked?.program?.(address, code);
      shaders.keep(code);
    },
  };
}
