/**
 * How a stream goes into a suspend buffer and comes out of it.
 *
 * All that a client can see (registers, positions, calls, entries) goes to memory. What endpoints have in flight stays
 * with the endpoints, as it does on silicon; the caller keeps it until the group comes back.
 */
import { CS_INSTRUCTION_SIZE, CS_SCOREBOARDS } from '../../abi/gpu/cs.ts';
import { SUSPEND_FRAMES, type SuspendStream } from '../../abi/gpu/suspend.ts';
import type { Infer } from '../../abi/layout.ts';
import { type CommandStream, STREAM_STATE } from './stream.ts';

export type SuspendedStream = Infer<typeof SuspendStream>;

export function saveStream(stream: CommandStream): SuspendedStream {
  const pad = (values: readonly number[]): number[] =>
    Array.from({ length: SUSPEND_FRAMES }, (_, i) => (i < stream.depth ? values[i]! : 0));
  return {
    state: stream.state,
    depth: stream.depth,
    ringPosition: stream.ringPosition,
    pc: stream.pc,
    end: stream.end,
    endpointEntry: stream.endpointEntry,
    otherEntry: stream.otherEntry,
    heapContext: stream.heapContext,
    handlerAddress: stream.handlerAddress,
    handlerLength: stream.handlerLength,
    handlerDepth: stream.handlerDepth,
    error: stream.error,
    resources: stream.resources,
    scoreboards: stream.scoreboard.busy,
    progress: stream.progress,
    registers: [...stream.registers],
    returnPc: pad(stream.returnPc),
    returnEnd: pad(stream.returnEnd),
  };
}

/** Takes a saved state over. False, and no change, if it is none that `saveStream` could have written. */
export function restoreStream(stream: CommandStream, saved: SuspendedStream): boolean {
  const position = (value: number): boolean => Number.isSafeInteger(value) && value % CS_INSTRUCTION_SIZE === 0;
  const valid =
    (Object.values(STREAM_STATE) as number[]).includes(saved.state) &&
    saved.depth <= SUSPEND_FRAMES &&
    saved.handlerDepth <= saved.depth &&
    saved.endpointEntry < CS_SCOREBOARDS &&
    saved.otherEntry < CS_SCOREBOARDS &&
    [saved.ringPosition, saved.pc, saved.end, ...saved.returnPc, ...saved.returnEnd].every(position) &&
    [saved.progress, saved.heapContext, saved.handlerAddress].every(Number.isSafeInteger);
  if (!valid) return false;
  stream.state = saved.state;
  stream.depth = saved.depth;
  stream.ringPosition = saved.ringPosition;
  stream.pc = saved.pc;
  stream.end = saved.end;
  stream.endpointEntry = saved.endpointEntry;
  stream.otherEntry = saved.otherEntry;
  stream.heapContext = saved.heapContext;
  stream.handlerAddress = saved.handlerAddress;
  stream.handlerLength = saved.handlerLength;
  stream.handlerDepth = saved.handlerDepth;
  stream.error = saved.error;
  stream.resources = saved.resources;
  stream.progress = saved.progress;
  stream.registers.set(saved.registers);
  for (let i = 0; i < saved.depth; i++) {
    stream.returnPc[i] = saved.returnPc[i]!;
    stream.returnEnd[i] = saved.returnEnd[i]!;
  }
  stream.blocked = undefined;
  return true;
}
