/**
 * Transcript: what came of a sequence's calls, a line each, so that two of them can be compared.
 *
 * A line says the call's value, the error's name, and each field that the call has changed; fields whose values say nothing
 * (ARBITRARY) are only said to have changed. What was passed is followed step by step, so that a change can be told.
 */
import { ERRNO } from '../../../abi/errno.ts';
import { DIRECTION, IoctlNumber } from '../../../abi/ioctl.ts';
import { type Field, type Layout, viewOf } from '../../../abi/layout.ts';
import { ARBITRARY, RACING } from '../../../abi/pointees.ts';
import type { Call, CompiledSequence } from './compile.ts';
import { ARENA_SIZE, type Step, type StepResult, says } from './steps.ts';

/** What is told of a call that the client did not come to: its time was over, or it died. */
export const NEVER = 'the client never came so far';

export interface Told {
  readonly call: Call;
  /** `VM_BIND: EINVAL ops.count=1`, or that the client never came so far. */
  readonly text: string;
}

const nameOfErrno = new Map<number, string>(Object.entries(ERRNO).map(([name, number]) => [number, name]));

const outcome = ({ value, errno }: StepResult): string =>
  value < 0 ? (nameOfErrno.get(errno) ?? `errno ${errno}`) : String(value);

/** The arena as the client's is, but for addresses and times. */
class Mirror {
  readonly bytes = new Uint8Array(ARENA_SIZE);
  readonly view = viewOf(this.bytes);

  follow(step: Step): void {
    switch (step.op) {
      case 'bytes':
        this.bytes.set(step.data, step.at);
        return;
      case 'copy': {
        const { view } = this;
        const value = step.width === 8 ? view.getBigUint64(step.from, true) : BigInt(view.getUint32(step.from, true));
        if (step.width === 8) view.setBigUint64(step.at, BigInt.asUintN(64, value + step.add), true);
        else view.setUint32(step.at, Number(BigInt.asUintN(32, value + step.add)), true);
      }
    }
  }
}

/** The fields in which two structs differ. `opaque`: bytes of the second one that were never known. */
function changes(layout: Layout<any>, before: Uint8Array, after: Uint8Array, opaque: ReadonlySet<number>): string[] {
  const texts: string[] = [];
  for (const [name, field] of Object.entries<Field<unknown>>(layout.fields)) {
    const [start, end] = [field.bit / 8, (field.bit + field.width) / 8];
    if (start >= after.length || opaque.has(start) || RACING[layout.name]?.includes(name)) continue;
    const [old, now] = [before.subarray(start, end), after.subarray(start, end)];
    if (field.inner) {
      const inner = new Set([...opaque].map((at) => at - start));
      texts.push(...changes(field.inner, old, now, inner).map((text) => `${name}.${text}`));
      continue;
    }
    if (now.every((byte, i) => byte === old[i])) continue;
    const secret = ARBITRARY[layout.name]?.includes(name);
    texts.push(`${name}=${secret ? '*' : numbersOf(now, Math.min(field.align, 8))}`);
  }
  return texts;
}

/** Bytes as numbers of so many bytes. */
function numbersOf(data: Uint8Array, width: number): string {
  const numbers: string[] = [];
  for (let at = 0; at < data.length; at += width) {
    let value = 0n;
    for (let i = Math.min(width, data.length - at) - 1; i >= 0; i--) value = (value << 8n) | BigInt(data[at + i]!);
    numbers.push(value < 10n ? String(value) : `0x${value.toString(16)}`);
  }
  return numbers.length === 1 ? numbers[0]! : `[${numbers.join(' ')}]`;
}

/** One line for each call. */
export function transcribe({ calls, steps }: CompiledSequence, results: readonly StepResult[]): Told[] {
  const mirror = new Mirror();
  const opaque = new Set<number>();
  let next = 0;
  // The node is opened before the first call.
  const own = new Set(calls.flatMap((call) => call.steps));
  for (const step of steps) if (!own.has(step) && says(step)) next++;
  return calls.map((call) => {
    const texts: string[] = [];
    let dumped = 0;
    for (const step of call.steps) {
      mirror.follow(step);
      if (step.op === 'address' || step.op === 'time') for (let i = 0; i < 8; i++) opaque.add(step.at + i);
      if (step.op === 'number') for (let i = 0; i < 4; i++) opaque.add(step.at + i);
      if (!says(step)) continue;
      const result = results[next++];
      if (!result) {
        texts.push(NEVER);
        break;
      }
      if (step.op === 'ioctl') {
        const size = Math.min(step.size, result.data.length);
        const before = mirror.bytes.slice(step.at, step.at + size);
        texts.push(outcome(result));
        const layout = call.ioctl?.def.arg;
        const hidden = new Set([...opaque].map((at) => at - step.at));
        const { direction } = IoctlNumber.read(request(step.request), 0);
        if (layout && direction & DIRECTION.r) texts.push(...changes(layout, before, result.data, hidden));
        mirror.bytes.set(result.data, step.at);
      } else if (step.op === 'dump') {
        const { name, layout } = call.dumps[dumped++]!;
        const before = mirror.bytes.slice(step.at, step.at + step.size);
        if (layout) texts.push(...changes(layout, before, result.data, new Set()).map((text) => `${name}.${text}`));
        else if (result.data.some((byte, i) => byte !== before[i])) texts.push(`${name}=${numbersOf(result.data, 8)}`);
        mirror.bytes.set(result.data, step.at);
      } else if ((step.op === 'read' || step.op === 'hash') && result.value === 0) {
        texts.push(numbersOf(result.data, step.op === 'read' ? 4 : 8));
      } else texts.push(outcome(result));
    }
    return { call, text: texts.join(' ') };
  });
}

function request(value: number): DataView {
  const view = viewOf(new Uint8Array(4));
  view.setUint32(0, value, true);
  return view;
}
