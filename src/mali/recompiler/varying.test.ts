import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import {
  ATTRIBUTE_TYPE,
  AttributeDescriptor,
  BUFFER_TYPE,
  BufferDescriptor,
  DESCRIPTOR_STRIDE,
  DESCRIPTOR_TYPE,
} from '../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../abi/layout.ts';
import { Fuzzer } from '../../testing/mali/fuzz/fuzz.ts';
import { input, UNIFORM_HANDLES } from '../../testing/mali/fuzz/input.ts';
import { listEpilogue, listPrologue } from '../../testing/mali/fuzz/list.ts';
import {
  ATTRIBUTE_COUNT,
  ATTRIBUTE_TABLE,
  ATTRIBUTE_TABLE_BYTES,
  DATA_AT,
  DATA_SIZE,
} from '../../testing/mali/fuzz/memory.ts';
import { poolOf } from '../../testing/mali/fuzz/pool.ts';
import { Random } from '../../testing/mali/random.ts';
import { assemble } from '../shader/assemble.ts';
import { Site } from './flow.ts';

const { get: stepOf } = Object.getOwnPropertyDescriptor(Site.prototype, 'step')!;

/** A plain attribute of four words an element, in all of the data. */
function plainAttributes(format: number): Uint8Array {
  const bytes = new Uint8Array(ATTRIBUTE_TABLE_BYTES);
  const view = viewOf(bytes);
  AttributeDescriptor.write(view, DESCRIPTOR_STRIDE, {
    type: DESCRIPTOR_TYPE.ATTRIBUTE,
    attributeType: ATTRIBUTE_TYPE.LINEAR,
    format: format << 12,
    table: ATTRIBUTE_TABLE,
    bufferIndex: ATTRIBUTE_COUNT,
    stride: 16,
  });
  BufferDescriptor.write(view, ATTRIBUTE_COUNT * DESCRIPTOR_STRIDE, {
    type: DESCRIPTOR_TYPE.BUFFER,
    bufferType: BUFFER_TYPE.SIMPLE,
    size: DATA_SIZE,
    address: DATA_AT,
  });
  return bytes;
}

/** How often the interpreter was called for an instruction in lists of quads of any primitives. */
function calls(name: string, format: number, lines: string[]): number {
  let count = 0;
  const counted = mock.method(
    Site.prototype,
    'step',
    function (this: Site) {
      if (this.instruction.spec.name === name) count++;
      return stepOf!.call(this);
    },
    { getter: true },
  );
  try {
    const fuzzer = new Fuzzer();
    const any = poolOf(0);
    const draws = any.draws.filter(({ samples }) => samples === 1);
    const pool = { ...any, draws, attributes: [plainAttributes(format)] };
    for (let seed = 0; seed < 40; seed++) {
      const random = new Random(seed);
      const code = assemble([...listPrologue(random), ...lines, ...listEpilogue(random)].join('\n'));
      assert.equal(fuzzer.difference({ code, flushToZero: 0, inputs: [input(random, pool, 'list')] }), undefined);
    }
  } finally {
    counted.mock.restore();
  }
  return count;
}

/** Pixel formats. */
const RGBA32F = 191;
const RGBA32UI = 157;

const IMMEDIATE = `table:${ATTRIBUTE_TABLE}, index:1`;
const UNIFORM = `u${UNIFORM_HANDLES + 1}`;

for (const [name, format, source, texels] of [
  ['LD_VAR', 'f32.v3.center.store', 'r60, ', RGBA32F],
  ['LD_VAR', 'f16.v3.center.store', 'r60, ', RGBA32F],
  ['LD_VAR_FLAT', 'u32.v2', '', RGBA32UI],
  ['LD_VAR_FLAT', 's16.v3', '', RGBA32UI],
] as const) {
  test(`${name} of ${format} does without the interpreter, whether a word or a register holds the handle`, () => {
    const load = (suffix: string, what: string): string =>
      `${name}${suffix}.slot0.${format} @r4:r5:r6:r7, ${source}${what}`;
    assert.equal(calls(`${name}_IMM`, texels, [load('_IMM', IMMEDIATE)]), 0);
    assert.equal(calls(name, texels, [load('', UNIFORM)]), 0);
    assert.equal(calls(name, texels, [`MOV.i32 r30, ${UNIFORM}`, load('', 'r30')]), 0);
  });
}

test('lanes that wait elsewhere when a list is left find the weights that they retrieve', () => {
  assert.equal(new Fuzzer().try(7_024_204)?.report, undefined);
});
