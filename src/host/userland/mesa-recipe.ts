/**
 * Recipe: how a Mesa with nothing but the drivers for this GPU is built from source for the host's own architecture: the
 * packages that it takes, and what meson is told. Names of options: Mesa's meson.options (meson_options.txt before 24.3).
 */

/** Compiler, meson and the libraries' headers. A part of the Build-Depends of Debian's package mesa. */
export const MESA_BUILD_PACKAGES = [
  ...[
    'meson',
    'ninja-build',
    'pkgconf',
    'gcc',
    'g++',
    'binutils',
    'libc6-dev',
    'linux-libc-dev',
    'bison',
    'flex',
    'm4',
  ],
  ...['python3', 'python3-mako', 'python3-yaml', 'python3-ply', 'python3-setuptools', 'python3-packaging'],
  ...[
    'glslang-tools',
    'patch',
    'tar',
    'xz-utils',
    'dash',
    'bash',
    'coreutils',
    'sed',
    'grep',
    'findutils',
    'diffutils',
  ],
  ...[
    'git',
    'libdrm-dev',
    'libexpat1-dev',
    'zlib1g-dev',
    'libzstd-dev',
    'libelf-dev',
    'libglvnd-core-dev',
    'libvulkan-dev',
  ],
  ...['libwayland-dev', 'libwayland-egl-backend-dev', 'libwayland-bin', 'wayland-protocols', 'libdisplay-info-dev'],
  ...['libx11-dev', 'libx11-xcb-dev', 'libxext-dev', 'libxfixes-dev', 'libxrandr-dev', 'libxshmfence-dev'],
  ...[
    'libxxf86vm-dev',
    'x11proto-dev',
    'libxcb-dri2-0-dev',
    'libxcb-dri3-dev',
    'libxcb-glx0-dev',
    'libxcb-present-dev',
  ],
  ...['libxcb-randr0-dev', 'libxcb-shm0-dev', 'libxcb-sync-dev', 'libxcb-xfixes0-dev', 'libxcb-keysyms1-dev'],
];

/** Options that a Mesa has not are left out; the drivers' it must have. */
export const MESA_OPTIONS: Record<string, string> = {
  'gallium-drivers': 'panfrost',
  'vulkan-drivers': 'panfrost',
  platforms: 'x11,wayland',
  glx: 'disabled',
  llvm: 'disabled',
  glvnd: 'enabled',
  gles1: 'disabled',
  gles2: 'enabled',
  'video-codecs': '',
  'gallium-va': 'disabled',
  'gallium-vdpau': 'disabled',
  valgrind: 'disabled',
  libunwind: 'disabled',
  lmsensors: 'disabled',
};

/**
 * Of every Mesa: its libraries in one folder, and no more optimisation than halves the time that its build takes; shaders run on the
 * virtual GPU, which is what a frame's time goes into. Without if-conversion, because Debian's GCC 14.2 turns `bit & (1u << n) ? n : m`
 * round on x86 (bt and cmovc of n): Panfrost's bifrost_nir_valid_channel does that, and read channels that a colour has not.
 */
export const MESA_SETUP = [
  '--libdir=lib',
  '-Ddebug=false',
  '-Doptimization=1',
  '-Db_ndebug=true',
  '-Dc_args=-fno-if-conversion',
  '-Dcpp_args=-fno-if-conversion',
  '--wrap-mode=nodownload',
];

/** What a whole build takes on one processor, for the sentence before it. */
export const MESA_MINUTES = 10;
