/** What compiling an instruction means: a function from the decoded instruction to one that runs it for a warp. */
import type { Instruction } from './decode.ts';
import type { WarpState } from './warp.ts';

export type Exec = (w: WarpState) => void;
export type Compiler = (instruction: Instruction) => Exec;
/** Compilers by the instruction's full name. */
export type Compilers = Record<string, Compiler>;
