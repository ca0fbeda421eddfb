/**
 * Specials that are the same for all warps of a run: what the stage and the resource tables are, as words that instructions
 * read like uniforms. They lie behind the fast-access uniforms (warp.ts: RunContext), where recompiled code finds them.
 */
import { SPECIALS, UNIFORMS_PER_PAGE } from '../../abi/isa/encoding.ts';
import type { ShaderEnvironment, Stage } from './contract.ts';

/** Words that the four pages of the FAU can name, and the upper word of a pair at their end. */
export const FAU_WORDS = 4 * UNIFORMS_PER_PAGE + 1;

const BLEND_DESCRIPTORS = 8;
const NAMES = [
  'framebuffer_size',
  'atest_datum',
  'sample',
  ...Array.from({ length: BLEND_DESCRIPTORS }, (_, n) => `blend_descriptor_${n}`),
  'workgroup_local_pointer',
  'resource_table_pointer',
] as const;
export const RUN_WORDS = FAU_WORDS + 2 * NAMES.length;

const WORDS: readonly (readonly (number | undefined)[])[] = SPECIALS.map((page) =>
  page.flatMap((name) => {
    const place = name === undefined ? -1 : NAMES.indexOf(name);
    const word = place < 0 ? undefined : FAU_WORDS + 2 * place;
    return [word, word === undefined ? undefined : word + 1];
  }),
);

/** Where from the uniforms on a special's word lies; undefined: it is not the run's. */
export const runWord = (page: number, index: number): number | undefined => WORDS[page]?.[index];

/** Sets the words of all specials of a run, from word `at` of `words` on, which are zero. */
export function setSpecials(words: Uint32Array, at: number, { resources }: ShaderEnvironment, stage: Stage): void {
  if (stage.kind === 'fragment') {
    words[at] = stage.framebufferSize;
    words[at + 2] = stage.atestDatum[0];
    words[at + 3] = stage.atestDatum[1];
    setPair(words, at + 4, stage.samplePositions);
    for (let i = 0; i < 2 * BLEND_DESCRIPTORS; i++) words[at + 6 + i] = stage.blendDescriptors[i]!;
  } else if (stage.kind === 'compute') setPair(words, at + 2 * (NAMES.length - 2), stage.workgroupStorage);
  setPair(words, at + 2 * (NAMES.length - 1), resources.address);
}

function setPair(words: Uint32Array, at: number, value: number): void {
  words[at] = value % 2 ** 32;
  words[at + 1] = Math.floor(value / 2 ** 32);
}
