import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VOP, WINDOW, windowBase } from '../abi/display/vop.ts';
import { type Clock, TestClock } from '../board/clock.ts';
import { IrqLine } from '../board/irq.ts';
import { readReg, writeReg } from '../board/mmio.ts';
import { Vop } from './vop.ts';

/** 100×100 pixels at 10 MHz: a frame of one millisecond, a line of ten microseconds. */
const FRAME = 1e6;
const LINE = 1e4;

function board(options: { clock?: Clock; freeRunning?: boolean } = {}) {
  const clock = new TestClock();
  const irq = new IrqLine('vop', options.clock ?? clock);
  const vop = new Vop(options.clock ?? clock, irq, { freeRunning: options.freeRunning ?? false });
  let interrupts = 0;
  irq.attach(() => {
    interrupts++;
    writeReg(vop, VOP.INTR_CLR, readReg(vop, VOP.INTR_STATUS));
  });
  writeReg(vop, VOP.DCLK, 10_000);
  writeReg(vop, VOP.DSP_HTOTAL_HS_END, VOP.DSP_HTOTAL_HS_END.encode({ total: 100, syncEnd: 5 }));
  writeReg(vop, VOP.DSP_VTOTAL_VS_END, VOP.DSP_VTOTAL_VS_END.encode({ total: 100, syncEnd: 5 }));
  writeReg(vop, VOP.DSP_HACT_ST_END, VOP.DSP_HACT_ST_END.encode({ start: 10, end: 90 }));
  writeReg(vop, VOP.DSP_VACT_ST_END, VOP.DSP_VACT_ST_END.encode({ start: 10, end: 70 }));
  const power = (on: boolean): void => writeReg(vop, VOP.DSP_CTRL, VOP.DSP_CTRL.encode({ standby: on ? 0 : 1 }));
  power(true);
  return { clock, vop, power, interrupts: () => interrupts };
}

const enable = (vop: Vop, on: boolean): void =>
  writeReg(vop, VOP.INTR_EN, VOP.INTR_EN.encode({ frameStart: on ? 1 : 0 }));

test('frames and lines are counted without ticking', () => {
  const { clock, vop, interrupts } = board();
  clock.advance(7 * FRAME + 3 * LINE);
  assert.equal(readReg(vop, VOP.FRAME_COUNT), 7);
  assert.equal(readReg(vop, VOP.LINE_COUNT), 3);
  assert.equal(interrupts(), 0);
});

test('the frame-start interrupt comes once a frame while it is enabled', () => {
  const { clock, vop, interrupts } = board();
  enable(vop, true);
  clock.advance(5 * FRAME);
  assert.equal(interrupts(), 5);
  enable(vop, false);
  clock.advance(5 * FRAME);
  assert.equal(interrupts(), 5);
  assert.equal(readReg(vop, VOP.FRAME_COUNT), 10);
});

test('a timer that comes early does not start a frame early', () => {
  const inner = new TestClock();
  /** As Node's timers: whole milliseconds, rounded down. */
  const early: Clock = {
    now: () => inner.now(),
    monotonic: () => inner.monotonic(),
    realtime: () => inner.realtime(),
    boottime: () => inner.boottime(),
    after: (delay, fn) => inner.after(Math.max(1, delay - 300_000), fn),
    soon: (fn) => inner.soon(fn),
    settled: (fn) => inner.settled(fn),
    yield: (fn) => inner.yield(fn),
  };
  const { vop, interrupts } = board({ clock: early });
  enable(vop, true);
  inner.advance(FRAME - 1);
  assert.equal(interrupts(), 0);
  inner.advance(3 * FRAME);
  assert.equal(interrupts(), 3);
});

test('a complete window waits for the next frame; an immediate one does not', () => {
  const { clock, vop } = board();
  const base = windowBase(1);
  writeReg(vop, WINDOW.CTRL, WINDOW.CTRL.encode({ enable: 1, format: 0 }), base);
  assert.equal(vop.scan?.windows.length, 0);
  writeReg(vop, VOP.CFG_DONE, VOP.CFG_DONE.encode({ windows: 2 }));
  assert.equal(vop.scan?.windows.length, 0);
  assert.notEqual(readReg(vop, VOP.CFG_DONE), 0);
  clock.advance(FRAME);
  assert.equal(readReg(vop, VOP.CFG_DONE), 0);
  assert.equal(vop.scan?.windows.length, 1);
  writeReg(vop, WINDOW.CTRL, 0, base);
  writeReg(vop, VOP.CFG_DONE, VOP.CFG_DONE.encode({ windows: 2, immediate: 1 }));
  assert.deepEqual(vop.scan, { width: 80, height: 60, windows: [], gamma: undefined });
});

test('a free-running controller starts a frame as soon as a configuration is complete', () => {
  const { clock, vop, interrupts } = board({ freeRunning: true });
  enable(vop, true);
  for (let i = 0; i < 3; i++) {
    writeReg(vop, VOP.CFG_DONE, VOP.CFG_DONE.encode({ windows: 1 }));
    clock.run();
  }
  assert.equal(interrupts(), 3);
  assert.equal(readReg(vop, VOP.FRAME_COUNT), 3);
  clock.advance(2 * FRAME);
  assert.equal(interrupts(), 5);
});

test('stand-by stops the frames and shows nothing', () => {
  const { clock, vop, power, interrupts } = board();
  enable(vop, true);
  clock.advance(2 * FRAME);
  power(false);
  assert.equal(vop.scan, undefined);
  clock.advance(10 * FRAME);
  assert.equal(interrupts(), 2);
  assert.equal(readReg(vop, VOP.FRAME_COUNT), 2);
  power(true);
  clock.advance(FRAME);
  assert.equal(interrupts(), 3);
});
