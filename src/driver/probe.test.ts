/** Probe against registers that a test makes up: what the driver does when the GPU is not as it should be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GPU, GPU_COMMAND, GPU_IRQ } from '../abi/gpu/regs.ts';
import { TestClock } from '../board/clock.ts';
import { Dram } from '../board/dram.ts';
import { IrqLine } from '../board/irq.ts';
import { recorder } from '../board/log.ts';
import type { Mmio } from '../board/mmio.ts';
import { gpuName } from './hardware.ts';
import { isForeign, probe, tyrFirmware } from './index.ts';

/** Registers that hold what they are given; `answers` says what else a write does. */
class Registers implements Mmio {
  readonly values = new Map<number, number>();
  onWrite: (offset: number, value: number) => void = () => {};

  read32(offset: number): number {
    return this.values.get(offset) ?? 0;
  }

  write32(offset: number, value: number): void {
    this.values.set(offset, value);
    this.onWrite(offset, value);
  }
}

function board() {
  const clock = new TestClock();
  const { log, lines } = recorder();
  const irqs = { job: new IrqLine('job', clock), mmu: new IrqLine('mmu', clock), gpu: new IrqLine('gpu', clock) };
  const mmio = new Registers();
  return {
    clock,
    lines,
    mmio,
    resources: { mmio, irqs, dram: new Dram(1 << 24), clock, log, firmware: tyrFirmware() },
  };
}

async function failure(parts: ReturnType<typeof board>): Promise<Error> {
  let error: Error | undefined;
  const end = probe(parts.resources).catch((cause: Error) => {
    error = cause;
  });
  for (let i = 0; i < 500 && !error; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    parts.clock.advance(1e7);
  }
  await end;
  assert.ok(error);
  return error;
}

test('a bus without a GPU is told in one sentence, and nothing stays behind', async () => {
  const parts = board();
  assert.match((await failure(parts)).message, /no GPU answers/);
  assert.equal(parts.resources.dram.used, 0);
  assert.match(parts.lines.at(-1)!, /error panthor: probe failed: no GPU answers/);
});

test('a GPU of another architecture is not touched', async () => {
  const parts = board();
  parts.mmio.values.set(GPU.GPU_ID.offset, GPU.GPU_ID.encode({ archMajor: 14 }));
  const written: number[] = [];
  parts.mmio.onWrite = (offset) => written.push(offset);
  assert.match((await failure(parts)).message, /architecture 14 is not supported/);
  assert.deepEqual(written, []);
});

test('a GPU that does not answer a reset is given up after its time-out', async () => {
  const parts = board();
  parts.mmio.values.set(GPU.GPU_ID.offset, GPU.GPU_ID.encode({ archMajor: 10, productMajor: 7 }));
  assert.match((await failure(parts)).message, /Soft reset timeout/);
  assert.equal(parts.resources.dram.used, 0);
});

test('a bug is not taken for a GPU that does not answer: it keeps its stack', async () => {
  const parts = board();
  parts.mmio.values.set(GPU.GPU_ID.offset, GPU.GPU_ID.encode({ archMajor: 10, productMajor: 7 }));
  assert.equal(isForeign(await failure(parts)), true, 'this one does not answer');
  parts.mmio.onWrite = () => {
    throw new TypeError('nonsense was written');
  };
  assert.equal(isForeign(await failure(parts)), false);
  assert.match(parts.lines.join('\n'), /the driver is at fault: TypeError: nonsense was written\n +at /);
});

test('an L2 cache that does not power up is named', async () => {
  const parts = board();
  const { mmio, resources } = parts;
  mmio.values.set(GPU.GPU_ID.offset, GPU.GPU_ID.encode({ archMajor: 10, productMajor: 7 }));
  mmio.onWrite = (offset, value) => {
    if (offset === GPU.IRQ_CLEAR.offset) {
      mmio.values.set(GPU.IRQ_STATUS.offset, 0);
      resources.irqs.gpu.set(false);
    }
    if (offset !== GPU.COMMAND.offset || GPU.COMMAND.get(value, 'type') !== GPU_COMMAND.RESET) return;
    mmio.values.set(GPU.IRQ_STATUS.offset, GPU_IRQ.RESET_COMPLETED);
    resources.irqs.gpu.set(true);
  };
  assert.match((await failure(parts)).message, /timeout waiting on L2:0x1 readiness/);
});

test('architectures 10 to 13 are known by their products, and larger builds by cores and ray tracing', () => {
  const name = (archMajor: number, productMajor: number, cores = 1, rays = 0): string =>
    gpuName(
      GPU.GPU_ID.encode({ archMajor, productMajor }),
      2 ** cores - 1,
      Number(GPU.FEATURES.encode({ rayIntersection: rays })),
    );
  assert.deepEqual(
    [name(10, 7), name(10, 2), name(11, 3), name(11, 2, 4), name(11, 2, 7), name(11, 2, 10, 1), name(11, 2, 10)],
    ['mali-g610', 'mali-g710', 'mali-g615', 'mali-g615', 'mali-g715', 'mali-g715-immortalis', 'mali-g715'],
  );
  assert.deepEqual(
    [name(12, 0, 6), name(12, 1), name(13, 0, 6), name(13, 0, 12, 1), name(13, 9)],
    ['mali-g720', 'mali-g620', 'mali-g725', 'mali-g925-immortalis', 'unknown-mali'],
  );
});
