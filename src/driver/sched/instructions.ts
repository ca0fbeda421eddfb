/**
 * What the driver puts into a ring buffer for a job: flush the caches that a new stream needs flushed, call the client's
 * stream, and when all of it has ended, count the job's completion in memory and raise an interrupt. A job that is measured also notes
 * the GPU's cycles or time before and behind the call.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c` (prepare_job_instrs).
 */
import {
  CS,
  CS_FLUSH_MODE,
  CS_INSTRUCTION_SIZE,
  CS_STATE_SOURCE,
  CS_SYNC_SCOPE,
  type CsLine,
  encodeCs,
} from '../../abi/gpu/cs.ts';
import { FW_UNPRESERVED_REGS } from '../../abi/gpu/firmware.ts';
import { JobTimes, PROFILING } from '../../abi/panthor.ts';

export interface JobCall {
  /** Work registers of a stream; the driver's are the last of them. */
  readonly registers: number;
  readonly scoreboards: number;
  /** Address of the client's stream, and its size in bytes. */
  readonly start: number;
  readonly size: number;
  /** LATEST_FLUSH_ID when the stream was built; 0 flushes always. */
  readonly latestFlush: number;
  /** Address of the queue's Syncobj64. */
  readonly syncobj: number;
  /** PROFILING bits: what is measured. */
  readonly profiling: number;
  /** Address of the job's JobTimes. */
  readonly times: number;
}

/** What differs from job to job of a queue. */
export type JobOfQueue = Pick<JobCall, 'start' | 'size' | 'latestFlush' | 'profiling'>;

/** Instructions come in whole cache lines, for the prefetcher. */
const LINE = 64 / CS_INSTRUCTION_SIZE;
const FLUSH_SLOT = 0;

export function jobInstructions(call: JobCall): readonly CsLine[] {
  const address = call.registers - FW_UNPRESERVED_REGS;
  const value = address + 2;
  const clean = CS_FLUSH_MODE.clean_invalidate;
  const sample = (moment: 'Before' | 'After'): CsLine[] => {
    const store = (register: number, state: number, field: keyof typeof JobTimes.offset): CsLine[] => [
      ['MOVE', { destination: register, immediate: call.times + JobTimes.offset[field]! }],
      ['STORE_STATE', { address: register, state, waitMask: 0, signalSlot: FLUSH_SLOT }],
    ];
    return [
      ...(call.profiling & PROFILING.CYCLES ? store(address, CS_STATE_SOURCE.cycle_count, `cycles${moment}`) : []),
      ...(call.profiling & PROFILING.TIMESTAMP ? store(value, CS_STATE_SOURCE.timestamp, `time${moment}`) : []),
    ];
  };
  return [
    ['MOVE32', { destination: value, immediate: call.latestFlush }],
    [
      'FLUSH_CACHE2',
      {
        l2FlushMode: clean,
        lscFlushMode: clean,
        otherInvalidate: true,
        latestFlushId: value,
        waitMask: 0,
        signalSlot: FLUSH_SLOT,
      },
    ],
    ...sample('Before'),
    ['MOVE', { destination: address, immediate: call.start }],
    ['MOVE32', { destination: value, immediate: call.size }],
    ['WAIT', { waitMask: 2 ** FLUSH_SLOT }],
    ['CALL', { address, length: value }],
    ...sample('After'),
    ['MOVE', { destination: address, immediate: call.syncobj }],
    ['MOVE', { destination: value, immediate: 1 }],
    ['WAIT', { waitMask: 2 ** call.scoreboards - 1 }],
    ['SYNC_ADD64', { errorPropagate: true, scope: CS_SYNC_SCOPE.system, address, data: value }],
    // A fault of this job ends here; the next one runs.
    ['ERROR_BARRIER'],
  ];
}

/** Instructions of a job that is not measured, before it is filled up to whole lines with NOPs. */
const PLAIN = 11;
/** Instructions that measure one thing before and after. */
const SAMPLES = 4;

/** Instructions that a job takes in the ring, all lines filled up. */
export function jobCredits(profiling: number): number {
  const measured = (profiling & PROFILING.CYCLES ? SAMPLES : 0) + (profiling & PROFILING.TIMESTAMP ? SAMPLES : 0);
  return Math.ceil((PLAIN + measured) / LINE) * LINE;
}

/** Bytes of the shortest job: no two jobs in a ring begin nearer to each other. */
const SHORTEST = jobCredits(0) * CS_INSTRUCTION_SIZE;
const LONGEST = jobCredits(PROFILING.ALL) * CS_INSTRUCTION_SIZE;

/** Bytes of the JobTimes of all jobs that a ring of so many bytes can hold. */
export const timesSize = (ringSize: number): number => Math.ceil(ringSize / SHORTEST) * JobTimes.size;
/** Where among them those of the job lie that begins at a position of the ring. */
export const timesAt = (position: number, ringSize: number): number =>
  Math.floor((position % ringSize) / SHORTEST) * JobTimes.size;

/** What differs in a job that is not measured: constants of these instructions. */
const WORD = CS.MOVE32.fields.immediate;
const ADDRESS = CS.MOVE.fields.immediate;
const LATEST_FLUSH = 0;
const START = 2;
const SIZE = 3;

/** Writes the jobs of one queue. Those that are not measured are all alike but for three constants. */
export class JobWriter {
  readonly #bytes: Uint8Array;
  readonly #size: number;
  readonly #queue: Pick<JobCall, 'registers' | 'scoreboards' | 'syncobj' | 'times'>;
  readonly #plain = new Uint8Array(SHORTEST);
  readonly #scratch = new Uint8Array(LONGEST);
  readonly #view = new DataView(this.#scratch.buffer);

  /** `ring` of `size` bytes; `queue`: what its jobs have in common, `times` the first of its JobTimes. */
  constructor(ring: DataView, size: number, queue: Pick<JobCall, 'registers' | 'scoreboards' | 'syncobj' | 'times'>) {
    this.#bytes = new Uint8Array(ring.buffer, ring.byteOffset, ring.byteLength);
    this.#size = size;
    this.#queue = queue;
    const bytes = this.#assemble({ start: 0, size: 0, latestFlush: 0, profiling: 0 }, 0);
    this.#plain.set(this.#scratch.subarray(0, bytes));
  }

  /** Writes a job at `position`, a multiple of a cache line; returns the position behind it. */
  write(position: number, job: JobOfQueue): number {
    const length = job.profiling === 0 ? this.#fill(job) : this.#assemble(job, position);
    const at = position % this.#size;
    const first = Math.min(length, this.#size - at);
    this.#bytes.set(this.#scratch.subarray(0, first), at);
    if (first < length) this.#bytes.set(this.#scratch.subarray(first, length), 0);
    return position + length;
  }

  #fill({ start, size, latestFlush }: JobOfQueue): number {
    this.#scratch.set(this.#plain);
    WORD.write(this.#view, LATEST_FLUSH * CS_INSTRUCTION_SIZE, latestFlush);
    ADDRESS.write(this.#view, START * CS_INSTRUCTION_SIZE, start);
    WORD.write(this.#view, SIZE * CS_INSTRUCTION_SIZE, size);
    return SHORTEST;
  }

  #assemble(job: JobOfQueue, position: number): number {
    const times = this.#queue.times + timesAt(position, this.#size);
    const program = jobInstructions({ ...this.#queue, ...job, times });
    const count = jobCredits(job.profiling);
    for (let i = 0; i < count; i++) {
      const [name, operands] = program[i] ?? (['NOP'] as const);
      encodeCs(this.#view, i * CS_INSTRUCTION_SIZE, name, operands as object);
    }
    return count * CS_INSTRUCTION_SIZE;
  }
}
