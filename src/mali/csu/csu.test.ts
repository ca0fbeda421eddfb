import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CS, type CsLine } from '../../abi/gpu/cs.ts';
import { CS_BLOCKED, CS_REQ, CS_STATE, CSG_REQ, CSG_STATE, CsException, GLB_REQ } from '../../abi/gpu/firmware.ts';
import {
  AS,
  AS_COMMAND,
  EXCEPTION,
  exceptionName,
  GPU_RESET,
  JOB,
  LATEST_FLUSH_ID,
  MCU_STATUS,
} from '../../abi/gpu/regs.ts';
import { SuspendHeader } from '../../abi/gpu/suspend.ts';
import { chunkRef, HeapContext } from '../../abi/gpu/tiler-heap.ts';
import { CODE_VA, DATA_VA, instant, Rig, TestGroup } from '../../testing/mali/gpu-rig.ts';
import { GpuFault, type Units, type Work } from '../contract.ts';
import { TilerHeap } from '../tiler-heap.ts';

function started(units: Partial<Units> = {}, queues = 1) {
  const rig = new Rig(units);
  const host = rig.boot();
  const group = new TestGroup(host, 0, queues);
  group.start();
  return { rig, host, group, cs: host.groups[0]!.streams };
}

const FAULT = CS_REQ.FAULT >>> 0;
const fatalOf = (s: ReturnType<typeof started>, stream = 0): string =>
  exceptionName(s.cs[stream]!.output.get('fatal') & 0xff);
const faultOf = (s: ReturnType<typeof started>, stream = 0): string =>
  exceptionName(s.cs[stream]!.output.get('fault') & 0xff);

/** Stores r`register` at DATA_VA + offset through d90. */
const store = (register: number, offset: number): CsLine[] => [
  ['MOVE', { destination: 90, immediate: DATA_VA }],
  ['STORE_MULTIPLE', { baseRegister: register, mask: 1, address: 90, offset }],
];

const addSync = (offset: number, more: object = {}): CsLine[] => [
  ['MOVE', { destination: 80, immediate: DATA_VA + offset }],
  ['MOVE', { destination: 82, immediate: 1 }],
  ['SYNC_ADD64', { address: 80, data: 82, ...more }],
];

test('the MOV job: a constant goes into a register, into memory, and the host hears of it', () => {
  const { rig, host, group } = started();
  host.take(0);
  rig.write(JOB.IRQ_CLEAR, 0xffffffff);
  const size = group.load([['MOVE32', { destination: 4, immediate: 0xcafebabe }], ...store(4, 0x100)]);
  group.run([
    ['MOVE', { destination: 92, immediate: CODE_VA }],
    ['MOVE32', { destination: 94, immediate: size }],
    ['CALL', { address: 92, length: 94 }],
    ...addSync(0x200),
    ['ERROR_BARRIER'],
  ]);
  assert.equal(group.word(0x100), 0xcafebabe);
  assert.equal(group.word(0x200), 1);
  assert.equal(group.extract(), group.inserted());
  assert.equal(rig.read(JOB.IRQ_RAWSTAT), 1);
  assert.ok(host.take(0).group & CSG_REQ.SYNC_UPDATE);
});

test('arithmetic, loads and branches', () => {
  const { group } = started();
  group.setWord(0, 11);
  group.setWord(4, 22);
  group.setWord(8, 33);
  group.run([
    ['MOVE', { destination: 0, immediate: 0x1_ffff_fffe }],
    ['ADD_IMMEDIATE64', { destination: 2, source: 0, immediate: 3 }],
    ['ADD_IMMEDIATE64', { destination: 4, source: 2, immediate: -2 }],
    ['MOVE32', { destination: 6, immediate: 5 }],
    ['ADD_IMMEDIATE32', { destination: 7, source: 6, immediate: -6 }],
    ['UMIN32', { destination: 8, source1: 6, source2: 7 }],
    ['MOVE', { destination: 90, immediate: DATA_VA }],
    ['LOAD_MULTIPLE', { baseRegister: 10, mask: 0b111, address: 90 }],
    ['STORE_MULTIPLE', { baseRegister: 0, mask: 0x1fff, address: 90, offset: 0x40 }],
    // Counts r6 down to zero, and r20 up.
    ['ADD_IMMEDIATE32', { destination: 20, source: 20, immediate: 1 }],
    ['ADD_IMMEDIATE32', { destination: 6, source: 6, immediate: -1 }],
    ['BRANCH', { condition: 1, value: 6, offset: -3 }],
    ...store(20, 0x80),
  ]);
  const words = Array.from({ length: 13 }, (_, i) => group.word(0x40 + 4 * i));
  assert.deepEqual(words, [0xfffffffe, 1, 1, 2, 0xffffffff, 1, 5, 0xffffffff, 5, 0, 11, 22, 33]);
  assert.equal(group.word(0x80), 5);
});

test('loads and stores of several registers leave out those that the mask does not name, and no words of memory', () => {
  const { group } = started();
  const set = (register: number, immediate: number): CsLine => ['MOVE32', { destination: register, immediate }];
  for (let i = 0; i < 5; i++) group.setWord(0x40 + 4 * i, 100 + i);
  for (let i = 0; i < 6; i++) group.setWord(0x100 + 4 * i, 7);
  group.run([
    ['MOVE', { destination: 90, immediate: DATA_VA }],
    set(35, 77),
    // As PanVK reads a draw without indices: vertex and instance count, first vertex and instance, and no index offset between them.
    ['LOAD_MULTIPLE', { baseRegister: 33, mask: 0b11011, address: 90, offset: 0x40 }],
    ['STORE_MULTIPLE', { baseRegister: 33, mask: 0b11111, address: 90, offset: 0x80 }],
    ['STORE_MULTIPLE', { baseRegister: 32, mask: 0b101010, address: 90, offset: 0x104 }],
  ]);
  const words = (from: number, count: number) => Array.from({ length: count }, (_, i) => group.word(from + 4 * i));
  assert.deepEqual(words(0x80, 5), [100, 101, 77, 102, 103]);
  assert.deepEqual(words(0x100, 6), [7, 100, 77, 103, 7, 7]);
});

test('calls return, jumps go on, and a ninth call inside another is a fatal error', () => {
  const s = started();
  const { group } = s;
  const size = group.load([
    ['ADD_IMMEDIATE32', { destination: 20, source: 20, immediate: 1 }],
    ['MOVE', { destination: 40, immediate: CODE_VA + 0x800 }],
    ['MOVE32', { destination: 42, immediate: 8 }],
    ['JUMP', { address: 40, length: 42 }],
    ['ADD_IMMEDIATE32', { destination: 20, source: 20, immediate: 100 }],
  ]);
  group.load([['ADD_IMMEDIATE32', { destination: 20, source: 20, immediate: 10 }]], 0x800);
  const call: CsLine[] = [
    ['MOVE', { destination: 92, immediate: CODE_VA }],
    ['MOVE32', { destination: 94, immediate: size }],
    ['CALL', { address: 92, length: 94 }],
  ];
  group.run([...call, ...call, ...store(20, 0)]);
  assert.equal(group.word(0), 22);
  group.load([
    ['ADD_IMMEDIATE32', { destination: 21, source: 21, immediate: 1 }],
    ...store(21, 4),
    ['CALL', { address: 92, length: 94 }],
  ]);
  group.run([['MOVE32', { destination: 94, immediate: 32 }], call[2]!]);
  assert.equal(group.word(4), 8);
  assert.equal(fatalOf(s), 'CS_CALL_STACK_OVERFLOW');
});

test('what is no instruction is a fatal error that names it and where it stood', () => {
  const cases: [CsLine[], RegExp][] = [
    [
      [['MOVE32', { destination: 96, immediate: 1 }]],
      /CS_INSTR_INVALID at 0x10000000 \(MOVE32 r96, #0x1\): there is no register r96/,
    ],
    [[['MOVE', { destination: 3, immediate: 1 }]], /no register pair d3/],
    [[['SET_SB_ENTRY', { endpointEntry: 8 }]], /no scoreboard entry 8/],
    [[['SYNC_WAIT32', { condition: 2 }]], /condition 2 cannot be waited for/],
    [[['PROT_REGION', { size: 8 }]], /protected mode/],
    [[['JUMP', {}]], /JUMP/],
    [[['BRANCH', { condition: 6, offset: 20 }]], /leaves what the ring/],
    [
      [
        ['MOVE32', { destination: 2, immediate: 4 }],
        ['CALL', { address: 0, length: 2 }],
      ],
      /4 bytes long/,
    ],
    [[['STORE_MULTIPLE', { mask: 1 }]], /CS_BUS_FAULT.*TRANSLATION_FAULT/],
  ];
  for (const [program, message] of cases) {
    const { rig, host, group, cs } = started();
    host.take(0);
    group.run([...program, ['MOVE32', { destination: 1, immediate: 1 }]]);
    assert.match(rig.log, message);
    assert.equal(host.take(0).streams[0], CS_REQ.FATAL);
    assert.equal(
      CsException.read(new DataView(new Uint32Array([cs[0]!.output.get('fatal')]).buffer), 0).type !== 0,
      true,
    );
  }
  const { rig, group } = started();
  group.setWord(0, 0);
  group.setWord(4, 0xee000000);
  group.run([
    ['MOVE', { destination: 92, immediate: DATA_VA }],
    ['MOVE32', { destination: 94, immediate: 8 }],
    ['CALL', { address: 92, length: 94 }],
  ]);
  assert.match(rig.log, /CS_INSTR_INVALID at 0x30000000 \(UNKNOWN_238 0xee00000000000000\): opcode 238 is none/);
});

test('works run in the background until a WAIT on their scoreboard entry; deferred operations wait for them', () => {
  const log: string[] = [];
  const { group } = started({
    compute: ({ registers }) => {
      let steps = 3;
      return {
        step() {
          log.push(`step ${registers[5]} sync ${group.word(0x200)} ran ${group.word(0x100)}`);
          return --steps === 0 ? 'done' : 'more';
        },
      };
    },
  });
  group.run([
    ['SET_SB_ENTRY', { endpointEntry: 2, otherEntry: 0 }],
    ['MOVE32', { destination: 5, immediate: 7 }],
    ['RUN_COMPUTE', {}],
    ['MOVE32', { destination: 5, immediate: 8 }],
    ...addSync(0x200, { waitMask: 0b100, signalSlot: 3 }),
    ...store(5, 0x100),
    ['WAIT', { waitMask: 0b1000 }],
    ['MOVE', { destination: 80, immediate: DATA_VA + 0x200 }],
    ['LOAD_MULTIPLE', { baseRegister: 6, mask: 1, address: 80 }],
    ...store(6, 0x104),
  ]);
  assert.deepEqual(log, ['step 7 sync 0 ran 8', 'step 7 sync 0 ran 8', 'step 7 sync 0 ran 8']);
  assert.equal(group.word(0x200), 1);
  assert.equal(group.word(0x104), 1, 'the WAIT saw the deferred operation done');
});

test('an endless stream and an endless shader hold up nobody', () => {
  const rig = new Rig({ compute: () => ({ step: () => 'more' }) });
  const host = rig.boot();
  const endless = new TestGroup(host, 0, 2);
  const other = new TestGroup(host, 1);
  endless.program();
  other.program();
  host.groups[0]!.input.set('req', CSG_STATE.START);
  host.groups[1]!.input.set('req', CSG_STATE.START);
  host.global.input.set('doorbellReq', 3);
  host.ring();
  endless.submit([['BRANCH', { condition: 6, offset: -1 }]]);
  endless.submit(
    [
      ['RUN_COMPUTE', {}],
      ['WAIT', { waitMask: 0xff }],
    ],
    1,
  );
  other.submit([['MOVE32', { destination: 1, immediate: 5 }], ...store(1, 0)]);
  assert.throws(() => rig.clock.run(30), /does not come to an end/);
  assert.equal(other.word(0), 5);
  assert.equal(other.extract(), other.inserted());
});

test('SYNC_WAIT sleeps until another stream, or the host with a doorbell, changes the object', () => {
  const { rig, host, group, cs } = started({}, 2);
  const wait: CsLine[] = [
    ['MOVE', { destination: 80, immediate: DATA_VA + 0x200 }],
    ['MOVE', { destination: 82, immediate: 0 }],
    ['SYNC_WAIT64', { condition: 1, address: 80, data: 82 }],
    ['MOVE32', { destination: 1, immediate: 9 }],
    ...store(1, 0),
  ];
  group.run(wait);
  assert.equal(group.word(0), 0);
  assert.ok(host.take(0).group & CSG_REQ.IDLE, 'a group that waits for an object counts as idle');
  host.groups[0]!.input.set('req', (host.groups[0]!.input.get('req') ^ CSG_REQ.STATUS_UPDATE) >>> 0);
  host.ringGroup(0);
  rig.clock.run();
  assert.equal(cs[0]!.output.get('statusBlockedReason'), CS_BLOCKED.SYNC_WAIT);
  assert.equal(cs[0]!.output.get('statusWaitSyncPtr'), DATA_VA + 0x200);
  group.run(addSync(0x200, { scope: 2 }), 1);
  assert.equal(group.word(0), 9);

  group.setWord(0, 0);
  group.setWord(0x200, 0);
  group.run(wait);
  group.setWord(0x200, 1);
  rig.clock.run();
  assert.equal(group.word(0), 0, 'nothing polls');
  host.ringGroup(0);
  rig.clock.run();
  assert.equal(group.word(0), 9);
});

test('any doorbell, of whatever group, makes all waits be looked at again', () => {
  const { rig, host, group } = started();
  const other = new TestGroup(host, 1);
  other.start();
  group.run([
    ['MOVE', { destination: 4, immediate: DATA_VA }],
    ['MOVE32', { destination: 6, immediate: 7 }],
    ['SYNC_WAIT32', { condition: 1, address: 4, data: 6 }],
    ...store(6, 0x80),
  ]);
  for (const [value, ring] of [
    [8, () => host.ring()],
    [9, () => other.submit([['NOP']])],
  ] as const) {
    group.setWord(0x80, 0);
    group.setWord(0, value);
    rig.clock.run();
    assert.equal(group.word(0x80), 0, 'nobody has rung');
    ring();
    rig.clock.run();
    assert.equal(group.word(0x80), value - 1);
    group.run([
      ['MOVE32', { destination: 6, immediate: value }],
      ['SYNC_WAIT32', { condition: 1, address: 4, data: 6 }],
      ...store(6, 0x80),
    ]);
  }
});

test('a failed work is a fault: the stream waits for the host, works are skipped until the barrier, objects carry the error', () => {
  let fails = true;
  let runs = 0;
  const s = started({
    compute: () =>
      instant(() => {
        runs++;
        if (fails) throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0x1234, 'a broken descriptor');
      }),
  });
  const { host, group } = s;
  host.take(0);
  const job = (offset: number): CsLine[] => [
    ['RUN_COMPUTE', {}],
    ['WAIT', { waitMask: 0xff }],
    ['RUN_COMPUTE', {}],
    ['WAIT', { waitMask: 0xff }],
    ...addSync(offset, { errorPropagate: true }),
    ['ERROR_BARRIER'],
  ];
  group.run(job(0x200));
  assert.equal(host.take(0).streams[0], FAULT);
  assert.equal(faultOf(s), 'DATA_INVALID_FAULT');
  assert.equal(s.cs[0]!.output.get('faultInfo'), 0x1234);
  assert.equal(group.word(0x200), 0, 'the stream waits');
  fails = false;
  host.answer(0, 0, FAULT);
  assert.equal(runs, 1, 'the second work was skipped');
  assert.deepEqual([group.word(0x200), group.word(0x208)], [1, 1]);
  group.run(job(0x210));
  assert.equal(runs, 3);
  assert.deepEqual([group.word(0x210), group.word(0x218)], [1, 0]);
  // Who waits for the failed object inherits the error, unless it rejects errors.
  const wait = (errorReject: boolean): CsLine[] => [
    ['MOVE', { destination: 80, immediate: DATA_VA + 0x200 }],
    ['MOVE', { destination: 82, immediate: 0 }],
    ['SYNC_WAIT64', { condition: 1, address: 80, data: 82, errorReject }],
  ];
  group.run(wait(true));
  assert.equal(host.take(0).streams[0], 0);
  group.run(wait(false));
  assert.equal(host.take(0).streams[0], FAULT);
  assert.equal(faultOf(s), 'CS_INHERIT_FAULT');
});

test('a bug of a unit ends the stream loudly and leaves the others alone', () => {
  const s = started(
    {
      compute: () => {
        throw new TypeError('no such thing');
      },
    },
    2,
  );
  s.group.run([['RUN_COMPUTE', {}]]);
  assert.match(
    s.rig.log,
    /CSF_FW_INTERNAL_ERROR RUN_COMPUTE at 0x10000000: the model is at fault: TypeError: no such thing/,
  );
  assert.equal(fatalOf(s), 'CSF_FW_INTERNAL_ERROR');
  s.group.run(addSync(0x200), 1);
  assert.equal(s.group.word(0x200), 1);
});

test('a page fault of a stream is latched in the MMU and is fatal for that stream alone', () => {
  const s = started({}, 2);
  s.group.run([
    ['MOVE', { destination: 0, immediate: 0x7000_0000 }],
    ['LOAD_MULTIPLE', { baseRegister: 2, mask: 1, address: 0 }],
  ]);
  assert.equal(fatalOf(s), 'CS_BUS_FAULT');
  assert.equal(s.cs[0]!.output.get('fatalInfo'), 0x7000_0000);
  assert.equal(s.rig.read(AS.FAULTADDRESS, s.rig.as(1)), 0x7000_0000);
  s.group.run(addSync(0x200), 1);
  assert.equal(s.group.word(0x200), 1);
});

test('a stream pauses while its address space is locked', () => {
  const { rig, group } = started();
  rig.asCommand(1, AS_COMMAND.LOCK);
  group.run(addSync(0x200));
  assert.equal(group.word(0x200), 0);
  rig.asCommand(1, AS_COMMAND.UNLOCK);
  rig.clock.run();
  assert.equal(group.word(0x200), 1);
});

test('STORE_STATE, cache flushes and progress counters', () => {
  const { rig, group } = started({ compute: () => instant() }, 2);
  rig.clock.advance(1e9);
  const before = rig.read(LATEST_FLUSH_ID);
  group.run([
    ['MOVE', { destination: 90, immediate: DATA_VA }],
    ['STORE_STATE', { state: 0, address: 90 }],
    ['STORE_STATE', { state: 3, address: 90, offset: 8 }],
    ['MOVE32', { destination: 1, immediate: before + 7 }],
    ['FLUSH_CACHE2', { l2FlushMode: 3, latestFlushId: 1 }],
    ['MOVE32', { destination: 1, immediate: 0 }],
    ['FLUSH_CACHE2', { l2FlushMode: 3, latestFlushId: 1 }],
    ['MOVE', { destination: 2, immediate: 2 }],
    ['PROGRESS_WAIT', { queue: 1, source: 2 }],
    ['MOVE32', { destination: 1, immediate: 1 }],
    ...store(1, 0x10),
  ]);
  assert.equal(group.word(0), 24_000_000);
  assert.equal(rig.read(LATEST_FLUSH_ID), before + 1, 'a flush newer than the one asked for was not needed');
  assert.equal(group.word(0x10), 0);
  group.run(
    [
      ['RUN_COMPUTE', { progressIncrement: true }],
      ['WAIT', { waitMask: 0xff, progressIncrement: true }],
    ],
    1,
  );
  assert.equal(group.word(0x10), 1);
});

test('a group that is suspended comes back in another slot, another address space, with all its state', () => {
  let steps = 0;
  const work: Work = {
    step() {
      steps++;
      if (steps === 3) suspend();
      return steps === 100 ? 'done' : 'more';
    },
  };
  const s = started({ compute: () => work });
  const { rig, host, group } = s;
  // Asked for in the middle of the work.
  const suspend = () => {
    host.groups[0]!.input.set(
      'req',
      ((host.groups[0]!.input.get('req') & ~CSG_REQ.STATE_MASK) | CSG_STATE.SUSPEND) >>> 0,
    );
    host.ringGroup(0);
  };
  const size = group.load([
    ['MOVE32', { destination: 20, immediate: 0xabcd }],
    ['SET_SB_ENTRY', { endpointEntry: 3, otherEntry: 0 }],
    ['RUN_COMPUTE', {}],
    ['WAIT', { waitMask: 0b1000 }],
    ...store(20, 0),
  ]);
  group.submit([
    ['MOVE', { destination: 92, immediate: CODE_VA }],
    ['MOVE32', { destination: 94, immediate: size }],
    ['CALL', { address: 92, length: 94 }],
    ...addSync(0x200),
  ]);
  // TestClock's deferred work and slices share one queue, so run only until the slot has answered.
  rig.clock.run();
  assert.equal(host.groups[0]!.output.get('ack') & CSG_REQ.STATE_MASK, CSG_STATE.SUSPEND);
  const at = steps;
  assert.ok(at >= 3 && at < 100);
  assert.equal(group.word(0), 0);
  rig.enable(5, group.tables);
  rig.enable(1, s.rig.firmware);
  group.program(4, 5);
  host.state(4, CSG_STATE.RESUME);
  assert.equal(steps, 100);
  assert.equal(group.word(0), 0xabcd);
  assert.equal(group.word(0x200), 1);
  assert.equal(group.extract(), group.inserted());
});

test('a stream that waits for an object keeps waiting across a suspend, from memory alone', () => {
  const { host, group, cs } = started();
  group.run([
    ['MOVE32', { destination: 20, immediate: 0xabcd }],
    ['MOVE', { destination: 80, immediate: DATA_VA + 0x200 }],
    ['MOVE', { destination: 82, immediate: 0 }],
    ['SYNC_WAIT64', { condition: 1, address: 80, data: 82 }],
    ...store(20, 0),
  ]);
  host.state(0, CSG_STATE.SUSPEND);
  assert.equal(cs[0]!.output.get('statusBlockedReason'), CS_BLOCKED.SYNC_WAIT);
  group.setWord(0x200, 1);
  group.program(2);
  host.state(2, CSG_STATE.RESUME);
  assert.equal(group.word(0), 0xabcd);
});

test('a suspend buffer that holds nonsense is refused, stream by stream', () => {
  const { rig, host, group } = started();
  group.run([['MOVE32', { destination: 20, immediate: 1 }]]);
  host.state(0, CSG_STATE.SUSPEND);
  const memory = group.suspend;
  rig.dram.view.setUint32(memory + 64 + 4, 1000, true);
  group.program();
  host.state(0, CSG_STATE.RESUME);
  assert.match(rig.log, /suspend buffer does not hold the state of stream 0/);
  host.state(0, CSG_STATE.TERMINATE);
  rig.dram.view.setUint32(memory, 0, true);
  host.state(0, CSG_STATE.RESUME);
  assert.match(rig.log, /no suspended group/);
});

test('terminate drops what is running; the slot starts afresh', () => {
  const { rig, host, group } = started({ compute: () => ({ step: () => 'more' }) });
  group.submit([['RUN_COMPUTE', {}], ['WAIT', { waitMask: 0xff }], ...store(1, 0)]);
  assert.throws(() => rig.clock.run(100), /does not come to an end/);
  host.state(0, CSG_STATE.TERMINATE);
  assert.equal(host.groups[0]!.output.get('ack') & CSG_REQ.STATE_MASK, CSG_STATE.TERMINATE);
  group.program();
  host.state(0, CSG_STATE.START);
  assert.ok(group.extract() <= group.inserted());
});

test('a nonsensical ring buffer is a configuration fault', () => {
  const s = started();
  s.host.state(0, CSG_STATE.TERMINATE);
  s.group.program();
  s.cs[0]!.input.set('ringbufSize', 100);
  s.host.state(0, CSG_STATE.START);
  assert.equal(fatalOf(s), 'CS_CONFIG_FAULT');
  assert.match(s.rig.log, /no ring buffer can be 100 bytes at 0x10000000/);
});

test('CS STOP ends one stream, START begins it at the host’s position', () => {
  const { host, group, cs } = started();
  cs[0]!.input.set('req', ((cs[0]!.input.get('req') & ~CS_REQ.STATE_MASK) | CS_STATE.STOP) >>> 0);
  host.answer(0, 0, 0);
  group.run(addSync(0x200));
  assert.equal(group.word(0x200), 0);
  group.program();
  host.answer(0, 0, 0);
  assert.equal(group.word(0x200), 1);
});

test('an empty group announces that it is idle, and again after each piece of work', () => {
  const { host, group } = started();
  assert.ok(host.take(0).group & CSG_REQ.IDLE);
  assert.equal(host.groups[0]!.output.get('statusState'), 1);
  assert.equal(host.take(0).group & CSG_REQ.IDLE, 0);
  group.run(addSync(0x200));
  assert.ok(host.take(0).group & CSG_REQ.IDLE);
});

test('a doorbell for a stream that cannot go on announces nothing, so that host and firmware do not chase one another', () => {
  const { host, group } = started({}, 2);
  group.run([['SYNC_WAIT64', { condition: 1, address: 80, data: 82 }]]);
  group.run(
    [
      ['MOVE', { destination: 80, immediate: DATA_VA }],
      ['SYNC_WAIT64', { condition: 1, address: 80, data: 82 }],
    ],
    1,
  );
  host.take(0);
  host.ringGroup(0);
  host.rig.clock.run();
  assert.equal(host.take(0).group, 0);
});

/** A work that another thread is at: it waits until the test says that it is over. */
class Elsewhere implements Work {
  progress = 0;
  steps = 0;
  over = false;
  abandoned = 0;
  onWake?: () => void;

  step() {
    this.steps++;
    return this.over ? 'done' : 'waiting';
  }

  abandon(): void {
    this.abandoned++;
  }

  finish(): void {
    this.over = true;
    this.onWake!();
  }
}

test('a work that waits for another thread is not stepped until it wakes its stream, across a suspend too', () => {
  const work = new Elsewhere();
  const { rig, host, group } = started({ compute: () => work });
  group.run([['RUN_COMPUTE', {}], ['WAIT', { waitMask: 0xff }], ...addSync(0x200)]);
  assert.equal(work.steps, 1);
  host.state(0, CSG_STATE.SUSPEND);
  rig.enable(2, group.tables);
  group.program(1, 2);
  host.state(1, CSG_STATE.RESUME);
  assert.equal(group.word(0x200), 0);
  work.finish();
  rig.clock.run();
  assert.deepEqual([group.word(0x200), work.abandoned], [1, 0]);
});

test('works that will not be stepped again are told: at terminate, a stream’s end, a reset, and when nobody keeps them', () => {
  const works: Elsewhere[] = [];
  const fresh = () => {
    const s = started({
      compute: () => {
        works.push(new Elsewhere());
        return works.at(-1)!;
      },
    });
    s.group.run([['RUN_COMPUTE', {}]]);
    return s;
  };
  fresh().host.state(0, CSG_STATE.TERMINATE);
  fresh().group.run([['JUMP', { address: 80, length: 82 }]]);
  fresh().rig.reset(GPU_RESET.SOFT);
  const { host } = fresh();
  host.state(0, CSG_STATE.SUSPEND);
  assert.equal(works.at(-1)!.abandoned, 0);
  // The stream begins anew, and so does its work.
  host.state(0, CSG_STATE.START);
  assert.deepEqual(
    works.map((work) => work.abandoned),
    [1, 1, 1, 1, 0],
  );
});

test('a work on another thread that gets on is no hang', () => {
  const work = new Elsewhere();
  const { rig, host, group } = started({ compute: () => work });
  host.state(0, CSG_STATE.TERMINATE);
  host.global.input.set('progressTimer', 1000);
  host.global.input.set('req', GLB_REQ.CFG_PROGRESS_TIMER);
  host.ring();
  rig.clock.run();
  group.program();
  host.state(0, CSG_STATE.START);
  group.submit([['RUN_COMPUTE', {}]]);
  for (let i = 0; i < 100; i++) {
    work.progress++;
    rig.clock.advance(4e6);
  }
  assert.equal(host.take(0).group & CSG_REQ.PROGRESS_TIMER_EVENT, 0);
  rig.clock.advance(100e6);
  assert.ok(host.take(0).group & CSG_REQ.PROGRESS_TIMER_EVENT);
});

test('works that do not come to an end are reported after the progress time', () => {
  const { rig, host, group } = started({ idvs: () => ({ step: () => 'oom' }) });
  host.state(0, CSG_STATE.TERMINATE);
  host.global.input.set('progressTimer', 1000);
  host.global.input.set('req', GLB_REQ.CFG_PROGRESS_TIMER);
  host.ring();
  rig.clock.run();
  group.program();
  host.state(0, CSG_STATE.START);
  rig.clock.advance(1e9);
  assert.equal(host.take(0).group & CSG_REQ.PROGRESS_TIMER_EVENT, 0, 'nothing was running');
  group.submit([['RUN_IDVS', {}]]);
  rig.clock.advance(100e6);
  assert.ok(host.take(0).group & CSG_REQ.PROGRESS_TIMER_EVENT);
});

test('a suspended group survives a reset of the GPU, with the works that were in flight', () => {
  let steps = 0;
  const s = started({ compute: () => ({ step: () => (++steps === 400 ? 'done' : 'more') }) });
  const { rig, host, group } = s;
  group.submit([
    ['RUN_COMPUTE', {}],
    ['WAIT', { waitMask: 0xff }],
    ['MOVE32', { destination: 1, immediate: 6 }],
    ...store(1, 0),
  ]);
  assert.throws(() => rig.clock.run(6), /does not come to an end/);
  host.state(0, CSG_STATE.SUSPEND);
  const at = steps;
  assert.ok(at > 0 && at < 400);
  rig.reset(GPU_RESET.SOFT);
  rig.enable(0, rig.firmware);
  assert.equal(rig.startMcu(), MCU_STATUS.ENABLED);
  rig.enable(1, group.tables);
  group.program();
  host.state(0, CSG_STATE.RESUME);
  assert.equal(steps, 400);
  assert.equal(group.word(0), 6);
});

test('hundreds of suspended groups lose none of their works, and a group whose suspend buffer is gone is forgotten', () => {
  const works: Elsewhere[] = [];
  const { rig, host, group } = started({
    compute: () => {
      works.push(new Elsewhere());
      return works.at(-1)!;
    },
  });
  const COUNT = 300;
  const buffers = Array.from({ length: COUNT }, (_, i) => ({ va: 0x3100000 + i * 0x8000, page: 0 }));
  for (const buffer of buffers) {
    buffer.page = rig.firmware.map(buffer.va, 0x8000);
    group.program();
    host.groups[0]!.input.set('suspendBuf', buffer.va);
    host.state(0, CSG_STATE.START);
    group.run([['RUN_COMPUTE', {}]]);
    host.state(0, CSG_STATE.SUSPEND);
  }
  const gone = buffers.pop()!;
  for (let page = 0; page < 8; page++) rig.firmware.set(gone.va + page * 4096, {});
  rig.write(AS.LOCKADDR, gone.va + 14, rig.as(0));
  rig.asCommand(0, AS_COMMAND.FLUSH_PT);
  assert.deepEqual(
    works.map((work) => work.abandoned),
    [...buffers.map(() => 0), 1],
  );
  for (const [i, buffer] of buffers.entries()) {
    const work = works[i]!;
    group.program();
    host.groups[0]!.input.set('suspendBuf', buffer.va);
    host.state(0, CSG_STATE.RESUME);
    work.finish();
    rig.clock.run();
    assert.deepEqual([work.steps, work.abandoned], [2, 0]);
    host.state(0, CSG_STATE.TERMINATE);
  }
  assert.doesNotMatch(rig.log, /are gone/);
});

test('works that nobody has kept are reported as lost', () => {
  const s = started({ compute: () => ({ step: () => 'more' }) });
  s.group.submit([
    ['RUN_COMPUTE', {}],
    ['WAIT', { waitMask: 0xff }],
  ]);
  assert.throws(() => s.rig.clock.run(6), /does not come to an end/);
  s.host.state(0, CSG_STATE.SUSPEND);
  s.rig.dram.view.setUint32(s.group.suspend + SuspendHeader.offset.generation, 0x1234567, true);
  s.group.program();
  s.host.state(0, CSG_STATE.RESUME);
  assert.match(s.rig.log, /in flight at the suspend are gone/);
  assert.equal(faultOf(s), 'CS_RES_TERM');
});

test('random instructions never bring the machine down, and never reach another stream', () => {
  let seed = 12345;
  const random = (): number => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return seed >>> 0;
  };
  const unit = (): Work => ({
    step() {
      if (random() % 4 === 0) throw new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, 'nonsense');
      return (['more', 'done', 'oom'] as const)[random() % 3]!;
    },
  });
  const units = {
    compute: unit,
    computeIndirect: unit,
    idvs: unit,
    tiling: unit,
    fullscreen: unit,
    finishTiling: unit,
    fragment: unit,
  };
  const { rig, host, group } = started(units, 2);
  const opcodes = Object.values(CS).map((type) => type.opcode);
  const outcomes = new Set<string>();
  const code = new DataView(rig.dram.buffer, group.code, 512);
  for (let round = 0; round < 300; round++) {
    host.state(0, CSG_STATE.TERMINATE);
    group.program();
    host.state(0, CSG_STATE.START);
    for (let i = 0; i < 64; i++) {
      // Mostly instructions that exist, on registers that exist, with addresses that may be mapped.
      const opcode = random() % 8 === 0 ? random() & 0xff : opcodes[random() % opcodes.length]!;
      code.setUint32(i * 8, random() % 2 === 0 ? DATA_VA + (random() & 0xffff) : random(), true);
      code.setUint32(i * 8 + 4, ((opcode << 24) | (random() & (random() % 4 === 0 ? 0xffffff : 0x1e1e1e))) >>> 0, true);
    }
    group.submit([
      ...Array.from({ length: 16 }, (_, i): CsLine => ['MOVE', { destination: 2 * i, immediate: DATA_VA + 64 * i }]),
      ['MOVE', { destination: 92, immediate: CODE_VA }],
      ['MOVE32', { destination: 94, immediate: 512 }],
      ['CALL', { address: 92, length: 94 }],
    ]);
    const before = group.word(0x3ff0);
    group.submit(addSync(0x3ff0), 1);
    for (let turn = 0; turn < 3; turn++) {
      try {
        rig.clock.run(10);
      } catch (error) {
        assert.match(String(error), /does not come to an end/);
      }
      const { streams } = host.take(0);
      if (streams[0]! & CS_REQ.FATAL) outcomes.add('fatal');
      if (streams[0]! & FAULT) outcomes.add('fault');
      if (streams[0]! & CS_REQ.TILER_OOM) outcomes.add('oom');
      if (streams[0] === 0) outcomes.add('quiet');
      assert.equal(streams[1], 0);
      host.acknowledge(0, 0, CS_REQ.FATAL | CS_REQ.FAULT | CS_REQ.TILER_OOM);
    }
    // The first stream may have written there as well, but not have kept the second one from adding its one.
    if (group.word(0x3ff0) !== before + 1) assert.equal(group.extract(1), group.inserted(1));
  }
  assert.deepEqual([...outcomes].sort(), ['fatal', 'fault', 'oom', 'quiet']);
});

// The tiler heap.

const CHUNK = 0x40000;
const CHUNKS_VA = 0x40000000;
const TILER_CONTEXT = DATA_VA;
const HEAP_DESCRIPTOR = DATA_VA + 0x400;
const HEAP_CONTEXT = DATA_VA + 0x800;

/** A stream whose draws take `sizes` bytes of tiler heap each, one after the other. */
function tiling(sizes: number[], handler: 'handler' | 'none' = 'none') {
  const got: number[] = [];
  let fragments = 0;
  const s = started(
    {
      idvs: ({ memory, heapContext }) => ({
        step() {
          const heap = new TilerHeap(memory, TILER_CONTEXT, heapContext);
          for (let size = sizes[0]; size !== undefined; size = sizes[0]) {
            const at = heap.alloc(size, 64);
            if (at === undefined) return 'oom';
            got.push(at);
            sizes.shift();
          }
          return 'done';
        },
      }),
      fragment: () => instant(() => fragments++),
    },
    2,
  );
  const { group } = s;
  group.tables.map(CHUNKS_VA, 4 * CHUNK);
  group.setWord(6 * 4, HEAP_DESCRIPTOR);
  group.setWord(0x404, CHUNK);
  group.setWord(0x408, CHUNKS_VA);
  group.setWord(0x410, CHUNKS_VA + 64);
  group.setWord(0x418, CHUNKS_VA + CHUNK);
  const length = group.load(
    [
      ['SET_SB_ENTRY', { endpointEntry: 3 }],
      ['RUN_FRAGMENT', {}],
      ['WAIT', { waitMask: 0b1000 }],
      ['MOVE', { destination: 60, immediate: TILER_CONTEXT }],
      ['LOAD_MULTIPLE', { baseRegister: 62, mask: 0xf, address: 60, offset: 40 }],
      ['FINISH_FRAGMENT', { firstHeapChunk: 62, lastHeapChunk: 64 }],
      ['MOVE', { destination: 62, immediate: 0 }],
      ['MOVE', { destination: 64, immediate: 0 }],
      ['STORE_MULTIPLE', { baseRegister: 62, mask: 0xf, address: 60, offset: 40 }],
      ['SET_SB_ENTRY', { endpointEntry: 2 }],
    ],
    0x800,
  );
  s.group.submit([
    ['MOVE', { destination: 72, immediate: HEAP_CONTEXT }],
    ['HEAP_SET', { address: 72 }],
    ['MOVE', { destination: 86, immediate: CODE_VA + 0x800 }],
    ['MOVE32', { destination: 88, immediate: handler === 'handler' ? length : 0 }],
    ['SET_EXCEPTION_HANDLER', { exceptionType: 2, address: 86, length: 88 }],
    ['SET_SB_ENTRY', { endpointEntry: 2 }],
    ['MOVE', { destination: 40, immediate: TILER_CONTEXT }],
    ['HEAP_OPERATION', { operation: 0 }],
    ['RUN_IDVS', {}],
    ['WAIT', { waitMask: 0b100 }],
    ['HEAP_OPERATION', { operation: 1 }],
    ['MOVE', { destination: 60, immediate: TILER_CONTEXT }],
    ['LOAD_MULTIPLE', { baseRegister: 62, mask: 0xf, address: 60, offset: 40 }],
    ['FINISH_FRAGMENT', { firstHeapChunk: 62, lastHeapChunk: 64, incrementFragmentCompleted: true }],
    ['MOVE32', { destination: 1, immediate: 1 }],
    ...store(1, 0xc00),
  ]);
  s.rig.clock.run();
  const answer = (chunk: number) => {
    s.cs[0]!.input.set('heapStart', chunk);
    s.cs[0]!.input.set('heapEnd', chunk);
    s.host.answer(0, 0, CS_REQ.TILER_OOM);
  };
  return {
    ...s,
    got,
    answer,
    handlerLength: length,
    fragments: () => fragments,
    finished: () => group.word(0xc00) === 1,
  };
}

test('a tiler that runs out of heap gets a chunk from the host, and FINISH_FRAGMENT gives the full one back', () => {
  const t = tiling([CHUNK - 128, 4096]);
  assert.equal(t.host.take(0).streams[0], CS_REQ.TILER_OOM);
  const { output } = t.cs[0]!;
  assert.equal(output.get('heapAddress'), HEAP_CONTEXT);
  assert.deepEqual([output.get('heapVtStart'), output.get('heapVtEnd'), output.get('heapFragEnd')], [1, 0, 0]);
  assert.equal(t.finished(), false);
  t.answer(chunkRef(CHUNKS_VA + CHUNK, CHUNK));
  assert.ok(t.finished());
  assert.deepEqual(t.got, [CHUNKS_VA + 64, CHUNKS_VA + CHUNK + 64]);
  const context = HeapContext.read(t.rig.dram.view, t.group.data + 0x800);
  assert.deepEqual([context.vtStart, context.vtEnd, context.fragEnd], [1, 1, 1]);
  assert.equal(context.firstFree, chunkRef(CHUNKS_VA, CHUNK));
});

test('without a chunk the exception handler draws what there is, and the tiler goes on in the memory it freed', () => {
  const t = tiling([CHUNK - 128, 4096], 'handler');
  t.answer(0);
  assert.equal(t.fragments(), 1);
  assert.ok(t.finished());
  assert.deepEqual(t.got, [CHUNKS_VA + 64, CHUNKS_VA + 64]);
});

test('without a chunk, passes that are still being drawn are waited for before the handler is called', () => {
  const t = tiling([CHUNK - 128, 4096], 'handler');
  // Another pass of this heap has been tiled and not drawn yet.
  t.group.setWord(0x800 + HeapContext.offset.vtStart, 2);
  t.group.setWord(0x800 + HeapContext.offset.vtEnd, 1);
  t.answer(0);
  assert.equal(t.fragments(), 0);
  assert.equal(t.finished(), false);
  const free = chunkRef(CHUNKS_VA + 2 * CHUNK, CHUNK);
  t.group.run(
    [
      ['MOVE', { destination: 72, immediate: HEAP_CONTEXT }],
      ['HEAP_SET', { address: 72 }],
      ['MOVE', { destination: 62, immediate: free }],
      ['FINISH_FRAGMENT', { firstHeapChunk: 62, lastHeapChunk: 62, incrementFragmentCompleted: true }],
    ],
    1,
  );
  assert.equal(t.fragments(), 0);
  assert.ok(t.finished());
  assert.deepEqual(t.got, [CHUNKS_VA + 64, CHUNKS_VA + 2 * CHUNK + 64]);
});

for (const when of ['before', 'after'] as const) {
  test(`without a chunk the handler of another stream with this heap is called, set ${when} the shortage, whatever that stream waits for`, () => {
    const t = tiling([CHUNK - 128, 4096]);
    const drawing = (): void =>
      t.group.run(
        [
          ['MOVE', { destination: 72, immediate: HEAP_CONTEXT }],
          ['HEAP_SET', { address: 72 }],
          ['MOVE', { destination: 86, immediate: CODE_VA + 0x800 }],
          ['MOVE32', { destination: 88, immediate: t.handlerLength }],
          ['SET_EXCEPTION_HANDLER', { exceptionType: 2, address: 86, length: 88 }],
          ['MOVE', { destination: 80, immediate: DATA_VA + 0xc00 }],
          ['MOVE32', { destination: 82, immediate: 0 }],
          ['SYNC_WAIT32', { address: 80, data: 82, condition: 1 }],
          ['MOVE32', { destination: 1, immediate: 7 }],
          ...store(1, 0xc80),
        ],
        1,
      );
    const setHeap = (): void =>
      t.group.run(
        [
          ['MOVE', { destination: 72, immediate: HEAP_CONTEXT }],
          ['HEAP_SET', { address: 72 }],
        ],
        1,
      );
    if (when === 'before') drawing();
    else setHeap();
    t.answer(0);
    if (when === 'after') {
      assert.deepEqual([t.fragments(), t.finished(), faultOf(t)], [0, false, 'OK']);
      drawing();
    }
    assert.equal(t.fragments(), 1);
    assert.ok(t.finished());
    assert.deepEqual(t.got, [CHUNKS_VA + 64, CHUNKS_VA + 64]);
    t.group.submit([], 1);
    t.rig.clock.run();
    assert.equal(t.group.word(0xc80), 7, 'the stream goes on where it waited');
  });
}

test('without a chunk and a handler the draw fails with OOM', () => {
  const t = tiling([CHUNK - 128, 4096]);
  t.answer(0);
  assert.equal(faultOf(t), 'OOM');
  assert.match(t.rig.log, /no exception handler is set/);
});

test('an allocation that no chunk can hold is a fault, not an endless request', () => {
  const t = tiling([CHUNK]);
  assert.equal(faultOf(t), 'DATA_INVALID_FAULT');
});
