/**
 * The command-stream instruction set of architecture 10.
 *
 * An instruction is one 64-bit word with its opcode in the top byte. It names work registers: `r4` is one 32-bit register,
 * `d4` the pair r4 (low half) and r5. Every instruction is one entry of `CS`; decoder, encoder and printer follow from it.
 *
 * Instructions with `waitMask` and `signalSlot` are deferred: the stream goes on at once, the operation happens when the
 * scoreboard entries of the mask have drained, and until then the signal slot counts it. With an empty mask they happen
 * in place and the slot means nothing, but for FLUSH_CACHE2, which is always asynchronous.
 * Source: Mesa 25.0 `src/panfrost/lib/genxml/v10.xml` (CS *), `cs_builder.h`, `decode_csf.c`.
 */
import type { Field, Infer, Layout } from '../layout.ts';
import { bool, layout, shifted, sint, uint } from '../layout.ts';

/** Bytes of an instruction. */
export const CS_INSTRUCTION_SIZE = 8;
export const CS_REGISTERS = 96;
export const CS_SCOREBOARDS = 8;
/** Frames of CALL beneath the active one. */
export const CS_CALL_DEPTH = 8;

export const CS_CONDITION = { le: 0, gt: 1, eq: 2, ne: 3, lt: 4, ge: 5, always: 6 } as const;
export const CS_STATE_SOURCE = { timestamp: 0, cycle_count: 1, disjoint_count: 2, error_status: 3 } as const;
export const CS_HEAP_OPERATION = { vt_start: 0, vt_end: 1, frag_end: 3 } as const;
export const CS_FLUSH_MODE = { none: 0, clean: 1, clean_invalidate: 3 } as const;
export const CS_SYNC_SCOPE = { system: 0, csg: 2 } as const;
export const CS_EXCEPTION_TYPE = { tiler_oom: 2 } as const;
/** REQ_RESOURCE's mask, as the firmware's status shows it. */
export const CS_RESOURCE = { compute: 1, fragment: 2, tiler: 4, idvs: 8 } as const;
export const CS_TASK_AXIS = { x: 0, y: 1, z: 2 } as const;
export const CS_TILE_ORDER = {
  z_order: 0,
  horizontal: 1,
  vertical: 2,
  reverse_horizontal: 5,
  reverse_vertical: 6,
} as const;

/** A field of an instruction and how the printer shows its value. */
export interface CsField<T> extends Field<T> {
  text(value: T): string;
}

type CsFields = Record<string, CsField<any>>;

/** One instruction of the set. */
export interface CsInstructionType<F extends CsFields> extends Layout<F> {
  readonly opcode: number;
  /** What the printer writes; `{field}` stands for a field, `{.flag}` for `.flag` if it is set. */
  readonly template: string;
}

const show = <T>(field: Field<T>, text: (value: T) => string): CsField<T> => ({ ...field, text });

/** A 32-bit work register. */
const r = (bit: number): CsField<number> => show(uint(bit, 8), (value) => `r${value}`);
/** A pair of work registers. */
const d = (bit: number): CsField<number> => show(uint(bit, 8), (value) => `d${value}`);
const decimal = (bit: number, width: number): CsField<number> => show(uint(bit, width), (value) => `#${value}`);
const signed = (bit: number, width: number): CsField<number> => show(sint(bit, width), (value) => `#${value}`);
const hex = (bit: number, width: number): CsField<number> =>
  show(uint(bit, width), (value) => `#0x${value.toString(16)}`);
const flag = (bit: number): CsField<boolean> => show(bool(bit), (value) => (value ? '1' : '0'));
const pick = (bit: number, width: number, names: Record<string, number>): CsField<number> =>
  show(
    uint(bit, width),
    (value) => Object.entries(names).find(([, other]) => other === value)?.[0] ?? `invalid${value}`,
  );

const op = <F extends CsFields>(opcode: number, template: string, fields: F): CsInstructionType<F> => ({
  ...layout('CS', CS_INSTRUCTION_SIZE, fields, CS_INSTRUCTION_SIZE),
  opcode,
  template,
});

/** The opcode byte of any instruction. */
export const CsBase = layout('CsBase', CS_INSTRUCTION_SIZE, { data: uint(0, 53), opcode: uint(56, 8) });

/** What deferred operations wait for, and the scoreboard entry that counts them. */
const deferred = { waitMask: hex(16, 16), signalSlot: decimal(48, 4) };
const DEFERRED = '{waitMask}, {signalSlot}';
/** Which of the four pointers of each kind (RUN_COMPUTE_REGISTERS) a shader uses. */
const selects = {
  srtSelect: decimal(40, 2),
  spdSelect: decimal(42, 2),
  tsdSelect: decimal(44, 2),
  fauSelect: decimal(46, 2),
};
const SELECTS = 'srt{srtSelect}.spd{spdSelect}.tsd{tsdSelect}.fau{fauSelect}';
const progressIncrement = flag(32);
const branchTarget = { length: r(32), address: d(40) };
const syncWrite = { errorPropagate: flag(0), scope: pick(1, 2, CS_SYNC_SCOPE), address: d(40) };
const syncWait = { errorReject: flag(0), condition: pick(28, 4, CS_CONDITION), address: d(40) };

/** The instruction set, by name. */
export const CS = {
  NOP: op(0, 'NOP', {}),
  /** 64-bit register pair = 48-bit immediate. */
  MOVE: op(1, 'MOVE {destination}, {immediate}', { immediate: hex(0, 48), destination: d(48) }),
  MOVE32: op(2, 'MOVE32 {destination}, {immediate}', { immediate: hex(0, 32), destination: r(48) }),
  /** Waits until all scoreboard entries of the mask are empty. */
  WAIT: op(3, 'WAIT{.progressIncrement} {waitMask}', { waitMask: hex(16, 8), progressIncrement }),
  RUN_COMPUTE: op(4, `RUN_COMPUTE{.progressIncrement}.{taskAxis}.${SELECTS} {taskIncrement}`, {
    taskIncrement: decimal(0, 14),
    taskAxis: pick(14, 2, CS_TASK_AXIS),
    progressIncrement,
    ...selects,
  }),
  RUN_TILING: op(5, `RUN_TILING{.progressIncrement}.${SELECTS} {flagsOverride}`, {
    flagsOverride: hex(0, 32),
    progressIncrement,
    ...selects,
  }),
  /** A draw. `drawId` names a register, used if `drawIdRegisterEnable`. */
  RUN_IDVS: op(
    6,
    'RUN_IDVS{.progressIncrement}{.mallocEnable}{.drawIdRegisterEnable}{.varyingSrtSelect}{.varyingFauSelect}' +
      '{.varyingTsdSelect}{.fragmentSrtSelect}{.fragmentTsdSelect} {drawId}, {flagsOverride}',
    {
      flagsOverride: hex(0, 32),
      progressIncrement,
      mallocEnable: flag(33),
      drawIdRegisterEnable: flag(34),
      varyingSrtSelect: flag(35),
      varyingFauSelect: flag(36),
      varyingTsdSelect: flag(37),
      fragmentSrtSelect: flag(38),
      fragmentTsdSelect: flag(39),
      drawId: r(40),
    },
  ),
  RUN_FRAGMENT: op(7, 'RUN_FRAGMENT{.progressIncrement}{.enableTem}.{tileOrder}', {
    enableTem: flag(0),
    tileOrder: pick(4, 4, CS_TILE_ORDER),
    progressIncrement,
  }),
  /** `dcd` names the pair with the address of a Draw descriptor. */
  RUN_FULLSCREEN: op(8, 'RUN_FULLSCREEN{.progressIncrement} {dcd}, {flagsOverride}', {
    flagsOverride: hex(0, 32),
    progressIncrement,
    dcd: d(40),
  }),
  FINISH_TILING: op(9, 'FINISH_TILING{.progressIncrement}', { progressIncrement }),
  /** Gives the tiler heap's chunks from first to last back. */
  FINISH_FRAGMENT: op(
    11,
    `FINISH_FRAGMENT{.incrementFragmentCompleted} {firstHeapChunk}, {lastHeapChunk}, ${DEFERRED}`,
    { incrementFragmentCompleted: flag(0), lastHeapChunk: d(32), firstHeapChunk: d(40), ...deferred },
  ),
  ADD_IMMEDIATE32: op(16, 'ADD_IMMEDIATE32 {destination}, {source}, {immediate}', {
    immediate: signed(0, 32),
    source: r(40),
    destination: r(48),
  }),
  ADD_IMMEDIATE64: op(17, 'ADD_IMMEDIATE64 {destination}, {source}, {immediate}', {
    immediate: signed(0, 32),
    source: d(40),
    destination: d(48),
  }),
  UMIN32: op(18, 'UMIN32 {destination}, {source1}, {source2}', { source1: r(32), source2: r(40), destination: r(48) }),
  /**
   * Loads the registers base + i of the mask's set bits i from words that follow each other, whatever gaps the mask has. Mesa counts on
   * it in PanVK's indirect draws, which leave the index offset out, in its tiler descriptors, and where an exception handler saves
   * registers (cs_builder.h adds the number of set bits to the offset). Its trace interpreter (decode_csf.c) leaves gaps in memory instead.
   */
  LOAD_MULTIPLE: op(20, 'LOAD_MULTIPLE {baseRegister}, {mask}, [{address} + {offset}]', {
    offset: signed(0, 16),
    mask: hex(16, 16),
    address: d(40),
    baseRegister: r(48),
  }),
  STORE_MULTIPLE: op(21, 'STORE_MULTIPLE [{address} + {offset}], {baseRegister}, {mask}', {
    offset: signed(0, 16),
    mask: hex(16, 16),
    address: d(40),
    baseRegister: r(48),
  }),
  /** Compares a register as a signed number with zero; the offset counts instructions from the next one. */
  BRANCH: op(22, 'BRANCH.{condition} {value}, {offset}', {
    offset: signed(0, 16),
    condition: pick(28, 3, CS_CONDITION),
    value: r(40),
  }),
  /** Which scoreboard entries count the work of endpoints (RUN_*), and loads, stores and the like. */
  SET_SB_ENTRY: op(23, 'SET_SB_ENTRY {endpointEntry}, {otherEntry}', {
    endpointEntry: decimal(0, 4),
    otherEntry: decimal(4, 4),
  }),
  PROGRESS_WAIT: op(24, 'PROGRESS_WAIT {source}, {queue}', { queue: decimal(0, 5), source: d(40) }),
  SET_EXCEPTION_HANDLER: op(25, 'SET_EXCEPTION_HANDLER.{exceptionType} {address}, {length}', {
    exceptionType: pick(0, 8, CS_EXCEPTION_TYPE),
    ...branchTarget,
  }),
  /** `length` in bytes. The callee returns behind its last instruction. */
  CALL: op(32, 'CALL {address}, {length}', branchTarget),
  JUMP: op(33, 'JUMP {address}, {length}', branchTarget),
  REQ_RESOURCE: op(34, 'REQ_RESOURCE{.compute}{.fragment}{.tiler}{.idvs}', {
    compute: flag(0),
    fragment: flag(1),
    tiler: flag(2),
    idvs: flag(3),
  }),
  /** `latestFlushId` names a register: the flush is skipped if one has happened since that id was read; 0 never skips. */
  FLUSH_CACHE2: op(
    36,
    `FLUSH_CACHE2.{l2FlushMode}_l2.{lscFlushMode}_lsc{.otherInvalidate} {latestFlushId}, ${DEFERRED}`,
    {
      l2FlushMode: pick(0, 4, CS_FLUSH_MODE),
      lscFlushMode: pick(4, 4, CS_FLUSH_MODE),
      otherInvalidate: flag(9),
      latestFlushId: r(40),
      ...deferred,
    },
  ),
  /** The 32-bit object's error status lies at address + 4. */
  SYNC_ADD32: op(37, `SYNC_ADD32{.errorPropagate}.{scope} [{address}], {data}, ${DEFERRED}`, {
    ...syncWrite,
    data: r(32),
    ...deferred,
  }),
  SYNC_SET32: op(38, `SYNC_SET32{.errorPropagate}.{scope} [{address}], {data}, ${DEFERRED}`, {
    ...syncWrite,
    data: r(32),
    ...deferred,
  }),
  /** Goes on when value `condition` data; le and gt are legal. Inherits the object's error unless it rejects it. */
  SYNC_WAIT32: op(39, 'SYNC_WAIT32.{condition}{.errorReject} [{address}], {data}', { ...syncWait, data: r(32) }),
  STORE_STATE: op(40, `STORE_STATE.{state} [{address} + {offset}], ${DEFERRED}`, {
    offset: signed(0, 16),
    state: pick(32, 2, CS_STATE_SOURCE),
    address: d(40),
    ...deferred,
  }),
  PROT_REGION: op(41, 'PROT_REGION {size}', { size: show(shifted(0, 16, 3), (value) => `#${value}`) }),
  PROGRESS_STORE: op(42, 'PROGRESS_STORE {source}', { source: d(40) }),
  PROGRESS_LOAD: op(43, 'PROGRESS_LOAD {destination}', { destination: d(48) }),
  RUN_COMPUTE_INDIRECT: op(44, `RUN_COMPUTE_INDIRECT{.progressIncrement}.${SELECTS} {workgroupsPerTask}`, {
    workgroupsPerTask: decimal(0, 16),
    progressIncrement,
    ...selects,
  }),
  /** Ends the reach of a fault: what follows runs again. */
  ERROR_BARRIER: op(47, 'ERROR_BARRIER', {}),
  HEAP_SET: op(48, 'HEAP_SET {address}', { address: d(40) }),
  HEAP_OPERATION: op(49, `HEAP_OPERATION.{operation} ${DEFERRED}`, {
    operation: pick(32, 2, CS_HEAP_OPERATION),
    ...deferred,
  }),
  TRACE_POINT: op(50, `TRACE_POINT {baseRegister}, {registerCount}, ${DEFERRED}`, {
    baseRegister: r(32),
    registerCount: decimal(40, 8),
    ...deferred,
  }),
  /** The 64-bit object's error status lies at address + 8. */
  SYNC_ADD64: op(51, `SYNC_ADD64{.errorPropagate}.{scope} [{address}], {data}, ${DEFERRED}`, {
    ...syncWrite,
    data: d(32),
    ...deferred,
  }),
  SYNC_SET64: op(52, `SYNC_SET64{.errorPropagate}.{scope} [{address}], {data}, ${DEFERRED}`, {
    ...syncWrite,
    data: d(32),
    ...deferred,
  }),
  SYNC_WAIT64: op(53, 'SYNC_WAIT64.{condition}{.errorReject} [{address}], {data}', { ...syncWait, data: d(32) }),
} as const;

/**
 * MOVE and MOVE32 as their upper words show them, for who runs them undecoded: where opcode and destination begin, the
 * destination's mask, and the mask of MOVE's upper 16 bits of immediate. The lower word is immediate alone.
 */
export const CS_MOVE = {
  opcodeShift: CsBase.fields.opcode.bit - 32,
  destinationShift: CS.MOVE.fields.destination.bit - 32,
  destinationMask: 2 ** CS.MOVE.fields.destination.width - 1,
  immediateMask: 2 ** (CS.MOVE.fields.immediate.width - 32) - 1,
} as const;

export type CsName = keyof typeof CS;
/** The decoded operands of an instruction. */
export type CsOperands<N extends CsName> = Infer<(typeof CS)[N]>;
/** A decoded instruction: its name and its operands. */
export type CsInstruction = { [N in CsName]: { readonly name: N; readonly operands: CsOperands<N> } }[CsName];

const byOpcode: (CsName | undefined)[] = [];
for (const [name, type] of Object.entries(CS)) byOpcode[type.opcode] = name as CsName;

/** The name of the instruction with this opcode byte, if there is one. */
export const csName = (opcode: number): CsName | undefined => byOpcode[opcode];

/** The instruction at byte `at`, or undefined if its opcode is none. */
export function decodeCs(view: DataView, at: number): CsInstruction | undefined {
  const name = byOpcode[CsBase.fields.opcode.read(view, at)];
  return name && ({ name, operands: CS[name].read(view, at) } as CsInstruction);
}

/** Writes one instruction of 8 bytes at byte `at`; operands that are not given are zero. */
export function encodeCs<N extends CsName>(
  view: DataView,
  at: number,
  name: N,
  operands: Partial<CsOperands<N>> = {},
): void {
  view.setBigUint64(at, 0n, true);
  (CS[name] as Layout<any>).write(view, at, operands);
  CsBase.fields.opcode.write(view, at, CS[name].opcode);
}

/** One line of a program for `assembleCs`. */
export type CsLine = { [N in CsName]: readonly [name: N, operands?: Partial<CsOperands<N>>] }[CsName];

/** The bytes of a program. */
export function assembleCs(program: readonly CsLine[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(program.length * CS_INSTRUCTION_SIZE);
  const view = new DataView(out.buffer);
  program.forEach(([name, operands], i) => {
    encodeCs(view, i * CS_INSTRUCTION_SIZE, name, operands as Partial<CsOperands<typeof name>>);
  });
  return out;
}

/** The instruction as one line of text. */
export function printCs(view: DataView, at: number): string {
  const instruction = decodeCs(view, at);
  if (!instruction) {
    return `UNKNOWN_${CsBase.fields.opcode.read(view, at)} 0x${view.getBigUint64(at, true).toString(16).padStart(16, '0')}`;
  }
  const { name } = instruction;
  const operands = instruction.operands as Record<string, any>;
  const fields = CS[name].fields as CsFields;
  return CS[name].template.replace(/\{(\.?)(\w+)\}/g, (_, dot: string, key: string) => {
    if (dot) return operands[key] ? `.${key}` : '';
    return fields[key]!.text(operands[key]);
  });
}

/** What command streams of an architecture are made of, for whoever runs or prints them. */
export interface CommandSet {
  readonly registers: number;
  readonly scoreboards: number;
  /** Frames of CALL beneath the active one. */
  readonly callDepth: number;
  /** The instruction at byte `at`, undefined if it is none. */
  decode(view: DataView, at: number): CsInstruction | undefined;
  /** The same as one line of text, whatever is there. */
  print(view: DataView, at: number): string;
}

export const CS_10: CommandSet = {
  registers: CS_REGISTERS,
  scoreboards: CS_SCOREBOARDS,
  callDepth: CS_CALL_DEPTH,
  decode: decodeCs,
  print: printCs,
};
