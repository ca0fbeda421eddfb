/**
 * Steps: calls taken apart so far that whoever makes them needs to know neither ioctls nor structs, only bytes of an arena, and
 * descriptors and mappings by numbers. `shim/test/calls.c` makes them as a program, local.ts within this process.
 */

/** Bytes of the arena. */
export const ARENA_SIZE = 1 << 20;
/** Descriptors, and mappings, that there may be at a time. */
export const SLOTS = 64;

export type Step =
  | { readonly op: 'begin'; readonly size: number }
  | { readonly op: 'open'; readonly slot: number }
  | { readonly op: 'close'; readonly slot: number }
  | { readonly op: 'bytes'; readonly at: number; readonly data: Uint8Array }
  /** Sets a number of `width` bytes to that at `from`, plus `add`. */
  | { readonly op: 'copy'; readonly at: number; readonly width: number; readonly from: number; readonly add: bigint }
  /** Sets it to an address within the arena, to the monotonic clock and so many nanoseconds, to a descriptor's number. */
  | { readonly op: 'address'; readonly at: number; readonly target: number }
  | { readonly op: 'time'; readonly at: number; readonly after: bigint }
  | { readonly op: 'number'; readonly at: number; readonly slot: number }
  /** Puts the descriptor whose number stands at `from` into a slot. */
  | { readonly op: 'keep'; readonly slot: number; readonly from: number }
  | {
      readonly op: 'ioctl';
      readonly slot: number;
      readonly request: number;
      readonly at: number;
      readonly size: number;
    }
  | { readonly op: 'dump'; readonly at: number; readonly size: number }
  | {
      readonly op: 'mmap';
      readonly map: number;
      readonly slot: number;
      readonly from: number;
      readonly size: number;
      readonly protection: number;
    }
  | { readonly op: 'munmap'; readonly map: number }
  | { readonly op: 'write'; readonly map: number; readonly at: number; readonly data: Uint8Array }
  | { readonly op: 'read' | 'hash'; readonly map: number; readonly at: number; readonly size: number }
  | { readonly op: 'sleep'; readonly time: bigint }
  /** Lets whoever watches the client look: it goes on when he has. */
  | { readonly op: 'mark'; readonly name: string };

/** What came of a step that says something. */
export interface StepResult {
  readonly value: number;
  /** 0 if the value is not negative. */
  readonly errno: number;
  readonly data: Uint8Array;
}

const SAYING: ReadonlySet<Step['op']> = new Set([
  'open',
  'close',
  'ioctl',
  'dump',
  'mmap',
  'munmap',
  'read',
  'hash',
  'sleep',
  'mark',
]);

export const says = (step: Step): boolean => SAYING.has(step.op);

const hex = (value: number | bigint): string => BigInt.asUintN(64, BigInt(value)).toString(16);
const digits = (data: Uint8Array): string => Buffer.from(data.buffer, data.byteOffset, data.length).toString('hex');

/** A step as a line of the client's program. */
function line(step: Step): string {
  switch (step.op) {
    case 'begin':
      return `s ${hex(step.size)}`;
    case 'open':
      return `o ${hex(step.slot)}`;
    case 'close':
      return `c ${hex(step.slot)}`;
    case 'bytes':
      return `b ${hex(step.at)} ${digits(step.data)}`;
    case 'copy':
      return `w ${hex(step.at)} ${step.width} ${hex(step.from)} ${hex(step.add)}`;
    case 'address':
      return `p ${hex(step.at)} ${hex(step.target)}`;
    case 'time':
      return `t ${hex(step.at)} ${hex(step.after)}`;
    case 'number':
      return `f ${hex(step.at)} ${hex(step.slot)}`;
    case 'keep':
      return `k ${hex(step.slot)} ${hex(step.from)}`;
    case 'ioctl':
      return `i ${hex(step.slot)} ${hex(step.request >>> 0)} ${hex(step.at)} ${hex(step.size)}`;
    case 'dump':
      return `d ${hex(step.at)} ${hex(step.size)}`;
    case 'mmap':
      return `m ${hex(step.map)} ${hex(step.slot)} ${hex(step.from)} ${hex(step.size)} ${hex(step.protection)}`;
    case 'munmap':
      return `u ${hex(step.map)}`;
    case 'write':
      return `W ${hex(step.map)} ${hex(step.at)} ${digits(step.data)}`;
    case 'read':
      return `R ${hex(step.map)} ${hex(step.at)} ${hex(step.size)}`;
    case 'hash':
      return `h ${hex(step.map)} ${hex(step.at)} ${hex(step.size)}`;
    case 'mark':
      return `x ${step.name}`;
    case 'sleep':
      return `z ${hex(step.time)}`;
  }
}

/** The client's program. */
export const programText = (steps: readonly Step[]): string => steps.map((step) => `${line(step)}\n`).join('');

/** What the client said, sequence by sequence. Where it ended early the last ones are short, or missing. */
export function parseResults(output: string): StepResult[][] {
  const sequences: StepResult[][] = [];
  const lines = output.split('\n');
  // What does not end with a newline was never said to its end.
  lines.pop();
  for (const text of lines) {
    if (text === 's') {
      sequences.push([]);
      continue;
    }
    const [, value, errno, data] = /^(-?\d+) (\d+) (-|[0-9a-f]+)$/.exec(text) ?? [];
    if (data === undefined || sequences.length === 0) throw new Error(`the client says ${JSON.stringify(text)}`);
    const bytes = data === '-' ? new Uint8Array() : new Uint8Array(Buffer.from(data, 'hex'));
    sequences.at(-1)!.push({ value: Number(value), errno: Number(errno), data: bytes });
  }
  return sequences;
}
