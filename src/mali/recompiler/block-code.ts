/**
 * The code of a unit's blocks: instruction after instruction, and what ends each. An instruction is lane operations on the
 * registers' locals (lower.ts), or one of those that have an emitter of their own (loads, textures, …), or a call of the
 * interpreter's step.
 */
import { FLOW_END, HALVES } from '../../abi/isa/encoding.ts';
import type { Instruction } from '../shader/decode.ts';
import type { Code } from '../wasm/builder.ts';
import type { Block, Site, Unit } from './flow.ts';
import type { FlowCode } from './flow-code.ts';
import { STATUS, STEP } from './frame.ts';
import type { LaneCode, Lanes } from './lanes.ts';
import { crosses, lower, lowerDiscard, type Operands } from './lower.ts';
import type { OutputCode } from './output.ts';
import type { RegisterFile } from './register-file.ts';
import { isUnread } from './unread-words.ts';

/** Emits some instructions; false: this one is none of them. */
export interface Emitter {
  emit(site: Site): boolean;
}

/** What the function around has for the code of blocks. */
export interface AroundBlocks extends Operands {
  readonly unit: Unit;
  readonly code: Code;
  readonly lanes: LaneCode;
  readonly registers: RegisterFile;
  readonly flow: FlowCode;
  readonly output: OutputCode;
  readonly messages: Emitter;
  /** Locals: lanes that run, lanes without effect, instructions left. */
  readonly bits: number;
  readonly discarded: number;
  readonly fuel: number;
  /** Vectors of the lanes that run. */
  readonly running: readonly number[];
  /** Calls the interpreter's step; pushes what it answers (STEP). */
  call(site: Site): void;
  /** Calls the interpreter's step. */
  interpret(site: Site): void;
}

export class BlockCode {
  /** An instruction is always the interpreter's. */
  slow = false;
  /** Address of the instruction in work. */
  pc = 0;
  readonly #a: AroundBlocks;
  readonly #word: number;

  constructor(around: AroundBlocks) {
    this.#a = around;
    this.#word = around.code.local('i32');
  }

  /** Emits block n of the unit. */
  emit(n: number, block: Block): void {
    const code = this.#a.code;
    const flow = this.#a.flow;
    if (block.sites.length > 0) code.get(this.#a.fuel).i32(block.sites.length).op('i32_sub').set(this.#a.fuel);
    const last = block.end === 'fall' || block.end === 'leave' || block.end === 'end' ? undefined : block.sites.at(-1);
    for (let at = 0; at < block.sites.length && block.sites[at] !== last; at++) this.#plain(block, at);
    switch (block.end) {
      case 'fall':
        flow.goto(n, block.next, true);
        break;
      case 'end':
        break;
      case 'leave':
        flow.hand(STATUS.LEAVE, n);
        break;
      case 'branch':
        this.#branch(n, block, last!);
        break;
      case 'blend':
        this.#blend(n, block, last!);
        break;
      case 'barrier':
        flow.hand(STATUS.BARRIER, n);
        break;
      case 'indirect':
        flow.hand(STATUS.INDIRECT, n);
        break;
    }
  }

  /** One instruction that goes on to the next. */
  #plain(block: Block, at: number): void {
    const site = block.sites[at]!;
    const { instruction } = site;
    this.pc = site.pc;
    if (instruction.spec.name === 'NOP') {
      // Only its flow counts.
    } else {
      const known = this.#lowered(block, at, instruction) || this.#a.messages.emit(site);
      if (!known) {
        this.slow = true;
        this.#a.interpret(site);
      }
    }
    this.#a.registers.settle(site);
    this.#a.flow.after(instruction.flow);
  }

  #lowered(block: Block, at: number, i: Instruction): boolean {
    const { code, lanes, bits, discarded, registers } = this.#a;
    const discard = lowerDiscard(this.#a, i);
    if (discard) {
      lanes.bitmask(discard);
      code.get(bits).op('i32_and').get(discarded).op('i32_or').set(discarded);
      return true;
    }
    const results = i.dest >= 0 ? lower(this.#a, i) : undefined;
    if (!results) return false;
    if (this.#a.flow.whole && results.length === 1 && i.destHalves === HALVES.BOTH) {
      const halves = results[0]!.halves;
      if (halves?.low && halves.high && isUnread(block, at, i.dest) && !crosses(i)) {
        for (let k = 0; k < lanes.vectors; k++) registers.shadow(i.dest, results[0]!, k, 'both');
        return true;
      }
    }
    const store = (k: number): void => {
      for (let n = results.length - 1; n >= 0; n--) code.set(registers.locals(i.dest + n)[k]!);
      for (let n = 0; n < results.length; n++) {
        const part = n > 0 || i.destHalves === HALVES.BOTH ? 'both' : i.destHalves === HALVES.LOW ? 'low' : 'high';
        registers.shadow(i.dest + n, results[n]!, k, part);
      }
    };
    // An instruction that reads other vectors must have read all before the first is overwritten.
    const late = crosses(i);
    for (let k = 0; k < lanes.vectors; k++) {
      for (let n = 0; n < results.length; n++) this.#result(i, i.dest + n, results[n]!, k);
      if (!late) store(k);
    }
    if (late) for (let k = lanes.vectors - 1; k >= 0; k--) store(k);
    return true;
  }

  /** Pushes what a register will hold. */
  #result(i: Instruction, register: number, value: Lanes, k: number): void {
    const code = this.#a.code;
    const old = this.#a.registers.locals(register)[k]!;
    // The upper register of a pair is written whole.
    const whole = i.destHalves === HALVES.BOTH || register !== i.dest;
    const part = whole ? undefined : this.#a.lanes.words(i.destHalves === HALVES.LOW ? 0xffff : 0xffff0000);
    value(k);
    if (part) {
      code.get(old);
      part(k);
      code.op('i8x16_relaxed_laneselect');
    }
    if (this.#a.flow.masked) code.get(old).get(this.#a.running[k]!).op('i8x16_relaxed_laneselect');
  }

  #branch(n: number, block: Block, site: Site): void {
    const { instruction: i } = site;
    if (block.always !== undefined) {
      if (block.always) this.#a.flow.goto(n, block.target, true);
      else this.#fall(n, block, i.flow);
      return;
    }
    const source = i.sources[0]!;
    const { lanes } = this.#a;
    let value: Lanes = source.kind === 'uniform' ? this.#a.uniform(source.index) : this.#a.register(source.index);
    if (source.select === 'h0') value = lanes.and(value, lanes.words(0xffff));
    else if (source.select === 'h1') value = lanes.and(value, lanes.words(0xffff0000));
    const test = lanes.op(i.modifiers.eq === 'eq' ? 'i32x4_eq' : 'i32x4_ne', value, lanes.words(0));
    this.#a.flow.branch(n, block, i.flow, test);
    this.#fall(n, block, i.flow);
  }

  /** Lanes that did not branch: the instruction's flow, then the next block. */
  #fall(n: number, block: Block, flow: number): void {
    this.#a.flow.after(flow);
    if (flow !== FLOW_END) this.#a.flow.goto(n, block.next, true);
  }

  #blend(n: number, block: Block, site: Site): void {
    const code = this.#a.code;
    const { instruction: i } = site;
    const how = this.#a.output.blend(i);
    // What lies behind is left out where no lane is to come there (calls.ts).
    const next = (last: boolean): void => {
      if (this.#a.unit.index.has(block.next)) this.#a.flow.goto(n, block.next, last);
      else this.#a.flow.hand(STATUS.LEAVE, n);
    };
    const go = (last: boolean): void => {
      if (i.flow !== FLOW_END && i.immediates.target !== 0) this.#a.flow.goto(n, block.target, last);
      else {
        this.#a.flow.after(i.flow);
        if (i.flow !== FLOW_END) next(last);
      }
    };
    if (how === 'done') {
      go(true);
      return;
    }
    if (how === 'on') {
      next(true);
      return;
    }
    if (how === 'asked') {
      code.likely().if();
      go(false);
      code.end();
    }
    this.#a.call(site);
    code.set(this.#word);
    // A thread that ends goes to no target.
    if (i.flow !== FLOW_END) {
      code.get(this.#word).i32(STEP.TAKEN).op('i32_eq');
      code.if();
      this.#a.flow.goto(n, block.target, false);
      code.end();
    }
    code.get(this.#word).i32(STEP.IGNORE_FLOW).op('i32_eq');
    code.if();
    next(false);
    code.end();
    this.#a.flow.after(i.flow);
    if (i.flow !== FLOW_END) next(true);
  }
}
