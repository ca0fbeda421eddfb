/**
 * Readers and writers of layouts as JavaScript source.
 *
 * A layout that is read again and again would go through one closure and one named property a field, which no JavaScript
 * engine makes fast. So its fields say how they are read and written as source (`FieldSource`), and the whole becomes one
 * function whose offsets, shifts and masks are constants, and whose result always has the same shape. A field that says
 * nothing is called as before; what the functions do is the same in any case.
 *
 * In the source `v` is the DataView, `b` the byte where the layout begins, and `x` the value to write.
 */

/** How a field at bit `bit` is read and written. */
export interface FieldSource {
  /** An expression. */
  read(bit: number): string;
  /** Statements. */
  write(bit: number): string;
}

/** What of a field its layout's functions are made of. */
interface SourceField {
  readonly bit: number;
  readonly source?: FieldSource | undefined;
  read(view: DataView, base: number): any;
  write(view: DataView, base: number, value: any): void;
}

type Named = readonly (readonly [name: string, field: SourceField])[];

/** `b + offset`. */
const at = (offset: number): string => (offset === 0 ? 'b' : `b + ${offset}`);
const word = (bit: number): number => (bit >>> 5) * 4;
const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** `width` bits inside one 32-bit word, as an unsigned number; `put` makes what is stored of the value `x`. */
export function bitsSource(
  width: number,
  take: (raw: string) => string = (raw) => raw,
  put: (value: string) => string = (value) => value,
): FieldSource | undefined {
  if (width > 32) return undefined;
  const mask = width === 32 ? 0xffffffff : 2 ** width - 1;
  return {
    read(bit) {
      const load = `v.getUint32(${at(word(bit))}, true)`;
      const shift = bit & 31;
      if (width === 32) return take(load);
      const shifted = shift === 0 ? load : `${load} >>> ${shift}`;
      return take(shift + width === 32 ? `(${shifted})` : `(${shifted} & ${hex(mask)})`);
    },
    write(bit) {
      const place = at(word(bit));
      const shift = bit & 31;
      if (width === 32) return `v.setUint32(${place}, ${put('x')}, true);`;
      const kept = ~(mask << shift);
      return `v.setUint32(${place}, v.getUint32(${place}, true) & ${hex(kept)} | (${put('x')} & ${hex(mask)}) << ${shift}, true);`;
    },
  };
}

/** A value that DataView has accessors for, `type` being the end of their names. */
export function scalarSource(type: string): FieldSource {
  const order = type.endsWith('8') ? '' : ', true';
  return {
    read: (bit) => `v.get${type}(${at(bit >>> 3)}${order})`,
    write: (bit) => `v.set${type}(${at(bit >>> 3)}, x${order});`,
  };
}

/** A 64-bit value as a number. */
export const numberSource: FieldSource = {
  read: (bit) => `v.getUint32(${at(bit >>> 3)}, true) + v.getUint32(${at((bit >>> 3) + 4)}, true) * ${2 ** 32}`,
  write: (bit) =>
    `v.setUint32(${at(bit >>> 3)}, x % ${2 ** 32}, true); ` +
    `v.setUint32(${at((bit >>> 3) + 4)}, Math.floor(x / ${2 ** 32}), true);`,
};

/** Elements that are written out one by one; longer arrays get loops of their own. */
const WRITTEN_OUT = 16;

/** `n` fields of `stride` bits, one after the other. */
export function arraySource(element: FieldSource | undefined, stride: number, n: number): FieldSource | undefined {
  if (!element || n > WRITTEN_OUT) return undefined;
  const bits = (bit: number): number[] => Array.from({ length: n }, (_, i) => bit + i * stride);
  return {
    read: (bit) =>
      `[${bits(bit)
        .map((each) => element.read(each))
        .join(', ')}]`,
    write: (bit) =>
      `const a = x; ${bits(bit)
        .map((each, i) => `x = a[${i}]; ${element.write(each)}`)
        .join(' ')}`,
  };
}

/** Whether a field lies in one word, as its source takes for granted. */
const inOneWord = ({ bit, width }: { readonly bit: number; readonly width: number }): boolean =>
  width > 32 || (bit & 31) + width <= 32;

const sourceOf = (field: SourceField & { readonly width: number }): FieldSource | undefined =>
  inOneWord(field) ? field.source : undefined;

/** A function that reads all fields into a new object. */
export function compileReader(fields: Named): (view: DataView, base: number) => any {
  const lines = fields.map(([name, field], i) => {
    const source = sourceOf(field as SourceField & { width: number });
    return `${JSON.stringify(name)}: ${source ? source.read(field.bit) : `f[${i}].read(v, b)`}`;
  });
  const body = `return (v, b) => ({ ${lines.join(', ')} });`;
  return new Function('f', body)(fields.map(([, field]) => field));
}

/** A function that writes those fields that an object has. */
export function compileWriter(fields: Named): (view: DataView, base: number, values: any) => void {
  const lines = fields.map(([name, field], i) => {
    const source = sourceOf(field as SourceField & { width: number });
    const write = source ? source.write(field.bit) : `f[${i}].write(v, b, x);`;
    return `x = o[${JSON.stringify(name)}]; if (x !== undefined) { ${write} }`;
  });
  const body = `return (v, b, o) => { let x; ${lines.join(' ')} };`;
  return new Function('f', body)(fields.map(([, field]) => field));
}
