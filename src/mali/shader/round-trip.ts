/** Whether a shader program survives the way through text: what compilers emit has to be what the instruction table knows. */
import { assemble, unfetchable } from './assemble.ts';
import { disassembleAll } from './disassemble.ts';

/** What is wrong with a program's text: instructions that have none or that nobody could fetch, and bytes that it does not give. */
export function lostInText(code: Uint32Array): string[] {
  const lost: string[] = [];
  const text = disassembleAll(code);
  for (const [i, line] of text.entries()) {
    const problem = line.startsWith('.quad') ? 'it is none' : unfetchable(code[i * 2]!, code[i * 2 + 1]!);
    if (problem !== undefined) lost.push(`instruction ${i}: ${problem}: ${line}`);
  }
  const again = assemble(text.join('\n'));
  const at = code.findIndex((word, i) => word !== again[i]);
  if (at >= 0 || again.length !== code.length) lost.push(`the text gives other bytes from instruction ${at >>> 1} on`);
  return lost;
}
