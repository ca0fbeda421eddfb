import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPONENT_ORDER, PIXEL_FORMATS } from '../../abi/formats.ts';
import { ATTRIBUTE_TYPE, AttributeDescriptor } from '../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../abi/layout.ts';
import { Dram } from '../../board/dram.ts';
import { GpuFault } from '../contract.ts';
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
