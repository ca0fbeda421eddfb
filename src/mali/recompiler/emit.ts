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
import { INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import { scratch } from '../engine/scratch.ts';
import { TABLE_IMPORT } from '../engine/table.ts';
import { THREAD_PRELOADS } from '../engine/threads.ts';
import { BLEND_QUAD } from '../fragment/wasm/blend.ts';
import { SAMPLER_TYPE } from '../texture/emit.ts';
import { type Callable, type Code, type Label, ModuleBuilder, type TypeIndex } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { type AroundBlocks, BlockCode } from './block-code.ts';
import type { ListWays } from './draw-ways.ts';
import { REGISTERS } from './effects.ts';
import type { Site, Unit } from './flow.ts';
import type { Body, Feed } from './flow-code.ts';
import { FRAME, RECORD_BYTES, STATUS } from './frame.ts';
import type { Part } from './half-lanes.ts';
import { LaneCode, type Lanes, type PAIR_VECTORS, WARP_VECTORS } from './lanes.ts';
import { LATE_TYPE } from './late.ts';
import { MessageCode } from './messages.ts';
import { OutputCode } from './output.ts';
import { PartedFlow } from './parted-flow.ts';
import { parts } from './parts.ts';
import { QuadFeed } from './quad-feed.ts';
import { RegisterFile } from './register-file.ts';
import { isStraight, StraightFlow } from './straight-flow.ts';
import type { AroundTextures, TextureWant } from './texture.ts';
import { ThreadFeed } from './thread-feed.ts';

/** What besides its instructions makes a unit's code. */
export interface Mode {
  readonly flush32: boolean;
  readonly flush16: boolean;
  readonly fused: boolean;
  /** Other lanes of the warp live elsewhere: their registers are to be left alone. */
  readonly parted: boolean;
  /** Takes warp after warp from a list, from the unit's entry on: of quads or, for other stages, of threads. */
  readonly list: 'fragment' | keyof typeof THREAD_PRELOADS | undefined;
  /** Of a list of quads: what the draw does. */
  readonly ways: ListWays | undefined;
  /** Quads at a time: of a whole warp, or fewer. */
  readonly vectors: typeof PAIR_VECTORS | typeof WARP_VECTORS;
}

export interface Emitted {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly vectors: number;
  /** Instructions that the function calls the interpreter for, by the number that it passes. */
  readonly steps: readonly Site[];
  /** What its texture instructions want, by the number that it passes. */
  readonly wants: readonly TextureWant[];
  /** Bytes of the records of its loads and stores, which FRAME.records has to name. */
  readonly recordBytes: number;
}

/** Pages of 64 KiB that a 32-bit memory can have. */
const MAX_PAGES = 65536;

/**
 * A unit's module. Its bytes depend on nothing but the unit and the mode, so that V8 compiles once what several threads make of the
 * same shader.
 *
 * A function that works off a list by fewer quads than a warp is made only where no instruction is always the interpreter's.
 */
export function emitUnit(unit: Unit, wanted: Mode): Emitted {
  const recordBytes = messages(unit) * MOST_RECORDS * RECORD_BYTES;
  let mode = wanted;
  let emitter = new UnitEmitter(unit, mode, recordBytes);
  emitter.emit();
  if (emitter.blocks.slow && mode.vectors < WARP_VECTORS) {
    mode = { ...mode, vectors: WARP_VECTORS };
    emitter = new UnitEmitter(unit, mode, recordBytes);
    emitter.emit();
  }
  const { module, steps, wants } = emitter;
  return { bytes: module.build(), vectors: mode.vectors, steps, wants, recordBytes };
}

/** Records that an instruction may need. */
const MOST_RECORDS = 4;
/** Instructions that may need any. */
const messages = ({ blocks }: Unit): number =>
  blocks.reduce((sum, { sites }) => sum + sites.filter(({ instruction: { spec } }) => spec.message).length, 0);

class UnitEmitter implements AroundBlocks, AroundTextures, Body {
  readonly module = new ModuleBuilder();
  readonly steps: Site[] = [];
  readonly wants: TextureWant[] = [];
  readonly lanes: LaneCode;
  readonly flush32: boolean;
  readonly flush16: boolean;
  readonly unit: Unit;
  readonly code: Code;
  readonly dram: number;
  readonly refill: Callable;
  readonly blendType: TypeIndex;
  readonly lateType: TypeIndex;
  readonly bind: Callable;
  readonly sampler: TypeIndex;
  // Locals: frame.ts says what they are.
  readonly running: readonly number[];
  readonly bits: number;
  readonly live: number;
  readonly discarded: number;
  readonly fuel: number;
  readonly records: number;
  /** Where the next record lies behind the first, and the end of them. */
  #record = 0;
  readonly #recordsEnd: number;
  readonly registers: RegisterFile;
  readonly blocks: BlockCode;
  readonly messages: MessageCode;
  #output: OutputCode | undefined;
  readonly #step: Callable;
  readonly #fau: number;
  readonly #status: number;
  readonly flow: StraightFlow | PartedFlow;
  readonly #feed: Feed | undefined;
  readonly #quads: QuadFeed | undefined;
  /** Where a function leaves that has registers to store. */
  #exit: Label = { depth: 0 };
  /** Whether it leaves there at all. */
  #left = false;
  /** Where a list's next warp is begun. */
  #again: Label = { depth: 0 };

  constructor(unit: Unit, mode: Mode, recordBytes: number) {
    this.unit = unit;
    this.flush32 = mode.flush32;
    this.flush16 = mode.flush16;
    this.module.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
    // Memories of any size may be given.
    this.dram = this.module.importMemory('gpu', 'dram', 1, MAX_PAGES);
    this.#step = this.module.importFunction('gpu', 'step', ['i32', 'i32', 'i32', 'i32'], ['i32']);
    this.refill = this.module.importFunction('gpu', 'refill', ['i32', 'i32', 'i32'], ['i32']);
    this.bind = this.module.importFunction('gpu', 'bind', ['i32', 'i32', 'i32'], ['i32']);
    this.module.importTable(...TABLE_IMPORT);
    this.blendType = this.module.functionType(...BLEND_QUAD);
    this.lateType = this.module.functionType(...LATE_TYPE);
    this.sampler = this.module.functionType(SAMPLER_TYPE.params, SAMPLER_TYPE.results);
    this.#recordsEnd = recordBytes;
    const name = `${mode.list ?? 'warp'}_${unit.entry.toString(16)}`;
    const code = this.module.function(name, ['i32', 'i32'], ['i32']);
    this.code = code;
    this.lanes = new LaneCode(code, mode.fused, mode.vectors);
    const vectors = (): number[] => code.locals('v128', mode.vectors);
    this.running = vectors();
    this.bits = code.local('i32');
    const straight = mode.list !== undefined && isStraight(unit);
    this.live = straight ? this.bits : code.local('i32');
    this.discarded = code.local('i32');
    this.fuel = code.local('i32');
    this.#fau = code.local('i32');
    this.#status = code.local('i32');
    this.records = code.local('i32');
    this.registers = new RegisterFile(code, this.lanes, unit);
    this.flow = straight ? new StraightFlow(this) : new PartedFlow(this, mode.parted || parts(unit));
    const quads = mode.ways ? new QuadFeed(this, this.module, mode.ways) : undefined;
    this.#quads = quads;
    this.#feed =
      quads ?? (mode.list && new ThreadFeed(this, THREAD_PRELOADS[mode.list as keyof typeof THREAD_PRELOADS]));
    this.messages = new MessageCode(this, unit, quads);
    this.blocks = new BlockCode(this);
    this.module.exportFunction('run', code);
  }

  get #blends(): boolean {
    return this.unit.blocks.some(({ end }) => end === 'blend');
  }

  get output(): OutputCode {
    this.#output ??= new OutputCode(this, this.messages.late, this.unit, this.#quads);
    return this.#output;
  }

  // Operands.

  register(index: number): Lanes {
    return this.lanes.local(this.registers.locals(index));
  }

  uniform(index: number): Lanes {
    const value: Lanes = () => this.code.get(this.#fau).memory('v128_load32_splat', index * 4);
    // A list is long enough for what is done once.
    if (this.#feed) {
      const load = (): void => {
        this.code
          .get(1)
          .memory('i32_load', FRAME.fau)
          .memory('v128_load32_splat', index * 4);
      };
      value.uniform = { index, load };
    }
    return value;
  }

  active(): Lanes {
    return this.lanes.local(this.running);
  }

  programCounter(word: number): Lanes {
    const next = this.blocks.pc + INSTRUCTION_SIZE - this.unit.entry;
    return () => {
      this.code.get(1).memory('i64_load', FRAME.entry).i64(BigInt(next)).op('i64_add');
      if (word === 1) this.code.i64(32n).op('i64_shr_u');
      this.code.op('i32_wrap_i64').op('i32x4_splat');
    };
  }

  // Around.

  get mask(): readonly number[] | undefined {
    return this.flow.masked ? this.running : undefined;
  }

  locals(register: number): readonly number[] {
    return this.registers.locals(register);
  }

  functionType(params: readonly ValueType[], results: readonly ValueType[]): TypeIndex {
    return this.module.functionType(params, results);
  }

  shadow(register: number, value: Lanes, k: number, part: Part = 'both'): void {
    this.registers.shadow(register, value, k, part);
  }

  record(): number {
    const at = this.#record;
    this.#record += RECORD_BYTES;
    if (this.#record > this.#recordsEnd) throw new Error('recompiler: more records than instructions need');
    return at;
  }

  interpret(site: Site): void {
    this.call(site);
    this.code.op('drop');
  }

  // The function.

  emit(): void {
    const code = this.code;
    code.get(1).memory('i32_load', FRAME.fuel).set(this.fuel);
    code.get(1).memory('i32_load', FRAME.fau).set(this.#fau);
    if (this.#recordsEnd > 0) code.get(1).memory('i32_load', FRAME.records).set(this.records);
    const feed = this.#feed;
    feed?.open();
    this.messages.varyings?.open();
    this.#exit = code.block();
    if (feed) {
      this.#again = code.loop();
      feed.take(this.#again);
      this.#preload(feed);
      this.messages.varyings?.begin();
      if (this.flow instanceof PartedFlow) this.flow.begin();
    } else this.#resume();
    this.flow.body((n, block) => this.blocks.emit(n, block));
    if (feed) code.end().op('unreachable');
    code.end();
    if (!this.#left) {
      // It ends where its list does (`quit`), with nothing to store.
      code.op('unreachable');
      return;
    }
    this.#save();
    code.get(this.#status);
  }

  /** Takes a warp up where it stands. */
  #resume(): void {
    const { code, registers } = this;
    code.get(1).memory('i32_load', FRAME.fresh);
    code.if();
    for (const r of this.unit.live) if (registers.used.has(r)) registers.load(r);
    code.else();
    for (const r of registers.used) registers.load(r);
    code.end();
    code.get(1).memory('i32_load', FRAME.live).set(this.live);
    code.get(1).memory('i32_load', FRAME.discarded).set(this.discarded);
    if (this.flow instanceof PartedFlow) this.flow.load();
  }

  /** What a list's warp begins with in registers that may be read before they are written. */
  #preload(feed: Feed): void {
    for (const r of this.unit.live) {
      if (!this.registers.used.has(r)) continue;
      this.registers.begin(r, feed.preload(r) ?? this.lanes.words(0));
    }
  }

  leave(status: number): void {
    this.#left = true;
    this.code.i32(status).set(this.#status).br(this.#exit);
  }

  quit(status: number): void {
    const code = this.code;
    code.get(1).i32(0).memory('i32_store', FRAME.live);
    code.get(1).get(this.fuel).memory('i32_store', FRAME.fuel);
    this.#feed?.save();
    if (this.#blends) this.output.close();
    code.i32(status).op('return');
  }

  ended(): void {
    if (this.#feed) this.code.br(this.#again);
    else this.leave(STATUS.DONE);
  }

  /** Stores everything in memory. */
  #save(): void {
    const code = this.code;
    const feed = this.#feed;
    if (feed) this.#saveAll(feed);
    else for (const r of this.registers.written) this.registers.store(r);
    this.flow.save();
    if (this.#blends) this.output.close();
    code.get(1).get(this.live).memory('i32_store', FRAME.live);
    code.get(1).get(this.discarded).memory('i32_store', FRAME.discarded);
    code.get(1).get(this.fuel).memory('i32_store', FRAME.fuel);
  }

  /** Stores the registers of a list's warp, which are not in memory yet. */
  #saveAll(feed: Feed): void {
    feed.save();
    this.#quads?.told();
    this.messages.varyings?.save();
    // Whoever runs behind the unit's edge may read any register.
    if (this.unit.live.length === REGISTERS) {
      this.registers.clear();
      for (let r = 0; r < REGISTERS; r++) {
        const value = this.registers.used.has(r) ? undefined : feed.preload(r);
        if (value) this.registers.storeUnused(r, value);
      }
    }
    for (const r of this.registers.used) this.registers.store(r);
  }

  /** Calls the interpreter's step; pushes what it answers. */
  call(site: Site): void {
    const { code, registers } = this;
    const { reads, writes } = site.effects;
    for (const r of reads) registers.store(r);
    for (const r of writes) if (!reads.includes(r)) registers.store(r);
    this.#quads?.told();
    code.i32(this.steps.length).get(this.bits).get(this.live).get(this.discarded).call(this.#step);
    this.steps.push(site);
    for (const r of writes) registers.load(r);
    if (site.instruction.spec.base === 'DISCARD') {
      code.get(1).memory('i32_load', FRAME.discarded).set(this.discarded);
    }
  }
}
