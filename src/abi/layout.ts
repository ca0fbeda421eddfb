/**
 * Layout: how the datasheets are written down.
 *
 * A struct, a descriptor, an instruction word or a register is declared once as named fields at bit positions; readers,
 * writers and printers follow from the declaration. `struct` places its fields as a C compiler on a 64-bit machine would;
 * `layout` takes the positions from the datasheet. All memory is little-endian.
 */

import {
  arraySource,
  bitsSource,
  compileReader,
  compileWriter,
  type FieldSource,
  numberSource,
  scalarSource,
} from './layout-code.ts';

/** One named value inside a layout: where it lies and how it is read and written. */
export interface Field<T> {
  /** First bit, counted from the start of the layout. */
  readonly bit: number;
  /** Width in bits. */
  readonly width: number;
  /** Bytes to which a C compiler aligns it. */
  readonly align: number;
  read(view: DataView, base: number): T;
  write(view: DataView, base: number, value: T): void;
  /** The same field at another bit position. */
  at(bit: number): Field<T>;
  /** `read` and `write` as JavaScript, where they are simple enough. */
  readonly source?: FieldSource | undefined;
  /** How the printer shows a value, if not as its kind. */
  text?(value: T): string;
  /** The layout whose values it holds. */
  readonly inner?: Layout<any>;
}

type Fields = Record<string, Field<any>>;
type FieldType<X> = X extends Field<infer T> ? T : never;
/** The plain object that a layout reads and writes. */
export type Values<F extends Fields> = { [K in keyof F]: FieldType<F[K]> };

/** A named group of fields of a known size. `Infer` gives the type of its values. */
export interface Layout<F extends Fields> {
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  readonly align: number;
  readonly fields: F;
  /** Byte offset of each field (of the byte that holds its first bit). */
  readonly offset: { readonly [K in keyof F]: number };
  read(view: DataView, base: number): Values<F>;
  /** Writes the fields that are given and leaves the others as they are. */
  write(view: DataView, base: number, values: Partial<Values<F>>): void;
  /** A buffer of this layout's size with the given fields set and all others zero. */
  pack(values: Partial<Values<F>>): Uint8Array<ArrayBuffer>;
}

export type Infer<L> = L extends Layout<infer F> ? Values<F> : never;

/** Bit position of bit `bit` in 32-bit word `word`, as descriptor datasheets give it. */
export const word = (word: number, bit = 0): number => word * 32 + bit;

const maskOf = (width: number): number => (width >= 32 ? 0xffffffff : (1 << width) - 1);

function field<T>(
  bit: number,
  width: number,
  align: number,
  read: (view: DataView, base: number, bit: number) => T,
  write: (view: DataView, base: number, bit: number, value: T) => void,
  source?: FieldSource,
): Field<T> {
  return {
    bit,
    width,
    align,
    read: (view, base) => read(view, base, bit),
    write: (view, base, value) => write(view, base, bit, value),
    at: (to) => field(to, width, align, read, write, source),
    source,
  };
}

/** Reads `width` ≤ 53 bits that may cross word boundaries. Nearly all fields lie in one word. */
function readBits(view: DataView, base: number, bit: number, width: number): number {
  const first = bit & 31;
  if (first + width <= 32) {
    const value = view.getUint32(base + (bit >>> 5) * 4, true) >>> first;
    return width === 32 ? value : value & ((1 << width) - 1);
  }
  let value = 0;
  let got = 0;
  while (got < width) {
    const at = bit + got;
    const shift = at & 31;
    const take = Math.min(width - got, 32 - shift);
    const part = (view.getUint32(base + (at >>> 5) * 4, true) >>> shift) & maskOf(take);
    value += (part >>> 0) * 2 ** got;
    got += take;
  }
  return value;
}

function writeBits(view: DataView, base: number, bit: number, width: number, value: number): void {
  const first = bit & 31;
  if (first + width <= 32) {
    const address = base + (bit >>> 5) * 4;
    const mask = maskOf(width) << first;
    view.setUint32(address, (view.getUint32(address, true) & ~mask) | ((value << first) & mask), true);
    return;
  }
  let done = 0;
  while (done < width) {
    const at = bit + done;
    const shift = at & 31;
    const take = Math.min(width - done, 32 - shift);
    const address = base + (at >>> 5) * 4;
    const mask = maskOf(take);
    const part = Math.floor(value / 2 ** done) % 2 ** take;
    const old = view.getUint32(address, true);
    view.setUint32(address, ((old & ~(mask << shift)) | ((part & mask) << shift)) >>> 0, true);
    done += take;
  }
}

/** Unsigned field of at most 53 bits at a datasheet position, with 0 ≤ value < 2^width. */
export function uint(bit: number, width: number): Field<number> {
  return field(
    bit,
    width,
    4,
    (v, b, at) => readBits(v, b, at, width),
    (v, b, at, value) => writeBits(v, b, at, width, value),
    bitsSource(width),
  );
}

/** Unsigned field that stores value >> shift: an aligned address or size. */
export function shifted(bit: number, width: number, shift: number): Field<number> {
  return field(
    bit,
    width,
    4,
    (v, b, at) => readBits(v, b, at, width) * 2 ** shift,
    (v, b, at, value) => writeBits(v, b, at, width, Math.floor(value / 2 ** shift)),
    bitsSource(
      width,
      (raw) => `${raw} * ${2 ** shift}`,
      (value) => `Math.floor(${value} / ${2 ** shift})`,
    ),
  );
}

/** Unsigned field that stores value - 1: a count that is never zero. */
export function minusOne(bit: number, width: number): Field<number> {
  return field(
    bit,
    width,
    4,
    (v, b, at) => readBits(v, b, at, width) + 1,
    (v, b, at, value) => writeBits(v, b, at, width, value - 1),
    bitsSource(
      width,
      (raw) => `${raw} + 1`,
      (value) => `(${value} - 1)`,
    ),
  );
}

/** Unsigned field that stores the binary logarithm of its value. */
export function log2(bit: number, width: number): Field<number> {
  return field(
    bit,
    width,
    4,
    (v, b, at) => 2 ** readBits(v, b, at, width),
    (v, b, at, value) => writeBits(v, b, at, width, Math.round(Math.log2(value))),
    bitsSource(
      width,
      (raw) => `2 ** ${raw}`,
      (value) => `Math.round(Math.log2(${value}))`,
    ),
  );
}

/** Two's complement field of at most 32 bits at a datasheet position. */
export function sint(bit: number, width: number): Field<number> {
  return field(
    bit,
    width,
    4,
    (v, b, at) => {
      const raw = readBits(v, b, at, width);
      return raw >= 2 ** (width - 1) ? raw - 2 ** width : raw;
    },
    (v, b, at, value) => writeBits(v, b, at, width, value < 0 ? value + 2 ** width : value),
    bitsSource(width, (raw) => `(${raw} << ${32 - width} >> ${32 - width})`),
  );
}

/** One-bit flag at a datasheet position. */
export function bool(bit: number): Field<boolean> {
  return field(
    bit,
    1,
    4,
    (v, b, at) => readBits(v, b, at, 1) === 1,
    (v, b, at, value) => writeBits(v, b, at, 1, value ? 1 : 0),
    bitsSource(
      1,
      (raw) => `${raw} === 1`,
      (value) => `(${value} ? 1 : 0)`,
    ),
  );
}

/** Single-precision number at a datasheet position (32-bit aligned). */
export function float(bit: number): Field<number> {
  return field(
    bit,
    32,
    4,
    (v, b, at) => v.getFloat32(b + (at >>> 3), true),
    (v, b, at, value) => v.setFloat32(b + (at >>> 3), value, true),
    scalarSource('Float32'),
  );
}

const hexText = (value: number): string => `0x${value.toString(16)}`;

/** A field that the printer shows in its own way. */
export const shown = <T>(field: Field<T>, text: (value: T) => string): Field<T> => ({
  ...field,
  text,
  at: (bit) => shown(field.at(bit), text),
});

/** A field whose values have names: an enumeration of the datasheet. What has none is shown as a number. */
export const named = (field: Field<number>, values: Readonly<Record<string, number>>): Field<number> =>
  shown(field, (value) => Object.keys(values).find((key) => values[key] === value) ?? `${value} (no name)`);

/**
 * GPU address at a datasheet position (64-bit). Addresses lie below 2^48; one that does not is kept as the nearest number
 * and fails translation.
 */
export function address(bit: number): Field<number> {
  const plain = field<number>(
    bit,
    64,
    8,
    (v, b, at) => v.getUint32(b + (at >>> 3), true) + v.getUint32(b + (at >>> 3) + 4, true) * 2 ** 32,
    (v, b, at, value) => {
      v.setUint32(b + (at >>> 3), value % 2 ** 32, true);
      v.setUint32(b + (at >>> 3) + 4, Math.floor(value / 2 ** 32), true);
    },
    numberSource,
  );
  return shown(plain, hexText);
}

// C scalars, for `struct`.

export const u8 = (bit = 0): Field<number> =>
  field(
    bit,
    8,
    1,
    (v, b, at) => v.getUint8(b + (at >>> 3)),
    (v, b, at, x) => v.setUint8(b + (at >>> 3), x),
    scalarSource('Uint8'),
  );
export const u16 = (bit = 0): Field<number> =>
  field(
    bit,
    16,
    2,
    (v, b, at) => v.getUint16(b + (at >>> 3), true),
    (v, b, at, x) => v.setUint16(b + (at >>> 3), x, true),
    scalarSource('Uint16'),
  );
export const u32 = (bit = 0): Field<number> =>
  field(
    bit,
    32,
    4,
    (v, b, at) => v.getUint32(b + (at >>> 3), true),
    (v, b, at, x) => v.setUint32(b + (at >>> 3), x, true),
    scalarSource('Uint32'),
  );
export const s32 = (bit = 0): Field<number> =>
  field(
    bit,
    32,
    4,
    (v, b, at) => v.getInt32(b + (at >>> 3), true),
    (v, b, at, x) => v.setInt32(b + (at >>> 3), x, true),
    scalarSource('Int32'),
  );
/** 64-bit value as bigint: the uAPI's edge, where a hostile client may send any of the 2^64. */
export const u64 = (bit = 0): Field<bigint> =>
  field(
    bit,
    64,
    8,
    (v, b, at) => v.getBigUint64(b + (at >>> 3), true),
    (v, b, at, x) => v.setBigUint64(b + (at >>> 3), x, true),
    scalarSource('BigUint64'),
  );
export const s64 = (bit = 0): Field<bigint> =>
  field(
    bit,
    64,
    8,
    (v, b, at) => v.getBigInt64(b + (at >>> 3), true),
    (v, b, at, x) => v.setBigInt64(b + (at >>> 3), x, true),
    scalarSource('BigInt64'),
  );

/** `n` equal fields one after the other. */
export function array<T>(element: Field<T>, n: number, bit = 0): Field<T[]> {
  const stride = element.width;
  const places = new Map<number, readonly Field<T>[]>();
  /** The elements of an array at bit `at`: made when it is first read or written there. */
  const elementsAt = (at: number): readonly Field<T>[] => {
    let elements = places.get(at);
    if (!elements) {
      elements = Array.from({ length: n }, (_, i) => element.at(at + i * stride));
      places.set(at, elements);
    }
    return elements;
  };
  return field(
    bit,
    stride * n,
    element.align,
    (v, b, at) => elementsAt(at).map((each) => each.read(v, b)),
    (v, b, at, values) => {
      const each = elementsAt(at);
      for (let i = 0; i < n; i++) each[i]!.write(v, b, values[i] as T);
    },
    arraySource(element.source, stride, n),
  );
}

/** Bytes of fixed length; text in them ends at the first zero. */
export function bytes(n: number, bit = 0): Field<Uint8Array> {
  return field(
    bit,
    n * 8,
    1,
    (v, b, at) => new Uint8Array(v.buffer, v.byteOffset + b + (at >>> 3), n).slice(),
    (v, b, at, value) => new Uint8Array(v.buffer, v.byteOffset + b + (at >>> 3), n).fill(0).set(value.subarray(0, n)),
  );
}

/** Another layout as a member. */
export function nested<F extends Fields>(inner: Layout<F>, bit = 0): Field<Values<F>> {
  const place = (plain: Field<Values<F>>): Field<Values<F>> => ({
    ...plain,
    inner,
    at: (to) => place(plain.at(to)),
  });
  return place(
    field(
      bit,
      inner.size * 8,
      inner.align,
      (v, b, at) => inner.read(v, b + (at >>> 3)),
      (v, b, at, value) => inner.write(v, b + (at >>> 3), value),
    ),
  );
}

/** A layout whose positions come from the datasheet. `size` in bytes. */
export function layout<F extends Fields>(name: string, size: number, fields: F, align = 4): Layout<F> {
  const names = Object.keys(fields) as (keyof F & string)[];
  const list = names.map((key) => [key, fields[key]!] as const);
  for (const [key, f] of list) {
    if (f.bit + f.width > size * 8) throw new Error(`${name}.${key} ends beyond ${size} bytes`);
  }
  let read = (view: DataView, base: number): Values<F> => {
    if (++reads >= HOT) read = compileReader(list);
    const out = {} as Values<F>;
    for (const [key, f] of list) out[key] = f.read(view, base);
    return out;
  };
  let write = (view: DataView, base: number, values: Partial<Values<F>>): void => {
    if (++writes >= HOT) write = compileWriter(list);
    for (const [key, f] of list) {
      const value = values[key];
      if (value !== undefined) f.write(view, base, value);
    }
  };
  let reads = 0;
  let writes = 0;
  return {
    name,
    size,
    align,
    fields,
    offset: Object.fromEntries(list.map(([key, f]) => [key, f.bit >>> 3])) as { [K in keyof F]: number },
    read: (view, base) => read(view, base),
    write: (view, base, values) => write(view, base, values),
    pack(values) {
      const out = new Uint8Array(size);
      write(new DataView(out.buffer), 0, values);
      return out;
    },
  };
}

/** Numbers from here on are easier to read in hexadecimal digits. */
const LARGE = 0x10000;
/** Elements of an array, or bytes, that are shown. */
const MOST_SHOWN = 64;

function textOf(value: unknown, { text }: Pick<Field<any>, 'text'>): string {
  if (text) return text(value);
  if (typeof value === 'number') return Number.isInteger(value) && value >= LARGE ? hexText(value) : String(value);
  if (typeof value === 'bigint') return value >= LARGE ? `0x${value.toString(16)}` : String(value);
  if (value instanceof Uint8Array) {
    const bytes = Array.from(value.subarray(0, MOST_SHOWN), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    return value.length > MOST_SHOWN ? `${bytes} …` : bytes;
  }
  if (Array.isArray(value)) {
    const shown = value.slice(0, MOST_SHOWN).map((each) => textOf(each, {}));
    return `[${shown.join(', ')}${value.length > MOST_SHOWN ? ', …' : ''}]`;
  }
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, each]) => `${key} ${textOf(each, {})}`)
      .join(', ')} }`;
  }
  return String(value);
}

/**
 * The printer: what a layout holds, a line a field as `name: value`, those of inner layouts indented beneath their name. Flags
 * that are not set are left out, and whatever `omit` names: of fields that share bits, one set means something.
 */
export function printLayout<F extends Fields>(
  layout: Layout<F>,
  view: DataView,
  base: number,
  omit: (name: string) => boolean = () => false,
): string[] {
  const lines: string[] = [];
  for (const [name, field] of Object.entries<Field<any>>(layout.fields)) {
    if (omit(name)) continue;
    if (field.inner) {
      lines.push(`${name}:`, ...printLayout(field.inner, view, base + (field.bit >>> 3)).map((line) => `  ${line}`));
      continue;
    }
    const value = field.read(view, base);
    if (value !== false) lines.push(`${name}: ${value === true ? 'yes' : textOf(value, field)}`);
  }
  return lines;
}

/** Uses after which a layout gets functions of its own. */
const HOT = 4;

/** A C struct: fields in order, each at its natural alignment, size rounded up to the largest. */
export function struct<F extends Fields>(name: string, members: F): Layout<F> {
  let at = 0;
  let align = 1;
  const placed: Fields = {};
  for (const [key, member] of Object.entries(members)) {
    at = Math.ceil(at / member.align) * member.align;
    placed[key] = member.at(at * 8);
    at += member.width / 8;
    align = Math.max(align, member.align);
  }
  return layout(name, Math.ceil(at / align) * align, placed as F, align);
}

/** A DataView over the same bytes. */
export const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** Objects one after the other, as arrays of them lie in memory. */
export function packAll<L extends Layout<any>>(layout: L, values: readonly Partial<Infer<L>>[]): Uint8Array {
  const bytes = new Uint8Array(layout.size * values.length);
  for (const [i, value] of values.entries()) layout.write(viewOf(bytes), i * layout.size, value as object);
  return bytes;
}
