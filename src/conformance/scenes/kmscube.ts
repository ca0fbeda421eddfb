/**
 * kmscube: each of its ways to draw and to show the cube, at three moments. What it draws depends on the number of the frame alone
 * (`draw(i)` of its sources), so a page flip names a moment.
 *
 * By legacy mode-setting it shows an empty buffer before its first frame, by atomic mode-setting (`-A`) it does not. llvmpipe has
 * not the fences that it wants for the latter, so there a picture is held against that of legacy mode-setting. Nor has it textures of two
 * planes, and Mesa's conversion of colours is not that of kmscube's shader, so of `nv12-1img` there is nothing to hold a picture against.
 */
import type { Case, Suite } from '../suite.ts';
import { sidesOf } from './place.ts';

interface Way {
  readonly args: readonly string[];
  /** What llvmpipe is asked for, where that is something else. */
  readonly reference?: readonly string[];
}

const NV12 = ['-M', 'nv12-2img'];

/** Its options by the names that the cases have. */
const WAYS: Readonly<Record<string, Way>> = {
  smooth: { args: [] },
  rgba: { args: ['-M', 'rgba'] },
  'nv12-2img': { args: NV12 },
  'smooth surfaceless': { args: ['-x'] },
  'smooth samples 4': { args: ['-s', '4'] },
  'rgba samples 4': { args: ['-M', 'rgba', '-s', '4'] },
  'smooth linear': { args: ['-m', '0'] },
  'smooth AR24': { args: ['-f', 'AR24'] },
  'atomic smooth': { args: ['-A'], reference: [] },
  'atomic rgba': { args: ['-A', '-M', 'rgba'], reference: ['-M', 'rgba'] },
  'atomic nv12-2img': { args: ['-A', ...NV12], reference: NV12 },
  'atomic smooth surfaceless': { args: ['-A', '-x'], reference: ['-x'] },
};

/** Numbers of frames, from 0: the beginning, and two by which all sides have been seen. */
const MOMENTS = [0, 40, 95];

/** Stated and defended in docs/conformance.md. */
const TOLERANCE = { levels: 2, share: 0.001, mean: 0.25 };

const flipOf = (frame: number, args: readonly string[]): number => frame + (args.includes('-A') ? 1 : 2);

export const kmscube: Suite = {
  name: 'kmscube',
  title: 'kmscube beside llvmpipe',
  batchSize: 1,
  limit: 60,
  mode: '800x600@60',
  selection: { shared: 1, alone: 14 },

  async prepare(options) {
    const sides = await sidesOf('kmscube', options);
    const cases = Object.keys(WAYS).flatMap((way) =>
      MOMENTS.map(
        (frame): Case => ({
          name: `${way}@frame ${frame}`,
          group: way,
          batch: undefined,
          skip: undefined,
          args: [String(frame)],
        }),
      ),
    );
    return {
      ...sides,
      cases,
      command: ([one]) => sides.ours(WAYS[one!.group]!.args),
      shot({ group, args: [frame] }) {
        const { args, reference = args } = WAYS[group]!;
        return {
          flip: flipOf(Number(frame), args),
          reference: { flip: flipOf(Number(frame), reference), command: sides.reference(reference) },
          tolerance: TOLERANCE,
        };
      },
    };
  },

  reader: () => ({ line: () => [], end: () => [] }),
};
