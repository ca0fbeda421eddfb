/**
 * glmark2: its scenes with the options that change what they draw, judged in two ways.
 *
 * By the picture, beside llvmpipe's: the first page flip, which shows a scene before its clock has run (MainLoop draws, and then has the
 * scene look at the time), so that both sides show the same moment however long they take to draw. `ideas` and `clear` are not among
 * them: they begin with an empty picture.
 *
 * By glmark2's own word (`--validate`): it reads a pixel back and holds it against its authors'. Many of these share a process.
 *
 * On a bare display glmark2 takes the display's largest mode, whatever size it is asked for, and fails where that is the very size
 * (native-state-drm.cpp); 800x600 is what it asks for when it validates.
 */
import type { Case, Suite } from '../suite.ts';
import { sidesOf } from './place.ts';
import { ValidationReader } from './reader.ts';

const EFFECT = 'effect2d:kernel=';

const precisely = (scene: string): string => `${scene}:fragment-precision=high,high,high,high`;

/** Scenes and options as `-b` takes them. Those of glmark2's default run come first, in its order (src/default-benchmarks.h). */
const SCENES: readonly string[] = [
  ...['build:use-vbo=false', 'build:use-vbo=true'],
  ...['texture:texture-filter=nearest', 'texture:texture-filter=linear', 'texture:texture-filter=mipmap'],
  ...['shading:shading=gouraud', 'shading:shading=blinn-phong-inf', 'shading:shading=phong', 'shading:shading=cel'],
  ...['bump:bump-render=high-poly', 'bump:bump-render=normals', 'bump:bump-render=height'],
  ...[`${EFFECT}0,1,0;1,-4,1;0,1,0;`, `${EFFECT}1,1,1,1,1;1,1,1,1,1;1,1,1,1,1;`],
  'pulsar:light=false:quads=5:texture=false',
  'desktop:blur-radius=5:effect=blur:passes=1:separable=true:windows=4',
  'desktop:effect=shadow:windows=4',
  'buffer:columns=200:interleave=false:update-dispersion=0.9:update-fraction=0.5:update-method=map',
  'buffer:columns=200:interleave=false:update-dispersion=0.9:update-fraction=0.5:update-method=subdata',
  'buffer:columns=200:interleave=true:update-dispersion=0.9:update-fraction=0.5:update-method=map',
  ...['jellyfish', 'terrain', 'shadow', 'refract'],
  ...['conditionals:fragment-steps=0:vertex-steps=0', 'conditionals:fragment-steps=5:vertex-steps=0'],
  'conditionals:fragment-steps=0:vertex-steps=5',
  ...['function:fragment-complexity=low:fragment-steps=5', 'function:fragment-complexity=medium:fragment-steps=5'],
  ...['loop:fragment-loop=false:fragment-steps=5:vertex-steps=5', 'loop:fragment-steps=5:fragment-uniform=false'],
  'loop:fragment-steps=5:fragment-uniform=true:vertex-steps=5',
  // The rest of what its options offer.
  ...['build:model=asteroid-high', 'build:model=bunny', 'build:model=bunny:interleave=true', 'build:model=cat'],
  ...['texture:texture-filter=linear-shader', 'texture:texgen=true:model=horse', 'texture:texture=nasa1:model=cat'],
  ...['shading:shading=phong:num-lights=3', 'shading:shading=blinn-phong-inf:model=asteroid-low:num-lights=2'],
  ...['bump:bump-render=normals-tangent', 'bump:bump-render=off'],
  ...['pulsar:light=true:quads=9:texture=true', 'pulsar:quads=50:texture=true'],
  'desktop:blur-radius=2:effect=blur:passes=2:separable=false:windows=2',
  'buffer:buffer-usage=stream:columns=50:rows=50',
  ...['terrain:bloom=false:tilt-shift=false', 'refract:model=cube:index=1.6:texture=nasa2', 'shadow:use-vbo=false'],
  ...[
    'function:fragment-function=false:fragment-steps=5:vertex-steps=5',
    'function:vertex-complexity=medium:vertex-steps=5',
  ],
  'conditionals:fragment-conditionals=false:fragment-steps=5:vertex-conditionals=false:vertex-steps=5',
  // Where 16 bits, which fragment shaders of OpenGL ES may have by default, can be seen: with 32.
  ...['texture:texture-filter=nearest', 'shading:shading=blinn-phong-inf', 'shading:shading=phong', 'refract'].map(
    precisely,
  ),
  precisely('function:fragment-complexity=medium:fragment-steps=5'),
];

/** Those of its references that hold for llvmpipe, too: the rest are for 800x600, or for pictures that its scenes no longer draw. */
const VALIDATED: readonly string[] = [
  ...['build:use-vbo=false', 'build:use-vbo=true'],
  ...['shading:shading=blinn-phong-inf', 'shading:shading=phong'],
  ...[
    'bump:bump-render=off',
    'bump:bump-render=high-poly',
    'bump:bump-render=normals',
    'bump:bump-render=normals-tangent',
  ],
  'bump:bump-render=height',
];
const VALIDATE = 'validate';

/** Stated and defended in docs/conformance.md. */
const TOLERANCE = { levels: 2, share: 0.001, mean: 0.25 };

export const glmark2: Suite = {
  name: 'glmark2',
  title: 'glmark2 beside llvmpipe, and by its own validation',
  batchSize: 60,
  limit: 120,
  mode: '640x480@60',
  selection: { shared: 3, alone: 18 },

  async prepare(options) {
    const sides = await sidesOf('glmark2-es2-drm', options);
    const scenes = (name: string, list: readonly string[], batch: string | undefined) =>
      list.map(
        (scene): Case => ({
          name: `${name}@${scene}`,
          group: `${name}@${scene.split(':')[0]}`,
          batch,
          skip: undefined,
          args: [scene],
        }),
      );
    const benchmarks = (cases: readonly Case[]) => cases.flatMap(({ args }) => ['-b', args[0]!]);
    return {
      ...sides,
      cases: [...scenes('picture', SCENES, undefined), ...scenes(VALIDATE, VALIDATED, VALIDATE)],
      command: (cases) => sides.ours([...(cases[0]!.batch === VALIDATE ? ['--validate'] : []), ...benchmarks(cases)]),
      shot: (one) =>
        one.batch === VALIDATE
          ? undefined
          : {
              flip: 1,
              reference: { flip: 1, command: sides.reference(benchmarks([one])) },
              tolerance: TOLERANCE,
            },
    };
  },

  reader: (cases) => new ValidationReader(cases[0]!.batch === VALIDATE ? cases.length : 0),
};
