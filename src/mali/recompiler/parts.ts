/** What a unit's branches say of its lanes: which are always or never taken, and whether lanes may part. */
import { CONSTANTS } from '../../abi/isa/encoding.ts';
import type { Site, Unit } from './flow.ts';

/** Whether a branch is always taken, or never; undefined: it depends. */
export function always({ instruction: i }: Site): boolean | undefined {
  const source = i.sources[0]!;
  if (source.kind !== 'constant') return undefined;
  const word = CONSTANTS[source.index]!;
  const part = source.select === 'h0' ? word & 0xffff : source.select === 'h1' ? word >>> 16 : word;
  return (part === 0) === (i.modifiers.eq === 'eq');
}

/** Whether lanes that run a unit together may part in it. */
export const parts = ({ blocks }: Unit): boolean =>
  blocks.some(({ end, sites }) => end === 'indirect' || (end === 'branch' && always(sites.at(-1)!) === undefined));
