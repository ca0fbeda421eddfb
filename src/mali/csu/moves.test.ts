/** Rows of moves do what single ones do, and stop where single ones have to be looked at. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assembleCs, CS_REGISTERS, type CsLine } from '../../abi/gpu/cs.ts';
import { EXCEPTION, exceptionName } from '../../abi/gpu/regs.ts';
import { CODE_VA, DATA_VA, Rig, TestGroup } from '../../testing/mali/gpu-rig.ts';
import { runMoves } from './moves.ts';

/** Runs a program that lies at byte `at` of some memory, of which `bytes` bytes count. */
function moved(program: readonly CsLine[], at = 64, bytes = program.length * 8) {
  const memory = new Uint8Array(16384);
  memory.set(assembleCs(program), at);
  const registers = new Uint32Array(CS_REGISTERS).fill(7);
  return { count: runMoves(new Uint32Array(memory.buffer), at, bytes, registers), registers };
}

test('moves of both kinds set their registers and no others', () => {
  const { count, registers } = moved([
    ['MOVE32', { destination: 95, immediate: 0xfedcba98 }],
    ['MOVE', { destination: 10, immediate: 0xffff_8000_0001 }],
    ['MOVE32', { destination: 0, immediate: 1 }],
  ]);
  assert.equal(count, 3);
  const wanted = new Uint32Array(CS_REGISTERS).fill(7);
  wanted.set([1], 0);
  wanted.set([0x80000001, 0xffff], 10);
  wanted.set([0xfedcba98], 95);
  assert.deepEqual(registers, wanted);
});

test('a row ends at another instruction, at a register that is none, where the call ends, and at the page', () => {
  const move: CsLine = ['MOVE32', { destination: 4, immediate: 1 }];
  assert.equal(moved([move, move, ['NOP'], move]).count, 2);
  assert.equal(moved([move, ['MOVE32', { destination: CS_REGISTERS, immediate: 1 }]]).count, 1);
  assert.equal(moved([move, move, ['MOVE', { destination: 5, immediate: 1 }]]).count, 2);
  assert.equal(moved([move, move, move, move], 64, 24).count, 3);
  assert.equal(moved([move, move, move, move], 4096 - 16).count, 2);
});

test('a stream with rows of moves runs across pages, and its fault is at the instruction at fault', () => {
  const rig = new Rig({});
  const host = rig.boot();
  const group = new TestGroup(host, 0, 1);
  group.start();
  const program: CsLine[] = [];
  for (let i = 0; i < 1000; i++) program.push(['MOVE32', { destination: i % 64, immediate: i }]);
  program.push(
    ['MOVE', { destination: 90, immediate: DATA_VA }],
    ['STORE_MULTIPLE', { baseRegister: 0, mask: 0xffff, address: 90, offset: 0 }],
    ['WAIT', { waitMask: 0xff }],
    ['MOVE32', { destination: 1, immediate: 1 }],
    ['MOVE32', { destination: CS_REGISTERS, immediate: 1 }],
  );
  const size = group.load(program);
  group.run([
    ['MOVE', { destination: 92, immediate: CODE_VA }],
    ['MOVE32', { destination: 94, immediate: size }],
    ['CALL', { address: 92, length: 94 }],
  ]);
  const words = Array.from({ length: 16 }, (_, i) => group.word(4 * i));
  assert.deepEqual(
    words,
    Array.from({ length: 16 }, (_, i) => 960 + i),
  );
  assert.equal(
    exceptionName(host.groups[0]!.streams[0]!.output.get('fatal') & 0xff),
    exceptionName(EXCEPTION.CS_INSTR_INVALID),
  );
  assert.match(rig.log, new RegExp(`at 0x${(CODE_VA + 1004 * 8).toString(16)} \\(MOVE32 r96`));
});
