/**
 * Decoder: what command streams execute, as text: each instruction, and beneath a RUN_* all that it points to, as it is when the
 * stream comes to it.
 *
 * Nothing that it meets can harm it or the machine: it changes nothing, what cannot be read is said to be unreadable, and what
 * one instruction may print is bounded (page.ts).
 * What pandecode does (Mesa 25.0.7 `src/panfrost/lib/genxml/decode_csf.c`), but along the way that the stream really takes.
 */
import { type CommandSet, CS_10, CS_INSTRUCTION_SIZE, type CsName, type CsOperands } from '../../abi/gpu/cs.ts';
import { COMPUTE_REGISTERS as COMPUTE, fauOf, pairOf } from '../../abi/gpu/cs-registers.ts';
import { ComputeSizeWorkgroup } from '../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../abi/layout.ts';
import type { RunRequest, Tracer, VirtualMemory } from '../contract.ts';
import { printFragment, printFullscreen, printIdvs, printTiling } from './graphics.ts';
import { Page } from './page.ts';
import { Programs, printResources, printStorage, printUniforms } from './shader.ts';

export interface DecoderOptions {
  /** What streams are made of; by default architecture 10's. */
  readonly commands?: CommandSet | undefined;
  /** Takes the text line by line, without its newline. Without it programs alone are looked for, which costs little. */
  readonly write?: ((line: string) => void) | undefined;
  /** Called with the instructions of every shader program that is met, two words each. */
  readonly program?: ((address: number, code: Uint32Array) => void) | undefined;
}

/** The instruction set's widest printed address. */
const ADDRESS_DIGITS = 12;
const INDENT = '  ';

export class Decoder implements Tracer {
  readonly #write: ((line: string) => void) | undefined;
  readonly #programs: Programs;
  readonly #commands: CommandSet;
  /** The stream whose instructions were printed last. */
  #stream = '';

  constructor({ write, program = () => {}, commands = CS_10 }: DecoderOptions) {
    this.#commands = commands;
    this.#write = write;
    this.#programs = new Programs(program);
  }

  instructions(stream: string, memory: VirtualMemory, address: number, count: number, depth: number): void {
    if (!this.#write) return;
    if (stream !== this.#stream) {
      this.#write(`${stream}:`);
      this.#stream = stream;
    }
    const page = new Page(memory, this.#write, INDENT.repeat(depth + 1));
    const data = page.bytes(address, count * CS_INSTRUCTION_SIZE);
    for (let i = 0; i < count; i++) {
      const at = address + i * CS_INSTRUCTION_SIZE;
      const text = data ? this.#commands.print(viewOf(data), i * CS_INSTRUCTION_SIZE) : 'unreadable';
      page.line(`${at.toString(16).padStart(ADDRESS_DIGITS, '0')}: ${text}`);
    }
  }

  run(name: CsName, request: RunRequest<any>, depth: number): void {
    const page = new Page(request.memory, this.#write, INDENT.repeat(depth + 3));
    try {
      this.#print(name, page, request);
    } catch (error) {
      // A bug of this decoder's own is no reason to stop the job that it looks at, but for who reads no text.
      if (!this.#write) throw error;
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#write(`the decoder is at fault: ${text}`);
    }
  }

  #print(name: CsName, page: Page, request: RunRequest<any>): void {
    const { registers } = request;
    switch (name) {
      case 'RUN_COMPUTE':
      case 'RUN_COMPUTE_INDIRECT':
        this.#compute(page, registers, request.operands);
        break;
      case 'RUN_IDVS':
        printIdvs(page, registers, request.operands, this.#programs);
        break;
      case 'RUN_FRAGMENT':
        printFragment(page, registers, this.#programs);
        break;
      case 'RUN_FULLSCREEN': {
        const { dcd, flagsOverride } = request.operands as CsOperands<'RUN_FULLSCREEN'>;
        printFullscreen(page, registers, pairOf(registers, dcd), flagsOverride, this.#programs);
        break;
      }
      case 'RUN_TILING':
      case 'FINISH_TILING':
        printTiling(page, registers);
        break;
    }
  }

  #compute(page: Page, registers: Uint32Array, operands: CsOperands<'RUN_COMPUTE'>): void {
    const word = (index: number): number => registers[index]!;
    page.words('workgroup', ComputeSizeWorkgroup, [word(COMPUTE.workgroupSize)]);
    page.line(`${word(COMPUTE.jobSizeX)} × ${word(COMPUTE.jobSizeY)} × ${word(COMPUTE.jobSizeZ)} workgroups`);
    page.line(`from ${word(COMPUTE.jobOffsetX)}, ${word(COMPUTE.jobOffsetY)}, ${word(COMPUTE.jobOffsetZ)}`);
    const uniforms = fauOf(registers, COMPUTE.fau[operands.fauSelect]!);
    this.#programs.print(page, 'compute', pairOf(registers, COMPUTE.spd[operands.spdSelect]!));
    printUniforms(page, 'compute', uniforms.address, uniforms.count);
    printResources(page, 'compute', pairOf(registers, COMPUTE.srt[operands.srtSelect]!));
    printStorage(page, 'compute', pairOf(registers, COMPUTE.tsd[operands.tsdSelect]!));
  }
}
