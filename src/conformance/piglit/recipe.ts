/** What piglit's tree is made of: Debian's piglit and Mesa, in a tree of its own (some 650 MB). */
import type { Architecture } from '../../host/userland/compiler.ts';
import type { OwnRoot } from '../../host/userland/userland.ts';

/** Where Debian's package has piglit, below the root. */
export const piglitFolder = ({ triplet }: Pick<Architecture, 'triplet'>): string => `usr/lib/${triplet}/piglit`;

/** piglit's packages for an architecture. */
export function piglitRecipe(architecture: Pick<Architecture, 'triplet'>): OwnRoot {
  const generated = `./${piglitFolder(architecture)}/generated_tests`;
  return {
    name: 'piglit',
    title: `piglit for ${architecture.triplet}`,
    packages: [
      'piglit',
      'waffle-utils',
      'libgl1-mesa-dri',
      'libegl-mesa0',
      'libegl1',
      'libgl1',
      'libgles1',
      'libgles2',
      'libgbm1',
    ],
    // OpenCL, the runner in Python, and two folders of 1.7 GB whose tests need GLSL 4.20 or vertex attributes of 64 bits,
    // which Panfrost does not offer.
    exclude: [
      `${generated}/cl/*`,
      `${generated}/spec/arb_vertex_attrib_64bit/*`,
      `${generated}/spec/glsl-4.20/*`,
      './usr/lib/python3*',
    ],
  };
}
