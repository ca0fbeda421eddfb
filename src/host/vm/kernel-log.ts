/**
 * A kernel's log as it gives it with levels (`dmesg -r`): its text, and what of it warns of something.
 *
 * Each line begins with `<N>`: the level, and eight times who has written it, 0 for the kernel (Linux include/linux/kern_levels.h, syslog(3)).
 * Warnings and worse are told, but for those that the same kernel gives whatever happens, on a board as here: these stand below, with reasons.
 */

/** KERN_WARNING of the kernel itself; what is worse is less, what programs write is more. */
const WARNING = 4;

interface Explained {
  readonly pattern: RegExp;
  readonly why: string;
}

export const EXPLAINED: readonly Explained[] = [
  {
    pattern: /^panthor \S+: \[drm\] Firmware protected mode entry is not supported, ignoring$/,
    why: 'each image of the firmware that Arm has released has a section for protected mode, and panthor none of that (panthor_fw.c)',
  },
];

export interface KernelLog {
  /** As dmesg shows it. */
  readonly text: string;
  /** Lines of the kernel's own that warn of something, with their times, in order. */
  readonly warnings: readonly string[];
}

/** Lines without a level, as the rest of one whose beginning the kernel has overwritten, warn of nothing. */
export function readKernelLog(raw: string): KernelLog {
  const warnings: string[] = [];
  const lines = raw.split('\n').map((line) => {
    const [prefix = '', level] = /^<(\d+)>/.exec(line) ?? [];
    const text = line.slice(prefix.length);
    if (level !== undefined && Number(level) <= WARNING && !isExplained(text)) warnings.push(text);
    return text;
  });
  return { text: lines.join('\n'), warnings };
}

function isExplained(line: string): boolean {
  const message = line.replace(/^\[ *\d+\.\d+\] /, '');
  return EXPLAINED.some(({ pattern }) => pattern.test(message));
}
