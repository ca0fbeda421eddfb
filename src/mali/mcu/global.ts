/**
 * The global interface: requests that concern the GPU as a whole, and the event that it has nothing to do.
 *
 * A request is acknowledged by making `ack` equal to `req`. What this GPU cannot do (performance counters, protected
 * mode, debugging) is logged and stays unacknowledged, so that a host that asks nevertheless gets its time-out.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_fw.c` (panthor_fw_init_global_iface).
 */
import { FW_HALT, GLB_REQ, GlbTimer } from '../../abi/gpu/firmware.ts';
import type { Timer } from '../../board/clock.ts';
import { TIMESTAMP_HZ } from '../control.ts';
import type { Mcu } from './index.ts';
import { type GlobalBlocks, globalBlocks, unpackWord } from './interface.ts';

/** Requests that are done as soon as they have been seen. */
const SIMPLE = GLB_REQ.PING | GLB_REQ.COUNTER_EN | GLB_REQ.FWCFG_UPDATE | GLB_REQ.CFG_POWEROFF_TIMER;
const UNSUPPORTED: Record<string, number> = {
  PERFCNT_EN: GLB_REQ.PERFCNT_EN,
  PERFCNT_SAMPLE: GLB_REQ.PERFCNT_SAMPLE,
  PROTM_ENTER: GLB_REQ.PROTM_ENTER,
  SLEEP: GLB_REQ.SLEEP,
  DBG_HOST: GLB_REQ.DBG_HOST,
};
const ANY_UNSUPPORTED = Object.values(UNSUPPORTED).reduce((all, bit) => all | bit, 0);
/** Timer units are 1024 cycles of their source. */
const TIMER_UNIT = 1024;
const NS = 1e9;

export class GlobalInterface {
  readonly #mcu: Mcu;
  readonly #blocks: GlobalBlocks;
  #idleTimer: Timer | undefined;
  #idle = false;

  constructor(mcu: Mcu) {
    this.#mcu = mcu;
    this.#blocks = globalBlocks(mcu.memory);
  }

  /** The host has rung the global doorbell. */
  process(): void {
    const { input, output } = this.#blocks;
    const req = input.get('req');
    const open = req ^ output.get('ack');
    let done = open & SIMPLE;
    if (open & GLB_REQ.PING && this.#mcu.faults.strikes('ping-missed')) done &= ~GLB_REQ.PING;
    if (open & GLB_REQ.CFG_ALLOC_EN) {
      this.#mcu.powerCores(input.get('coreEnMask'));
      done |= GLB_REQ.CFG_ALLOC_EN;
    }
    if (open & GLB_REQ.CFG_PROGRESS_TIMER) {
      this.#mcu.progressLimit = input.get('progressTimer') * TIMER_UNIT;
      done |= GLB_REQ.CFG_PROGRESS_TIMER;
    }
    if (open & GLB_REQ.IDLE_EN) {
      done |= GLB_REQ.IDLE_EN;
      this.#idle = false;
    }
    if (open & ANY_UNSUPPORTED) {
      for (const [name, bit] of Object.entries(UNSUPPORTED)) {
        if (open & bit) this.#mcu.log('warn', 'mali-mcu', `global request ${name} is not supported`);
      }
    }
    if (done !== 0) {
      output.set('ack', ((output.get('ack') & ~done) | (req & done)) >>> 0);
      if (input.get('ackIrqMask') & done) this.#mcu.interruptGlobal();
    }
    const rung = input.get('doorbellReq');
    const doorbells = rung ^ output.get('doorbellAck');
    output.set('doorbellAck', rung);
    for (const group of this.#mcu.groups) if ((doorbells >> group.index) & 1) group.process();
    if (req & GLB_REQ.HALT && !this.#mcu.faults.strikes('halt-ignored')) {
      this.#mcu.halt();
      return;
    }
    this.checkIdle();
  }

  /** Announces, after the host's idle time, that no group has anything to do. */
  checkIdle(): void {
    const { input } = this.#blocks;
    const idle = this.#mcu.groups.every((group) => group.idle);
    if (idle === this.#idle) return;
    this.#idle = idle;
    this.stop();
    if (!idle || (input.get('req') & GLB_REQ.IDLE_EN) === 0) return;
    const timer = unpackWord(GlbTimer, input.get('idleTimer'));
    const hertz = timer.gpuCounter ? this.#mcu.control.rate : TIMESTAMP_HZ;
    const announce = (): void => this.#mcu.guard(() => this.#event(GLB_REQ.IDLE));
    this.#idleTimer = this.#mcu.clock.after((timer.value * TIMER_UNIT * NS) / hertz, announce);
  }

  /** Leaves for the host why the firmware has halted. */
  tellPanic(): void {
    this.#blocks.output.set('haltStatus', FW_HALT.ON_PANIC);
  }

  stop(): void {
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
  }

  #event(bit: number): void {
    const { input, output } = this.#blocks;
    if (((input.get('req') ^ output.get('ack')) & bit) === 0) output.toggle('ack', bit);
    if (input.get('ackIrqMask') & bit) this.#mcu.interruptGlobal();
  }
}
