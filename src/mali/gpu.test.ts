import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GLB_REQ, GlbTimer } from '../abi/gpu/firmware.ts';
import { GPU_NAMES, GPU_PRODUCTS } from '../abi/gpu/products.ts';
import {
  GPU,
  GPU_COMMAND,
  GPU_IRQ,
  GPU_RESET,
  JOB,
  JOB_IRQ_GLOBAL,
  LATEST_FLUSH_ID,
  MCU,
  MCU_CONTROL,
  MCU_STATUS,
  MMU,
} from '../abi/gpu/regs.ts';
import { viewOf } from '../abi/layout.ts';
import { Rig } from '../testing/mali/gpu-rig.ts';
import { nobody } from './mmu/agents.ts';

test('the GPU identifies itself as the Mali-G610 of an RK3588', () => {
  const rig = new Rig();
  assert.equal(rig.read(GPU.GPU_ID), 0xa8670005);
  assert.equal(rig.read(GPU.L2_FEATURES), 0x07120306);
  assert.equal(rig.read(GPU.TILER_FEATURES), 0x809);
  assert.equal(rig.read(GPU.MEM_FEATURES), 0x301);
  assert.equal(rig.read(GPU.MMU_FEATURES), 0x2830);
  assert.equal(rig.read(GPU.AS_PRESENT), 0xff);
  assert.equal(rig.read(GPU.SHADER_PRESENT), 0x50005);
  assert.equal(rig.read(GPU.TILER_PRESENT), 1);
  assert.equal(rig.read(GPU.L2_PRESENT), 1);
  assert.equal(rig.read(GPU.THREAD_MAX_THREADS), 2048);
});

test('each product identifies itself by its registers, as they were read from such GPUs', () => {
  const told = {
    g310: { id: 0xac740001, core: 1, l2: 0x07110306, memory: 0x1, cores: 0x1 },
    g510: { id: 0xaa030000, core: 0, l2: 0x07120306, memory: 0x301, cores: 0xf },
    g610: { id: 0xa8670005, core: 0, l2: 0x07120306, memory: 0x301, cores: 0x50005 },
    g710: { id: 0xa8620004, core: 0, l2: 0x08130306, memory: 0x301, cores: 0x1110055 },
  };
  for (const name of GPU_NAMES) {
    const rig = new Rig({}, undefined, GPU_PRODUCTS[name]);
    const seen = {
      id: rig.read(GPU.GPU_ID),
      core: rig.read(GPU.CORE_FEATURES),
      l2: rig.read(GPU.L2_FEATURES),
      memory: rig.read(GPU.MEM_FEATURES),
      cores: rig.read(GPU.SHADER_PRESENT),
    };
    assert.deepEqual(seen, told[name], name);
    assert.equal(rig.read(GPU.TILER_FEATURES), 0x809);
    assert.equal(rig.read(GPU.MMU_FEATURES), 0x2830);
  }
});

test('a register that is not modelled reads 0, and is told once by name and offset', () => {
  const rig = new Rig();
  const { lines } = rig.record;
  const at = (offset: number): number => rig.gpu.read32(offset);
  assert.deepEqual([at(0x4c), at(0x4c), at(GPU.PWR_OVERRIDE1.offset), at(GPU.SHADER_PRESENT.offset + 4)], [0, 0, 0, 0]);
  assert.deepEqual(lines, ['warn mali: register without a name at 0x4c is not modelled and reads 0']);
  assert.equal(at(LATEST_FLUSH_ID.offset + 4), 0);
  assert.equal(lines.length, 2);
  // Every register of the map is known, the domains' high halves and what can only be written, too.
  for (const { offset, width } of Object.values(GPU)) for (let n = 0; n < width; n += 32) at(offset + n / 8);
  assert.equal(lines.length, 2, lines.join(', '));
  for (let offset = 0x400; offset < 0x600; offset += 4) at(offset);
  assert.ok(lines.length <= 64, 'who reads at random does not fill the log');
});

test('the timestamp runs at 24 MHz and takes an offset', () => {
  const rig = new Rig();
  rig.clock.advance(1e9);
  assert.equal(rig.read(GPU.TIMESTAMP), 24_000_000);
  rig.write(GPU.TIMESTAMP_OFFSET, 5 * 2 ** 32 + 7);
  assert.equal(rig.read(GPU.TIMESTAMP), 24_000_000 + 5 * 2 ** 32 + 7);
});

test('an interrupt line is high while an unmasked cause is raised, and the handler is called until it clears it', () => {
  const rig = new Rig();
  let calls = 0;
  rig.irqs.gpu.attach(() => {
    calls++;
    rig.write(GPU.IRQ_CLEAR, rig.read(GPU.IRQ_STATUS));
  });
  rig.reset(GPU_RESET.SOFT);
  rig.clock.run();
  assert.equal(calls, 0, 'masked');
  assert.ok(rig.read(GPU.IRQ_RAWSTAT) & GPU_IRQ.RESET_COMPLETED);
  assert.equal(rig.read(GPU.IRQ_STATUS), 0);
  rig.unmask();
  assert.ok(rig.irqs.gpu.high);
  rig.clock.run();
  assert.equal(calls, 1);
  assert.equal(rig.read(GPU.IRQ_RAWSTAT), 0);
  assert.equal(rig.irqs.gpu.high, false);
});

test('power-on makes the cores ready and says so', () => {
  const rig = new Rig();
  assert.equal(rig.read(GPU.L2_READY), 0);
  rig.write(GPU.L2_PWRON, 0xff);
  assert.equal(rig.read(GPU.L2_READY), 1, 'only cores that exist');
  assert.equal(rig.read(GPU.L2_PWRTRANS), 0);
  assert.ok(rig.read(GPU.IRQ_RAWSTAT) & GPU_IRQ.POWER_CHANGED_ALL);
  rig.write(GPU.L2_PWROFF, 1);
  assert.equal(rig.read(GPU.L2_READY), 0);
});

test('the bus’s reset leaves nothing on, nothing pending and nothing unmasked', () => {
  const rig = new Rig();
  rig.loadFirmware();
  rig.write(GPU.L2_PWRON, 1);
  rig.write(GPU.IRQ_MASK, 0xffffffff);
  assert.equal(rig.irqs.gpu.high, true);
  rig.gpu.reset();
  rig.clock.run();
  assert.equal(rig.irqs.gpu.high, false);
  for (const register of [GPU.L2_READY, GPU.IRQ_MASK, GPU.IRQ_RAWSTAT, MCU.CONTROL, MCU.STATUS]) {
    assert.equal(rig.read(register), 0);
  }
});

test('a line tells its observer of each change, once', () => {
  const rig = new Rig();
  const seen: boolean[] = [];
  rig.irqs.gpu.observe((high) => seen.push(high));
  rig.write(GPU.IRQ_MASK, 0xffffffff);
  rig.write(GPU.L2_PWRON, 1);
  rig.write(GPU.L2_PWRON, 1);
  rig.clock.run();
  assert.deepEqual(seen, [true]);
  rig.write(GPU.IRQ_CLEAR, 0xffffffff);
  assert.deepEqual(seen, [true, false]);
});

test('a cache flush is announced and moves LATEST_FLUSH_ID on, in the register and in the user page', () => {
  const rig = new Rig();
  const page = rig.gpu.userPage(LATEST_FLUSH_ID.offset)!;
  const before = rig.read(LATEST_FLUSH_ID);
  assert.equal(rig.dram.view.getUint32(page.physical, true), before);
  rig.command(GPU_COMMAND.FLUSH_CACHES, 0x233);
  assert.ok(rig.read(GPU.IRQ_RAWSTAT) & GPU_IRQ.CLEAN_CACHES_COMPLETED);
  assert.notEqual(rig.read(LATEST_FLUSH_ID), before);
  assert.equal(rig.dram.view.getUint32(page.physical, true), rig.read(LATEST_FLUSH_ID));
  rig.command(77);
  assert.match(rig.log, /GPU_COMMAND 77/);
});

test('the MCU boots, shows its interface and raises the global interrupt', () => {
  const rig = new Rig();
  rig.loadFirmware();
  assert.equal(rig.read(MCU.STATUS), MCU_STATUS.DISABLED);
  assert.equal(rig.startMcu(), MCU_STATUS.ENABLED);
  assert.equal(rig.read(JOB.IRQ_RAWSTAT), JOB_IRQ_GLOBAL);
  assert.equal(rig.dram.view.getUint32(rig.shared, true), 0x01010000);
});

test('the MCU does not boot without power, vectors, stack, code or room, and says which it was', () => {
  const cases: [RegExp, (rig: Rig) => void][] = [
    [/no vector table/, () => {}],
    [
      /stack pointer/,
      (rig) => {
        rig.firmware.map(0, 4096, { write: false, execute: true });
        rig.enable(0, rig.firmware);
      },
    ],
    [
      /reset vector/,
      (rig) => {
        rig.loadFirmware();
        const code = rig.firmware.map(0, 4096, { write: false, execute: false });
        rig.dram.view.setUint32(code, 0x00801000, true);
        rig.dram.view.setUint32(code + 4, 0x9, true);
      },
    ],
    [/shared section/, (rig) => rig.loadFirmware(0x1000)],
  ];
  for (const [reason, prepare] of cases) {
    const rig = new Rig();
    prepare(rig);
    assert.equal(rig.startMcu(), MCU_STATUS.FATAL);
    assert.match(rig.log, reason);
  }
  const rig = new Rig();
  rig.loadFirmware();
  rig.write(MCU.CONTROL, MCU_CONTROL.ENABLE);
  rig.clock.run();
  assert.equal(rig.read(MCU.STATUS), MCU_STATUS.FATAL);
  assert.match(rig.log, /L2/);
});

test('the firmware answers a ping, and what it cannot do it leaves unanswered', () => {
  const rig = new Rig();
  const host = rig.boot();
  const { input, output } = host.global;
  input.set('ackIrqMask', GLB_REQ.PING);
  input.set('req', (GLB_REQ.PING | GLB_REQ.PERFCNT_EN) >>> 0);
  host.ring();
  rig.clock.run();
  assert.equal(output.get('ack'), GLB_REQ.PING);
  assert.equal(rig.read(JOB.IRQ_RAWSTAT), JOB_IRQ_GLOBAL);
  assert.match(rig.log, /PERFCNT_EN/);
});

test('the firmware powers the cores that the host allows', () => {
  const rig = new Rig();
  const host = rig.boot();
  host.global.input.set('coreEnMask', 0x10001);
  host.global.input.set('req', GLB_REQ.CFG_ALLOC_EN);
  host.ring();
  rig.clock.run();
  assert.equal(rig.read(GPU.SHADER_READY), 0x10001);
  assert.equal(rig.read(GPU.TILER_READY), 1);
});

test('with nothing to do the firmware announces idleness after the host’s idle time', () => {
  const rig = new Rig();
  const host = rig.boot();
  const { input, output } = host.global;
  input.set('ackIrqMask', GLB_REQ.IDLE);
  input.set('idleTimer', viewOf(GlbTimer.pack({ value: 24 })).getUint32(0, true));
  input.set('req', GLB_REQ.IDLE_EN);
  host.ring();
  rig.clock.advance(1e6);
  assert.equal(output.get('ack') & GLB_REQ.IDLE, 0);
  rig.clock.advance(1e6);
  assert.equal(output.get('ack') & GLB_REQ.IDLE, GLB_REQ.IDLE);
});

test('halt stops the firmware until it is started again; a reset takes everything back', () => {
  const rig = new Rig();
  const host = rig.boot();
  host.global.input.set('req', GLB_REQ.HALT);
  host.ring();
  rig.clock.run();
  assert.equal(rig.read(MCU.STATUS), MCU_STATUS.HALT);
  rig.write(MCU.CONTROL, MCU_CONTROL.DISABLE);
  assert.equal(rig.read(MCU.STATUS), MCU_STATUS.DISABLED);
  host.global.input.set('req', 0);
  assert.equal(rig.startMcu(), MCU_STATUS.ENABLED);
  rig.reset(GPU_RESET.HARD);
  assert.equal(rig.read(MCU.STATUS), MCU_STATUS.DISABLED);
  assert.equal(rig.read(GPU.L2_READY), 0);
  assert.equal(rig.read(JOB.IRQ_RAWSTAT), 0);
  assert.equal(rig.read(MMU.IRQ_RAWSTAT), 0);
});

test('firmware whose memory goes away stops with FATAL and names the address', () => {
  const rig = new Rig();
  const host = rig.boot();
  rig.firmware.set(0x04006000, { type: 0 });
  rig.asCommand(0, 4);
  host.ring();
  rig.clock.run();
  assert.equal(rig.read(MCU.STATUS), MCU_STATUS.FATAL);
  assert.match(rig.log, /TRANSLATION_FAULT_3.*0x4006000/);
});

test('a reset is complete when nobody on another thread can use an old translation any more', () => {
  let working = true;
  const agents = { ...nobody(), busy: () => working };
  const rig = new Rig({}, agents);
  rig.reset(GPU_RESET.SOFT);
  const completed = () => (rig.read(GPU.IRQ_RAWSTAT) & GPU_IRQ.RESET_COMPLETED) !== 0;
  agents.onCheckPoint();
  assert.ok(!completed());
  working = false;
  agents.onCheckPoint();
  assert.ok(completed());
});
