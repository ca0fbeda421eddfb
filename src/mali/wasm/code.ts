/**
 * The body of a function: typed locals, and the instructions of opcodes.ts pushed one after the other.
 *
 * Bytes are written as they come and no types are checked: V8 validates the module. Blocks are closed by `end`; a branch names
 * the label that opened the block, and the code counts the depth.
 * Source: WebAssembly core specification 3.0, chapter 5 (binary format); branch hinting proposal.
 */
import { Bytes } from './bytes.ts';
import {
  LANE_OP,
  type LaneOpName,
  MEMORY_OP,
  type MemoryOpName,
  OP,
  type OpName,
  TYPE,
  type ValueType,
} from './opcodes.ts';

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Something that `call` can name. */
export interface Callable {
  readonly index: number;
  readonly type: FunctionType;
}

/** The type of a function that is called by its number in a table. */
export interface TypeIndex {
  readonly typeIndex: number;
}

/** A label: what `br` names. */
export type Label = { readonly depth: number };

/** The module that a body belongs to, as far as it makes more functions. */
interface Functions {
  function(name: string, params: ValueType[], results: ValueType[]): Code;
}

const scratch = new DataView(new ArrayBuffer(8));

/** A tuple of N numbers, where N is known; else an array. */
type Numbers<N extends number, Tuple extends readonly number[] = []> = number extends N
  ? number[]
  : Tuple['length'] extends N
    ? Tuple
    : Numbers<N, [...Tuple, number]>;

/** The body of a function. Methods push instructions and give `this`, so that they can be strung together. */
export class Code implements Callable {
  readonly index: number;
  readonly name: string;
  readonly type: FunctionType;
  bytes = new Bytes();
  /** What is done before `bytes`: constants and the like that are held in locals. */
  readonly prologue = new Bytes();
  readonly #held = new Map<number | string, number>();
  /** Branches whose way is known: place in `bytes`, and whether they are taken. */
  readonly hints: [at: number, taken: boolean][] = [];
  readonly #locals: ValueType[] = [];
  #depth = 0;
  /** Blocks, loops, and ways of an `if` that are open, outermost first. */
  readonly #regions: number[] = [0];
  #lastRegion = 0;
  /** Of the strand in work: where others may come between (`weave`). */
  #seams: { readonly depth: number; readonly at: number[] } | undefined;
  readonly #module: Functions;
  readonly #helpers = new Map<string, Code>();

  constructor(module: Functions, index: number, name: string, type: FunctionType) {
    this.#module = module;
    this.index = index;
    this.name = name;
    this.type = type;
  }

  /** A new local, zero at the start. */
  local(type: ValueType): number {
    this.#locals.push(type);
    return this.type.params.length + this.#locals.length - 1;
  }

  /** So many new locals of a type. */
  locals<const N extends number>(type: ValueType, count: N): Numbers<N> {
    return Array.from({ length: count }, () => this.local(type)) as Numbers<N>;
  }

  /**
   * A local that holds a constant vector from the function's start on, as engines are slow to make one in a loop: words as
   * `v128` takes them.
   */
  held(...words: number[]): number {
    const [a, b, c, d] = words as [number, number, number, number];
    const same = words.length === 1 || (a === b && b === c && c === d);
    const key = same ? a >>> 0 : `${a >>> 0},${b >>> 0},${c >>> 0},${d >>> 0}`;
    let local = this.#held.get(key);
    if (local === undefined) {
      local = this.local('v128');
      this.#held.set(key, local);
      const to = local;
      this.before(() => this.v128(...words).set(to));
    }
    return local;
  }

  /** A function of the module that this body calls in more than one place: `emit` writes it when it is first wanted. */
  helper(name: string, params: ValueType[], results: ValueType[], emit: (code: Code) => void): Callable {
    let helper = this.#helpers.get(name);
    if (!helper) {
      helper = this.#module.function(name, params, results);
      this.#helpers.set(name, helper);
      emit(helper);
    }
    return helper;
  }

  /** The same for two doubles; for one twice. */
  doubles(first: number, second = first): number {
    return this.held(...new Int32Array(Float64Array.of(first, second).buffer));
  }

  /** What `emit` pushes, without blocks, is done at the function's start instead of here. */
  before(emit: () => void): void {
    const { bytes } = this;
    this.bytes = this.prologue;
    emit();
    this.bytes = bytes;
  }

  /**
   * Strands of code that do not depend on each other, a piece of each in turn: while one waits for what it has loaded, a processor
   * finds the others' instructions near by. A strand's blocks are whole within a piece, and it leaves nothing on the stack.
   */
  weave(strands: readonly (() => void)[]): void {
    const outer = { bytes: this.bytes, seams: this.#seams };
    const woven = strands.map((emit) => {
      const first = this.hints.length;
      const bytes = new Bytes();
      const seams = { depth: this.#depth, at: [0] };
      this.bytes = bytes;
      this.#seams = seams;
      emit();
      seams.at.push(bytes.length);
      return { bytes, seams: seams.at, hints: this.hints.splice(first) };
    });
    this.bytes = outer.bytes;
    this.#seams = outer.seams;
    const pieces = Math.max(...woven.map(({ seams }) => seams.length - 1));
    for (let i = 0; i < pieces; i++) {
      for (const { bytes, seams, hints } of woven) {
        const [from, to] = [seams[i] ?? bytes.length, seams[i + 1] ?? bytes.length];
        for (const [at, taken] of hints) {
          if (at >= from && at < to) this.hints.push([this.bytes.length + at - from, taken]);
        }
        this.bytes.append(bytes, from, to);
      }
    }
    for (const { bytes } of woven) bytes.free();
  }

  /** A strand that is woven has nothing on the stack here; within its blocks this does not count. */
  seam(): void {
    if (this.#seams?.depth === this.#depth) this.#seams.at.push(this.bytes.length);
  }

  get localTypes(): readonly ValueType[] {
    return this.#locals;
  }

  op(name: OpName): this {
    this.bytes.code(OP[name]);
    return this;
  }

  /** The same by its code (opcodes.ts: OP), for whoever looks it up once for several. */
  code(code: number): this {
    this.bytes.code(code);
    return this;
  }

  get(local: number): this {
    this.bytes.pair(0x20, local);
    return this;
  }

  set(local: number): this {
    this.bytes.pair(0x21, local);
    return this;
  }

  tee(local: number): this {
    this.bytes.pair(0x22, local);
    return this;
  }

  i32(value: number): this {
    this.bytes.byte(0x41);
    this.bytes.signed(value);
    return this;
  }

  i64(value: bigint): this {
    this.bytes.byte(0x42);
    this.bytes.signed64(value);
    return this;
  }

  f32(value: number): this {
    this.bytes.byte(0x43);
    scratch.setFloat32(0, value, true);
    for (let i = 0; i < 4; i++) this.bytes.byte(scratch.getUint8(i));
    return this;
  }

  f64(value: number): this {
    this.bytes.byte(0x44);
    scratch.setFloat64(0, value, true);
    for (let i = 0; i < 8; i++) this.bytes.byte(scratch.getUint8(i));
    return this;
  }

  /** A vector of four 32-bit words, lane 0 first; one word: the same in all lanes. */
  v128(...words: number[]): this {
    this.bytes.code(0xfd0c);
    for (let lane = 0; lane < 4; lane++) {
      const word = words[words.length === 1 ? 0 : lane]!;
      for (let i = 0; i < 4; i++) this.bytes.byte((word >>> (8 * i)) & 255);
    }
    return this;
  }

  /** A vector of four floats. */
  f32x4(...values: number[]): this {
    return this.v128(
      ...values.map((value) => {
        scratch.setFloat32(0, value);
        return scratch.getInt32(0);
      }),
    );
  }

  /** A load or store. `offset` is added to the address on the stack. */
  memory(name: MemoryOpName, offset = 0, memory = 0): this {
    const op = MEMORY_OP[name];
    const code = op[0];
    this.bytes.code(code);
    this.#place(op[1], offset, memory, code >= 0xfe00);
    return this;
  }

  /** Fills memory: address, byte and number of bytes are on the stack. */
  fill(memory = 0): this {
    this.bytes.code(0xfc0b);
    this.bytes.unsigned(memory);
    return this;
  }

  /** A 32-bit word of memory into a lane of the vector on the stack (address below it), or from it. */
  memoryLane(store: boolean, lane: number, offset = 0, memory = 0): this {
    this.bytes.code(store ? 0xfd5a : 0xfd56);
    this.#place(2, offset, memory, false);
    this.bytes.byte(lane);
    return this;
  }

  /** A 64-bit word of memory into a half (0 or 1) of the vector on the stack; the address is below it. */
  loadHalf(half: number, offset = 0, memory = 0): this {
    this.bytes.code(0xfd57);
    this.#place(3, offset, memory, false);
    this.bytes.byte(half);
    return this;
  }

  /** A half of the vector on the stack to memory; the address is below it. */
  storeHalf(half: number, offset = 0, memory = 0): this {
    this.bytes.code(0xfd5b);
    this.#place(3, offset, memory, false);
    this.bytes.byte(half);
    return this;
  }

  #place(align: number, offset: number, memory: number, exact: boolean): void {
    // Only atomics must have their natural alignment; GPU addresses of the others need none.
    const hint = exact ? align : 0;
    if (memory === 0) this.bytes.unsigned(hint);
    else {
      this.bytes.unsigned(hint | 0x40);
      this.bytes.unsigned(memory);
    }
    this.bytes.unsigned(offset);
  }

  lane(name: LaneOpName, lane: number): this {
    this.bytes.code(LANE_OP[name]);
    this.bytes.byte(lane);
    return this;
  }

  /** Bytes of two vectors: 0…15 of the first, 16…31 of the second. */
  shuffle(...places: number[]): this {
    this.bytes.code(0xfd0d);
    for (const place of places) this.bytes.byte(place);
    return this;
  }

  /** The same by 32-bit lanes: 0…3 of the first, 4…7 of the second. */
  shuffle32(...lanes: [number, number, number, number]): this {
    return this.shuffle(...lanes.flatMap((lane) => [0, 1, 2, 3].map((i) => lane * 4 + i)));
  }

  call(target: Callable): this {
    this.bytes.pair(0x10, target.index);
    return this;
  }

  /** Calls the function of that type whose number in the module's table is on the stack, above its arguments. */
  callIndirect({ typeIndex }: TypeIndex): this {
    this.bytes.byte(0x11);
    this.bytes.unsigned(typeIndex);
    this.bytes.unsigned(0);
    return this;
  }

  block(): Label {
    return this.#open(0x02, undefined);
  }

  loop(): Label {
    return this.#open(0x03, undefined);
  }

  if(result?: ValueType): Label {
    return this.#open(0x04, result);
  }

  else(): this {
    this.#regions[this.#regions.length - 1] = ++this.#lastRegion;
    return this.op('else');
  }

  end(): this {
    this.#depth--;
    this.#regions.pop();
    return this.op('end');
  }

  /** The innermost block, loop or way of an `if` that is open: what is computed here is known as long as it is. */
  get region(): number {
    return this.#regions.at(-1)!;
  }

  isOpen(region: number): boolean {
    return this.#regions.includes(region);
  }

  /** The `if` or `brIf` that comes next is nearly always taken: compilers keep registers for that way. */
  likely(): this {
    this.hints.push([this.bytes.length, true]);
    return this;
  }

  /** The `if` or `brIf` that comes next is hardly ever taken. */
  unlikely(): this {
    this.hints.push([this.bytes.length, false]);
    return this;
  }

  br(label: Label): this {
    return this.#branch(0x0c, label);
  }

  brIf(label: Label): this {
    return this.#branch(0x0d, label);
  }

  brTable(labels: readonly Label[], otherwise: Label): this {
    this.bytes.byte(0x0e);
    this.bytes.unsigned(labels.length);
    for (const label of labels) this.bytes.unsigned(this.#depth - label.depth);
    this.bytes.unsigned(this.#depth - otherwise.depth);
    return this;
  }

  #open(code: number, result: ValueType | undefined): Label {
    this.bytes.byte(code);
    this.bytes.byte(result ? TYPE[result] : 0x40);
    this.#regions.push(++this.#lastRegion);
    return { depth: ++this.#depth };
  }

  #branch(code: number, label: Label): this {
    this.bytes.byte(code);
    this.bytes.unsigned(this.#depth - label.depth);
    return this;
  }
}
