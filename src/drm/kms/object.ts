/**
 * ModeObject: everything in KMS that has an id: planes, CRTCs, connectors, encoders, properties, framebuffers, blobs.
 * After Linux `drivers/gpu/drm/drm_mode_object.c`. Ids are unique over all types; a new object gets the lowest that is free, as
 * clients expect.
 */
import { OBJECT, type ObjectType } from '../../abi/kms.ts';
import { must } from '../error.ts';
import { HandleTable } from '../handle-table.ts';
import type { Property } from './property.ts';

/** A property of an object: how its value is read now. Setting goes through an atomic commit (atomic.ts). */
export interface PropertyValue {
  readonly property: Property;
  readonly value: bigint;
}

export class ModeObject {
  readonly id: number;
  readonly type: ObjectType;

  constructor(table: ObjectTable, type: ObjectType) {
    this.type = type;
    this.id = table.add(this);
  }

  /** Its properties with their values; undefined for the types that have none at all. */
  properties(): readonly PropertyValue[] | undefined {
    return undefined;
  }

  /** One of its properties. */
  property(_id: number): Property | undefined {
    return undefined;
  }
}

/** Objects that come and go are counted; the id dies with the last reference. */
export abstract class CountedObject extends ModeObject {
  readonly #table: ObjectTable;
  #references = 1;

  constructor(table: ObjectTable, type: ObjectType) {
    super(table, type);
    this.#table = table;
  }

  get references(): number {
    return this.#references;
  }

  get(): this {
    if (this.#references === 0) throw new Error(`kms: ${this.type} ${this.id} is gone`);
    this.#references++;
    return this;
  }

  put(): void {
    if (this.#references === 0) throw new Error(`kms: one reference too many of ${this.type} ${this.id} was dropped`);
    if (--this.#references > 0) return;
    this.#table.remove(this);
    this.release();
  }

  /** Gives back what it holds. */
  protected release(): void {}
}

export class ObjectTable {
  readonly #objects = new HandleTable<ModeObject>('mode object', 2 ** 31 - 1);

  /** Returns the object's id. */
  add(object: ModeObject): number {
    return this.#objects.add(object);
  }

  remove(object: ModeObject): void {
    this.#objects.remove(object.id);
  }

  get size(): number {
    return this.#objects.size;
  }

  /** How many there are of a type. */
  count(type: ObjectType): number {
    let found = 0;
    for (const object of this.#objects.values()) if (object.type === type) found++;
    return found;
  }

  /** The object with this id, if it is of a type that `type` admits. */
  peek(id: number, type: number = OBJECT.any): ModeObject | undefined {
    const object = this.#objects.get(id);
    return object && (type === OBJECT.any || OBJECT[object.type] === type) ? object : undefined;
  }

  /** The same; throws ENOENT. */
  find<T extends ModeObject>(id: number, type: ObjectType): T {
    const object = this.#objects.get(id);
    must(object?.type === type, 'ENOENT', () => `${id} names no ${type}`);
    return object as unknown as T;
  }
}
