/** Which files are kernels that boot, and what is said of those that are not. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Problem } from '../userland/problem.ts';
import { checkKernelImage } from './image.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-kernel-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, ...pieces: [at: number, text: string][]): string {
  const bytes = Buffer.alloc(2048);
  for (const [at, text] of pieces) bytes.write(text, at, 'latin1');
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test('kernels for arm64 are taken, plain and packed', async () => {
  await checkKernelImage(file('Image', [0, 'MZ'], [56, 'ARMd']));
  await checkKernelImage(file('Image.gz', [0, '\x1f\x8b']));
  await checkKernelImage(file('vmlinuz.efi', [0, 'MZ'], [4, 'zimg']));
});

test('other files are refused, with what they are instead', async () => {
  const cases: [string, RegExp][] = [
    [join(folder, 'none'), /^the kernel cannot be read: .*none/],
    [folder, /^the kernel cannot be read: /],
    [file('vmlinux', [0, '\x7fELF']), /vmlinux is no kernel for arm64, but an ELF file/],
    [file('bzImage', [0, 'MZ'], [0x202, 'HdrS']), /bzImage is no kernel for arm64, but a kernel for x86$/],
    [file('linux.deb', [0, '!<arch>']), /but an archive/],
    [file('zeros'), /zeros is no kernel for arm64$/],
  ];
  for (const [path, sentence] of cases)
    await assert.rejects(checkKernelImage(path), (error) => error instanceof Problem && sentence.test(error.message));
});
