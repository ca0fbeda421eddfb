/**
 * Which registers a unit may read before it has written them: those that a fresh warp's function must fetch from the register
 * file, and that must be cleared there. All others begin as zeros inside the function, and what an earlier warp, perhaps another
 * client's, has left of them is never seen.
 */
import { REGISTERS } from './effects.ts';
import type { Block } from './flow.ts';

const ALL_REGISTERS: readonly number[] = Array.from({ length: REGISTERS }, (_, r) => r);

/** The registers of the unit of `blocks` that begins at `entry`. `index`: block numbers by address. */
export function liveIn(blocks: readonly Block[], index: ReadonlyMap<number, number>, entry: number): readonly number[] {
  // Whoever runs behind the unit's edge may read anything.
  if (blocks.some(({ end }) => end === 'indirect' || end === 'leave')) return ALL_REGISTERS;
  const first = index.get(entry)!;
  const again = blocks.some(({ target }) => target === entry);
  // Lanes may part, and those that do not run keep what they have: only what all pass through overwrites for all.
  const live = blocks.map(() => new Uint8Array(REGISTERS));
  const successors = blocks.map(({ end, next, target }) =>
    [...(end === 'end' ? [] : [next]), target].flatMap((pc) => index.get(pc) ?? []),
  );
  const now = new Uint8Array(REGISTERS);
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = blocks.length - 1; n >= 0; n--) {
      const { sites } = blocks[n]!;
      const overwrites = n === first && !again;
      now.fill(0);
      for (const s of successors[n]!) for (let r = 0; r < REGISTERS; r++) now[r]! |= live[s]![r]!;
      for (let at = sites.length - 1; at >= 0; at--) {
        const { sources, reads, kills } = sites[at]!.effects;
        if (!overwrites || kills.length === 0) for (const r of reads) now[r] = 1;
        else {
          for (const r of kills) now[r] = 0;
          for (const r of sources) now[r] = 1;
        }
      }
      const before = live[n]!;
      if (now.every((is, r) => is === before[r])) continue;
      before.set(now);
      changed = true;
    }
  }
  return ALL_REGISTERS.filter((r) => live[first]![r]);
}
