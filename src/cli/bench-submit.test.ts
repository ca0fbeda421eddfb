/** Whose a job's CPU time is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf } from './bench-submit.ts';

const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
  id,
  callFrame: { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 },
  children,
});

test('a job’s time is the driver’s with what it calls, the GPU’s, and the rest without idle time and the sampler’s own', () => {
  const nodes = [
    node(1, '(root)', '', [2, 4, 5, 6, 7, 8]),
    node(2, 'ioctl', 'file:///x/src/drm/device.ts', [3]),
    node(3, 'slice', ''),
    node(4, 'step', 'file:///x/src/mali/csu/stream.ts'),
    node(5, '(garbage collector)', ''),
    node(6, 'run', 'file:///x/src/cli/bench-client.ts'),
    node(7, '(idle)', ''),
    node(8, 'post', 'node:inspector'),
  ];
  const parts = partsOf({ nodes, samples: [8, 2, 3, 4, 5, 6, 7, 1], timeDeltas: [0, 900, 30, 10, 40, 15, 5, 500] });
  const rounded = Object.entries(parts).map(([name, part]) => [name, Math.round(part * 1000) / 1000]);
  assert.deepEqual(Object.fromEntries(rounded), { driver: 0.4, gpu: 0.4, runtime: 0.2 });
});
