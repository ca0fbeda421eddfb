/** What a unit's branches say of its lanes: whether they may part. */
import type { Unit } from './flow.ts';

/** Whether lanes that run a unit together may part in it. */
export const parts = ({ blocks }: Unit): boolean =>
  blocks.some(({ end, always }) => end === 'indirect' || (end === 'branch' && always === undefined));
