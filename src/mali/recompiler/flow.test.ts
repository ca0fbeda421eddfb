import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INSTRUCTIONS } from '../../abi/isa/instructions.ts';
import { draw } from '../../testing/mali/fuzz/instruction.ts';
import { Random } from '../../testing/mali/random.ts';
import { compile, compiles } from '../shader/control.ts';
import { decode, EncodingError, type Instruction } from '../shader/decode.ts';

test('arithmetic whose step is made late is never refused, whatever its fields', () => {
  const random = new Random(5);
  let seen = 0;
  for (const spec of INSTRUCTIONS) {
    for (let n = 0; n < 60; n++) {
      const words = draw(random, spec);
      let instruction: Instruction;
      try {
        instruction = decode(words[0]!, words[1]!);
      } catch (error) {
        if (error instanceof EncodingError) continue;
        throw error;
      }
      if (!compiles(instruction)) continue;
      compile(instruction);
      seen++;
    }
  }
  assert.ok(seen > 3000, `${seen} instructions`);
});
