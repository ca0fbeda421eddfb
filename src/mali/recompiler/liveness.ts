/**
 * Which registers a unit may read before it has written them: those that a fresh warp's function must fetch from the register
 * file, and that must be cleared there. All others begin as zeros inside the function, and what an earlier warp, perhaps another
 * client's, has left of them is never seen.
 */
import { REGISTERS } from './effects.ts';
import type { Block } from './flow.ts';

const ALL_REGISTERS: ReadonlySet<number> = new Set(Array.from({ length: REGISTERS }, (_, r) => r));

/** The registers of the unit of `blocks` that begins at `entry`. `index`: block numbers by address. */
export function liveIn(
  blocks: readonly Block[],
  index: ReadonlyMap<number, number>,
  entry: number,
): ReadonlySet<number> {
  // Whoever runs behind the unit's edge may read anything.
  if (blocks.some(({ end }) => end === 'indirect' || end === 'leave')) return ALL_REGISTERS;
  const first = index.get(entry)!;
  const again = blocks.some(({ target }) => target === entry);
  // Lanes may part, and those that do not run keep what they have: only what all pass through overwrites for all.
  const live: Set<number>[] = blocks.map(() => new Set());
  const successors = ({ end, next, target }: Block): number[] =>
    [...(end === 'end' ? [] : [next]), target].flatMap((pc) => index.get(pc) ?? []);
  for (let changed = true; changed; ) {
    changed = false;
    for (let n = blocks.length - 1; n >= 0; n--) {
      const block = blocks[n]!;
      const now = new Set<number>();
      const overwrites = n === first && !again;
      for (const s of successors(block)) for (const r of live[s]!) now.add(r);
      for (let at = block.sites.length - 1; at >= 0; at--) {
        const { sources, reads, kills } = block.sites[at]!.effects;
        if (!overwrites || kills.length === 0) for (const r of reads) now.add(r);
        else {
          for (const r of kills) now.delete(r);
          for (const r of sources) now.add(r);
        }
      }
      if (now.size !== live[n]!.size) {
        live[n] = now;
        changed = true;
      }
    }
  }
  return live[first]!;
}
