/**
 * Handles of textures and samplers that are the same for all lanes and for good: compilers load them as constants, a few
 * instructions before the texture instruction. What is known of a register holds within its block, whose lanes go together.
 */
import { CONSTANTS, HALVES } from '../../abi/isa/encoding.ts';
import type { Instruction } from '../shader/decode.ts';
import { textureForm } from '../shader/texture-ops.ts';
import type { Site, Unit } from './flow.ts';

/** The two words of a source that names texture and sampler; the second is 0 where one names both. */
export interface Handle {
  readonly low: number;
  readonly high: number;
}

/** By texture instruction: the handle, where it is constant. */
export function constantHandles({ blocks }: Unit): ReadonlyMap<Site, Handle> {
  const found = new Map<Site, Handle>();
  for (const { sites } of blocks) {
    const registers = new Map<number, number>();
    for (const site of sites) {
      const { instruction: i, effects } = site;
      if (textureForm(i)) {
        const handle = handleOf(i, registers);
        if (handle) found.set(site, handle);
      }
      const value = constantOf(i, registers);
      for (const r of effects.writes) registers.delete(r);
      if (value !== undefined) registers.set(i.dest, value);
    }
  }
  return found;
}

function handleOf(i: Instruction, registers: ReadonlyMap<number, number>): Handle | undefined {
  const { kind, index } = i.sources[0]!;
  const wide = i.modifiers.wide_indices === 'wide_indices';
  if (kind === 'constant') return { low: CONSTANTS[index]!, high: 0 };
  if (kind !== 'register') return undefined;
  const low = registers.get(index);
  const high = wide ? registers.get(index + 1) : 0;
  return low === undefined || high === undefined ? undefined : { low, high };
}

/** What the instruction writes to its register, if that is one word for all lanes: a move or a sum of such. */
function constantOf(i: Instruction, registers: ReadonlyMap<number, number>): number | undefined {
  const { name } = i.spec;
  if ((name !== 'MOV.i32' && name !== 'IADD_IMM.i32') || i.destHalves !== HALVES.BOTH) return undefined;
  const { kind, index } = i.sources[0]!;
  const word = kind === 'constant' ? CONSTANTS[index] : kind === 'register' ? registers.get(index) : undefined;
  if (word === undefined || name === 'MOV.i32') return word;
  return (word + i.immediates.constant!) | 0;
}
