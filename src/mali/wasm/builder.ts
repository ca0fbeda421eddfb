/**
 * A builder that knows WebAssembly and nothing else: modules with imported memories, functions and a table, functions with typed
 * locals, and the instructions of opcodes.ts pushed one after the other.
 *
 * It writes bytes as they come and checks no types: V8 validates the module. Blocks are closed by `end`; a branch names the
 * label that opened the block, and the builder counts the depth.
 * Source: WebAssembly core specification 3.0, chapter 5 (binary format); branch hinting proposal.
 */
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

class Bytes {
  data = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.data.length) this.#grow(this.length + 1);
    this.data[this.length++] = value;
  }

  append(other: Bytes): void {
    this.#grow(this.length + other.length);
    this.data.set(other.data.subarray(0, other.length), this.length);
    this.length += other.length;
  }

  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 127) {
      this.byte((rest & 127) | 128);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 127;
      rest >>= 7;
      if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 128);
    }
  }

  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 127n);
      rest >>= 7n;
      if ((rest === 0n && (low & 64) === 0) || (rest === -1n && (low & 64) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 128);
    }
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.unsigned(bytes.length);
    for (const byte of bytes) this.byte(byte);
  }

  #grow(need: number): void {
    if (need <= this.data.length) return;
    const wider = new Uint8Array(Math.max(need, this.data.length * 2));
    wider.set(this.data);
    this.data = wider;
  }
}

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

  constructor(index: number, name: string, type: FunctionType) {
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

  /** What `emit` pushes, without blocks, is done at the function's start instead of here. */
  before(emit: () => void): void {
    const { bytes } = this;
    this.bytes = this.prologue;
    emit();
    this.bytes = bytes;
  }

  get localTypes(): readonly ValueType[] {
    return this.#locals;
  }

  op(name: OpName): this {
    this.#code(OP[name]);
    return this;
  }

  get(local: number): this {
    this.bytes.byte(0x20);
    this.bytes.unsigned(local);
    return this;
  }

  set(local: number): this {
    this.bytes.byte(0x21);
    this.bytes.unsigned(local);
    return this;
  }

  tee(local: number): this {
    this.bytes.byte(0x22);
    this.bytes.unsigned(local);
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
    this.#code(0xfd0c);
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
    const [code, align] = MEMORY_OP[name];
    this.#code(code);
    this.#place(align, offset, memory, code >= 0xfe00);
    return this;
  }

  /** A 32-bit word of memory into a lane of the vector on the stack (address below it), or from it. */
  memoryLane(store: boolean, lane: number, offset = 0, memory = 0): this {
    this.#code(store ? 0xfd5a : 0xfd56);
    this.#place(2, offset, memory, false);
    this.bytes.byte(lane);
    return this;
  }

  /** A 64-bit word of memory into a half (0 or 1) of the vector on the stack; the address is below it. */
  loadHalf(half: number, offset = 0, memory = 0): this {
    this.#code(0xfd57);
    this.#place(3, offset, memory, false);
    this.bytes.byte(half);
    return this;
  }

  /** A half of the vector on the stack to memory; the address is below it. */
  storeHalf(half: number, offset = 0, memory = 0): this {
    this.#code(0xfd5b);
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
    this.#code(LANE_OP[name]);
    this.bytes.byte(lane);
    return this;
  }

  /** Bytes of two vectors: 0…15 of the first, 16…31 of the second. */
  shuffle(...places: number[]): this {
    this.#code(0xfd0d);
    for (const place of places) this.bytes.byte(place);
    return this;
  }

  /** The same by 32-bit lanes: 0…3 of the first, 4…7 of the second. */
  shuffle32(...lanes: [number, number, number, number]): this {
    return this.shuffle(...lanes.flatMap((lane) => [0, 1, 2, 3].map((i) => lane * 4 + i)));
  }

  call(target: Callable): this {
    this.bytes.byte(0x10);
    this.bytes.unsigned(target.index);
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

  #code(code: number): void {
    // A prefix byte and a code of any length: 0xfd105 is 0xfd, 0x105.
    if (code <= 0xff) this.bytes.byte(code);
    else if (code <= 0xffff) {
      this.bytes.byte(code >>> 8);
      this.bytes.unsigned(code & 0xff);
    } else {
      this.bytes.byte(code >>> 12);
      this.bytes.unsigned(code & 0xfff);
    }
  }
}

interface MemoryImport {
  readonly module: string;
  readonly name: string;
  readonly pages: number;
  readonly maximum: number;
}

interface TableImport {
  readonly module: string;
  readonly name: string;
  readonly size: number;
}

export class ModuleBuilder {
  readonly #types: FunctionType[] = [];
  readonly #memories: MemoryImport[] = [];
  #table: TableImport | undefined;
  readonly #imports: { module: string; name: string; type: number }[] = [];
  readonly #functions: Code[] = [];
  readonly #exports: { name: string; index: number }[] = [];

  /** A shared memory that the module is given; sizes in pages of 64 KiB. The number is what loads and stores name. */
  importMemory(module: string, name: string, pages: number, maximum: number): number {
    this.#memories.push({ module, name, pages, maximum });
    return this.#memories.length - 1;
  }

  /** A table of functions of at least `size` places that the module is given, for `callIndirect`; a module has one at most. */
  importTable(module: string, name: string, size: number): void {
    if (this.#table) throw new Error('wasm: a module imports one table');
    this.#table = { module, name, size };
  }

  /** What `callIndirect` names: a type, shared between equal ones. */
  functionType(params: readonly ValueType[], results: readonly ValueType[]): TypeIndex {
    return { typeIndex: this.#type({ params, results }) };
  }

  /** All imports come before the first function. */
  importFunction(module: string, name: string, params: ValueType[], results: ValueType[]): Callable {
    if (this.#functions.length > 0) throw new Error('wasm: imports come first');
    const type = { params, results };
    this.#imports.push({ module, name, type: this.#type(type) });
    return { index: this.#imports.length - 1, type };
  }

  /** A function; `name` shows in profiles. */
  function(name: string, params: ValueType[], results: ValueType[], exported = false): Code {
    const code = new Code(this.#imports.length + this.#functions.length, name, { params, results });
    this.#functions.push(code);
    if (exported) this.#exports.push({ name, index: code.index });
    return code;
  }

  exportFunction(name: string, { index }: Callable): void {
    this.#exports.push({ name, index });
  }

  #type(type: FunctionType): number {
    const same = (a: readonly ValueType[], b: readonly ValueType[]) =>
      a.length === b.length && a.every((t, i) => t === b[i]);
    const known = this.#types.findIndex((t) => same(t.params, type.params) && same(t.results, type.results));
    if (known >= 0) return known;
    this.#types.push(type);
    return this.#types.length - 1;
  }

  build(): Uint8Array<ArrayBuffer> {
    const typeOf = this.#functions.map((f) => this.#type(f.type));
    const out = new Bytes();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
    section(out, 1, this.#types.length, (b) => {
      for (const { params, results } of this.#types) {
        b.byte(0x60);
        for (const list of [params, results]) {
          b.unsigned(list.length);
          for (const type of list) b.byte(TYPE[type]);
        }
      }
    });
    const table = this.#table;
    section(out, 2, this.#memories.length + (table ? 1 : 0) + this.#imports.length, (b) => {
      for (const { module, name, pages, maximum } of this.#memories) {
        b.text(module);
        b.text(name);
        b.byte(2);
        b.byte(3);
        b.unsigned(pages);
        b.unsigned(maximum);
      }
      if (table) {
        b.text(table.module);
        b.text(table.name);
        b.byte(1);
        b.byte(0x70);
        b.byte(0);
        b.unsigned(table.size);
      }
      for (const { module, name, type } of this.#imports) {
        b.text(module);
        b.text(name);
        b.byte(0);
        b.unsigned(type);
      }
    });
    section(out, 3, typeOf.length, (b) => {
      for (const type of typeOf) b.unsigned(type);
    });
    section(out, 7, this.#exports.length, (b) => {
      for (const { name, index } of this.#exports) {
        b.text(name);
        b.byte(0);
        b.unsigned(index);
      }
    });
    this.#hints(out);
    section(out, 10, this.#functions.length, (b) => {
      for (const code of this.#functions) b.append(body(code));
    });
    this.#names(out);
    return out.data.slice(0, out.length);
  }

  /** The custom section of branch hints, which stands before the code. */
  #hints(out: Bytes): void {
    const hinted = this.#functions.filter(({ hints }) => hints.length > 0);
    if (hinted.length === 0) return;
    const content = new Bytes();
    content.text('metadata.code.branch_hint');
    content.unsigned(hinted.length);
    for (const code of hinted) {
      const before = locals(code).length + code.prologue.length;
      content.unsigned(code.index);
      content.unsigned(code.hints.length);
      for (const [at, taken] of code.hints) {
        content.unsigned(before + at);
        content.unsigned(1);
        content.byte(taken ? 1 : 0);
      }
    }
    out.byte(0);
    out.unsigned(content.length);
    out.append(content);
  }

  /** The custom section by which profilers know functions. */
  #names(out: Bytes): void {
    const names = new Bytes();
    names.text('name');
    const list = new Bytes();
    list.unsigned(this.#functions.length);
    for (const { index, name } of this.#functions) {
      list.unsigned(index);
      list.text(name);
    }
    names.byte(1);
    names.unsigned(list.length);
    names.append(list);
    out.byte(0);
    out.unsigned(names.length);
    out.append(names);
  }
}

function section(out: Bytes, id: number, count: number, fill: (b: Bytes) => void): void {
  if (count === 0) return;
  const content = new Bytes();
  content.unsigned(count);
  fill(content);
  out.byte(id);
  out.unsigned(content.length);
  out.append(content);
}

/** A function's declaration of its locals, with which its body begins. */
function locals(code: Code): Bytes {
  const content = new Bytes();
  const runs: [number, ValueType][] = [];
  for (const type of code.localTypes) {
    const last = runs.at(-1);
    if (last?.[1] === type) last[0]++;
    else runs.push([1, type]);
  }
  content.unsigned(runs.length);
  for (const [count, type] of runs) {
    content.unsigned(count);
    content.byte(TYPE[type]);
  }
  return content;
}

function body(code: Code): Bytes {
  const content = locals(code);
  content.append(code.prologue);
  content.append(code.bytes);
  content.byte(OP.end);
  const out = new Bytes();
  out.unsigned(content.length);
  out.append(content);
  return out;
}
