/** A finding of the fuzzer in lines: all that is needed to see it again. */
import { LANES } from '../../../mali/shader/contract.ts';
import { disassemble } from '../../../mali/shader/disassemble.ts';
import type { Input } from './input.ts';
import { CODE_AT } from './memory.ts';
import type { Shader } from './program.ts';

const hex = (x: number): string => `0x${(x >>> 0).toString(16)}`;

export function report(seed: number, difference: string, { code, flushToZero, inputs }: Shader): string {
  const [input] = inputs as [Input];
  const text = disassemble(code, CODE_AT).split('\n');
  const lines = [
    `seed ${seed}: ${difference}`,
    `flush to zero: ${flushToZero}, live lanes ${hex(input.live)}, helpers ${hex(input.helpers)}, slices of ${input.budget}${input.clear ? ', registers cleared' : ''}`,
    ...text.filter((line) => !line.endsWith(' NOP')),
  ];
  const mentioned = new Set(text.flatMap((line) => [...line.matchAll(/\br(\d+)/g)].map(([, r]) => Number(r))));
  const lanes = Array.from({ length: LANES }, (_, n) => n).filter((n) => input.live & (1 << n));
  for (const r of [...mentioned].sort((a, b) => a - b)) {
    for (const near of [r, ...(r % 2 ? [] : [r + 1])]) {
      if (near !== r && mentioned.has(near)) continue;
      lines.push(`r${near}: ${lanes.map((n) => hex(input.registers[near * LANES + n]!)).join(' ')}`);
    }
  }
  const uniforms = new Set(text.flatMap((line) => [...line.matchAll(/\bu(\d+)/g)].map(([, u]) => Number(u))));
  for (const u of uniforms) lines.push(`u${u}: ${hex(input.uniforms[u] ?? 0)}`);
  if (input.threads) lines.push(`${input.threads.threads} threads of a ${input.threads.kind} list`);
  if (input.fragment) lines.push(JSON.stringify(input.fragment));
  return lines.join('\n');
}
