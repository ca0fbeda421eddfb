/** Binding: how one property reads and changes the state of the objects that carry it. */
import type { SetContext } from './atomic.ts';
import type { ModeObject } from './object.ts';
import type { Property } from './property.ts';

export interface Binding<State, Change> {
  readonly property: Property;
  /** The value that clients see. */
  get(state: State): bigint;
  /** Takes a value that the property admits into a commit. Absent: clients cannot set it this way. */
  set?(change: Change, value: bigint, context: SetContext): void;
}

export type Bindings<State, Change> = readonly Binding<State, Change>[];

export const id = (object: ModeObject | undefined): bigint => BigInt(object?.id ?? 0);
/** The low 32 bits: object ids. */
export const number = (value: bigint): number => Number(BigInt.asUintN(32, value));
export const signed32 = (value: bigint): number => Number(BigInt.asIntN(32, value));
