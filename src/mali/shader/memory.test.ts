import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ADDRESS_MODE,
  ATTRIBUTE_FREQUENCY,
  ATTRIBUTE_TYPE,
  AttributeDescriptor,
  BUFFER_TYPE,
  BufferDescriptor,
  DESCRIPTOR_TYPE,
  LocalStorage,
  Resource,
} from '../../abi/gpu/shader-descriptors.ts';
import { execute, FlatMemory, f16x2, f32, lane0, register } from '../../testing/mali/shader-rig.ts';
import { executorOf } from '../engine/engine.ts';
import { ENGINES } from '../engine/names.ts';
import { LANES, type VertexStage } from './contract.ts';
import { VertexOutput } from './vertex-output.ts';

const ids = Array.from({ length: LANES }, (_, i) => i);
const TABLES = 0xa000;
const TABLE0 = 0xa100;
const BUFFERS = 0xa400;
const STORAGE = 0xa800;
const DATA = 0x40000;

/** Memory with table 0 (buffer descriptors), table 1 (attributes) and a table entry that is itself a buffer. */
function withTables(): FlatMemory {
  const memory = new FlatMemory();
  memory.encode(Resource, TABLES, { address: BUFFERS, containsDescriptors: true, size: 64 });
  memory.encode(Resource, TABLES + 16, { address: TABLE0, containsDescriptors: true, size: 5 * 32 });
  memory.encode(Resource, TABLES + 32, { address: DATA, containsDescriptors: false, size: 8 });
  memory.encode(BufferDescriptor, BUFFERS, {
    type: DESCRIPTOR_TYPE.BUFFER,
    bufferType: BUFFER_TYPE.SIMPLE,
    size: 64,
    address: DATA,
  });
  for (let i = 0; i < 64; i++) memory.store8(DATA + i, 0x80 + i);
  return memory;
}
const pointers = { resources: TABLES + 3 };

test('loads of every size, extended and placed', () => {
  const memory = withTables();
  const load = (text: string, r = 0): number =>
    lane0(
      execute(`${text}\nNOP.end`, { memory, fau: [DATA, 0], registers: { 0: [0x11111111], 1: [0x22222222] } }),
      r,
    ) >>> 0;
  assert.equal(load('LOAD.i8.w0.unsigned.slot0 @r0, u0, offset:1'), 0x81);
  assert.equal(load('LOAD.i8.w0.slot0 @r0, u0, offset:1'), 0xffffff81);
  assert.equal(load('LOAD.i8.b2.unsigned.slot0 @r0, u0, offset:1'), 0x11811111);
  assert.equal(load('LOAD.i16.h1.unsigned.slot0 @r0, u0, offset:2'), 0x83821111);
  assert.equal(load('LOAD.i8.h0.slot0 @r0, u0, offset:0'), 0x1111ff80);
  assert.equal(load('LOAD.i16.d0.slot0 @r0:r1, u0, offset:0', 1), 0xffffffff);
  assert.equal(load('LOAD.i24.unsigned.slot0 @r0, u0, offset:0'), 0x828180);
  assert.equal(load('LOAD.i32.unsigned.slot0 @r0, u0, offset:4'), 0x87868584);
  assert.equal(load('LOAD.i48.unsigned.slot0 @r0:r1, u0, offset:0', 1), 0x8584);
  assert.equal(load('LOAD.i128.unsigned.slot0 @r0:r1:r2:r3, u0, offset:0', 3), 0x8f8e8d8c);
});

test('stores of every size, each lane to its own address', () => {
  const memory = new FlatMemory();
  execute(
    `SHADDX.u64 r2, u0, r1.w0, shift:4
    STORE.i96.slot0 @r4:r5:r6, r2, offset:0
    STORE.i8.slot0 @r1, r2, offset:13
    NOP.end`,
    {
      memory,
      fau: [DATA, 0],
      registers: { 1: ids, 4: ids.map((i) => i * 3), 5: ids.map(() => 7), 6: ids.map((i) => ~i) },
    },
  );
  for (const i of ids) {
    assert.equal(memory.load32(DATA + i * 16), i * 3);
    assert.equal(memory.load32(DATA + i * 16 + 8) | 0, ~i);
    assert.equal(memory.load8(DATA + i * 16 + 13), i);
    assert.equal(memory.load8(DATA + i * 16 + 12), 0);
  }
});

test('helpers and discarded lanes store nothing', () => {
  const memory = new FlatMemory();
  execute('SHADDX.u64 r2, u0, r1.w0, shift:2\nSTORE.i32.slot0 @r4, r2, offset:0\nNOP.end', {
    memory,
    fau: [DATA, 0],
    registers: { 1: ids, 4: ids.map(() => 1) },
    helpers: 0x00f0,
  });
  assert.deepEqual(
    ids.map((i) => memory.load32(DATA + i * 4)),
    ids.map((i) => (i >= 4 && i < 8 ? 0 : 1)),
  );
});

test('buffers are read through descriptors and end where they end', () => {
  const memory = withTables();
  const load = (handle: number, offset: number, size = 32): number[] => {
    const regs = size === 32 ? '@r4' : '@r4:r5:r6:r7';
    const run = execute(`LD_BUFFER.i${size}.unsigned.slot0 ${regs}, r1, r2\nNOP.end`, {
      memory,
      pointers,
      registers: { 1: [offset], 2: [handle], 4: [9], 5: [9] },
    });
    return [lane0(run, 4) >>> 0, lane0(run, 5) >>> 0];
  };
  assert.equal(load(0, 4)[0], 0x87868584);
  assert.equal(load(0, 61)[0], 0);
  assert.deepEqual(load(0, 60, 128), [0xbfbebdbc, 0]);
  assert.equal(load(0, 0xfffffffc)[0], 0);
  // No such descriptor, no such table.
  assert.equal(load(7, 0)[0], 0);
  assert.equal(load(0x09000000, 0)[0], 0);
  // A table entry that is the buffer itself.
  assert.equal(load(0x02000000, 4)[0], 0x87868584);
  assert.equal(load(0x02000000, 8)[0], 0);
});

test('a descriptor of the wrong type is a fault that says where', () => {
  const memory = withTables();
  memory.encode(BufferDescriptor, BUFFERS, { type: DESCRIPTOR_TYPE.TEXTURE });
  assert.throws(
    () => execute('LD_BUFFER.i32.unsigned.slot0 @r4, r1, r2\nNOP.end', { memory, pointers }),
    /descriptor at 0xa400: type 2 where a buffer is wanted/,
  );
});

test('threads have their own storage behind one pointer', () => {
  const memory = new FlatMemory();
  memory.encode(LocalStorage, STORAGE, { tlsSize: 1, tlsBase: DATA >> 8, tlsAddressMode: ADDRESS_MODE.PACKED });
  const text = (offset: number) => `
    MOV.i32 r2, thread_local_pointer.w0
    MOV.i32 r3, thread_local_pointer.w1
    STORE.i32.force.slot0 @r1, r2, offset:${offset}
    LOAD.i32.unsigned.slot0 @r4, r2, offset:${offset}
    NOP.end`;
  const options = { memory, pointers: { threadStorage: STORAGE }, registers: { 1: ids } };
  assert.deepEqual(register(execute(text(4), options), 4), ids);
  assert.equal(memory.load32(DATA + 5 * 32 + 4), 5);
  assert.throws(() => execute(text(32), options), /thread storage offset 32 of 32 bytes/);
});

test('atomics follow one another lane by lane', () => {
  const memory = new FlatMemory();
  const run = (text: string, extra: Record<number, number[]> = {}) =>
    execute(`${text}\nNOP.end`, { memory, fau: [DATA, 0], registers: { 4: ids.map((i) => i + 1), ...extra } });
  run('ATOM.i32.slot0.aadd @r4, u0, offset:0');
  assert.equal(memory.load32(DATA), 136);
  const inc = run('ATOM1_RETURN.i32.slot0.ainc @r6, u0, offset:0');
  assert.deepEqual(
    register(inc, 6),
    ids.map((i) => 136 + i),
  );
  run('ATOM.i32.slot0.asmax @r4, u0, offset:4', { 4: ids.map((i) => i - 20) });
  assert.equal(memory.load32(DATA + 4), 0);
  run('ATOM.i32.slot0.asmin @r4, u0, offset:4', { 4: ids.map((i) => i - 20) });
  assert.equal(memory.load32(DATA + 4) | 0, -20);
  const swap = run('ATOM_RETURN.i32.slot0.axchg @r6, @r4, u0, offset:8');
  assert.deepEqual(register(swap, 6), ids);
  // r4 is the new value, r5 the expected one: only the lane that finds 16 wins.
  const exchange = run('ATOM_RETURN.i32.slot0.compare.axchg @r6, @r4, u0, offset:8', {
    4: ids.map((i) => 100 + i),
    5: ids.map((i) => (i === 3 ? 16 : 0)),
  });
  assert.equal(memory.load32(DATA + 8), 103);
  assert.deepEqual(register(exchange, 6).slice(0, 6), [16, 16, 16, 16, 103, 103]);
  run('ATOM.i64.slot0.aadd @r4:r5, u0, offset:16', { 4: ids.map(() => 0xffffffff), 5: ids.map(() => 0) });
  assert.equal(memory.loadBig64(DATA + 16), 16n * 0xffffffffn);
});

test('attributes come converted, by vertex or by instance', () => {
  const memory = withTables();
  const put = (n: number, values: object): void =>
    memory.encode(AttributeDescriptor, TABLE0 + n * 32, { type: DESCRIPTOR_TYPE.ATTRIBUTE, ...values });
  const R32G32F = (175 << 12) | 0;
  const RGBA8_UNORM = 187 << 12;
  put(0, { attributeType: ATTRIBUTE_TYPE.LINEAR, format: R32G32F, stride: 8 });
  put(1, { attributeType: ATTRIBUTE_TYPE.LINEAR, format: RGBA8_UNORM, stride: 4, offset: 4 });
  put(2, {
    attributeType: ATTRIBUTE_TYPE.NPOT_DIVISOR,
    frequency: ATTRIBUTE_FREQUENCY.INSTANCE,
    format: RGBA8_UNORM,
    stride: 4,
    divisorD: 0x2aaaaaaa,
    divisorR: 1,
    divisorE: 1,
  });
  for (let i = 0; i < 8; i++) memory.store32(DATA + i * 4, f32(i + 0.5));
  const load = (index: number, format: string, size: string, regs: string) =>
    execute(`LD_ATTR_IMM.${size}.${format}.slot0 @${regs}, r1, r2, index:${index}, table:1\nNOP.end`, {
      memory,
      pointers,
      registers: { 1: ids, 2: ids },
    });
  const pairs = load(0, 'f32', 'v2', 'r4:r5');
  assert.equal(lane0(pairs, 5), f32(1.5));
  assert.equal(register(pairs, 4)[3], f32(6.5));
  // Beyond the end of the buffer: zero.
  assert.equal(register(pairs, 4)[9], 0);
  memory.store32(DATA + 4, 0xff0080ff);
  assert.equal(lane0(load(1, 'f16', 'v4', 'r4:r5'), 4), f16x2(1, 128 / 255));
  assert.equal(lane0(load(1, 'f16', 'v4', 'r4:r5'), 5), f16x2(0, 1));
  for (let i = 0; i < 8; i++) memory.store32(DATA + i * 4, i * 51);
  const instances = load(2, 'f32', 'v2', 'r4:r5');
  assert.deepEqual(
    [...instances.warp.f32.subarray(4 * LANES, 4 * LANES + 10)].map((x) => Math.round(x * 5)),
    [0, 0, 0, 1, 1, 1, 2, 2, 2, 3],
  );
});

const CONSTANT_0000 = (95 << 12) | 231;

for (const engine of ENGINES) {
  const executor = executorOf(engine);

  test(`the tables themselves can be loaded from as buffers (${engine})`, () => {
    const memory = withTables();
    const load = (table: number, offset: number): number =>
      lane0(
        execute('LD_BUFFER.i32.w0.unsigned.slot0.wait0 @r4, r0, r1\nNOP.end', {
          ...{
            memory,
            pointers,
            executor,
            registers: { 0: ids.map(() => offset), 1: ids.map(() => (62 << 24) | table) },
          },
        }),
        4,
      ) >>> 0;
    assert.equal(load(0, 4), 64, 'the size in the buffer descriptor');
    assert.equal(load(0, 8), DATA, 'its address');
    memory.store32(TABLE0 + 4 * 32 + 28, 0xabc);
    assert.equal(load(1, 4 * 32 + 28), 0xabc);
    assert.equal(load(1, 5 * 32), 0, 'behind the table');
    assert.equal(load(2, 4), 0x87868584, 'an entry that is a buffer');
    assert.equal(load(3, 0), 0, 'a table that is not there');
  });

  test(`addresses of bytes and of elements are not checked, and 0 where there is no buffer (${engine})`, () => {
    const memory = withTables();
    memory.encode(BufferDescriptor, BUFFERS + 32, {
      type: DESCRIPTOR_TYPE.BUFFER,
      bufferType: BUFFER_TYPE.STRUCTURE,
      size: 64,
      address: DATA,
      stride: 12,
    });
    const address = (name: string, index: number, handle: number): bigint => {
      const registers = { 0: ids.map((n) => index + n), 1: ids.map(() => handle) };
      const run = execute(`${name}.slot0.wait0 @r4:r5, r0, r1\nNOP.end`, { memory, pointers, executor, registers });
      return BigInt(lane0(run, 4) >>> 0) + (BigInt(lane0(run, 5) >>> 0) << 32n);
    };
    assert.equal(address('LEA_BUFFER', 5, 0), BigInt(DATA + 5));
    assert.equal(address('LEA_BUFFER', 500, 0), BigInt(DATA + 500));
    assert.equal(address('LEA_BUF', 5, 0), BigInt(DATA + 5));
    assert.equal(address('LEA_BUF', 3, 1), BigInt(DATA + 36));
    assert.equal(address('LEA_BUF', 2 ** 31, 1), BigInt(DATA) + 12n * 2n ** 31n);
    assert.equal(address('LEA_BUF', 3, 9), 0n);
  });

  test(`loads with conversion (${engine})`, () => {
    const memory = new FlatMemory();
    memory.store32(DATA, 0xff0080ff);
    memory.store32(DATA + 4, 0x01020304);
    const load = (format: string, size: string, registers: string, descriptor: number, low = DATA): number[] => {
      const run = execute(`LD_CVT.slot0.${size}.${format}.wait0 @${registers}, r2, r1, offset:0\nNOP.end`, {
        ...{ memory, executor },
        registers: { 1: ids.map(() => descriptor), 2: ids.map((n) => low && low + 4 * (n & 1)), 3: ids.map(() => 0) },
      });
      return registers.split(':').map((r) => register(run, Number(r.slice(1)))[1]! >>> 0);
    };
    assert.deepEqual(load('u32', 'v4', 'r4:r5:r6:r7', 155 << 12), [4, 3, 2, 1]);
    assert.deepEqual(load('auto', 'v2', 'r4:r5', 155 << 12), [4, 3]);
    assert.deepEqual(load('s32', 'none', 'r4', 133 << 12), [0x01020304]);
    assert.deepEqual(
      load('f32', 'v4', 'r4:r5:r6:r7', (187 << 12) | 4).map((x) => x !== 0),
      [true, true, true, true],
    );
    // A constant is nowhere in memory.
    assert.deepEqual(load('f32', 'v4', 'r4:r5:r6:r7', CONSTANT_0000, 4), [0, 0, 0, 0]);
    assert.deepEqual(load('u32', 'v4', 'r4:r5:r6:r7', 155 << 12, 0), [0, 0, 0, 0]);
    assert.throws(() => load('u32', 'v4', 'r4:r5:r6:r7', 155 << 12, 4), /no page/);
  });

  test(`vertex shaders find their outputs by linear id (${engine})`, () => {
    const output = new VertexOutput();
    output.set(DATA, 0x1000, 0x400, 0x20, 80);
    const stage: VertexStage = { kind: 'vertex', frame: output.frame, output };
    const memory = new FlatMemory();
    const run = (first: number, index = 0) =>
      execute(
        `LEA_BUF_IMM.slot0 @r4:r5, r59, table:13, index:${index}
        BRANCHZ.eq r58, offset:1
        STORE.i32.estream.slot0 @r59, r4, offset:8
        NOP.end`,
        { memory, stage, executor, registers: { 59: ids.map((i) => first + i), 58: stores } },
      );
    let stores = ids.map(() => 1);
    run(60);
    assert.equal(memory.load32(DATA + 0x400 + 63 * 0x20 + 8), 63);
    assert.equal(memory.load32(DATA + 0x1000 + 0x400 + 2 * 0x20 + 8), 66);
    // The elements from 80 on are not there. Who asks for their addresses has no fault, who stores there has.
    assert.throws(() => run(70), /0x1000000000008/);
    stores = ids.map((i) => (i < 10 ? 1 : 0));
    run(70);
    assert.equal(memory.load32(DATA + 0x1000 + 0x400 + 15 * 0x20 + 8), 79);
    assert.equal(memory.load32(DATA + 0x1000 + 0x400 + 16 * 0x20 + 8), 0);
    stores = ids.map(() => 0);
    run(0, 1);
    stores = ids.map(() => 1);
    assert.throws(() => run(0, 1), /0x1000000000008/);
    output.close();
  });
}

test('stores with conversion', () => {
  const memory = new FlatMemory();
  execute('ST_CVT.slot0.v4.f32 @r4:r5:r6:r7, u0, r1, offset:0\nNOP.end', {
    memory,
    fau: [DATA, 0],
    registers: { 1: [187 << 12], 4: [f32(1)], 5: [f32(0.5)], 6: [f32(-1)], 7: [f32(2)] },
    live: 1,
  });
  assert.equal(memory.load32(DATA) >>> 0, 0xff0080ff);
});
