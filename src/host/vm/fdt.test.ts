/** Device trees: what is read is written again, and the GPU stands where the kernel looks for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../abi/layout.ts';
import { boardTree, GPU_ADDRESS } from './device-tree.ts';
import { DeviceNode, readTree, writeTree } from './fdt.ts';

/** As QEMU's, as far as boardTree looks at it. */
function virt(): DeviceNode {
  const root = new DeviceNode('', { compatible: 'linux,dummy-virt', '#address-cells': [2], 'dma-coherent': true });
  root.add('intc@8000000', { compatible: 'arm,gic-v3', 'interrupt-controller': true, phandle: [0x8002] });
  root.add('apb-pclk', { compatible: 'fixed-clock', phandle: [0x8000] });
  return root;
}

test('a tree survives being written and read, odd lengths and empty properties included', () => {
  const root = virt();
  root.add('odd', {
    text: 'abc',
    texts: ['a', 'bcde', ''],
    bytes: Uint8Array.of(1, 2, 3),
    there: true,
    cells: [1, 2 ** 32 - 1],
  });
  root.children[0]!.add('its@8080000', { reg: [0, 0x8080000] });
  assert.deepEqual(readTree(writeTree(root)), root);
  assert.deepEqual(readTree(writeTree(root)).child('odd')!.texts('texts'), ['a', 'bcde', '']);
});

test('what is no device tree is refused', () => {
  assert.throws(() => readTree(new Uint8Array(64)), /no device tree/);
  const broken = writeTree(virt());
  const at = viewOf(broken).getUint32(8);
  viewOf(broken).setUint32(at, 7);
  assert.throws(() => readTree(broken), /token 7/);
});

test('the GPU is a Mali of RK3588’s at its BAR, with three interrupts and handles of its own', () => {
  const root = readTree(boardTree(writeTree(virt())));
  const gpu = root.child(`gpu@${GPU_ADDRESS.toString(16)}`)!;
  assert.deepEqual(gpu.texts('compatible'), ['rockchip,rk3588-mali', 'arm,mali-valhall-csf']);
  assert.deepEqual([...gpu.properties.get('reg')!.subarray(4, 8)], [0x10, 0, 0, 0]);
  assert.equal(gpu.cell('interrupt-parent'), 0x8002);
  assert.deepEqual(
    [...gpu.properties.get('interrupts')!].filter((_, i) => i % 4 === 3),
    [0, 92, 4, 0, 93, 4, 0, 94, 4],
  );
  const handles = [...root.all()].map((node) => node.cell('phandle')).filter((handle) => handle !== undefined);
  assert.equal(new Set(handles).size, handles.length);
  for (const [key, name] of [
    ['clocks', 'gpu-clock'],
    ['operating-points-v2', 'gpu-opp-table'],
    ['mali-supply', 'gpu-supply'],
  ] as const) {
    assert.equal(gpu.cell(key), root.child(name)!.cell('phandle'), key);
  }
});
