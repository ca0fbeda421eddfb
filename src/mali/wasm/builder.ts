/**
 * A builder that knows WebAssembly and nothing else: modules with imported memories, functions and a table, and functions whose
 * bodies are written instruction by instruction (code.ts).
 *
 * Source: WebAssembly core specification 3.0, chapter 5 (binary format); branch hinting proposal.
 */
import { Bytes } from './bytes.ts';
import { type Callable, Code, type FunctionType, type TypeIndex } from './code.ts';
import { OP, TYPE, type ValueType } from './opcodes.ts';

export { type Callable, Code, type FunctionType, type Label, type TypeIndex } from './code.ts';

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
  #built = false;
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
    const code = new Code(this, this.#imports.length + this.#functions.length, name, { params, results });
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

  /** The module's bytes. It is built once: the memory of its functions then serves others. */
  build(): Uint8Array<ArrayBuffer> {
    if (this.#built) throw new Error('wasm: a module is built once');
    this.#built = true;
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
      for (const code of this.#functions) body(b, code);
    });
    this.#names(out);
    const bytes = out.data.slice(0, out.length);
    out.free();
    for (const { bytes, prologue } of this.#functions) {
      bytes.free();
      prologue.free();
    }
    return bytes;
  }

  /** The custom section of branch hints, which stands before the code. */
  #hints(out: Bytes): void {
    const hinted = this.#functions.filter(({ hints }) => hints.length > 0);
    if (hinted.length === 0) return;
    const content = new Bytes();
    content.text('metadata.code.branch_hint');
    content.unsigned(hinted.length);
    for (const code of hinted) {
      const declared = locals(code);
      const before = declared.length + code.prologue.length;
      declared.free();
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
    content.free();
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
    list.free();
    names.free();
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
  content.free();
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

function body(out: Bytes, code: Code): void {
  const declared = locals(code);
  out.unsigned(declared.length + code.prologue.length + code.bytes.length + 1);
  out.append(declared);
  declared.free();
  out.append(code.prologue);
  out.append(code.bytes);
  out.byte(OP.end);
}
