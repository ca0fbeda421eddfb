/**
 * How recompiled code comes to memory: straight to DRAM where all lanes' addresses lie in one known extent.
 *
 * Buffer objects are contiguous in DRAM, so each load, store or atomic remembers the extent that it last met (its record, in
 * scratch memory) and checks all active lanes against it before it touches anything. A record is good for one generation of the
 * address space's translations. Where it does not fit, script finds a new one (`refill`); where that does not fit
 * either, as for lanes in different buffers, thread storage, or a fault, the interpreter's step does the whole instruction, so a
 * fault is exactly its fault. LD_BUFFER's record is the buffer of its handle, good for one run.
 */
import type { Instruction } from '../shader/decode.ts';
import type { Callable, Code, TypeIndex } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import type { Site } from './flow.ts';
import { FRAME, RECORD, REFILL } from './frame.ts';
import type { Part } from './half-lanes.ts';
import type { LaneCode, Lanes } from './lanes.ts';
import { Lowering, type Operands } from './lowering.ts';
import { Remembered } from './remembered.ts';

/** What the program around tells. */
export interface Around {
  readonly code: Code;
  readonly lanes: LaneCode;
  /** Number of DRAM's memory. */
  readonly dram: number;
  /** refill(kind, record, lanes that do not fit) → whether the record is a new one. */
  readonly refill: Callable;
  /** The type of emitted blend functions (fragment/wasm/blend.ts: BLEND_QUAD). */
  readonly blendType: TypeIndex;
  /** The type of emitted tests after shading (fragment/wasm/late.ts: LateTest). */
  readonly lateType: TypeIndex;
  /** Locals: lanes that run, and those without effect. */
  readonly bits: number;
  readonly discarded: number;
  /** Vectors of the lanes that run, where they may be fewer than those that live. */
  readonly mask: readonly number[] | undefined;
  register(index: number): Lanes;
  uniform(index: number): Lanes;
  locals(register: number): readonly number[];
  /** Remembers the halves that vector k of a register has been given (half-lanes.ts). */
  shadow(register: number, value: Lanes, k: number, part?: Part): void;
  /** A type for indirect calls. */
  functionType(params: readonly ValueType[], results: readonly ValueType[]): TypeIndex;
  /** A local: scratch address of the unit's first record. */
  readonly records: number;
  /** How far behind the first a new record lies; those of one after the other are neighbours. */
  record(): number;
  /** Calls the interpreter's step. */
  interpret(site: Site): void;
}

/** Sets vector k of a register to what is on the stack, in the lanes that run. */
export function setRegister(around: Pick<Around, 'code' | 'mask' | 'locals'>, register: number, k: number): void {
  const { code, mask } = around;
  const local = around.locals(register)[k]!;
  if (mask) code.get(local).get(mask[k]!).op('i8x16_relaxed_laneselect');
  code.set(local);
}

/** Kinds of records for what changes memory: discarded lanes do not. */
const changes = (kind: number): boolean => kind === REFILL.WRITE || kind === REFILL.ATOMIC;

/** Both words of the address in an instruction's first source, with the offset that its word holds. */
export function dataAddress(x: Lowering): { low: Lanes; high: Lanes } {
  const { l: lanes, i } = x;
  const offset = i.immediates.offset!;
  const [low0, high0] = [x.raw(0, 0), x.raw(0, 1)];
  if (offset === 0) return { low: low0, high: high0 };
  const low = lanes.op('i32x4_add', low0, lanes.words(offset));
  // A comparison gives -1 for true: the carry is subtracted, a borrow added.
  const high =
    offset > 0
      ? lanes.op('i32x4_sub', high0, lanes.op('i32x4_lt_u', low, low0))
      : lanes.op('i32x4_add', high0, lanes.op('i32x4_gt_u', low, low0));
  return { low, high };
}

export class AccessCode {
  /** Locals: where in DRAM each lane's address lies, and the lanes that take part. */
  readonly relative: readonly number[];
  readonly active: number;
  readonly #a: Around & Operands;
  readonly #fits: number[];
  readonly #remembered: Remembered;

  constructor(around: Around & Operands) {
    this.#a = around;
    const { code } = around;
    this.relative = code.locals('v128', around.lanes.vectors);
    this.#fits = code.locals('v128', around.lanes.vectors);
    this.active = code.local('i32');
    this.#remembered = new Remembered(around);
  }

  /** The word that a lane's address, or a handle, is compared by, and the one that is counted from. */
  #address(i: Instruction, kind: number): { low: Lanes; high: Lanes } {
    const [, second] = i.sources;
    const x = new Lowering(this.#a, i);
    const raw = (n: number, word: number): Lanes => x.raw(n, word);
    if (kind === REFILL.BUFFER) return { low: raw(0, 0), high: second ? raw(1, 0) : raw(0, 1) };
    return dataAddress(x);
  }

  /** Checks all active lanes, then does `fast` with physical addresses in `relative`, or leaves it to the interpreter. */
  checked(site: Site, bytes: number, kind: number, fast: () => void): void {
    const { code, bits, discarded, refill } = this.#a;
    const i = site.instruction;
    const record = this.#a.record();
    const { low, high } = this.#address(i, kind);
    code.get(bits);
    if (changes(kind) && i.modifiers.memoryAccess !== 'force') {
      code.get(discarded).i32(-1).op('i32_xor').op('i32_and');
    }
    code.set(this.active);
    this.#remembered.emit(site, {
      record,
      kind,
      refill,
      inputs: [
        [low, FRAME.low],
        [high, FRAME.high],
      ],
      check: () => this.#check(record, bytes, kind, low, high),
      finish: () => {
        for (let k = 0; k < this.#a.lanes.vectors; k++) {
          code.get(this.relative[k]!).get(this.#fits[k]!).op('v128_and');
          code
            .get(this.#a.records)
            .memory('v128_load32_splat', record + RECORD.physical)
            .op('i32x4_add')
            .set(this.relative[k]!);
        }
        fast();
      },
    });
  }

  /** Fills `relative`, #fits and the lanes that fail. */
  #check(record: number, bytes: number, kind: number, low: Lanes, high: Lanes): void {
    const { code } = this.#a;
    const field = (at: number): void => {
      code.get(this.#a.records).memory('v128_load32_splat', record + at);
    };
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      low(k);
      if (kind !== REFILL.BUFFER) {
        field(RECORD.low);
        code.op('i32x4_sub');
      }
      code.tee(this.relative[k]!);
      field(RECORD.size);
      this.#a.lanes.words(bytes)(k);
      code.op('i32x4_sub').op('i32x4_le_u');
      high(k);
      field(RECORD.high);
      code.op('i32x4_eq').op('v128_and');
      if (kind === REFILL.ATOMIC) {
        // What is not aligned is no atomic access of the host's; extents begin with a page.
        low(k);
        this.#a.lanes.words(bytes - 1)(k);
        code.op('v128_and').i32(0).op('i32x4_splat').op('i32x4_eq').op('v128_and');
      }
      code.set(this.#fits[k]!);
    }
    this.#a.lanes.bitmask((k) => code.get(this.#fits[k]!));
    // All bits, if the record is of this time; else none.
    this.#remembered.current(record + RECORD.time, kind === REFILL.BUFFER ? FRAME.epoch : FRAME.generation);
    code.i32(-1).op('i32_xor').get(this.active).op('i32_and').set(this.#remembered.failing);
  }
}
