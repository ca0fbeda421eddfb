/**
 * Property: a named value that clients read and set on a mode object, with the range of values that it takes; and Blob,
 * the value that is more than 64 bits.
 * After Linux `drivers/gpu/drm/drm_property.c`.
 */
import { OBJECT, type ObjectType, PROP } from '../../abi/kms.ts';
import { CountedObject, ModeObject, type ObjectTable } from './object.ts';

type Kind = 'range' | 'signed' | 'enum' | 'bitmask' | 'blob' | 'object';
const KIND_FLAG: Record<Kind, number> = {
  range: PROP.RANGE,
  signed: PROP.SIGNED_RANGE,
  enum: PROP.ENUM,
  bitmask: PROP.BITMASK,
  blob: PROP.BLOB,
  object: PROP.OBJECT,
};

export interface PropertyOptions {
  readonly immutable?: boolean;
  /** Hidden from clients that did not ask for atomic. */
  readonly atomic?: boolean;
}

export class Property extends ModeObject {
  readonly name: string;
  readonly kind: Kind;
  readonly options: PropertyOptions;
  /** Ends of the range, values of the enum, bit numbers of the bitmask, type of the object; empty for a blob. */
  readonly values: readonly bigint[];
  /** Names of enum values and bits. */
  readonly names: readonly string[];

  constructor(
    table: ObjectTable,
    name: string,
    kind: Kind,
    options: PropertyOptions,
    values: readonly bigint[],
    names: readonly string[] = [],
  ) {
    super(table, 'property');
    this.name = name;
    this.kind = kind;
    this.options = options;
    this.values = values;
    this.names = names;
  }

  get flags(): number {
    const { immutable, atomic } = this.options;
    return (KIND_FLAG[this.kind] | (immutable ? PROP.IMMUTABLE : 0) | (atomic ? PROP.ATOMIC : 0)) >>> 0;
  }

  /** Whether a client may set it to `value` (the 64 bits as they came). */
  admits(value: bigint, table: ObjectTable): boolean {
    if (this.options.immutable) return false;
    const [first = 0n, last = 0n] = this.values;
    switch (this.kind) {
      case 'range':
        return value >= first && value <= last;
      case 'signed': {
        const signed = BigInt.asIntN(64, value);
        return signed >= first && signed <= last;
      }
      case 'enum':
        return this.values.includes(value);
      case 'bitmask':
        return (value & ~this.values.reduce((mask, bit) => mask | (1n << bit), 0n)) === 0n;
      case 'blob':
        return value === 0n || table.peek(Number(value & 0xffffffffn), OBJECT.blob) !== undefined;
      case 'object':
        return value === 0n || table.peek(Number(value & 0xffffffffn), Number(first)) !== undefined;
    }
  }
}

/** Makes properties in one object table. */
export function propertyMaker(table: ObjectTable) {
  const make = (name: string, kind: Kind, options: PropertyOptions, values: readonly bigint[], names?: string[]) =>
    new Property(table, name, kind, options, values, names);
  return {
    range: (name: string, low: bigint, high: bigint, options: PropertyOptions = {}) =>
      make(name, 'range', options, [low, high]),
    signed: (name: string, low: bigint, high: bigint, options: PropertyOptions = {}) =>
      make(name, 'signed', options, [low, high]),
    bool: (name: string, options: PropertyOptions = {}) => make(name, 'range', options, [0n, 1n]),
    enum: (name: string, entries: Record<string, number>, options: PropertyOptions = {}) =>
      make(name, 'enum', options, Object.values(entries).map(BigInt), Object.keys(entries)),
    bitmask: (name: string, bits: Record<string, number>, options: PropertyOptions = {}) =>
      make(name, 'bitmask', options, Object.values(bits).map(BigInt), Object.keys(bits)),
    blob: (name: string, options: PropertyOptions = {}) => make(name, 'blob', options, []),
    object: (name: string, type: ObjectType, options: PropertyOptions = {}) =>
      make(name, 'object', options, [BigInt(OBJECT[type])]),
  };
}

/** Bytes that never change, shared by whoever holds a reference: modes, gamma tables, EDIDs. */
export class Blob extends CountedObject {
  readonly data: Uint8Array;

  constructor(table: ObjectTable, data: Uint8Array) {
    super(table, 'blob');
    this.data = data;
  }
}
