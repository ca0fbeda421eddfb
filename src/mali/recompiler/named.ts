/**
 * What an instruction names, an attribute, a buffer or an image: by table and index in its word, or by a handle in its third source; and whether a
 * record is of it.
 */
import { resourceHandle, unfoldTable } from '../../abi/gpu/shader-descriptors.ts';
import type { Instruction } from '../shader/decode.ts';
import type { Label } from '../wasm/builder.ts';
import type { Around } from './access.ts';
import { FRAME } from './frame.ts';
import type { Lanes } from './lanes.ts';
import type { Lowering } from './lowering.ts';

/** The lanes' handles: all the same unless `indirect`. */
export interface Named {
  readonly handle: Lanes;
  readonly indirect: boolean;
}

export const immediateHandle = (i: Instruction): number =>
  resourceHandle(unfoldTable(i.immediates.table!), i.immediates.index!) >>> 0;

export function named(x: Lowering): Named {
  if (x.i.sources.length > 2) return { handle: x.raw(2), indirect: true };
  return { handle: x.l.words(immediateHandle(x.i)), indirect: false };
}

/**
 * Branches to `stale` where a record, of which `time` and `known` are the words of epoch and handle, is not of this epoch, or of another
 * handle than one of the lanes `among` (a local; undefined: all lanes) has.
 */
export function leaveIfStale(
  { code, lanes, records }: Pick<Around, 'code' | 'lanes' | 'records'>,
  { time, known }: { readonly time: number; readonly known: number },
  { handle, indirect }: Named,
  among: number | undefined,
  stale: Label,
): void {
  code.get(records).memory('i32_load', time);
  code.get(1).memory('i32_load', FRAME.epoch).op('i32_ne').brIf(stale);
  if (!indirect) return;
  lanes.bitmask((k) => {
    handle(k);
    code.get(records).memory('v128_load32_splat', known).op('i32x4_ne');
  });
  if (among !== undefined) code.get(among).op('i32_and');
  code.brIf(stale);
}
