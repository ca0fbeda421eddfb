import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPONENT_ORDER, PIXEL_FORMATS } from '../../abi/formats.ts';
import {
  ATTRIBUTE_FREQUENCY,
  ATTRIBUTE_TYPE,
  AttributeDescriptor,
  BUFFER_TYPE,
  BufferDescriptor,
  DESCRIPTOR_TYPE,
  Resource,
} from '../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../abi/layout.ts';
import { Dram } from '../../board/dram.ts';
import { Random } from '../../testing/mali/random.ts';
import { execute, FlatMemory, register } from '../../testing/mali/shader-rig.ts';
import { GpuFault } from '../contract.ts';
import { executorOf } from '../engine/engine.ts';
import { leftOver } from '../engine/left-over.ts';
import { ENGINES } from '../engine/names.ts';
import { LANES } from '../shader/contract.ts';
import { registerFormat } from '../shader/vector.ts';
import { fetchSlot } from './attribute-fetch.ts';

test('a client that has used up thousands of forms of attributes still gets emitted code for others', () => {
  const dram = new Dram(2 ** 16);
  const view = viewOf(new Uint8Array(AttributeDescriptor.size));
  let forms = 0;
  const wanted = 4200;
  for (const index of PIXEL_FORMATS.keys()) {
    for (const order of Object.keys(COMPONENT_ORDER).map(Number)) {
      for (const format of ['f32', 'u32', 's32'] as const) {
        AttributeDescriptor.write(view, 0, { attributeType: ATTRIBUTE_TYPE.LINEAR, format: order | (index << 12) });
        const attribute = AttributeDescriptor.read(view, 0);
        try {
          if (forms < wanted && fetchSlot(dram, attribute, registerFormat(format), 1)) forms++;
        } catch (error) {
          if (!(error instanceof GpuFault)) throw error;
        }
      }
    }
  }
  assert.equal(forms, wanted);
});

const TABLE = 0xa100;
const BUFFERS = 1;
/** Two descriptor tables: the attribute, and its buffer. */
function described(attribute: object, size: number): FlatMemory {
  const memory = new FlatMemory();
  memory.encode(Resource, 0xa000, { address: TABLE, containsDescriptors: true, size: 32 });
  memory.encode(Resource, 0xa000 + Resource.size, { address: TABLE + 32, containsDescriptors: true, size: 32 });
  memory.encode(AttributeDescriptor, TABLE, {
    type: DESCRIPTOR_TYPE.ATTRIBUTE,
    format: R32F,
    table: BUFFERS,
    ...attribute,
  });
  // Sums of the lower words carry.
  const address = 0x1fffffff0;
  memory.encode(BufferDescriptor, TABLE + 32, {
    type: DESCRIPTOR_TYPE.BUFFER,
    bufferType: BUFFER_TYPE.SIMPLE,
    address,
    size,
  });
  return memory;
}
const R32F = [...PIXEL_FORMATS.values()].find(({ name }) => name === 'R32F')!.index << 12;

test('addresses of elements found by emitted code are those that the interpreter finds, 0 beyond the buffer', () => {
  const random = new Random(9);
  for (const attributeType of [ATTRIBUTE_TYPE.LINEAR, ATTRIBUTE_TYPE.POT_DIVISOR, ATTRIBUTE_TYPE.NPOT_DIVISOR]) {
    for (const frequency of Object.values(ATTRIBUTE_FREQUENCY)) {
      for (const [offset, stride, size] of [
        [0, 4, 400],
        [8, 12, 399],
        [-20, 4, 100],
        [4, 0, 8],
      ] as const) {
        const offsetEnable = random.chance(50);
        const divisor = { divisorR: random.below(3), divisorE: random.below(2), divisorD: random.word() };
        const memory = described({ attributeType, frequency, offset, stride, offsetEnable, ...divisor }, size);
        const some = (): number[] =>
          Array.from({ length: LANES }, () => (random.chance(90) ? random.below(120) : random.word()));
        const registers = { 0: some(), 1: some() };
        const before = leftOver().LEA_ATTR_IMM ?? 0;
        const [emitted, interpreted] = ENGINES.map((engine) => {
          const run = execute(
            `LEA_ATTR_IMM.slot0.wait0 @r8:r9:r10, r0, r1, table:0, index:0
            NOP.end`,
            {
              memory,
              pointers: { resources: 0xa002, attributeOffset: 3 },
              executor: executorOf(engine),
              registers,
            },
          );
          return [8, 9, 10].map((r) => register(run, r));
        });
        const what = `${attributeType}, ${frequency}, ${offset}, ${stride}`;
        assert.deepEqual(emitted, interpreted, what);
        assert.equal(leftOver().LEA_ATTR_IMM ?? 0, before, `the interpreter was asked: ${what}`);
      }
    }
  }
});
