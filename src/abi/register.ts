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

const extract = (raw: number, bit: number, width: number): number => Math.floor(raw / 2 ** bit) % 2 ** width;

function register<B extends Bits>(name: string, offset: number, width: 32 | 64, bits: B): Register<B> {
  const names = Object.keys(bits) as (keyof B)[];
  const spot = (key: keyof B) => bits[key] as readonly [number, number];
  return {
    name,
    offset,
    width,
    bits,
    decode(raw) {
      const out = {} as Value<B>;
      for (const key of names) out[key] = extract(raw, ...spot(key));
      return out;
    },
    get: (raw, key) => extract(raw, ...spot(key)),
    encode(values) {
      let raw = 0;
      for (const key of names) {
        const [bit, size] = spot(key);
        raw += ((values[key] ?? 0) % 2 ** size) * 2 ** bit;
      }
      return raw;
    },
  };
}

/** A 32-bit register at `offset`; `bits` gives [first bit, width] of each field. */
export const reg32 = <const B extends Bits>(name: string, offset: number, bits: B = {} as B): Register<B> =>
  register(name, offset, 32, bits);

/** A 64-bit register: low half at `offset`, high half at `offset + 4`. */
export const reg64 = <const B extends Bits>(name: string, offset: number, bits: B = {} as B): Register<B> =>
  register(name, offset, 64, bits);
