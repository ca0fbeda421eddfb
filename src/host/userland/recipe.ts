/** Recipe: which Debian packages the userland is made of. A change here makes every cache build a new one. */

/** The Debian release that guest and tools come from, on every host. */
export const SUITE = 'trixie';

/**
 * The guest: the programs to run, Mesa with Panfrost and PanVK, shells and what scripts call, and a compiler for the shim
 * and the test clients.
 */
export const GUEST_PACKAGES = [
  'kmscube',
  'glmark2-es2-drm',
  'glmark2-data',
  'mesa-utils',
  'mesa-utils-bin',
  'vulkan-tools',
  'drm-info',
  'mesa-vulkan-drivers',
  'libgl1-mesa-dri',
  'libegl-mesa0',
  'libegl1',
  'libgles2',
  'libgbm1',
  'libvulkan1',
  'dash',
  'bash',
  'coreutils',
  'findutils',
  'grep',
  'sed',
  // ldconfig, and the locale C.UTF-8.
  'libc-bin',
  'tcc',
  'libc6-dev',
];

/** What the guest has of its own. The rest of what packages bring (/tmp, /proc, /var, …) would hide the host's. */
export const GUEST_FOLDERS = ['bin', 'etc', 'lib', 'sbin', 'usr'];

/** For hosts of another architecture than the guest's: the emulator, and the same compiler for the host's own programs. */
export const TOOL_PACKAGES = ['qemu-user', 'tcc', 'libc6-dev'];

/**
 * What gives a guest a root of its own, and what keeps one that has none from writing where it should not: setpriv(1) knows Landlock
 * since util-linux 2.40.
 */
export const ROOT_PACKAGES = ['busybox-static', 'mount', 'util-linux'];

/** qemu-user brings an emulator for every architecture; one is wanted. */
export const TOOL_EXCLUDE = [
  './usr/bin/qemu-[b-z]*',
  './usr/bin/qemu-aarch64_be',
  './usr/bin/qemu-a[b-qs-z]*',
  './usr/bin/qemu-ar*',
];

/**
 * The same programs for the host's own architecture: what `tyr bench --vs llvmpipe` compares with, and what runs on a Mesa of
 * the caller's where the host has no such program, or not the libraries that it takes.
 */
export const NATIVE_PACKAGES = [
  ...GUEST_PACKAGES.filter((name) => !['tcc', 'libc6-dev', 'mesa-vulkan-drivers'].includes(name)),
  // What a Mesa with Vulkan for X11 links and none of the others brings.
  'libxcb-keysyms1',
];

/** Raw firmware images for the Mali-G610, as Linux distributions ship them. */
export const FIRMWARE_PACKAGE = 'firmware-misc-nonfree';
export const FIRMWARE_COMPONENT = 'non-free-firmware';
export const FIRMWARE_FILE = 'usr/lib/firmware/arm/mali/arch10.8/mali_csffw.bin';

/** Files that programs expect under /etc and that no package brings without its maintainer script. */
export const GUEST_ETC: Record<string, string> = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
  group: 'root:x:0:\nvideo:x:44:\nrender:x:105:\nnogroup:x:65534:\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  hosts: '127.0.0.1 localhost\n',
};

/** The emulator of a whole computer, with the vfio-user device that QEMU has since 11.1: trixie's own is older. */
export const VM_PACKAGES = ['qemu-system-arm'];
export const VM_OVERLAY = 'trixie-backports';
/** What its packages depend on and it does without here. */
export const VM_GIVEN = ['adduser', 'debconf', 'ipxe-qemu', 'kmod', 'passwd', 'seabios', 'systemd', 'udev'];
export const VM_EXCLUDE = ['./usr/share/*', './usr/sbin/*', './usr/bin/qemu-system-arm', './usr/bin/qemu-[pv]*'];

/** For an initial RAM disk: one static program that is a shell and what a shell calls. */
export const BUSYBOX_PACKAGE = 'busybox-static';
export const BUSYBOX_FILE = 'usr/bin/busybox';

/** The kernel of `tyr vm`, as PACKAGE/SUITE. */
export const KERNEL_PACKAGE = 'linux-image-arm64/trixie-backports';
/** What a kernel's package depends on to be installed, which it is not here. */
export const KERNEL_GIVEN = ['initramfs-tools', 'kmod', 'linux-base'];
