import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_SIZE_L2, PTE_AP, PTE_TYPE, Pte } from '../../abi/gpu/lpae.ts';
import { AS, AS_ACCESS, AS_COMMAND, AS_MODE, EXCEPTION, MEMATTR, MMU } from '../../abi/gpu/regs.ts';
import { layout, uint } from '../../abi/layout.ts';
import { TestClock } from '../../board/clock.ts';
import { Dram } from '../../board/dram.ts';
import { ForeignMemory } from '../../board/foreign-memory.ts';
import { IrqLine } from '../../board/irq.ts';
import { recorder, silent } from '../../board/log.ts';
import { Tables } from '../../testing/mali/tables.ts';
import { type Access, PageFault } from '../contract.ts';
import { InterruptBlock } from '../irq.ts';
import { type Agents, nobody } from './agents.ts';
import { Mmu } from './index.ts';

const SLOT = 1;
const AT = 0x2400 + SLOT * 0x40;
const VA = 0x7f0000001000;

function bench(transcfg: Partial<Record<'disableAfFault' | 'wxn' | 'mode', number>> = {}, agents?: Agents) {
  const dram = new Dram(16 * 1024 * 1024);
  const record = recorder();
  const mmu = new Mmu(dram, record.log, new InterruptBlock(new IrqLine('mmu', new TestClock()), MMU), 0xff, 40, agents);
  const tables = new Tables(dram);
  const write = (offset: number, value: number, wide = true) => {
    mmu.write(AT + offset, value % 2 ** 32);
    if (wide) mmu.write(AT + offset + 4, Math.floor(value / 2 ** 32));
  };
  write(AS.TRANSTAB.offset, tables.root);
  write(AS.TRANSCFG.offset, AS.TRANSCFG.encode({ mode: AS_MODE.AARCH64_4K, inaBits: 7, ...transcfg }));
  const command = (value: number) => write(AS.COMMAND.offset, value, false);
  command(AS_COMMAND.UPDATE);
  const view = mmu.view(SLOT);
  const clear = () => mmu.write(MMU.IRQ_CLEAR.offset, 0xffffffff);
  const status = () => AS.FAULTSTATUS.decode(mmu.read(AT + AS.FAULTSTATUS.offset));
  clear();
  return { dram, mmu, tables, view, write, command, clear, status, record };
}

function fault(fn: () => unknown): PageFault {
  try {
    fn();
  } catch (error) {
    assert.ok(error instanceof PageFault, String(error));
    return error;
  }
  return assert.fail('no fault');
}

test('pages and blocks translate, and what is written through them is in DRAM', () => {
  const { dram, tables, view } = bench();
  const physical = tables.map(VA, 8192);
  view.store32(VA + 4, 0xdeadbeef);
  assert.equal(dram.view.getUint32(physical + 4, true), 0xdeadbeef);
  assert.equal(view.translate(VA + 4096, 'read'), physical + 4096);
  tables.set(
    0x40000000,
    { type: PTE_TYPE.BLOCK, address: BLOCK_SIZE_L2, accessFlag: true, ap: PTE_AP.UNPRIVILEGED_RW },
    2,
  );
  assert.equal(view.translate(0x40000000 + 0x123456, 'read'), BLOCK_SIZE_L2 + 0x123456);
});

test('between ranges of memory of another owner there is a bus fault, and extents end at their edges', () => {
  const dram = new ForeignMemory(16 * 2 ** 20, { attach() {}, map() {}, unmap() {} });
  const low = 0x400000;
  dram.add(low, 0x100000, 0, 0);
  const mmu = new Mmu(dram, silent, new InterruptBlock(new IrqLine('mmu', new TestClock()), MMU), 0xff, 40);
  mmu.write(AT + AS.TRANSCFG.offset, AS.TRANSCFG.encode({ mode: AS_MODE.AARCH64_4K, inaBits: 7 }));
  mmu.write(AT + AS.TRANSTAB.offset, low);
  mmu.write(AT + AS.COMMAND.offset, AS_COMMAND.UPDATE);
  // Tables in the first pages; eight pages of which four lie in memory.
  const at = { type: PTE_TYPE.TABLE, accessFlag: true, ap: PTE_AP.UNPRIVILEGED_RW };
  for (let level = 0; level < 3; level++)
    Pte.write(dram.view, low + level * 4096, { ...at, address: low + (level + 1) * 4096 });
  for (let i = 0; i < 8; i++) {
    const address = low + 0x100000 - 4 * 4096 + i * 4096;
    Pte.write(dram.view, low + 3 * 4096 + i * Pte.size, { ...at, type: PTE_TYPE.PAGE, address });
  }
  const view = mmu.view(SLOT);
  assert.deepEqual(view.extent(4096, 'write'), { start: 0, size: 4 * 4096, physical: low + 0x100000 - 4 * 4096 });
  assert.equal(fault(() => view.load32(4 * 4096)).code, EXCEPTION.GPU_BUS_FAULT);
  dram.add(low + 0x100000, 4096, 0, 0);
  mmu.memoryChanged();
  assert.equal(view.load32(4 * 4096), 0);
  dram.remove(low, 0x100000);
  mmu.memoryChanged();
  mmu.write(MMU.IRQ_CLEAR.offset, 0xffffffff);
  assert.equal(fault(() => view.load32(0)).code, EXCEPTION.GPU_BUS_FAULT, 'its tables are gone');
});

test('scalars, bytes and descriptors may cross a page whose neighbour lies elsewhere', () => {
  const { tables, view } = bench();
  tables.map(VA + 4096, 4096);
  tables.map(VA, 4096);
  for (const offset of [4089, 4090, 4092, 4093, 4094, 4095, 4096]) {
    view.store64(VA + offset, 0x1122334455667);
    assert.equal(view.load64(VA + offset), 0x1122334455667);
    assert.equal(view.loadBig64(VA + offset), 0x1122334455667n);
    view.storeBig64(VA + offset, 0xfedcba9876543210n);
    assert.equal(view.loadBig64(VA + offset), 0xfedcba9876543210n);
    view.store32(VA + offset, 0x89abcdef);
    assert.equal(view.load32(VA + offset), 0x89abcdef);
    view.store16(VA + offset, 0xfedc);
    assert.equal(view.load16(VA + offset), 0xfedc);
    assert.equal(view.load8(VA + offset), 0xdc);
  }
  const text = new Uint8Array(6000).map((_, i) => i);
  view.write(VA + 100, text);
  assert.deepEqual(view.read(VA + 100, 6000), text);
  const pair = layout('Pair', 8, { a: uint(0, 32), b: uint(32, 32) });
  view.encode(pair, VA + 4092, { a: 1, b: 2 });
  assert.deepEqual(view.decode(pair, VA + 4092), { a: 1, b: 2 });
});

test('a word is replaced in one piece, aligned or not, and only where it may be read and written', () => {
  const { dram, tables, view } = bench();
  const physical = tables.map(VA, 8192);
  tables.map(VA + 8192, 4096, { write: false });
  for (const offset of [8, 10, 4094]) {
    view.store32(VA + offset, 0xfffffffe);
    assert.equal(
      view.update32(VA + offset, (old) => old + 3),
      0xfffffffe,
    );
    assert.equal(view.load32(VA + offset), 1);
    view.storeBig64(VA + offset, 2n ** 64n - 1n);
    assert.equal(
      view.update64(VA + offset, (old) => old + 2n),
      2n ** 64n - 1n,
    );
    assert.equal(view.loadBig64(VA + offset), 1n);
  }
  // Whoever comes between reading and writing is not lost.
  let calls = 0;
  view.store32(VA, 5);
  const old = view.update32(VA, (value) => {
    if (calls++ === 0) dram.view.setUint32(physical, 40, true);
    return value + 1;
  });
  assert.deepEqual([old, view.load32(VA), calls], [40, 41, 2]);
  assert.equal(fault(() => view.update32(VA + 8192, (value) => value)).access, 'atomic');
});

test('every kind of fault has its code and its level', () => {
  const cases: [number, Access, (b: ReturnType<typeof bench>) => void][] = [
    [EXCEPTION.TRANSLATION_FAULT_0, 'read', () => {}],
    [EXCEPTION.TRANSLATION_FAULT_1, 'write', (b) => b.tables.set(VA, { type: PTE_TYPE.INVALID }, 1)],
    [EXCEPTION.TRANSLATION_FAULT_2, 'execute', (b) => b.tables.set(VA, { type: PTE_TYPE.INVALID }, 2)],
    [EXCEPTION.TRANSLATION_FAULT_3, 'atomic', (b) => b.tables.set(VA, { type: PTE_TYPE.INVALID })],
    [EXCEPTION.TRANSLATION_FAULT_0, 'read', (b) => b.tables.set(VA, { type: PTE_TYPE.BLOCK }, 0)],
    [EXCEPTION.PERM_FAULT_3, 'write', (b) => b.tables.map(VA, 4096, { write: false })],
    [EXCEPTION.PERM_FAULT_3, 'atomic', (b) => b.tables.map(VA, 4096, { write: false })],
    [EXCEPTION.PERM_FAULT_3, 'execute', (b) => b.tables.map(VA, 4096)],
    [
      EXCEPTION.PERM_FAULT_2,
      'write',
      (b) => b.tables.set(VA, { type: PTE_TYPE.BLOCK, accessFlag: true, ap: PTE_AP.UNPRIVILEGED_RO }, 2),
    ],
    [
      EXCEPTION.PERM_FAULT_3,
      'read',
      (b) => b.tables.set(VA, { type: PTE_TYPE.PAGE, accessFlag: true, address: 4096, ap: 0 }),
    ],
    [EXCEPTION.ACCESS_FLAG_3, 'read', (b) => b.tables.set(VA, { type: PTE_TYPE.PAGE, address: 4096, ap: 1 })],
    [
      EXCEPTION.ADDR_SIZE_FAULT_OUT3,
      'read',
      (b) => b.tables.set(VA, { type: PTE_TYPE.PAGE, accessFlag: true, ap: 1, address: 2 ** 41 }),
    ],
    [
      EXCEPTION.GPU_BUS_FAULT,
      'read',
      (b) => b.tables.set(VA, { type: PTE_TYPE.PAGE, accessFlag: true, ap: 1, address: 2 ** 34 }),
    ],
    [
      EXCEPTION.MEM_ATTR_FAULT_3,
      'read',
      (b) => {
        b.write(AS.MEMATTR.offset, MEMATTR.FAULT * 2 ** 8);
        b.command(AS_COMMAND.UPDATE);
        b.clear();
        b.tables.set(VA, { type: PTE_TYPE.PAGE, accessFlag: true, ap: 1, address: 4096, attrIndex: 1 });
      },
    ],
  ];
  for (const [code, access, prepare] of cases) {
    const b = bench();
    prepare(b);
    const error = fault(() => b.view.translate(VA + 8, access));
    assert.equal(error.code, code, error.message);
    assert.equal(b.mmu.read(MMU.IRQ_RAWSTAT.offset), 1 << SLOT);
    assert.equal(b.status().exceptionType, code);
    const types: Record<Access, number> = {
      ...{ atomic: AS_ACCESS.ATOMIC, execute: AS_ACCESS.EXECUTE },
      read: AS_ACCESS.READ,
      write: AS_ACCESS.WRITE,
    };
    assert.equal(b.status().accessType, types[access]);
    assert.equal(
      b.mmu.read(AT + AS.FAULTADDRESS.offset) + b.mmu.read(AT + AS.FAULTADDRESS.offset + 4) * 2 ** 32,
      VA + 8,
    );
  }
});

test('an address beyond the virtual address space is an input address size fault', () => {
  const b = bench();
  for (const va of [2 ** 48, 2 ** 63, Number.NaN, -1]) {
    assert.equal(fault(() => b.view.load32(va)).code, EXCEPTION.ADDR_SIZE_FAULT_IN);
  }
});

test('the first fault stays latched until its interrupt is cleared', () => {
  const b = bench();
  fault(() => b.view.load32(0x1000));
  fault(() => b.view.load32(0x2000));
  assert.equal(b.mmu.read(AT + AS.FAULTADDRESS.offset), 0x1000);
  b.clear();
  fault(() => b.view.load32(0x3000));
  assert.equal(b.mmu.read(AT + AS.FAULTADDRESS.offset), 0x3000);
});

test('a changed entry is seen after a flush of its region, and a stale one until then', () => {
  const b = bench();
  const old = b.tables.map(VA, 4096);
  assert.equal(b.view.translate(VA, 'read'), old);
  const fresh = b.tables.map(VA, 4096);
  assert.equal(b.view.translate(VA, 'read'), old, 'cached');
  b.write(AS.LOCKADDR.offset, 0x10000000 + 14);
  b.command(AS_COMMAND.FLUSH_PT);
  assert.equal(b.view.translate(VA, 'read'), old, 'another region was flushed');
  b.write(AS.LOCKADDR.offset, VA - (VA % 0x8000) + 14);
  b.command(AS_COMMAND.LOCK);
  assert.ok(b.mmu.isLocked(SLOT));
  assert.equal(b.view.translate(VA, 'read'), fresh);
  b.command(AS_COMMAND.UNLOCK);
  assert.ok(!b.mmu.isLocked(SLOT));
});

test('commands announce their completion, and one that is none is logged', () => {
  const b = bench();
  b.command(AS_COMMAND.FLUSH_MEM);
  assert.equal(b.mmu.read(MMU.IRQ_RAWSTAT.offset), 1 << (16 + SLOT));
  b.command(99);
  assert.match(b.record.lines.join('\n'), /AS_COMMAND 99/);
});

test('identity maps physical addresses, unmapped maps nothing, write-execute-never takes execution away', () => {
  const identity = bench({ mode: AS_MODE.IDENTITY });
  assert.equal(identity.view.translate(0x5123, 'execute'), 0x5123);
  const unmapped = bench({ mode: AS_MODE.UNMAPPED });
  assert.equal(fault(() => unmapped.view.load32(0x5123)).code, EXCEPTION.TRANSLATION_FAULT_0);
  const wxn = bench({ wxn: 1 });
  wxn.tables.map(VA, 4096, { execute: true });
  assert.equal(fault(() => wxn.view.translate(VA, 'execute')).code, EXCEPTION.PERM_FAULT_3);
  const other = bench({ mode: 3 });
  assert.match(other.record.lines.join('\n'), /translation mode 3/);
});

test('a view without a slot faults, and a view follows its slot', () => {
  const b = bench();
  b.tables.map(VA, 4096);
  const view = b.mmu.view();
  fault(() => view.load32(VA));
  b.mmu.bind(view, SLOT);
  assert.equal(view.load32(VA), 0);
  b.mmu.bind(view, undefined);
  fault(() => view.load32(VA));
});

test('a command is complete when nobody on another thread can use the old translation any more, and so is a reset', () => {
  let working = false;
  const changes: [number, boolean][] = [];
  const agents: Agents = {
    ...nobody(),
    changed: (slot, _, locked) => changes.push([slot, locked]),
    busy: () => working,
  };
  const b = bench({}, agents);
  const active = () => AS.STATUS.get(b.mmu.read(AT + AS.STATUS.offset), 'active');
  const complete = () => b.mmu.read(MMU.IRQ_RAWSTAT.offset) >>> 16;
  let unlocked = 0;
  b.mmu.onUnlock = () => unlocked++;
  for (const command of [AS_COMMAND.LOCK, AS_COMMAND.UNLOCK, AS_COMMAND.FLUSH_PT, AS_COMMAND.UPDATE]) {
    b.clear();
    unlocked = 0;
    working = true;
    b.command(command);
    assert.deepEqual(changes.at(-1), [SLOT, command === AS_COMMAND.LOCK]);
    agents.onCheckPoint();
    assert.deepEqual([active(), complete(), unlocked], [1, 0, 0]);
    working = false;
    agents.onCheckPoint();
    assert.deepEqual([active(), complete(), unlocked], [0, 1 << SLOT, command === AS_COMMAND.LOCK ? 0 : 1]);
  }
  b.command(AS_COMMAND.LOCK);
  working = true;
  let reset = 0;
  b.mmu.reset(() => reset++);
  assert.ok(!b.mmu.isLocked(SLOT));
  agents.onCheckPoint();
  assert.equal(reset, 0);
  working = false;
  agents.onCheckPoint();
  agents.onCheckPoint();
  assert.equal(reset, 1);
});

test('those on other threads hear where a view goes', () => {
  const moves: (number | undefined)[] = [];
  const b = bench({}, { ...nobody(), moved: (_, slot) => moves.push(slot) });
  const view = b.mmu.view();
  b.mmu.bind(view, 2);
  b.mmu.bind(view, 3);
  b.mmu.bind(view, undefined);
  assert.deepEqual(moves, [SLOT, 2, undefined, 3, undefined]);
});
