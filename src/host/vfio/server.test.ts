/** The device as a virtual machine's monitor sees it: what it is, its registers, its interrupt, its memory, its errors. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ERRNO } from '../../abi/errno.ts';
import { viewOf } from '../../abi/layout.ts';
import { PCI_COMMAND } from '../../abi/pci.ts';
import {
  VFIO_DEVICE,
  VFIO_DMA_MAP,
  VFIO_DMA_UNMAP,
  VFIO_IRQ_SET,
  VFIO_USER,
  VFIO_USER_FLAG,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioIrqSet,
  VfioRegionInfo,
  VfioUserDmaMap,
  VfioUserDmaUnmap,
  VfioUserHeader,
  VfioUserRegionAccess,
  VfioUserVersion,
  VfioUserWrite,
  VfioUserWrites,
} from '../../abi/vfio-user.ts';
import { BAR_SIZE, TestDevice, VfioClient } from '../../testing/host/vfio-client.ts';
import * as sys from '../syscalls.ts';

const BAR0 = 0;
const CONFIG = 7;
const RAM = 0x40000000;
const MEGABYTE = 2 ** 20;
const READ_WRITE = VFIO_DMA_MAP.READ | VFIO_DMA_MAP.WRITE;

async function connected(run: (client: VfioClient, device: TestDevice) => Promise<void>): Promise<void> {
  const device = new TestDevice();
  const client = new VfioClient(device.path);
  try {
    await client.greet();
    await run(client, device);
  } finally {
    if (!client.gone) client.close();
    device.close();
  }
}

const map = (values: object): Uint8Array =>
  VfioUserDmaMap.pack({ address: BigInt(RAM), size: BigInt(MEGABYTE), flags: READ_WRITE, ...values });

const irq = (flags: number, more: object = {}): Uint8Array => VfioIrqSet.pack({ flags, count: 1, ...more });

/** An eventfd has no other way to come to JavaScript: the one that Node's own loop holds is as good as any. */
const eventfds = (): string[] =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1').includes('eventfd-count');
    } catch {
      return false;
    }
  });

test('the device tells what it is: nine regions, two of them real, and one interrupt pin', () =>
  connected(async (client) => {
    const info = await client.get(VFIO_USER.DEVICE_GET_INFO, VfioDeviceInfo, {});
    assert.deepEqual(info, { argsz: 16, flags: VFIO_DEVICE.RESET | VFIO_DEVICE.PCI, regions: 9, irqs: 5 });
    const sizes: bigint[] = [];
    for (let index = 0; index < 9; index++) {
      sizes.push((await client.get(VFIO_USER.DEVICE_GET_REGION_INFO, VfioRegionInfo, { index })).size);
    }
    assert.deepEqual(sizes, [BigInt(BAR_SIZE), 0n, 0n, 0n, 0n, 0n, 0n, 256n, 0n]);
    const counts: number[] = [];
    for (let index = 0; index < 5; index++) {
      counts.push((await client.get(VFIO_USER.DEVICE_GET_IRQ_INFO, VfioIrqInfo, { index })).count);
    }
    assert.deepEqual(counts, [1, 0, 0, 0, 0]);
    assert.equal((await client.ask(VFIO_USER.DEVICE_GET_IRQ_INFO, VfioIrqInfo.pack({ index: 5 }))).error, ERRNO.EINVAL);
  }));

test('registers are read and written, several at a time, without an answer, and never beyond the end', () =>
  connected(async (client, device) => {
    assert.equal(await client.writeWord(BAR0, 0x10, 0xcafe), 0);
    assert.equal(await client.readWord(BAR0, 0x10), 0xcafe);
    const quiet = new Uint8Array(VfioUserRegionAccess.size + 8);
    VfioUserRegionAccess.write(viewOf(quiet), 0, { offset: 0x20n, region: BAR0, count: 8 });
    viewOf(quiet).setUint32(VfioUserRegionAccess.size + 4, 7, true);
    client.send(VFIO_USER.REGION_WRITE, quiet, [], VFIO_USER_FLAG.NO_REPLY);
    assert.equal(await client.readWord(BAR0, 0x24), 7);
    const two = new Uint8Array(VfioUserWrites.size + 2 * VfioUserWrite.size);
    VfioUserWrites.write(viewOf(two), 0, { count: 2n });
    for (let i = 0; i < 2; i++) {
      const write = { offset: BigInt(0x30 + 4 * i), region: BAR0, count: 4, data: Uint8Array.of(i + 1, 0, 0, 0) };
      VfioUserWrite.write(viewOf(two), VfioUserWrites.size + i * VfioUserWrite.size, write);
    }
    assert.equal((await client.ask(VFIO_USER.REGION_WRITE_MULTI, two)).error, 0);
    assert.deepEqual([device.registers.words.get(0x30), device.registers.words.get(0x34)], [1, 2]);
    await assert.rejects(client.readWord(BAR0, BAR_SIZE), /errno 22/);
    await assert.rejects(client.readWord(BAR0, 2), /errno 22/);
    await assert.rejects(client.readWord(1, 0), /errno 22/);
    await assert.rejects(client.readWord(99, 0), /errno 22/);
    await assert.rejects(client.readWord(BAR0, 2 ** 60), /errno 22/);
  }));

test('configuration space says how large BAR 0 is, and keeps what may be written alone', () =>
  connected(async (client) => {
    await client.writeWord(CONFIG, 0x10, 0xffffffff);
    assert.equal(await client.readWord(CONFIG, 0x10), 2 ** 32 - BAR_SIZE);
    await client.writeWord(CONFIG, 0x10, 0x10000000);
    assert.equal(await client.readWord(CONFIG, 0x10), 0x10000000);
    const id = await client.readWord(CONFIG, 0);
    await client.writeWord(CONFIG, 0, 0);
    assert.equal(await client.readWord(CONFIG, 0), id);
    await client.writeWord(CONFIG, 4, 0xffff);
    assert.equal(await client.readWord(CONFIG, 4), PCI_COMMAND.MEMORY | PCI_COMMAND.MASTER | PCI_COMMAND.INTX_DISABLE);
  }));

test('memory comes with its descriptor, is written by both sides, and goes with UNMAP or with the connection', () =>
  connected(async (client, device) => {
    const ram = sys.sealedMemory('ram', 2 * MEGABYTE);
    assert.equal((await client.ask(VFIO_USER.DMA_MAP, map({ offset: BigInt(MEGABYTE) }), [ram])).error, 0);
    assert.equal((await client.ask(VFIO_USER.DMA_MAP, map({ address: BigInt(RAM + MEGABYTE) }), [ram])).error, 0);
    device.memory.view.setUint32(RAM + 8, 4711, true);
    assert.equal(device.memory.room(RAM), 2 * MEGABYTE, 'two mappings side by side');
    const changes = device.registers.changes;
    const gone = VfioUserDmaUnmap.pack({ address: BigInt(RAM), size: BigInt(MEGABYTE) });
    assert.equal((await client.ask(VFIO_USER.DMA_UNMAP, gone)).error, 0);
    assert.ok(device.registers.changes > changes, 'the device was told');
    assert.equal(device.memory.room(RAM), 0);
    assert.equal(device.memory.view.getUint32(RAM + 8, true), 0);
    assert.equal((await client.ask(VFIO_USER.DMA_UNMAP, gone)).error, ERRNO.ENOENT);
    assert.equal((await client.ask(VFIO_USER.DMA_MAP, map({ offset: BigInt(MEGABYTE) }), [ram])).error, 0);
    assert.equal(device.memory.view.getUint32(RAM + 8, true), 4711, 'the owner kept it');
    const all = VfioUserDmaUnmap.pack({ flags: VFIO_DMA_UNMAP.ALL });
    assert.equal((await client.ask(VFIO_USER.DMA_UNMAP, all)).error, 0);
    assert.deepEqual(device.memory.ranges.list, []);
    assert.equal((await client.ask(VFIO_USER.DMA_MAP, map({}), [ram])).error, 0);
    sys.close(ram);
    const resets = device.registers.resets;
    client.close();
    client.gone = true;
    while (device.server.connected) await setTimeout(1);
    assert.deepEqual(device.memory.ranges.list, []);
    assert.equal(device.registers.resets, resets + 1);
  }));

test('memory that would fault, overlaps, or lies where the device does not reach is refused, without descriptors left', () =>
  connected(async (client, device) => {
    const ram = sys.sealedMemory('ram', MEGABYTE);
    const before = readdirSync('/proc/self/fd').length;
    const error = async (values: object, fds: number[]) =>
      (await client.ask(VFIO_USER.DMA_MAP, map(values), fds)).error;
    assert.equal(await error({ offset: 4096n }, [ram]), ERRNO.EINVAL, 'beyond its end');
    assert.equal(await error({ offset: 2n ** 63n }, [ram]), ERRNO.EINVAL);
    assert.equal(await error({ address: 2n ** 40n }, [ram]), ERRNO.EINVAL, 'beyond 4 GiB');
    assert.equal(await error({ address: 2n ** 64n - 4096n }, [ram]), ERRNO.EINVAL);
    assert.equal(await error({ size: 0n }, [ram]), ERRNO.EINVAL);
    assert.equal(await error({ size: 4097n }, [ram]), ERRNO.EINVAL);
    assert.equal(await error({}, [ram, ram]), ERRNO.EINVAL, 'two descriptors');
    assert.equal(await error({}, [0]), ERRNO.EINVAL, 'not sealed');
    assert.deepEqual(device.memory.ranges.list, []);
    assert.equal(await error({}, []), 0, 'another device’s registers');
    assert.equal(device.memory.room(RAM), 0);
    assert.equal(await error({ size: 4096n }, [ram]), ERRNO.EEXIST);
    assert.equal(readdirSync('/proc/self/fd').length, before);
    sys.close(ram);
  }));

test('the pin is told once for a high line, and again at UNMASK if it is still high', () =>
  connected(async (client, device) => {
    const [job, mmu] = device.lines;
    const told = () => device.server.interrupts;
    job!.set(true);
    assert.equal(told(), 0, 'there is no eventfd yet');
    const [eventfd] = eventfds();
    assert.ok(eventfd !== undefined);
    const trigger = irq(VFIO_IRQ_SET.TRIGGER | VFIO_IRQ_SET.DATA_EVENTFD);
    assert.equal((await client.ask(VFIO_USER.DEVICE_SET_IRQS, trigger, [Number(eventfd)])).error, 0);
    assert.equal(told(), 1, 'the line was high already');
    mmu!.set(true);
    job!.set(false);
    job!.set(true);
    assert.equal(told(), 1, 'masked by the first');
    const unmask = irq(VFIO_IRQ_SET.UNMASK | VFIO_IRQ_SET.DATA_NONE);
    await client.ask(VFIO_USER.DEVICE_SET_IRQS, unmask);
    assert.equal(told(), 2, 'still high');
    job!.set(false);
    mmu!.set(false);
    await client.ask(VFIO_USER.DEVICE_SET_IRQS, unmask);
    assert.equal(told(), 2, 'low');
    job!.set(true);
    assert.equal(told(), 3);
    job!.set(false);
    await client.ask(VFIO_USER.DEVICE_SET_IRQS, irq(VFIO_IRQ_SET.MASK | VFIO_IRQ_SET.DATA_NONE));
    job!.set(true);
    assert.equal(told(), 3, 'masked by the client');
    await client.writeWord(CONFIG, 4, PCI_COMMAND.INTX_DISABLE);
    await client.ask(VFIO_USER.DEVICE_SET_IRQS, unmask);
    assert.equal(told(), 3, 'disabled');
    await client.writeWord(CONFIG, 4, 0);
    assert.equal(told(), 4);
    const off = irq(VFIO_IRQ_SET.TRIGGER | VFIO_IRQ_SET.DATA_NONE, { count: 0 });
    await client.ask(VFIO_USER.DEVICE_SET_IRQS, off);
    await client.ask(VFIO_USER.DEVICE_SET_IRQS, unmask);
    assert.equal(told(), 4, 'nobody listens');
    const wrong = await client.ask(VFIO_USER.DEVICE_SET_IRQS, trigger, [client.fd]);
    assert.equal(wrong.error, ERRNO.EINVAL, 'no eventfd');
    assert.equal((await client.ask(VFIO_USER.DEVICE_SET_IRQS, irq(0x3f))).error, ERRNO.EINVAL);
    assert.equal((await client.ask(VFIO_USER.DEVICE_SET_IRQS, irq(0x21, { count: 2 ** 31 }))).error, ERRNO.EINVAL);
  }));

test('DEVICE_RESET reaches the device; what is no request of ours has ENOSYS', () =>
  connected(async (client, device) => {
    await client.writeWord(BAR0, 0, 1);
    assert.equal((await client.ask(VFIO_USER.DEVICE_RESET)).error, 0);
    assert.equal(device.registers.resets, 1);
    assert.equal(await client.readWord(BAR0, 0), 0);
    assert.equal((await client.ask(VFIO_USER.DMA_READ)).error, ERRNO.ENOSYS);
    assert.equal((await client.ask(4711)).error, ERRNO.ENOSYS);
  }));

const version = VfioUserVersion.pack({ major: 0, minor: 0 });
const message = (head: object, body: Uint8Array = new Uint8Array()): Uint8Array => {
  const size = VfioUserHeader.size + body.length;
  return Buffer.concat([VfioUserHeader.pack({ id: 1, size, ...head }), body]);
};
const greeting = message({ command: VFIO_USER.VERSION }, version);

for (const [what, bytes, reason] of [
  ['a message before the version', message({ command: VFIO_USER.DEVICE_GET_INFO }), /before the version/],
  ['another major version', message({ command: 1 }, VfioUserVersion.pack({ major: 1 })), /version 1\.0/],
  ['a second version', Buffer.concat([greeting, greeting]), /twice/],
  ['a size below the header’s', message({ command: 1, size: 15 }), /15 bytes/],
  ['a huge size', message({ command: 1, size: 2 ** 32 - 1 }), /4294967295 bytes/],
  ['a reply that nobody asked for', message({ command: 11, flags: 1 }), /no request/],
  ['a body that is too short', Buffer.concat([greeting, message({ command: 2 }, new Uint8Array(4))]), /has 4 bytes/],
  [
    'data that are not there',
    Buffer.concat([greeting, message({ command: 10 }, VfioUserRegionAccess.pack({ count: 4 }))]),
    /not there/,
  ],
] as const) {
  test(`${what} ends the connection, and the next client is served`, async () => {
    const device = new TestDevice();
    const client = new VfioClient(device.path);
    client.raw(bytes);
    while ((await client.reply()) !== undefined);
    client.close();
    assert.match(device.log, reason);
    const next = new VfioClient(device.path);
    assert.match(await next.greet(), /"write_multiple":true/);
    next.close();
    device.close();
  });
}

test('messages may come in any pieces; one that stops in the middle is no harm', async () => {
  const device = new TestDevice();
  const client = new VfioClient(device.path);
  for (const byte of greeting) {
    client.raw(Uint8Array.of(byte));
    await setTimeout(0);
  }
  assert.equal((await client.reply())?.error, 0);
  client.raw(greeting.subarray(0, 7));
  client.close();
  while (!/in the middle/.test(device.log)) await setTimeout(1);
  device.close();
});

test('six hundred messages of random bytes end the connection or are answered, never more', async () => {
  const device = new TestDevice();
  let seed = 1;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed >>> 8;
  };
  for (let round = 0; round < 60; round++) {
    const client = new VfioClient(device.path);
    await client.greet();
    for (let i = 0; i < 10; i++) {
      const body = new Uint8Array(random() % 64).map(() => (random() % 3 === 0 ? random() : 0));
      client.raw(message({ command: random() % 17, flags: VFIO_USER_FLAG.NO_REPLY }, body));
    }
    client.close();
    while (device.server.connected) await setTimeout(0);
  }
  assert.deepEqual(device.memory.ranges.list, []);
  device.close();
});
