/** DEV_QUERY, and the page with the flush id. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRNO } from '../abi/errno.ts';
import { GPU_NAMES, GPU_PRODUCTS, gpuIdOf } from '../abi/gpu/products.ts';
import type { Layout } from '../abi/layout.ts';
import { viewOf } from '../abi/layout.ts';
import {
  CsifInfo,
  DEV_QUERY,
  GpuInfo,
  GroupPrioritiesInfo,
  MmuInfo,
  PANTHOR,
  PANTHOR_USER_MMIO_OFFSET_32BIT,
  PANTHOR_USER_MMIO_OFFSET_64BIT,
  TIMESTAMP_FLAGS,
  TimestampInfo,
} from '../abi/panthor.ts';
import { DrmError } from '../drm/error.ts';
import { bootedMachine, Client } from '../testing/machine/board.ts';
import { movJob } from '../testing/machine/mov-job.ts';

async function query<F extends Record<string, any>>(
  client: Client,
  type: number,
  layout: Layout<F>,
  input: object = {},
) {
  const pointer = client.user.put(layout.pack(input as never));
  await client.do(PANTHOR.DEV_QUERY, { type, size: layout.size, pointer });
  return layout.read(viewOf(client.user.read(pointer, layout.size)), 0);
}

test('each query first tells its size', async () => {
  const client = new Client(await bootedMachine());
  const sizes = [GpuInfo, CsifInfo, TimestampInfo, GroupPrioritiesInfo, MmuInfo].map((object) => object.layout.size);
  for (const [type, size] of sizes.entries()) {
    assert.equal((await client.do(PANTHOR.DEV_QUERY, { type })).size, size);
  }
  assert.equal((await client.run(PANTHOR.DEV_QUERY, { type: 99 })).value, -ERRNO.EINVAL);
});

test('a client learns that this is a Mali-G610 MC4 and what its command streams have', async () => {
  const client = new Client(await bootedMachine());
  const gpu = await query(client, DEV_QUERY.GPU_INFO, GpuInfo.layout);
  assert.equal(gpu.gpuId >>> 16, 0xa867);
  assert.equal(gpu.shaderPresent, 0x50005n);
  assert.equal(gpu.selectedCoherency, 31);
  const csif = await query(client, DEV_QUERY.CSIF_INFO, CsifInfo.layout);
  assert.ok(csif.csgSlotCount >= 3 && csif.csSlotCount >= 8);
  assert.deepEqual([csif.csRegCount, csif.scoreboardSlotCount, csif.unpreservedCsRegCount], [96, 8, 4]);
  assert.equal((await query(client, DEV_QUERY.MMU_INFO, MmuInfo.layout)).pageSizeBitmap, 0x201000n);
});

test('each Mali that the board may have is called by its name, told to clients as it is, and does a job', async () => {
  for (const name of GPU_NAMES) {
    const product = GPU_PRODUCTS[name];
    const machine = await bootedMachine({ product });
    assert.equal(machine.device.gpuName, product.title.toLowerCase());
    assert.equal(machine.device.gpuName, `mali-${name}`);
    const client = new Client(machine);
    const gpu = await query(client, DEV_QUERY.GPU_INFO, GpuInfo.layout);
    assert.equal(gpu.gpuId, gpuIdOf(product));
    assert.equal(gpu.coreFeatures, product.coreVariant);
    assert.equal(gpu.shaderPresent, BigInt(product.shaderPresent));
    assert.equal((await movJob(client, 0xcafe)).after, 0xcafe);
    assert.doesNotMatch(machine.lines.join('\n'), /error|warn/);
  }
});

test('high priorities are for the DRM master', async () => {
  const machine = await bootedMachine();
  const client = new Client(machine);
  const mask = (await query(client, DEV_QUERY.GROUP_PRIORITIES_INFO, GroupPrioritiesInfo.layout)).allowedMask;
  assert.equal(mask, 0b0011);
  const vm = await client.createVm();
  await assert.rejects(client.createGroup(vm, 1, { priority: 3 }), new RegExp(`-${ERRNO.EACCES}`));
});

test('time stamps come with what was asked for, and the rest is zero', async () => {
  const client = new Client(await bootedMachine());
  const plain = await query(client, DEV_QUERY.TIMESTAMP_INFO, TimestampInfo.layout);
  assert.equal(plain.timestampFrequency, 24_000_000n);
  assert.equal(plain.cpuTimestampNsec, 0n);
  const F = TIMESTAMP_FLAGS;
  const flags = F.GPU | F.CPU_MONOTONIC;
  const both = await query(client, DEV_QUERY.TIMESTAMP_INFO, TimestampInfo.layout, { flags });
  assert.equal(both.timestampFrequency, 0n);
  assert.ok(both.cpuTimestampSec * 10n ** 9n + both.cpuTimestampNsec > 0n);
  await assert.rejects(
    query(client, DEV_QUERY.TIMESTAMP_INFO, TimestampInfo.layout, { flags: F.CPU_TYPE_MASK }),
    new RegExp(`-${ERRNO.EINVAL}`),
  );
});

test('the flush-id page maps read-only, at both offsets that the uAPI knows', async () => {
  const machine = await bootedMachine();
  const client = new Client(machine);
  const { run, writable } = client.file.mmap(PANTHOR_USER_MMIO_OFFSET_64BIT, 4096, false);
  assert.equal(writable, false);
  assert.ok(machine.dram.view.getUint32(run.physical, true) > 0);
  const invalid = (error: unknown): boolean => error instanceof DrmError && error.errno === 'EINVAL';
  assert.throws(() => client.file.mmap(PANTHOR_USER_MMIO_OFFSET_64BIT, 4096, true), invalid);
  assert.throws(() => client.file.mmap(PANTHOR_USER_MMIO_OFFSET_64BIT + 4096n, 4096, false), invalid);
  await client.do(PANTHOR.SET_USER_MMIO_OFFSET, { offset: PANTHOR_USER_MMIO_OFFSET_32BIT });
  assert.equal(client.file.mmap(PANTHOR_USER_MMIO_OFFSET_32BIT, 4096, false).run, run);
});
