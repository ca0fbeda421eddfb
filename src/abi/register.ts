/**
 * Register: one 32- or 64-bit hardware register as data, with the names of its fields.
 *
 * 64-bit registers are two 32-bit halves, low half first; their values are plain numbers below 2^53 wherever the hardware
 * defines no bit above that, which holds for all of them here but the *_PRESENT bitmaps, whose upper half is zero.
 */

type Bits = Record<string, readonly [bit: number, width: number]>;
type Value<B extends Bits> = { [K in keyof B]: number };

export interface Register<B extends Bits = Bits> {
  readonly name: string;
  /** Byte offset inside the register block that declares it. */
  readonly offset: number;
  readonly width: 32 | 64;
  readonly bits: B;
  /** Takes a raw value apart. */
  decode(raw: number): Value<B>;
  /** One field of a raw value. */
  get(raw: number, name: keyof B): number;
  /** A raw value with these fields set and all others zero. */
  encode(values: Partial<Value<B>>): number;
}

/** What lies in `width` bits from `bit` on, as source; registers of 64 bits are beyond JavaScript's shifts. */
function extractSource(bit: number, width: number): string {
  if (bit + width > 32) return `Math.floor(raw / ${2 ** bit}) % ${2 ** width}`;
  return width === 32 ? 'raw >>> 0' : `(raw >>> ${bit}) & ${2 ** width - 1}`;
}

function insertSource(name: string, bit: number, width: number): string {
  const value = `(values[${JSON.stringify(name)}] ?? 0)`;
  return `(${value} % ${2 ** width}) * ${2 ** bit}`;
}

/** The functions of a register, made when they are first used: decoding and encoding by name, with constant shifts. */
function compile<B extends Bits>(bits: B): Pick<Register<B>, 'decode' | 'encode'> {
  const list = Object.entries(bits);
  const reads = list.map(([name, [bit, width]]) => `${JSON.stringify(name)}: ${extractSource(bit, width)}`);
  const writes = list.map(([name, [bit, width]]) => insertSource(name, bit, width));
  return new Function(
    `return { decode: (raw) => ({ ${reads.join(', ')} }), encode: (values) => ${writes.join(' + ') || '0'} };`,
  )();
}

function register<B extends Bits>(name: string, offset: number, width: 32 | 64, bits: B): Register<B> {
  let made: Pick<Register<B>, 'decode' | 'encode'> | undefined;
  const functions = (): Pick<Register<B>, 'decode' | 'encode'> => {
    made ??= compile(bits);
    return made;
  };
  return {
    name,
    offset,
    width,
    bits,
    decode: (raw) => functions().decode(raw),
    get(raw, key) {
      const [bit, size] = bits[key] as readonly [number, number];
      if (bit + size > 32) return Math.floor(raw / 2 ** bit) % 2 ** size;
      return size === 32 ? raw >>> 0 : (raw >>> bit) & ((1 << size) - 1);
    },
    encode: (values) => functions().encode(values),
  };
}

/** A 32-bit register at `offset`; `bits` gives [first bit, width] of each field. */
export const reg32 = <const B extends Bits>(name: string, offset: number, bits: B = {} as B): Register<B> =>
  register(name, offset, 32, bits);

/** A 64-bit register: low half at `offset`, high half at `offset + 4`. */
export const reg64 = <const B extends Bits>(name: string, offset: number, bits: B = {} as B): Register<B> =>
  register(name, offset, 64, bits);
