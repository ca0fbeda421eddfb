/**
 * What calls as text mean: each line becomes steps (steps.ts), and says how what comes of them is told (transcript.ts).
 *
 * Every line has its own place in the arena, so that later lines find what it brought. A list in the place of a pointer to an array
 * sets the array's address, stride and count too; what is written behind it (`ops.count=7`) has the last word.
 */
import { CS, type CsName, encodeCs } from '../../../abi/gpu/cs.ts';
import type { IoctlDef } from '../../../abi/ioctl.ts';
import { IoctlNumber } from '../../../abi/ioctl.ts';
import { type Layout, viewOf } from '../../../abi/layout.ts';
import { PanthorObjArray } from '../../../abi/panthor.ts';
import { POINTEES, type Pointee, QUERIED } from '../../../abi/pointees.ts';
import { CallsError, type Field, type Line, parseCalls, type Sequence, type Value } from './language.ts';
import { ARENA_SIZE, SLOTS, type Step } from './steps.ts';
import { CONSTANTS, IOCTLS } from './vocabulary.ts';

/** Memory that a call's pointer points to, and that is looked at afterwards: a struct, or numbers. */
interface Dump {
  readonly name: string;
  readonly layout: Layout<any> | undefined;
  readonly at: number;
  readonly size: number;
}

/** A call and what it is told by. */
export interface Call {
  readonly line: Line;
  readonly steps: readonly Step[];
  /** The ioctl, and where its argument lies. */
  readonly ioctl?: { readonly def: IoctlDef; readonly at: number; readonly size: number };
  /** What the dumps of its steps show, in order. */
  readonly dumps: readonly Dump[];
}

export interface CompiledSequence {
  readonly name: string;
  readonly calls: readonly Call[];
  /** All of it, from `begin` on. */
  readonly steps: readonly Step[];
}

/** Where a number lies. */
interface Place {
  readonly at: number;
  readonly width: number;
}

const PROTECTION = { r: 1, w: 2, rw: 3, none: 0 } as const;
const MAX_WORD = 0xffffffffn;
/** Between what lines have in the arena. */
const ALIGN = 16;

class Compiler {
  readonly #results = new Map<string, { layout: Layout<any>; at: number }>();
  readonly #files = new Map<string, number>();
  readonly #maps = new Map<string, number>();
  readonly #sizes = new Map<string, bigint>();
  #mapCount = 0;
  #fileCount = 0;
  #top = 0;
  #steps: Step[] = [];
  #line!: Line;

  sequence({ name, lines }: Sequence): CompiledSequence {
    this.#open('');
    const opened = this.#steps;
    const calls = lines.map((line) => this.#call(line));
    const body = [...opened, ...calls.flatMap(({ steps }) => steps)];
    return { name, calls, steps: [{ op: 'begin', size: this.#top }, ...body] };
  }

  #open(name: string): void {
    const slot = this.#slot(name);
    this.#steps.push({ op: 'open', slot });
  }

  #call(line: Line): Call {
    this.#line = line;
    this.#steps = [];
    const def = IOCTLS[line.verb];
    if (def) return this.#ioctl(line, def);
    const verb = VERBS[line.verb];
    if (!verb) throw this.#error(`nobody knows ${line.verb}`);
    this.#verb(verb, line);
    return { line, steps: this.#steps, dumps: [] };
  }

  #ioctl(line: Line, def: IoctlDef): Call {
    if (line.words.length > 0) throw this.#error(`${line.verb} takes fields alone`);
    const size = Number(this.#own(line, 'argsize') ?? BigInt(def.arg?.size ?? 0));
    const at = this.#allocate(Math.max(def.arg?.size ?? 0, size));
    const dumps: Dump[] = [];
    if (def.arg) {
      const data = new Uint8Array(def.arg.size);
      const filling = this.#fill(def.arg, at, data, at, line.fields, dumps);
      if (data.some((byte) => byte !== 0)) this.#steps.push({ op: 'bytes', at, data: trimmed(data) });
      this.#steps.push(...filling);
      if (line.name !== undefined) this.#results.set(line.name, { layout: def.arg, at });
    }
    const slot = this.#fileSlot(this.#word(line, 'on'));
    this.#steps.push({ op: 'ioctl', slot, request: withSize(def.request, size), at, size });
    for (const { at: where, size: length } of dumps) this.#steps.push({ op: 'dump', at: where, size: length });
    return { line, steps: this.#steps, ioctl: { def, at, size }, dumps };
  }

  /** Fills a struct's bytes with what is known; returns the steps that do the rest. */
  #fill(
    layout: Layout<any>,
    base: number,
    data: Uint8Array,
    dataBase: number,
    fields: readonly Field[],
    dumps: Dump[],
  ): Step[] {
    const rest: Step[] = [];
    for (const { path, value } of fields) {
      if (path.length === 1 && OWN.has(path[0]!)) continue;
      const pointee = path.length === 1 ? POINTEES[layout.name]?.[path[0]!] : undefined;
      if (pointee && (value.kind === 'list' || value.kind === 'text' || value.kind === 'record')) {
        rest.push(...this.#pointee(pointee, layout, path[0]!, base, data, dataBase, value, fields, dumps));
        continue;
      }
      const places = this.#places(layout, path, base);
      const values = value.kind === 'list' ? value.items : [value];
      if (values.length > places.length) throw this.#error(`${path.join('.')} has no ${values.length} places`);
      // What stood in the place of a pointer has been put in by a step; what is written behind it comes after that.
      const late = path.length > 1 && POINTEES[layout.name]?.[path[0]!] !== undefined;
      for (const [i, each] of values.entries()) {
        const place = places[i]!;
        if (!late) rest.push(...this.#number(place, each, data, dataBase));
        else {
          const own = new Uint8Array(place.width);
          rest.push(...this.#number(place, each, own, place.at));
          if (each.kind === 'number') rest.push({ op: 'bytes', at: place.at, data: own });
        }
      }
    }
    return rest;
  }

  #pointee(
    pointee: Pointee,
    layout: Layout<any>,
    field: string,
    base: number,
    data: Uint8Array,
    dataBase: number,
    value: Value,
    fields: readonly Field[],
    dumps: Dump[],
  ): Step[] {
    const offset = base + layout.offset[field]!;
    if (pointee.kind === 'objects') {
      if (value.kind !== 'list') throw this.#error(`${field} is a list`);
      const { size } = pointee.layout;
      const at = this.#allocate(value.items.length * size);
      const steps = this.#objects(pointee.layout, at, value.items, dumps);
      const view = viewOf(data);
      PanthorObjArray.write(view, offset - dataBase, { stride: size, count: value.items.length, array: 0n });
      return [...steps, { op: 'address', at: offset + PanthorObjArray.offset.array, target: at }];
    }
    if (pointee.kind === 'numbers') {
      if (value.kind !== 'list') throw this.#error(`${field} is a list`);
      const { width } = pointee;
      const size = value.items.length * width;
      const at = this.#allocate(size);
      const bytes = new Uint8Array(size);
      const steps = value.items.flatMap((item, i) => this.#number({ at: at + i * width, width }, item, bytes, at));
      if (hasBits(bytes)) steps.unshift({ op: 'bytes', at, data: bytes });
      if (size > 0) dumps.push({ name: field, layout: undefined, at, size });
      return [...steps, { op: 'address', at: offset, target: at }];
    }
    if (pointee.kind === 'text') {
      if (value.kind !== 'text') throw this.#error(`${field} is text`);
      const bytes = new TextEncoder().encode(value.text + (pointee.closed ? '\0' : ''));
      const at = this.#allocate(bytes.length);
      return [
        ...(bytes.length > 0 ? [{ op: 'bytes', at, data: bytes } as const] : []),
        { op: 'address', at: offset, target: at },
      ];
    }
    if (value.kind !== 'record') throw this.#error(`${field} is a record`);
    const type = fields.find(({ path }) => path[0] === 'type')?.value;
    // Of a query that there is none of, anything may be asked.
    const queried = QUERIED[type?.kind === 'number' ? Number(type.value) : 0] ?? QUERIED[0]!;
    const given = fields.find(({ path }) => path[0] === 'size')?.value;
    const size = given?.kind === 'number' ? Number(given.value) : queried.size;
    const at = this.#allocate(Math.max(size, queried.size));
    const bytes = new Uint8Array(queried.size);
    const steps = this.#fill(queried, at, bytes, at, value.fields, dumps);
    if (hasBits(bytes)) steps.unshift({ op: 'bytes', at, data: trimmed(bytes) });
    if (!given) layout.fields.size.write(viewOf(data), base - dataBase, queried.size);
    dumps.push({ name: field, layout: queried, at, size: queried.size });
    return [...steps, { op: 'address', at: offset, target: at }];
  }

  #objects(layout: Layout<any>, at: number, items: readonly Value[], dumps: Dump[]): Step[] {
    const data = new Uint8Array(items.length * layout.size);
    const steps: Step[] = [];
    for (const [i, item] of items.entries()) {
      if (item.kind !== 'record') throw this.#error(`the list holds records of a ${layout.name}`);
      steps.push(...this.#fill(layout, at + i * layout.size, data, at, item.fields, dumps));
    }
    if (hasBits(data)) steps.unshift({ op: 'bytes', at, data: trimmed(data) });
    return steps;
  }

  /** One number: into `data` if it is known, else as a step. */
  #number(place: Place, value: Value, data: Uint8Array, dataBase: number): Step[] {
    const { at, width } = place;
    if (value.kind === 'number') {
      for (let i = 0; i < width; i++) data[at - dataBase + i] = Number((value.value >> BigInt(8 * i)) & 0xffn);
      return [];
    }
    if (value.kind === 'time') return [{ op: 'time', at, after: value.after }];
    if (value.kind !== 'result') throw this.#error('a number is expected');
    if (value.path.length === 0) {
      if (!this.#files.has(value.name)) throw this.#error(`nothing is called ${value.name}`);
      return [{ op: 'number', at, slot: this.#files.get(value.name)! }];
    }
    const constant = this.#constant(value);
    if (constant !== undefined) return this.#number(place, { kind: 'number', value: constant }, data, dataBase);
    const from = this.#result(value);
    // A narrow number in a wide field: the upper half stays zero.
    return [{ op: 'copy', at, width: Math.min(width, from.width), from: from.at, add: value.add }];
  }

  #result({ name, path }: Extract<Value, { kind: 'result' }>): Place {
    const known = this.#results.get(name);
    if (!known) throw this.#error(`nothing is called ${name}`);
    return this.#places(known.layout, path, known.at)[0]!;
  }

  /** `stream.size`, which is known beforehand. */
  #constant({ name, path, add }: Extract<Value, { kind: 'result' }>): bigint | undefined {
    const size = this.#sizes.get(name);
    return size !== undefined && path.join() === 'size' ? size + add : undefined;
  }

  /** Where a field's numbers lie; an array has several. */
  #places(layout: Layout<any>, path: readonly string[], base: number): Place[] {
    const [first, ...rest] = path;
    const field = layout.fields[first!];
    if (!field)
      throw this.#error(`a ${layout.name} has no ${path.join('.')}, but ${Object.keys(layout.fields).join(', ')}`);
    const at = base + field.bit / 8;
    if (rest.length > 0) {
      if (!field.inner) throw this.#error(`${first} of a ${layout.name} has no parts`);
      return this.#places(field.inner, rest, at);
    }
    const bytes = field.width / 8;
    if (bytes <= 8) return [{ at, width: bytes }];
    const { align } = field;
    return Array.from({ length: bytes / align }, (_, i) => ({ at: at + i * align, width: align }));
  }

  #verb(verb: Verb, line: Line): void {
    const { words, fields, name } = line;
    const [first] = words;
    const count = (index: number, what: string): number => {
      const value = words[index];
      const known = value?.kind === 'result' ? this.#constant(value) : undefined;
      if (known !== undefined) return Number(known);
      if (value?.kind !== 'number') throw this.#error(`${what} is a number`);
      return Number(value.value);
    };
    if (fields.some(({ path }) => !OWN.has(path[0]!))) throw this.#error(`${line.verb} takes no fields`);
    switch (verb) {
      case 'open':
        if (name === undefined) throw this.#error('an open file has a name');
        this.#open(name);
        return;
      case 'close':
        this.#steps.push({ op: 'close', slot: this.#fileSlot(first?.kind === 'result' ? first.name : undefined) });
        return;
      case 'fd': {
        if (name === undefined || first?.kind !== 'result') throw this.#error('NAME = fd CALL.FIELD');
        const from = this.#result(first);
        this.#steps.push({ op: 'keep', slot: this.#slot(name), from: from.at });
        return;
      }
      case 'mmap': {
        if (name === undefined || !first) throw this.#error('NAME = mmap OFFSET SIZE');
        const map = this.#mapCount++;
        if (map >= SLOTS) throw this.#error(`there are ${SLOTS} mappings at most`);
        this.#maps.set(name, map);
        const at = this.#allocate(8);
        const data = new Uint8Array(8);
        const steps = this.#number({ at, width: 8 }, first, data, at);
        if (hasBits(data)) this.#steps.push({ op: 'bytes', at, data });
        this.#steps.push(...steps);
        const third = words[2];
        const protection = third?.kind === 'result' ? (third.name as keyof typeof PROTECTION) : 'rw';
        if (!(protection in PROTECTION)) throw this.#error(`no protection ${protection}`);
        const slot = this.#fileSlot(this.#word(line, 'on'));
        this.#steps.push({
          op: 'mmap',
          map,
          slot,
          from: at,
          size: count(1, 'the size'),
          protection: PROTECTION[protection],
        });
        return;
      }
      case 'munmap':
        this.#steps.push({ op: 'munmap', map: this.#map(first) });
        return;
      case 'stream':
      case 'words': {
        const map = this.#map(first);
        const data = verb === 'stream' ? this.#stream(line.body ?? []) : this.#words(words[2]);
        if (name !== undefined) this.#sizes.set(name, BigInt(data.length));
        if (data.length > 0) this.#steps.push({ op: 'write', map, at: count(1, 'the place'), data });
        return;
      }
      case 'read':
      case 'hash':
        this.#steps.push({ op: verb, map: this.#map(first), at: count(1, 'the place'), size: count(2, 'the size') });
        return;
      case 'sleep':
        this.#steps.push({ op: 'sleep', time: BigInt(count(0, 'the time')) });
        return;
      case 'mark':
        if (first?.kind !== 'result' && first?.kind !== 'text') throw this.#error('a mark has a name');
        this.#steps.push({ op: 'mark', name: first.kind === 'text' ? first.text : first.name });
        return;
      case 'ioctl': {
        // One that nobody knows: its number, and zeros.
        const request = count(0, 'the number');
        const { size } = IoctlNumber.read(viewOf(Uint8Array.of(...bytes4(request))), 0);
        const at = this.#allocate(size);
        this.#steps.push({ op: 'ioctl', slot: this.#fileSlot(this.#word(line, 'on')), request, at, size });
      }
    }
  }

  #stream(body: readonly Line[]): Uint8Array {
    const out = new Uint8Array(body.length * 8);
    const view = viewOf(out);
    for (const [i, line] of body.entries()) {
      this.#line = line;
      if (line.verb === 'WORD') {
        const [word] = line.words;
        if (word?.kind !== 'number') throw this.#error('WORD takes a number');
        view.setBigUint64(8 * i, BigInt.asUintN(64, word.value), true);
        continue;
      }
      if (!(line.verb in CS)) throw this.#error(`no instruction ${line.verb}`);
      const name = line.verb as CsName;
      const operands: Record<string, number | boolean> = {};
      for (const { path, value } of line.fields) {
        const field = (CS[name].fields as Layout<any>['fields'])[path.join('.')];
        if (!field) throw this.#error(`${name} has ${Object.keys(CS[name].fields).join(', ') || 'no operands'}`);
        if (value.kind !== 'number') throw this.#error('an operand is a number');
        operands[path[0]!] = field.width === 1 ? value.value !== 0n : Number(value.value);
      }
      encodeCs(view, 8 * i, name, operands as never);
    }
    return out;
  }

  #words(value: Value | undefined): Uint8Array {
    if (value?.kind !== 'list') throw this.#error('words MAP AT [NUMBER...]');
    const out = new Uint8Array(4 * value.items.length);
    for (const [i, item] of value.items.entries()) {
      if (item.kind !== 'number' || item.value > MAX_WORD) throw this.#error('words are numbers of 32 bits');
      viewOf(out).setUint32(4 * i, Number(BigInt.asUintN(32, item.value)), true);
    }
    return out;
  }

  #slot(name: string): number {
    const slot = this.#fileCount++;
    if (slot >= SLOTS) throw this.#error(`there are ${SLOTS} descriptors at most`);
    this.#files.set(name, slot);
    return slot;
  }

  #fileSlot(name: string | undefined): number {
    const slot = this.#files.get(name ?? '');
    if (slot === undefined) throw this.#error(`no file is called ${name}`);
    return slot;
  }

  #map(value: Value | undefined): number {
    const map = value?.kind === 'result' ? this.#maps.get(value.name) : undefined;
    if (map === undefined) throw this.#error('the first word is a mapping');
    return map;
  }

  #own(line: Line, name: string): bigint | undefined {
    const value = line.fields.find(({ path }) => path.join('.') === name)?.value;
    if (value !== undefined && value.kind !== 'number') throw this.#error(`${name} is a number`);
    return value?.value;
  }

  #word(line: Line, name: string): string | undefined {
    const value = line.fields.find(({ path }) => path.join('.') === name)?.value;
    if (value !== undefined && value.kind !== 'result') throw this.#error(`${name} is a name`);
    return value?.name;
  }

  #allocate(size: number): number {
    const at = this.#top;
    this.#top = Math.ceil((at + size) / ALIGN) * ALIGN;
    if (this.#top > ARENA_SIZE) throw this.#error('the sequence needs more memory than a client has');
    return at;
  }

  #error(message: string): CallsError {
    return new CallsError(this.#line?.number ?? 1, message);
  }
}

/**
 * Verbs beside the ioctls:
 *   NAME = open                       another open file; `on=NAME` behind a call is about it
 *   close [NAME]
 *   NAME = fd CALL.FIELD              the descriptor whose number a call brought
 *   NAME = mmap OFFSET SIZE [r|w|rw|none]
 *   munmap NAME
 *   NAME = stream MAP AT { ... }      command-stream instructions, a line each, by the names of abi/gpu/cs.ts; WORD 0x... is any
 *   words MAP AT [NUMBER...]          words of 32 bits
 *   read MAP AT SIZE, hash MAP AT SIZE      up to 1 MiB
 *   sleep TIME
 *   mark NAME, mark "fault-KIND"      whoever watches looks now, or turns a switch of the GPU's (compare/worlds.ts)
 *   ioctl NUMBER                      one that nobody knows
 */
const VERBS = {
  open: 'open',
  close: 'close',
  fd: 'fd',
  mmap: 'mmap',
  munmap: 'munmap',
  stream: 'stream',
  words: 'words',
  read: 'read',
  hash: 'hash',
  sleep: 'sleep',
  mark: 'mark',
  ioctl: 'ioctl',
} as const as Readonly<Record<string, Verb>>;
type Verb =
  | 'open'
  | 'close'
  | 'fd'
  | 'mmap'
  | 'munmap'
  | 'stream'
  | 'words'
  | 'read'
  | 'hash'
  | 'sleep'
  | 'mark'
  | 'ioctl';

/** Fields that are the text's own: which file, and how many bytes the ioctl's number speaks of. */
const OWN: ReadonlySet<string> = new Set(['on', 'argsize']);

const bytes4 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);
const hasBits = (data: Uint8Array): boolean => data.some((byte) => byte !== 0);

/** Without the zeros at its end: the arena is zero. */
function trimmed(data: Uint8Array): Uint8Array {
  let end = data.length;
  while (end > 1 && data[end - 1] === 0) end--;
  return data.subarray(0, end);
}

function withSize(request: number, size: number): number {
  const view = viewOf(new Uint8Array(4));
  view.setUint32(0, request, true);
  IoctlNumber.write(view, 0, { size });
  return view.getUint32(0, true);
}

/** Throws CallsError. */
export const compileCalls = (source: string): CompiledSequence[] =>
  parseCalls(source, CONSTANTS).map((sequence) => new Compiler().sequence(sequence));
