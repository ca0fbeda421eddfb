/** Random texture instructions for the fuzzer, which mostly name the textures and samplers that there are (texture.ts). */
import { FAU_PAGE, SOURCE_KIND, SOURCE_KIND_SHIFT, setField } from '../../../abi/isa/encoding.ts';
import { INSTRUCTIONS } from '../../../abi/isa/instructions.ts';
import { assembleLine } from '../../../mali/shader/assemble.ts';
import { decode } from '../../../mali/shader/decode.ts';
import type { Random } from '../random.ts';
import { RANGES, STAGED_WORDS } from './input.ts';
import { instruction, modelled, valid } from './instruction.ts';
import { constantHandle, HANDLE_REGISTER, handlePair } from './texture.ts';
import type { Kind } from './values.ts';

const SPECS = modelled(INSTRUCTIONS.filter(({ base }) => base.startsWith('TEX_')));

/** A texture instruction, mostly with handles of textures and samplers, which it may load as constants; empty where none was found. */
export function textureInstructions(random: Random): readonly Uint32Array[] {
  const spec = random.pick(SPECS);
  const words = instruction(random, spec);
  if (!words) return [];
  const [source] = spec.sources;
  const { modifiers } = decode(words[0]!, words[1]!);
  const loads: Uint32Array[] = [];
  if (random.chance(95)) {
    const wide = modifiers.wide_indices === 'wide_indices';
    const uniform = (SOURCE_KIND.UNIFORM << SOURCE_KIND_SHIFT) | handlePair(modifiers.dimension!, wide);
    const inRegister = modifiers.dimension === '2d' && !wide && random.chance(50);
    setField(words, { bit: source!.bit, width: 8 }, inRegister ? HANDLE_REGISTER : uniform);
    if (inRegister && random.chance(50)) {
      loads.push(assembleLine(`IADD_IMM.i32 r${HANDLE_REGISTER}, 0x0, #${constantHandle(random)}`));
    }
    setField(words, FAU_PAGE, 0);
  }
  const kind: Kind = modifiers.registerType !== 'f' ? 'bits' : modifiers.registerWidth === '16' ? 'half' : 'single';
  const [first, count] = RANGES[spec.name === 'TEX_GRADIENT' ? 'bits' : kind];
  setField(words, spec.staging[0]!.base, first + random.below(count - STAGED_WORDS));
  return valid(words, spec) ? [...loads, words] : [];
}
