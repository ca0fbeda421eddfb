/** What piglit's guest is made of: Debian's piglit and Mesa for arm64, in a tree of its own (some 700 MB). */
import type { OwnGuest } from '../../host/userland/userland.ts';

/** Where Debian's package has piglit, below the guest's root. */
export const PIGLIT_FOLDER = 'usr/lib/aarch64-linux-gnu/piglit';

const GENERATED = `./${PIGLIT_FOLDER}/generated_tests`;

export const PIGLIT_GUEST: OwnGuest = {
  name: 'piglit',
  title: 'piglit for arm64',
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
    `${GENERATED}/cl/*`,
    `${GENERATED}/spec/arb_vertex_attrib_64bit/*`,
    `${GENERATED}/spec/glsl-4.20/*`,
    './usr/lib/python3*',
  ],
};
