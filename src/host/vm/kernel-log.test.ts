import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readKernelLog } from './kernel-log.ts';

const IGNORED = 'panthor 10000000.gpu: [drm] Firmware protected mode entry is not supported, ignoring';

test('a kernel’s warnings and errors are told, what it always warns of and what programs write is not', () => {
  const { text, warnings } = readKernelLog(
    [
      '<6>[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0b1]',
      `<4>[    3.697803] ${IGNORED}`,
      `<4>[    3.697803] other: ${IGNORED}`,
      '<4>[    4.000000] ------------[ cut here ]------------',
      '<3>[   12.000000] panthor 10000000.gpu: [drm] *ERROR* job timeout',
      '<12>[   13.000000] a program: it warns as well',
      '<7>[   14.000000] debug',
      'the end of a line that was overwritten',
      '',
    ].join('\n'),
  );
  assert.deepEqual(warnings, [
    `[    3.697803] other: ${IGNORED}`,
    '[    4.000000] ------------[ cut here ]------------',
    '[   12.000000] panthor 10000000.gpu: [drm] *ERROR* job timeout',
  ]);
  assert.equal(text.split('\n')[1], `[    3.697803] ${IGNORED}`);
  assert.equal(text.split('\n').length, 9);
});
