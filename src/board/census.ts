/**
 * Census: how many things of a kind are alive on a board.
 *
 * What clients cause to exist is counted where it is made and where it ends, whoever holds it meanwhile. When all clients
 * are gone every count is zero again; one that is not names what was left behind. `board` is any object that the parts of
 * one board share, such as its DRAM or its clock.
 */
export type CensusKind = 'buffers' | 'groups' | 'jobs' | 'syncobjs' | 'vms' | 'waits';

const boards = new WeakMap<object, Map<CensusKind, number>>();

/** One more (or, with -1, one less) of a kind. */
export function count(board: object, kind: CensusKind, change: 1 | -1): void {
  let counts = boards.get(board);
  if (!counts) {
    counts = new Map();
    boards.set(board, counts);
  }
  counts.set(kind, (counts.get(kind) ?? 0) + change);
}

/** How many are alive. */
export const alive = (board: object, kind: CensusKind): number => boards.get(board)?.get(kind) ?? 0;
