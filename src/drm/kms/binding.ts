/**
 * Binding: how one property reads and changes the state of the objects that carry it; and the objects that have such
 * properties: planes, CRTCs and connectors.
 */
import type { SetContext } from './atomic.ts';
import { ModeObject, type PropertyValue } from './object.ts';
import type { Property } from './property.ts';

export interface Binding<State, Change> {
  readonly property: Property;
  /** The value that clients see. */
  get(state: State): bigint;
  /** Takes a value that the property admits into a commit. Absent: clients cannot set it this way. */
  set?(change: Change, value: bigint, context: SetContext): void;
}

export type Bindings<State, Change> = readonly Binding<State, Change>[];

export abstract class BoundObject<State, Change> extends ModeObject {
  abstract readonly bindings: Bindings<State, Change>;
  /** What it is set to: replaced as a whole by every commit. */
  abstract state: State;

  override properties(): readonly PropertyValue[] {
    return this.bindings.map(({ property, get }) => ({ property, value: get(this.state) }));
  }

  override property(id: number): Property | undefined {
    return this.bindings.find((binding) => binding.property.id === id)?.property;
  }
}

export const id = (object: ModeObject | undefined): bigint => BigInt(object?.id ?? 0);
/** The low 32 bits: object ids. */
export const number = (value: bigint): number => Number(BigInt.asUintN(32, value));
export const signed32 = (value: bigint): number => Number(BigInt.asIntN(32, value));
