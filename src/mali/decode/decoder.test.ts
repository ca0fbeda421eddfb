import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CsLine, CsName } from '../../abi/gpu/cs.ts';
import { COMPUTE_REGISTERS, FRAGMENT_REGISTERS, IDVS_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import {
  BufferDescriptor,
  DESCRIPTOR_TYPE,
  Resource,
  SHADER_STAGE,
  ShaderProgram,
} from '../../abi/gpu/shader-descriptors.ts';
import { CODE_VA, DATA_VA, instant, Rig, TestGroup } from '../../testing/mali/gpu-rig.ts';
import { Random } from '../../testing/mali/random.ts';
import { FlatMemory } from '../../testing/mali/shader-rig.ts';
import { PageFault, type RunRequest } from '../contract.ts';
import { assemble } from '../shader/assemble.ts';
import { Decoder } from './decoder.ts';

test('a stream is printed as it goes: calls, branches taken, and what waits only once', () => {
  const lines: string[] = [];
  const tracer = new Decoder({ write: (line) => lines.push(line) });
  const rig = new Rig({ tracer });
  const group = new TestGroup(rig.boot());
  group.start();
  const size = group.load([
    ['MOVE32', { destination: 6, immediate: 2 }],
    ['ADD_IMMEDIATE32', { destination: 6, source: 6, immediate: -1 }],
    ['BRANCH', { condition: 1, value: 6, offset: -2 }],
  ]);
  group.run([
    ['MOVE', { destination: 92, immediate: CODE_VA }],
    ['MOVE32', { destination: 94, immediate: size }],
    ['CALL', { address: 92, length: 94 }],
    ['MOVE', { destination: 80, immediate: DATA_VA }],
    ['MOVE', { destination: 82, immediate: 0 }],
    ['SYNC_WAIT64', { address: 80, data: 82, condition: 1 }],
    ['NOP'],
  ]);
  const text = (): string[] => lines.map((line) => line.replace(/^( *)[0-9a-f]{12}: /, '$1'));
  const waiting = [
    'CSG 0 CS 0:',
    `  MOVE d92, #0x${CODE_VA.toString(16)}`,
    `  MOVE32 r94, #0x${size.toString(16)}`,
    '  CALL d92, r94',
    '    MOVE32 r6, #0x2',
    '    ADD_IMMEDIATE32 r6, r6, #-1',
    '    BRANCH.gt r6, #-2',
    '    ADD_IMMEDIATE32 r6, r6, #-1',
    '    BRANCH.gt r6, #-2',
    `  MOVE d80, #0x${DATA_VA.toString(16)}`,
    '  MOVE d82, #0x0',
    '  SYNC_WAIT64.gt [d80], d82',
  ];
  assert.deepEqual(text(), waiting);
  assert.match(lines[1]!, /^ {2}[0-9a-f]{12}: MOVE/);
  group.setWord(0, 1);
  group.run([['NOP']]);
  assert.deepEqual(text().slice(waiting.length), ['  NOP', '  NOP']);
});

const SPD = DATA_VA;
const TABLES = DATA_VA + 0x100;
const BUFFERS = DATA_VA + 0x200;
const FAU = DATA_VA + 0x300;
const PROGRAM = DATA_VA + 0x400;

test('a job is printed with its shader, uniforms and resources beneath its instruction; unreadable pointers are said so', () => {
  const lines: string[] = [];
  const programs: [number, Uint32Array][] = [];
  const tracer = new Decoder({ write: (line) => lines.push(line), program: (at, code) => programs.push([at, code]) });
  const rig = new Rig({ tracer, compute: () => instant() });
  const group = new TestGroup(rig.boot());
  group.start();
  const put = (at: number, data: Uint8Array): void => rig.dram.u8.set(data, group.data + at - DATA_VA);
  const code = assemble('MOV.i32 r1, u0\nSTORE.i32.slot0 @r1, u2, offset:0\n.quad 0x0123456789abcdef\nNOP.end');
  put(PROGRAM, new Uint8Array(code.buffer));
  put(
    SPD,
    ShaderProgram.pack({
      type: DESCRIPTOR_TYPE.SHADER,
      stage: SHADER_STAGE.COMPUTE,
      preload: 0x8000,
      binary: PROGRAM,
    }),
  );
  put(FAU, new Uint8Array(Uint32Array.of(7, 0x3f800000, 3, 4).buffer));
  put(TABLES, Resource.pack({ address: BUFFERS, containsDescriptors: true, size: 64 }));
  put(TABLES + Resource.size, Resource.pack({ address: 0x7fff0000, containsDescriptors: true, size: 32 }));
  put(BUFFERS, BufferDescriptor.pack({ type: DESCRIPTOR_TYPE.BUFFER, bufferType: 1, size: 256, address: 0x12345000 }));
  const r = COMPUTE_REGISTERS;
  const program: CsLine[] = [
    ['MOVE', { destination: r.srt[0], immediate: TABLES + 2 }],
    ['MOVE', { destination: r.fau[0], immediate: FAU }],
    ['MOVE32', { destination: r.fau[0] + 1, immediate: 2 << 24 }],
    ['MOVE', { destination: r.spd[0], immediate: SPD }],
    ['MOVE', { destination: r.tsd[0], immediate: 0x7fff1000 }],
    ['MOVE32', { destination: r.workgroupSize, immediate: 3 }],
    ['MOVE32', { destination: r.jobSizeX, immediate: 5 }],
    ['RUN_COMPUTE', { taskIncrement: 1 }],
  ];
  group.run(program);
  const start = lines.findIndex((line) => line.includes('RUN_COMPUTE'));
  assert.deepEqual(lines.slice(start + 1), [
    '      workgroup:',
    '        x: 4',
    '        y: 1',
    '        z: 1',
    '      5 × 0 × 0 workgroups',
    '      from 0, 0, 0',
    `      compute program at 0x${SPD.toString(16)}:`,
    '        type: SHADER',
    '        stage: COMPUTE',
    '        flushToZero: PRESERVE',
    '        registerAllocation: R64',
    '        preload: 32768',
    `        binary: 0x${PROGRAM.toString(16)}`,
    `        4 instructions at 0x${PROGRAM.toString(16)}:`,
    '          MOV.i32 r1, u0',
    '          STORE.i32.slot0 @r1, u2, offset:0',
    '          .quad 0x0123456789abcdef // opcode 0x123 is not an instruction',
    '          NOP.end',
    `      compute uniforms at 0x${FAU.toString(16)}:`,
    '        u0: 00000007 (9.80909e-45) 3f800000 (1) 00000003 (4.2039e-45) 00000004 (5.60519e-45)',
    `      compute resources at 0x${TABLES.toString(16)}, 2 tables:`,
    `        table 0: 64 bytes at 0x${BUFFERS.toString(16)}`,
    `          0: buffer at 0x${BUFFERS.toString(16)}:`,
    '            type: BUFFER',
    '            bufferType: SIMPLE',
    '            size: 256',
    '            address: 0x12345000',
    '            stride: 0',
    '        table 1: 32 bytes at 0x7fff0000',
    '          0 at 0x7fff0000: unreadable',
    '      compute storage at 0x7fff1000: unreadable',
  ]);
  assert.deepEqual(programs, [[PROGRAM, code]]);
  lines.length = 0;
  group.run(program);
  assert.ok(lines.includes(`        4 instructions at 0x${PROGRAM.toString(16)}, as above`));
  assert.equal(programs.length, 1);
  // Nobody has heard of a fault.
  assert.doesNotMatch(rig.log, /^(error|warn)/m);
});

test('hostile registers, descriptors and counts cost a bounded number of lines and nothing else', () => {
  const memory = new FlatMemory();
  const random = new Random(3);
  const { size } = memory.dram;
  const words = memory.dram.u32;
  for (let i = 1024; i < words.length; i++) {
    // Pointers into memory, small numbers, and anything.
    const kind = random.below(4);
    words[i] = kind === 0 ? random.below(size) & ~63 : kind === 1 ? random.below(16) : kind === 2 ? 0 : random.word();
  }
  let lines = 0;
  let unreadable = 0;
  const decoder = new Decoder({
    write: (line) => {
      lines++;
      if (line.includes('unreadable')) unreadable++;
      assert.ok(!line.includes('at fault'), line);
    },
  });
  const names: CsName[] = ['RUN_IDVS', 'RUN_FRAGMENT', 'RUN_COMPUTE', 'RUN_FULLSCREEN', 'RUN_TILING', 'FINISH_TILING'];
  let most = 0;
  for (let i = 0; i < 600; i++) {
    const registers = Uint32Array.from({ length: 96 }, (_, n) =>
      n % 2 ? (random.chance(80) ? 0 : random.word()) : random.below(size),
    );
    for (const at of [FRAGMENT_REGISTERS.framebuffer, IDVS_REGISTERS.primitiveFlags])
      registers[at] = random.word() % size;
    const operands = { srtSelect: 0, spdSelect: 1, tsdSelect: 2, fauSelect: 3, dcd: 10, flagsOverride: random.word() };
    const before = lines;
    const request: RunRequest<any> = { memory, registers, operands, heapContext: 0 };
    decoder.run(names[i % names.length]!, request, 1);
    decoder.instructions('hostile', memory, registers[0]!, 1 + random.below(40), random.below(9));
    most = Math.max(most, lines - before);
  }
  assert.ok(lines > 10_000 && unreadable > 100, `${lines} lines, ${unreadable} unreadable`);
  assert.ok(most <= 4050, `${most} lines of one instruction`);
});

test('what it asks of memory latches no fault', () => {
  const faults: number[] = [];
  class Watched extends FlatMemory {
    override translate(va: number, access: 'read' | 'write' | 'execute' | 'atomic'): number {
      try {
        return super.translate(va, access);
      } catch (error) {
        if (error instanceof PageFault) faults.push(va);
        throw error;
      }
    }
  }
  const memory = new Watched();
  const registers = new Uint32Array(96).fill(0xfffff000);
  const lines: string[] = [];
  const decoder = new Decoder({ write: (line) => lines.push(line) });
  const operands = { srtSelect: 0, spdSelect: 0, tsdSelect: 0, fauSelect: 0, flagsOverride: 0, dcd: 0 };
  for (const name of ['RUN_IDVS', 'RUN_FRAGMENT', 'RUN_COMPUTE', 'RUN_FULLSCREEN'] as const) {
    decoder.run(name, { memory, registers, operands, heapContext: 0 }, 0);
  }
  assert.ok(lines.some((line) => line.includes('unreadable')));
  assert.deepEqual(faults, []);
});
