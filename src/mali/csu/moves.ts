/**
 * Rows of MOVE and MOVE32: four of five instructions of what Mesa emits. They need neither decoding nor a place in the decode
 * cache, which their ever new immediates would flood. Both are the same in all architectures from 10 to 14 (Mesa 26.2
 * `src/panfrost/genxml/decode_csf.c`).
 */
import { CS, CS_INSTRUCTION_SIZE, CS_MOVE } from '../../abi/gpu/cs.ts';
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';

const { opcodeShift, destinationShift, destinationMask, immediateMask } = CS_MOVE;
const MOVE = CS.MOVE.opcode;
const MOVE32 = CS.MOVE32.opcode;

/**
 * Runs the moves from byte `physical` on: to the first other instruction, the end of the page, or `bytes` bytes. One that
 * names no register is left to whoever says so. Returns how many were run.
 */
export function runMoves(words: Uint32Array, physical: number, bytes: number, registers: Uint32Array): number {
  const most = Math.min(bytes, PAGE_SIZE - (physical % PAGE_SIZE)) / CS_INSTRUCTION_SIZE;
  let at = physical / 4;
  let count = 0;
  for (; count < most; count++, at += 2) {
    const high = words[at + 1]!;
    const opcode = high >>> opcodeShift;
    const destination = (high >>> destinationShift) & destinationMask;
    if (opcode === MOVE32 && destination < registers.length) registers[destination] = words[at]!;
    else if (opcode === MOVE && destination % 2 === 0 && destination < registers.length) {
      registers[destination] = words[at]!;
      registers[destination + 1] = high & immediateMask;
    } else break;
  }
  return count;
}
