/**
 * What a file that is to be booted is: QEMU takes nearly anything for a kernel and then stands still, so a file that is none is told by its name.
 * Source: Linux `Documentation/arch/arm64/booting.rst`, `drivers/firmware/efi/libstub/zboot-header.S`, `Documentation/arch/x86/boot.rst`.
 */
import { open } from 'node:fs/promises';
import { Problem } from '../userland/problem.ts';

interface Form {
  readonly at: number;
  readonly magic: string;
  readonly what: string;
}

/** What QEMU boots on arm64: the image itself, packed by gzip, or packed into an EFI program. */
const KERNELS: readonly Form[] = [
  { at: 56, magic: 'ARMd', what: 'Image' },
  { at: 0, magic: '\x1f\x8b', what: 'Image.gz' },
  { at: 4, magic: 'zimg', what: 'vmlinuz.efi' },
];

/** What is easily taken for one. */
const OTHERS: readonly Form[] = [
  { at: 0, magic: '\x7fELF', what: 'an ELF file, as vmlinux is: its arch/arm64/boot/Image is what boots' },
  { at: 0x202, magic: 'HdrS', what: 'a kernel for x86' },
  { at: 0, magic: '!<arch>', what: 'an archive, as a Debian package is: the kernel in it is what boots' },
];

const HEAD = 1024;

/** Throws Problem for a file that cannot be read or is no kernel for arm64. */
export async function checkKernelImage(file: string): Promise<void> {
  const head = Buffer.alloc(HEAD);
  try {
    const handle = await open(file);
    try {
      await handle.read(head, 0, HEAD, 0);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new Problem(`the kernel cannot be read: ${(error as Error).message}`);
  }
  const is = ({ at, magic }: Form): boolean => head.toString('latin1', at, at + magic.length) === magic;
  if (KERNELS.some(is)) return;
  const other = OTHERS.find(is);
  throw new Problem(`${file} is no kernel for arm64${other ? `, but ${other.what}` : ''}`);
}
