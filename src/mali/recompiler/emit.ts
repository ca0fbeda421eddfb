/**
 * From a unit's blocks to a WebAssembly function that runs a warp of sixteen lanes through them.
 *
 *     run(registers, frame) → status
 *
 * Registers live in locals, four vectors each; they are loaded at the start and stored at the end. Each lane has the number
 * of the block where it goes on (frame.ts); those with the lowest number run, and others join them where they arrive. As
 * long as all go the same way, blocks follow one another without a look at the lanes. An instruction without lane
 * operations is a call of the interpreter's step with the registers that it touches in memory.
 */
import { CONSTANTS, FLOW_DISCARD, FLOW_END, HALVES } from '../../abi/isa/encoding.ts';
import { scratch } from '../engine/scratch.ts';
import { TABLE_IMPORT } from '../engine/table.ts';
import { LANES } from '../shader/contract.ts';
import type { Instruction } from '../shader/decode.ts';
import { SAMPLER_TYPE } from '../texture/emit.ts';
import { type Callable, type Code, type Label, ModuleBuilder, type TypeIndex } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { AttributeCode } from './attribute.ts';
import { effectsOf } from './effects.ts';
import type { Block, Site, Unit } from './flow.ts';
import { FRAME, RECORD_BYTES, STATUS, STEP } from './frame.ts';
import { LaneCode, type Lanes } from './lanes.ts';
import { LATE_TYPE, LateCode } from './late.ts';
import { crosses, lower, lowerDiscard, type Operands } from './lower.ts';
import { MemoryCode } from './memory.ts';
import { BLEND_TYPE, OutputCode } from './output.ts';
import { type AroundTextures, TextureCode } from './texture.ts';
import { VaryingCode } from './varying.ts';

/** What besides its instructions makes a unit's code. */
export interface Mode {
  readonly flush32: boolean;
  readonly flush16: boolean;
  readonly fused: boolean;
  /** Other lanes of the warp live elsewhere: their registers are to be left alone. */
  readonly parted: boolean;
}

export interface Emitted {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Instructions that the function calls the interpreter for, by the number that it passes. */
  readonly steps: readonly Site[];
  /** Keeps the records of loads and stores in scratch memory. */
  readonly records: object;
}

const REGISTER_BYTES = LANES * 4;
const VECTOR_BYTES = 16;
const NOWHERE = -1;
/** Pages of 64 KiB that a 32-bit memory can have. */
const MAX_PAGES = 65536;

export function emitUnit(unit: Unit, mode: Mode): Emitted {
  // The first pass finds the constants, which must stand at the start.
  const first = new UnitEmitter(unit, mode, [], 0);
  first.emit();
  const records = {};
  const at = scratch.owned(records, Math.max(1, first.recordCount) * RECORD_BYTES);
  const second = new UnitEmitter(unit, mode, first.constants, at);
  second.emit();
  return { bytes: second.module.build(), steps: second.steps, records };
}

class UnitEmitter implements Operands, AroundTextures {
  readonly module = new ModuleBuilder();
  readonly steps: Site[] = [];
  readonly lanes: LaneCode;
  readonly flush32: boolean;
  readonly flush16: boolean;
  readonly #unit: Unit;
  readonly code: Code;
  readonly dram: number;
  readonly refill: Callable;
  readonly blendType: TypeIndex;
  readonly lateType: TypeIndex;
  readonly bind: Callable;
  readonly sampler: TypeIndex;
  recordCount = 0;
  readonly #records: number;
  readonly #memory: MemoryCode;
  readonly #attributes: AttributeCode;
  readonly #varyings: VaryingCode;
  readonly #textures: TextureCode;
  readonly #late: LateCode;
  readonly #output: OutputCode;
  readonly #step: Callable;
  readonly #constants = new Map<string, number>();
  readonly #used = new Set<number>();
  readonly #written = new Set<number>();
  readonly #registers = new Map<number, number[]>();
  readonly #next: number[];
  readonly #mask: number[];
  readonly #vector: number;
  readonly #target: number;
  readonly #bits: number;
  readonly #live: number;
  readonly #discarded: number;
  readonly #fuel: number;
  readonly #meet: number;
  readonly #fau: number;
  readonly #word: number;
  /** Whether lanes may part, so that results go to those that run alone. */
  readonly #masked: boolean;
  #top: Label = { depth: 0 };
  #labels: Label[] = [];

  constructor(unit: Unit, mode: Mode, constants: readonly string[], records: number) {
    this.#unit = unit;
    this.flush32 = mode.flush32;
    this.flush16 = mode.flush16;
    this.module.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
    // Memories of any size may be given.
    this.dram = this.module.importMemory('gpu', 'dram', 1, MAX_PAGES);
    this.#step = this.module.importFunction('gpu', 'step', ['i32', 'i32', 'i32', 'i32'], ['i32']);
    this.refill = this.module.importFunction('gpu', 'refill', ['i32', 'i32', 'i32'], ['i32']);
    this.bind = this.module.importFunction('gpu', 'bind', ['i32', 'i32', 'i32'], ['i32']);
    this.module.importTable(...TABLE_IMPORT);
    this.blendType = this.module.functionType(...BLEND_TYPE);
    this.lateType = this.module.functionType(...LATE_TYPE);
    this.sampler = this.module.functionType(SAMPLER_TYPE.params, SAMPLER_TYPE.results);
    this.#records = records;
    const code = this.module.function(`shade_${unit.entry.toString(16)}`, ['i32', 'i32'], ['i32']);
    this.code = code;
    this.lanes = new LaneCode(code, this.#constants, mode.fused);
    const vectors = (): number[] => Array.from({ length: this.lanes.vectors }, () => code.local('v128'));
    this.#next = vectors();
    this.#mask = vectors();
    this.#vector = code.local('v128');
    this.#target = code.local('i32');
    this.#bits = code.local('i32');
    this.#live = code.local('i32');
    this.#discarded = code.local('i32');
    this.#fuel = code.local('i32');
    this.#meet = code.local('i32');
    this.#fau = code.local('i32');
    this.#word = code.local('i32');
    for (const key of constants) {
      const local = code.local('v128');
      this.#constants.set(key, local);
      code.v128(...key.split(',').map(Number)).set(local);
    }
    this.#masked = mode.parted || parts(unit);
    for (const { sites } of unit.blocks) {
      for (const { instruction } of sites) {
        const { reads, writes } = effectsOf(instruction);
        for (const r of reads) this.#used.add(r);
        for (const r of writes) {
          this.#used.add(r);
          this.#written.add(r);
        }
      }
    }
    for (const r of this.#used) this.#registers.set(r, vectors());
    this.#memory = new MemoryCode(this);
    this.#attributes = new AttributeCode(this);
    this.#varyings = new VaryingCode(this);
    this.#textures = new TextureCode(this);
    this.#late = new LateCode(this);
    this.#output = new OutputCode(this, this.#late);
    this.module.exportFunction('run', code);
  }

  get constants(): string[] {
    return [...this.#constants.keys()];
  }

  // Operands.

  register(index: number): Lanes {
    return this.lanes.local(this.#registers.get(index)!);
  }

  uniform(index: number): Lanes {
    return () => this.code.get(this.#fau).memory('v128_load32_splat', index * 4);
  }

  get running(): Lanes {
    return this.lanes.local(this.#mask);
  }

  // Around.

  get bits(): number {
    return this.#bits;
  }

  get discarded(): number {
    return this.#discarded;
  }

  get mask(): readonly number[] | undefined {
    return this.#masked ? this.#mask : undefined;
  }

  locals(register: number): readonly number[] {
    return this.#registers.get(register)!;
  }

  functionType(params: readonly ValueType[], results: readonly ValueType[]): TypeIndex {
    return this.module.functionType(params, results);
  }

  record(): number {
    return this.#records + this.recordCount++ * RECORD_BYTES;
  }

  interpret(site: Site): void {
    this.#call(site);
    this.code.op('drop');
  }

  // The function.

  emit(): void {
    const code = this.code;
    const { blocks } = this.#unit;
    code.get(1).memory('i32_load', FRAME.fresh);
    code.if();
    for (const r of this.#unit.live) if (this.#used.has(r)) this.#load(r);
    code.else();
    for (const r of this.#used) this.#load(r);
    code.end();
    for (let k = 0; k < this.lanes.vectors; k++) {
      code
        .get(1)
        .memory('v128_load', FRAME.next + k * VECTOR_BYTES)
        .set(this.#next[k]!);
    }
    code.get(1).memory('i32_load', FRAME.live).set(this.#live);
    code.get(1).memory('i32_load', FRAME.discarded).set(this.#discarded);
    code.get(1).memory('i32_load', FRAME.fuel).set(this.#fuel);
    code.get(1).memory('i32_load', FRAME.fau).set(this.#fau);
    this.#top = code.loop();
    this.#schedule();
    const labels: Label[] = [];
    for (let n = blocks.length - 1; n >= 0; n--) labels[n] = code.block();
    this.#labels = labels;
    code.get(this.#target).brTable(labels, labels[0]!);
    for (const [n, block] of blocks.entries()) {
      code.end();
      this.#block(n, block);
    }
    code.end();
    code.op('unreachable');
  }

  /** Picks the lanes that are furthest behind, and where they meet others. */
  #schedule(): void {
    const code = this.code;
    this.#least(this.#next.map((local) => () => code.get(local)));
    code.tee(this.#target).i32(NOWHERE).op('i32_eq');
    code.if();
    this.#leave(STATUS.DONE);
    code.end();
    code.get(this.#fuel).i32(1).op('i32_lt_s');
    code.if();
    this.#leave(STATUS.MORE);
    code.end();
    code.get(this.#target).op('i32x4_splat').set(this.#vector);
    for (let k = 0; k < this.lanes.vectors; k++) {
      code.get(this.#next[k]!).get(this.#vector).op('i32x4_eq').set(this.#mask[k]!);
    }
    this.lanes.bitmask((k) => code.get(this.#mask[k]!));
    code.set(this.#bits);
    this.#least(
      this.#next.map((local, k) => () => {
        code.get(local).get(this.#mask[k]!).op('v128_or');
      }),
    );
    code.set(this.#meet);
  }

  /** Pushes the least of sixteen unsigned words. */
  #least(vectors: (() => void)[]): void {
    const code = this.code;
    vectors[0]!();
    for (let k = 1; k < this.lanes.vectors; k++) {
      vectors[k]!();
      code.op('i32x4_min_u');
    }
    code.tee(this.#vector).get(this.#vector).get(this.#vector).shuffle32(2, 3, 0, 1).op('i32x4_min_u');
    code.tee(this.#vector).get(this.#vector).get(this.#vector).shuffle32(1, 0, 3, 2).op('i32x4_min_u');
    code.lane('i32x4_extract_lane', 0);
  }

  #load(r: number): void {
    for (const [k, local] of this.#registers.get(r)!.entries()) {
      this.code
        .get(0)
        .memory('v128_load', r * REGISTER_BYTES + k * VECTOR_BYTES)
        .set(local);
    }
  }

  #store(r: number): void {
    for (const [k, local] of this.#registers.get(r)!.entries()) {
      this.code
        .get(0)
        .get(local)
        .memory('v128_store', r * REGISTER_BYTES + k * VECTOR_BYTES);
    }
  }

  /** Returns with everything in memory. */
  #leave(status: number): void {
    const code = this.code;
    for (const r of this.#written) this.#store(r);
    for (let k = 0; k < this.lanes.vectors; k++) {
      code
        .get(1)
        .get(this.#next[k]!)
        .memory('v128_store', FRAME.next + k * VECTOR_BYTES);
    }
    code.get(1).get(this.#live).memory('i32_store', FRAME.live);
    code.get(1).get(this.#discarded).memory('i32_store', FRAME.discarded);
    code.get(1).get(this.#fuel).memory('i32_store', FRAME.fuel);
    code.i32(status).op('return');
  }

  /** Returns for lanes that this function cannot take further; `place` says which block. */
  #hand(status: number, place: number): void {
    const code = this.code;
    code.get(1).get(this.#bits).memory('i32_store', FRAME.mask);
    code.get(1).i32(place).memory('i32_store', FRAME.place);
    this.#end(this.#mask);
    this.#leave(status);
  }

  /** Lanes of `mask` go nowhere any more. */
  #end(mask: readonly number[]): void {
    for (let k = 0; k < this.lanes.vectors; k++) {
      this.code.get(this.#next[k]!).get(mask[k]!).op('v128_or').set(this.#next[k]!);
    }
  }

  // Blocks.

  #block(n: number, block: Block): void {
    const code = this.code;
    if (block.sites.length > 0) code.get(this.#fuel).i32(block.sites.length).op('i32_sub').set(this.#fuel);
    const last = block.end === 'fall' || block.end === 'leave' || block.end === 'end' ? undefined : block.sites.at(-1);
    for (const site of block.sites) {
      if (site === last) break;
      this.#plain(site);
    }
    switch (block.end) {
      case 'fall':
        this.#goto(n, block.next, true);
        break;
      case 'end':
        break;
      case 'leave':
        this.#hand(STATUS.LEAVE, n);
        break;
      case 'branch':
        this.#branch(n, block, last!);
        break;
      case 'blend':
        this.#blend(n, block, last!);
        break;
      case 'barrier':
        this.#hand(STATUS.BARRIER, n);
        break;
      case 'indirect':
        this.#hand(STATUS.INDIRECT, n);
        break;
    }
  }

  /** Number of the block at `pc`. */
  #numberOf(pc: number): number {
    return this.#unit.index.get(pc)!;
  }

  /** The running lanes go on at `pc`. `last`: nothing of the block follows, so that the next one is fallen into. */
  #goto(from: number, pc: number, last: boolean): void {
    const code = this.code;
    const n = this.#numberOf(pc);
    if (n <= from) {
      this.#park(n, this.#mask);
      code.br(this.#top);
      return;
    }
    if (this.#masked) {
      code.get(this.#meet).i32(n).op('i32_le_u');
      code.if();
      this.#park(n, this.#mask);
      code.br(this.#top);
      code.end();
    }
    if (!last || n > from + 1) code.br(this.#labels[n]!);
  }

  #park(n: number, mask: readonly number[]): void {
    const code = this.code;
    const where = this.lanes.words(n);
    for (let k = 0; k < this.lanes.vectors; k++) {
      where(k);
      code.get(this.#next[k]!).get(mask[k]!).op('v128_bitselect').set(this.#next[k]!);
    }
  }

  /** What an instruction's flow field asks for once it is done. */
  #flow(flow: number): void {
    const code = this.code;
    if (flow === FLOW_END) {
      this.#end(this.#mask);
      code.get(this.#live).get(this.#bits).i32(-1).op('i32_xor').op('i32_and').set(this.#live);
      code.br(this.#top);
    } else if (flow === FLOW_DISCARD) {
      code.get(this.#discarded).get(this.#bits).op('i32_and').tee(this.#word);
      code.if();
      for (const local of [this.#live, this.#discarded, this.#bits]) {
        code.get(local).get(this.#word).i32(-1).op('i32_xor').op('i32_and').set(local);
      }
      for (let k = 0; k < this.lanes.vectors; k++) {
        const bits = this.lanes.words(...[0, 1, 2, 3].map((lane) => 1 << (4 * k + lane)));
        code.get(this.#word).op('i32x4_splat');
        bits(k);
        code.op('v128_and');
        bits(k);
        code.op('i32x4_eq').get(this.#mask[k]!).op('v128_and').set(this.#vector);
        code.get(this.#next[k]!).get(this.#vector).op('v128_or').set(this.#next[k]!);
        code.get(this.#mask[k]!).get(this.#vector).op('v128_andnot').set(this.#mask[k]!);
      }
      code.get(this.#bits).op('i32_eqz').brIf(this.#top);
      code.end();
    }
  }

  /** One instruction that goes on to the next. */
  #plain(site: Site): void {
    const { instruction } = site;
    if (instruction.spec.name === 'NOP') {
      // Only its flow counts.
    } else {
      const known =
        this.#lowered(instruction) ||
        this.#memory.emit(site) ||
        this.#attributes.emit(site) ||
        this.#varyings.emit(site) ||
        this.#textures.emit(site) ||
        this.#late.emit(site);
      if (!known) this.interpret(site);
    }
    this.lanes.release();
    this.#flow(instruction.flow);
  }

  #lowered(i: Instruction): boolean {
    const code = this.code;
    const discard = lowerDiscard(this, i);
    if (discard) {
      this.lanes.bitmask(discard);
      code.get(this.#bits).op('i32_and').get(this.#discarded).op('i32_or').set(this.#discarded);
      return true;
    }
    const results = i.dest >= 0 ? lower(this, i) : undefined;
    if (!results) return false;
    const store = (k: number): void => {
      for (let n = results.length - 1; n >= 0; n--) code.set(this.#registers.get(i.dest + n)![k]!);
    };
    // An instruction that reads other vectors must have read all before the first is overwritten.
    const late = crosses(i);
    for (let k = 0; k < this.lanes.vectors; k++) {
      for (const [n, value] of results.entries()) this.#result(i, i.dest + n, value, k);
      if (!late) store(k);
    }
    if (late) for (let k = this.lanes.vectors - 1; k >= 0; k--) store(k);
    return true;
  }

  /** Pushes what a register will hold. */
  #result(i: Instruction, register: number, value: Lanes, k: number): void {
    const code = this.code;
    const old = this.#registers.get(register)![k]!;
    // The upper register of a pair is written whole.
    const whole = i.destHalves === HALVES.BOTH || register !== i.dest;
    const part = whole ? undefined : this.lanes.words(i.destHalves === HALVES.LOW ? 0xffff : 0xffff0000);
    value(k);
    if (part) {
      code.get(old);
      part(k);
      code.op('v128_bitselect');
    }
    if (this.#masked) code.get(old).get(this.#mask[k]!).op('v128_bitselect');
  }

  /** Calls the interpreter's step; pushes what it answers. */
  #call(site: Site): void {
    const code = this.code;
    const { reads, writes } = effectsOf(site.instruction);
    for (const r of new Set([...reads, ...writes])) this.#store(r);
    code.i32(this.steps.length).get(this.#bits).get(this.#live).get(this.#discarded).call(this.#step);
    this.steps.push(site);
    for (const r of writes) this.#load(r);
    if (site.instruction.spec.base === 'DISCARD') {
      code.get(1).memory('i32_load', FRAME.discarded).set(this.#discarded);
    }
  }

  #branch(n: number, block: Block, site: Site): void {
    const code = this.code;
    const { instruction: i } = site;
    const constant = always(site);
    if (constant !== undefined) {
      if (constant) this.#goto(n, block.target, true);
      else this.#fall(n, block, i.flow);
      return;
    }
    const source = i.sources[0]!;
    const { lanes } = this;
    let value: Lanes = source.kind === 'uniform' ? this.uniform(source.index) : this.register(source.index);
    if (source.select === 'h0') value = lanes.and(value, lanes.words(0xffff));
    else if (source.select === 'h1') value = lanes.and(value, lanes.words(0xffff0000));
    const test = lanes.op(i.modifiers.eq === 'eq' ? 'i32x4_eq' : 'i32x4_ne', value, lanes.words(0));
    this.lanes.bitmask(test);
    code.get(this.#bits).op('i32_and').tee(this.#word).get(this.#bits).op('i32_eq');
    code.if();
    this.#goto(n, block.target, false);
    code.end();
    code.get(this.#word);
    code.if();
    if (i.flow === FLOW_END) {
      this.#end(this.#mask);
      code.get(this.#live).get(this.#bits).get(this.#word).op('i32_xor').i32(-1).op('i32_xor').op('i32_and');
      code.set(this.#live);
    } else this.#park(this.#numberOf(block.next), this.#mask);
    for (let k = 0; k < this.lanes.vectors; k++) {
      lanes.words(this.#numberOf(block.target))(k);
      code.get(this.#next[k]!);
      test(k);
      code.get(this.#mask[k]!).op('v128_and').op('v128_bitselect').set(this.#next[k]!);
    }
    lanes.release();
    code.br(this.#top);
    code.end();
    this.#fall(n, block, i.flow);
  }

  /** Lanes that did not branch: the instruction's flow, then the next block. */
  #fall(n: number, block: Block, flow: number): void {
    this.#flow(flow);
    if (flow !== FLOW_END) this.#goto(n, block.next, true);
  }

  #blend(n: number, block: Block, site: Site): void {
    const code = this.code;
    const { instruction: i } = site;
    if (this.#output.blend(i)) {
      code.if();
      if (i.flow !== FLOW_END && i.immediates.target !== 0) this.#goto(n, block.target, false);
      else {
        this.#flow(i.flow);
        if (i.flow !== FLOW_END) this.#goto(n, block.next, false);
      }
      code.end();
    }
    this.#call(site);
    code.tee(this.#word).i32(STEP.TAKEN).op('i32_eq');
    code.if();
    this.#goto(n, block.target, false);
    code.end();
    code.get(this.#word).i32(STEP.IGNORE_FLOW).op('i32_eq');
    code.if();
    this.#goto(n, block.next, false);
    code.end();
    this.#fall(n, block, site.instruction.flow);
  }
}

/** Whether lanes that run a unit together may part in it. */
export const parts = ({ blocks }: Unit): boolean =>
  blocks.some(({ end, sites }) => end === 'indirect' || (end === 'branch' && always(sites.at(-1)!) === undefined));

/** Whether a branch is always taken, or never; undefined: it depends. */
function always({ instruction: i }: Site): boolean | undefined {
  const source = i.sources[0]!;
  if (source.kind !== 'constant') return undefined;
  const word = CONSTANTS[source.index]!;
  const part = source.select === 'h0' ? word & 0xffff : source.select === 'h1' ? word >>> 16 : word;
  return (part === 0) === (i.modifiers.eq === 'eq');
}
