/**
 * What each command-stream instruction does.
 *
 * `execute` runs one decoded instruction whose successor is already the next; it answers false if the instruction must
 * wait, after noting why in `stream.blocked`, and throws GpuFault if it cannot be done at all. Nothing may have been
 * changed before it answers false.
 * Source: Mesa 25.0 `src/panfrost/lib/genxml/v10.xml`, `cs_builder.h`, `decode_csf.c`; Linux `panthor_sched.c` for the
 * sequences of the kernel.
 */
import {
  CS_CONDITION,
  CS_EXCEPTION_TYPE,
  CS_FLUSH_MODE,
  CS_HEAP_OPERATION,
  CS_RESOURCE,
  CS_SCOREBOARDS,
  CS_STATE_SOURCE,
  CS_SYNC_SCOPE,
  type CsName,
  type CsOperands,
} from '../../abi/gpu/cs.ts';
import { IDVS_REGISTERS, pairOf } from '../../abi/gpu/cs-registers.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { HeapContext } from '../../abi/gpu/tiler-heap.ts';
import { GpuFault, type RunRequest, type Units, type Work } from '../contract.ts';
import { releaseChunks } from '../tiler-heap.ts';
import type { Endpoint } from './endpoint.ts';
import type { CommandStream } from './stream.ts';
import { syncFailed, syncReached, writeSync } from './sync.ts';

export type Execute<N extends CsName> = (stream: CommandStream, operands: CsOperands<N>) => boolean;

function invalid(message: string): never {
  throw new GpuFault(EXCEPTION.CS_INSTR_INVALID, 0, message);
}

// Registers.

function r({ registers }: CommandStream, index: number): number {
  if (index >= registers.length) invalid(`there is no register r${index}`);
  return index;
}

function d({ registers }: CommandStream, index: number): number {
  if (index % 2 !== 0 || index + 1 >= registers.length) invalid(`there is no register pair d${index}`);
  return index;
}

const get32 = (stream: CommandStream, index: number): number => stream.registers[r(stream, index)]!;
const getAddress = (stream: CommandStream, index: number): number => pairOf(stream.registers, d(stream, index));
/** 64 bits as they are: sequence numbers, which a client may set to anything. */
const getBig = (stream: CommandStream, index: number): bigint =>
  BigInt(stream.registers[d(stream, index)]!) + BigInt(stream.registers[index + 1]!) * 2n ** 32n;

function set64(stream: CommandStream, index: number, low: number, high: number): void {
  stream.registers[d(stream, index)] = low;
  stream.registers[index + 1] = high;
}

/** Signed comparison with zero. */
function holds(condition: number, value: number): boolean {
  switch (condition) {
    case CS_CONDITION.le:
      return value <= 0;
    case CS_CONDITION.gt:
      return value > 0;
    case CS_CONDITION.eq:
      return value === 0;
    case CS_CONDITION.ne:
      return value !== 0;
    case CS_CONDITION.lt:
      return value < 0;
    case CS_CONDITION.ge:
      return value >= 0;
    case CS_CONDITION.always:
      return true;
    default:
      return invalid(`there is no condition ${condition}`);
  }
}

// Waiting and deferring.

function scoreboardMask(mask: number): number {
  if (mask >= 1 << CS_SCOREBOARDS)
    invalid(`wait mask 0x${mask.toString(16)} names scoreboard entries that do not exist`);
  return mask;
}

function scoreboardEntry(entry: number): number {
  if (entry >= CS_SCOREBOARDS) invalid(`there is no scoreboard entry ${entry}`);
  return entry;
}

function waitScoreboard(stream: CommandStream, mask: number): boolean {
  if ((stream.scoreboard.busy & mask) === 0) return true;
  stream.blocked = { kind: 'scoreboard', mask };
  return false;
}

/** Room for one more outstanding operation. */
function room(stream: CommandStream): boolean {
  if (!stream.scoreboard.full) return true;
  stream.blocked = { kind: 'full' };
  return false;
}

/** Runs `run` now or when the mask has drained. The operands it uses must have been read before. */
function defer(stream: CommandStream, operands: { waitMask: number; signalSlot: number }, run: () => void): boolean {
  const mask = scoreboardMask(operands.waitMask);
  const slot = scoreboardEntry(operands.signalSlot);
  if (!room(stream)) return false;
  stream.scoreboard.defer(mask, slot, run);
  return true;
}

// Works.

/** `start` is one function per instruction, not one per work: it gets the stream's units and the request when it is due. */
function run<O>(
  stream: CommandStream,
  endpoint: Endpoint,
  name: CsName,
  operands: O & { progressIncrement: boolean },
  start: (units: Units, request: RunRequest<O>) => Work,
): boolean {
  // After a fault works are skipped until ERROR_BARRIER.
  if (stream.error !== 0) return true;
  if (!room(stream)) return false;
  const registers = stream.registers.slice();
  const request: RunRequest<O> = {
    memory: stream.host.memory,
    registers,
    operands,
    heapContext: stream.heapContext,
  };
  stream.traceRun(name, request);
  stream.endpoints.push({
    endpoint,
    name,
    address: stream.lastAddress,
    start,
    request,
    item: stream.scoreboard.begin(stream.endpointEntry),
    progressIncrement: operands.progressIncrement,
    tilerContext: pairOf(registers, IDVS_REGISTERS.tilerContext),
  });
  return true;
}

// Sync objects.

function syncWrite(wide: boolean, add: boolean) {
  return (stream: CommandStream, o: CsOperands<'SYNC_ADD64'>): boolean => {
    if (o.scope !== CS_SYNC_SCOPE.system && o.scope !== CS_SYNC_SCOPE.csg) invalid(`there is no sync scope ${o.scope}`);
    const address = getAddress(stream, o.address);
    const data = wide ? getBig(stream, o.data) : BigInt(get32(stream, o.data));
    return defer(stream, o, () => {
      const { host } = stream;
      writeSync(host.memory, address, wide, add, data, o.errorPropagate && stream.error !== 0);
      host.syncWritten(o.scope === CS_SYNC_SCOPE.system);
    });
  };
}

function syncWait(wide: boolean) {
  return (stream: CommandStream, o: CsOperands<'SYNC_WAIT64'>): boolean => {
    if (o.condition !== CS_CONDITION.le && o.condition !== CS_CONDITION.gt) {
      invalid(`condition ${o.condition} cannot be waited for`);
    }
    const wait = {
      address: getAddress(stream, o.address),
      wide,
      condition: o.condition,
      value: wide ? getBig(stream, o.data) : BigInt(get32(stream, o.data)),
    };
    const { memory } = stream.host;
    if (!syncReached(memory, wait)) {
      stream.blocked = { kind: 'sync', wait };
      return false;
    }
    if (!o.errorReject && syncFailed(memory, wait.address, wide)) {
      stream.raise(EXCEPTION.CS_INHERIT_FAULT, wait.address);
    }
    return true;
  };
}

function isFlushMode(mode: number): boolean {
  return mode === CS_FLUSH_MODE.none || mode === CS_FLUSH_MODE.clean || mode === CS_FLUSH_MODE.clean_invalidate;
}

type Starts = Omit<Units, 'tracer'>;
const START: { readonly [U in keyof Starts]: (units: Units, request: Parameters<Starts[U]>[0]) => Work } = {
  compute: (units, request) => units.compute(request),
  computeIndirect: (units, request) => units.computeIndirect(request),
  idvs: (units, request) => units.idvs(request),
  tiling: (units, request) => units.tiling(request),
  fullscreen: (units, request) => units.fullscreen(request),
  finishTiling: (units, request) => units.finishTiling(request),
  fragment: (units, request) => units.fragment(request),
};

const TABLE: { [N in CsName]: Execute<N> } = {
  NOP: () => true,

  MOVE(stream, o) {
    set64(stream, o.destination, o.immediate % 2 ** 32, Math.floor(o.immediate / 2 ** 32));
    return true;
  },

  MOVE32(stream, o) {
    stream.registers[r(stream, o.destination)] = o.immediate;
    return true;
  },

  ADD_IMMEDIATE32(stream, o) {
    stream.registers[r(stream, o.destination)] = get32(stream, o.source) + o.immediate;
    return true;
  },

  ADD_IMMEDIATE64(stream, o) {
    // Both halves wrap as 64-bit arithmetic does: the registers keep 32 bits of each.
    const low = stream.registers[d(stream, o.source)]! + o.immediate;
    const carry = Math.floor(low / 2 ** 32);
    set64(stream, o.destination, low, stream.registers[o.source + 1]! + carry);
    return true;
  },

  UMIN32(stream, o) {
    stream.registers[r(stream, o.destination)] = Math.min(get32(stream, o.source1), get32(stream, o.source2));
    return true;
  },

  LOAD_MULTIPLE(stream, o) {
    const { memory } = stream.host;
    let address = getAddress(stream, o.address) + o.offset;
    for (let i = 0, mask = o.mask; mask !== 0; i++, mask >>= 1) {
      if ((mask & 1) === 0) continue;
      stream.registers[r(stream, o.baseRegister + i)] = memory.load32(address);
      address += 4;
    }
    return true;
  },

  STORE_MULTIPLE(stream, o) {
    const { memory } = stream.host;
    let address = getAddress(stream, o.address) + o.offset;
    for (let i = 0, mask = o.mask; mask !== 0; i++, mask >>= 1) {
      if ((mask & 1) === 0) continue;
      memory.store32(address, stream.registers[r(stream, o.baseRegister + i)]!);
      address += 4;
    }
    return true;
  },

  BRANCH(stream, o) {
    const value = o.condition === CS_CONDITION.always ? 0 : get32(stream, o.value);
    if (holds(o.condition, value | 0)) stream.branch(o.offset);
    return true;
  },

  CALL(stream, o) {
    stream.call(getAddress(stream, o.address), get32(stream, o.length));
    return true;
  },

  JUMP(stream, o) {
    stream.jump(getAddress(stream, o.address), get32(stream, o.length));
    return true;
  },

  WAIT(stream, o) {
    if (!waitScoreboard(stream, scoreboardMask(o.waitMask))) return false;
    if (o.progressIncrement) stream.addProgress();
    return true;
  },

  SET_SB_ENTRY(stream, o) {
    stream.endpointEntry = scoreboardEntry(o.endpointEntry);
    stream.otherEntry = scoreboardEntry(o.otherEntry);
    return true;
  },

  REQ_RESOURCE(stream, o) {
    stream.resources =
      (o.compute ? CS_RESOURCE.compute : 0) |
      (o.fragment ? CS_RESOURCE.fragment : 0) |
      (o.tiler ? CS_RESOURCE.tiler : 0) |
      (o.idvs ? CS_RESOURCE.idvs : 0);
    return true;
  },

  RUN_COMPUTE: (stream, o) => run(stream, 'compute', 'RUN_COMPUTE', o, START.compute),
  RUN_COMPUTE_INDIRECT: (stream, o) => run(stream, 'compute', 'RUN_COMPUTE_INDIRECT', o, START.computeIndirect),
  RUN_IDVS: (stream, o) => run(stream, 'tiler', 'RUN_IDVS', o, START.idvs),
  RUN_TILING: (stream, o) => run(stream, 'tiler', 'RUN_TILING', o, START.tiling),
  RUN_FULLSCREEN: (stream, o) => run(stream, 'tiler', 'RUN_FULLSCREEN', o, START.fullscreen),
  FINISH_TILING: (stream, o) => run(stream, 'tiler', 'FINISH_TILING', o, START.finishTiling),
  RUN_FRAGMENT: (stream, o) => run(stream, 'fragment', 'RUN_FRAGMENT', o, START.fragment),

  FINISH_FRAGMENT(stream, o) {
    const first = getAddress(stream, o.firstHeapChunk);
    const last = getAddress(stream, o.lastHeapChunk);
    const context = stream.heapContext;
    return defer(stream, o, () => {
      const { memory } = stream.host;
      releaseChunks(memory, context, first, last);
      if (o.incrementFragmentCompleted) count(stream, context, HeapContext.offset.fragEnd);
      stream.host.heapReleased(context);
    });
  },

  HEAP_SET(stream, o) {
    stream.heapContext = getAddress(stream, o.address);
    tellHandler(stream);
    return true;
  },

  HEAP_OPERATION(stream, o) {
    const counter = HEAP_COUNTERS[o.operation];
    if (counter === undefined) invalid(`there is no heap operation ${o.operation}`);
    const context = stream.heapContext;
    return defer(stream, o, () => {
      count(stream, context, counter);
      if (o.operation === CS_HEAP_OPERATION.frag_end) stream.host.heapReleased(context);
    });
  },

  SET_EXCEPTION_HANDLER(stream, o) {
    if (o.exceptionType !== CS_EXCEPTION_TYPE.tiler_oom) invalid(`there is no exception type ${o.exceptionType}`);
    const address = getAddress(stream, o.address);
    const length = get32(stream, o.length);
    stream.checkTarget(address, length);
    // An address of zero takes the handler away.
    stream.handlerAddress = address;
    stream.handlerLength = address === 0 ? 0 : length;
    tellHandler(stream);
    return true;
  },

  FLUSH_CACHE2(stream, o) {
    if (!isFlushMode(o.l2FlushMode) || !isFlushMode(o.lscFlushMode)) {
      invalid(`there is no flush mode ${o.l2FlushMode} or ${o.lscFlushMode}`);
    }
    const latest = get32(stream, o.latestFlushId);
    return defer(stream, o, () => stream.host.flushCaches(latest));
  },

  SYNC_ADD32: syncWrite(false, true),
  SYNC_SET32: syncWrite(false, false),
  SYNC_WAIT32: syncWait(false),
  SYNC_ADD64: syncWrite(true, true),
  SYNC_SET64: syncWrite(true, false),
  SYNC_WAIT64: syncWait(true),

  STORE_STATE(stream, o) {
    const address = getAddress(stream, o.address) + o.offset;
    return defer(stream, o, () => stream.host.memory.store64(address, stateOf(stream, o.state)));
  },

  PROGRESS_STORE(stream, o) {
    stream.progress = getAddress(stream, o.source);
    stream.host.progressed();
    return true;
  },

  PROGRESS_LOAD(stream, o) {
    set64(stream, o.destination, stream.progress % 2 ** 32, Math.floor(stream.progress / 2 ** 32));
    return true;
  },

  PROGRESS_WAIT(stream, o) {
    const reached = stream.host.progressOf(o.queue);
    if (reached === undefined) invalid(`there is no stream ${o.queue} whose progress could be waited for`);
    if (reached >= getAddress(stream, o.source)) return true;
    stream.blocked = { kind: 'progress' };
    return false;
  },

  ERROR_BARRIER(stream) {
    stream.error = 0;
    return true;
  },

  PROT_REGION: (_, o) => o.size === 0 || invalid('protected mode is not modelled'),

  TRACE_POINT(stream, o) {
    // Without instrumentation, which this GPU does not offer, only the scoreboard is served.
    return defer(stream, o, () => {});
  },
};

const HEAP_COUNTERS: Record<number, number> = {
  [CS_HEAP_OPERATION.vt_start]: HeapContext.offset.vtStart,
  [CS_HEAP_OPERATION.vt_end]: HeapContext.offset.vtEnd,
  [CS_HEAP_OPERATION.frag_end]: HeapContext.offset.fragEnd,
};

function count(stream: CommandStream, context: number, offset: number): void {
  const { memory } = stream.host;
  memory.store32(context + offset, memory.load32(context + offset) + 1);
}

/** The stream may have a handler for a heap now that another one has run short of. */
function tellHandler(stream: CommandStream): void {
  if (stream.handlerLength === 0) return;
  for (const { shortage } of stream.host.heapStreams(stream.heapContext)) shortage.handlerSet();
}

function stateOf(stream: CommandStream, state: number): number {
  switch (state) {
    case CS_STATE_SOURCE.timestamp:
      return stream.host.timestamp();
    case CS_STATE_SOURCE.cycle_count:
      return stream.host.cycleCount();
    case CS_STATE_SOURCE.disjoint_count:
      // The counters never stop.
      return 0;
    default:
      return stream.error;
  }
}

/** What an instruction of this name does, to be called with its decoded operands. False: it must be run again later. */
export const executorOf = (name: CsName): Execute<any> => TABLE[name];
