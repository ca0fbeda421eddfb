/**
 * Arrays in the caller's memory. KMS ioctls are called twice: first for the counts, then with room for that many entries.
 */
import { PAGE } from '../../board/dram.ts';
import type { UserContext } from '../user.ts';

function put(user: UserContext, address: bigint, room: number, count: number, size: number, fill: Fill): number {
  const written = Math.min(room, count);
  if (written > 0) {
    const out = new Uint8Array(written * size);
    const view = new DataView(out.buffer);
    for (let i = 0; i < written; i++) fill(view, i * size, i);
    user.write(address, out);
  }
  return count;
}
type Fill = (view: DataView, at: number, index: number) => void;

/** Writes as many as there is room for; returns how many there are. */
export const putU32s = (user: UserContext, address: bigint, room: number, values: readonly number[]): number =>
  put(user, address, room, values.length, 4, (view, at, i) => view.setUint32(at, values[i]!, true));

export const putU64s = (user: UserContext, address: bigint, room: number, values: readonly bigint[]): number =>
  put(user, address, room, values.length, 8, (view, at, i) => view.setBigUint64(at, values[i]!, true));

/** Entries that are packed structs of one size. */
export function putStructs(user: UserContext, address: bigint, room: number, entries: readonly Uint8Array[]): number {
  const size = entries[0]?.length ?? 0;
  return put(user, address, room, entries.length, size, (view, at, i) =>
    new Uint8Array(view.buffer, at, size).set(entries[i]!),
  );
}

/**
 * An array that is read in order, by pages and no farther than it is used: what is wrong with an early element shows
 * before memory that ends behind it.
 */
export class UserArray<T> {
  readonly #user: UserContext;
  readonly #address: bigint;
  readonly #read: (user: UserContext, address: bigint, count: number) => T[];
  readonly #size: bigint;
  #first = 0;
  #chunk: T[] = [];

  /** `read` is getU32s or getU64s, `size` their bytes. */
  constructor(
    user: UserContext,
    address: bigint,
    read: (user: UserContext, address: bigint, count: number) => T[],
    size: number,
  ) {
    this.#user = user;
    this.#address = address;
    this.#read = read;
    this.#size = BigInt(size);
  }

  /** Element `index`, of which there are `count`; none before one that was asked for earlier. Throws EFAULT. */
  at(index: number, count: number): T {
    if (index >= this.#first + this.#chunk.length) {
      const address = BigInt.asUintN(64, this.#address + BigInt(index) * this.#size);
      const room = Number((BigInt(PAGE) - (address % BigInt(PAGE))) / this.#size);
      this.#chunk = this.#read(this.#user, address, Math.min(Math.max(1, room), count - index));
      this.#first = index;
    }
    return this.#chunk[index - this.#first]!;
  }
}

export function getU32s(user: UserContext, address: bigint, count: number): number[] {
  if (count === 0) return [];
  const data = user.read(address, count * 4);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, i) => view.getUint32(i * 4, true));
}

export function getU64s(user: UserContext, address: bigint, count: number): bigint[] {
  if (count === 0) return [];
  const data = user.read(address, count * 8);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, i) => view.getBigUint64(i * 8, true));
}

export function getU16s(user: UserContext, address: bigint, count: number): number[] {
  if (count === 0) return [];
  const data = user.read(address, count * 2);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, i) => view.getUint16(i * 2, true));
}

export const putU16s = (user: UserContext, address: bigint, room: number, values: readonly number[]): number =>
  put(user, address, room, values.length, 2, (view, at, i) => view.setUint16(at, values[i]!, true));
