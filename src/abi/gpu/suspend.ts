/**
 * The suspend buffer of a group: what a group slot keeps while the group is off the GPU.
 *
 * Silicon documents only its size; this layout is the model's own.
 */
import { address, array, struct, u32 } from '../layout.ts';
import { CS_CALL_DEPTH, CS_REGISTERS } from './cs.ts';

export const SUSPEND_MAGIC = 0x50535554;
/** Frames of calls, one of them for an exception handler. */
export const SUSPEND_FRAMES = CS_CALL_DEPTH + 1;

export const SuspendHeader = struct('SuspendHeader', {
  magic: u32(),
  /** One bit a stream that was started. */
  streams: u32(),
  /** Differs with every suspend, so that works in flight are found again by those that left them. */
  generation: u32(),
  reserved: array(u32(), 13),
});

export const SuspendStream = struct('SuspendStream', {
  /** Execution state: STREAM_STATE. */
  state: u32(),
  depth: u32(),
  /** Position in the ring buffer, bytes. */
  ringPosition: address(0),
  /** Of the innermost call. */
  pc: address(0),
  end: address(0),
  endpointEntry: u32(),
  otherEntry: u32(),
  heapContext: address(0),
  handlerAddress: address(0),
  handlerLength: u32(),
  handlerDepth: u32(),
  error: u32(),
  resources: u32(),
  /** Scoreboard entries with operations in flight. */
  scoreboards: u32(),
  progress: address(0),
  registers: array(u32(), CS_REGISTERS),
  returnPc: array(address(0), SUSPEND_FRAMES),
  returnEnd: array(address(0), SUSPEND_FRAMES),
});

/** Bytes that a group of `streams` streams needs. */
export const suspendSize = (streams: number): number =>
  Math.ceil((SuspendHeader.size + streams * SuspendStream.size) / 4096) * 4096;

/** From the start of the buffer to a stream's record. */
export const suspendOffset = (stream: number): number => SuspendHeader.size + stream * SuspendStream.size;
