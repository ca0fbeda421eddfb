/**
 * Where a texel lies in its AFBC superblock, in emitted samplers: rows of 4×4 subblocks, so a sum (and an or) of what its
 * column and what its row give.
 */
import { AFBC_SUBBLOCK } from '../../board/image/afbc.ts';
import { LOOKED, type SamplerCode } from './emit-code.ts';

const BYTE = 256;

/** Pushes what an index below `size` gives: so many texels a step, so many a subblock, each of so many bytes. */
export function pushPlace(
  c: SamplerCode,
  index: number,
  size: number,
  step: number,
  subblock: number,
  bytes: number,
): void {
  const { f } = c;
  const low = AFBC_SUBBLOCK - 1;
  const place = (i: number): number => (i & low) * step + (i >> Math.log2(AFBC_SUBBLOCK)) * subblock;
  if (size <= LOOKED) {
    const direct = place(size - 1) * bytes < BYTE;
    c.look(index, (i) => place(i % size) * (direct ? bytes : 1));
    if (direct) return;
  } else {
    f.get(index);
    c.words(low).op('v128_and');
    c.times(step);
    f.get(index);
    c.words(size - 1 - low).op('v128_and');
    c.times(subblock / AFBC_SUBBLOCK);
    f.op('v128_or');
  }
  c.times(bytes);
}
