/**
 * What the driver puts into a ring buffer for a job: flush the caches that a new stream needs flushed, call the client's
 * stream, and when all of it has ended, count the job's completion in memory and raise an interrupt.
 * After Linux `drivers/gpu/drm/panthor/panthor_sched.c` (prepare_job_instrs).
 */
import { CS_FLUSH_MODE, CS_INSTRUCTION_SIZE, CS_SYNC_SCOPE, type CsLine, encodeCs } from '../../abi/gpu/cs.ts';
import { FW_UNPRESERVED_REGS } from '../../abi/gpu/firmware.ts';

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
}

/** Instructions come in whole cache lines, for the prefetcher. */
const LINE = 64 / CS_INSTRUCTION_SIZE;
const FLUSH_SLOT = 0;
/** Instructions of a job: 11, filled up to whole lines with NOPs. */
export const JOB_INSTRUCTIONS = Math.ceil(11 / LINE) * LINE;
export const JOB_BYTES = JOB_INSTRUCTIONS * CS_INSTRUCTION_SIZE;

export function jobInstructions(call: JobCall): readonly CsLine[] {
  const address = call.registers - FW_UNPRESERVED_REGS;
  const value = address + 2;
  const clean = CS_FLUSH_MODE.clean_invalidate;
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
    ['MOVE', { destination: address, immediate: call.start }],
    ['MOVE32', { destination: value, immediate: call.size }],
    ['WAIT', { waitMask: 2 ** FLUSH_SLOT }],
    ['CALL', { address, length: value }],
    ['MOVE', { destination: address, immediate: call.syncobj }],
    ['MOVE', { destination: value, immediate: 1 }],
    ['WAIT', { waitMask: 2 ** call.scoreboards - 1 }],
    ['SYNC_ADD64', { errorPropagate: true, scope: CS_SYNC_SCOPE.system, address, data: value }],
    // A fault of this job ends here; the next one runs.
    ['ERROR_BARRIER'],
  ];
}

/** Instructions of a job that differ from those of the queue's other jobs, by their place. */
const LATEST_FLUSH = 0;
const START = 2;
const SIZE = 3;

/** Writes the jobs of one queue: all of them alike but for three constants. */
export class JobWriter {
  readonly #ring: DataView;
  readonly #bytes: Uint8Array;
  readonly #size: number;
  readonly #registers: number;
  readonly #template = new Uint8Array(JOB_BYTES);

  /** `ring` of `size` bytes; `queue`: what its jobs have in common. */
  constructor(ring: DataView, size: number, queue: Pick<JobCall, 'registers' | 'scoreboards' | 'syncobj'>) {
    if (size % JOB_BYTES !== 0) throw new RangeError(`a ring buffer of ${size} bytes holds no whole number of jobs`);
    this.#ring = ring;
    this.#bytes = new Uint8Array(ring.buffer, ring.byteOffset, ring.byteLength);
    this.#size = size;
    this.#registers = queue.registers;
    const program = jobInstructions({ ...queue, start: 0, size: 0, latestFlush: 0 });
    const view = new DataView(this.#template.buffer);
    for (let i = 0; i < JOB_INSTRUCTIONS; i++) {
      const [name, operands] = program[i] ?? (['NOP'] as const);
      encodeCs(view, i * CS_INSTRUCTION_SIZE, name, operands as object);
    }
  }

  /** Writes a job at `position`, a multiple of a job's size; returns the position behind it. */
  write(position: number, { start, size, latestFlush }: Pick<JobCall, 'start' | 'size' | 'latestFlush'>): number {
    const at = position % this.#size;
    const address = this.#registers - FW_UNPRESERVED_REGS;
    const value = address + 2;
    this.#bytes.set(this.#template, at);
    const place = (index: number): number => at + index * CS_INSTRUCTION_SIZE;
    encodeCs(this.#ring, place(LATEST_FLUSH), 'MOVE32', { destination: value, immediate: latestFlush });
    encodeCs(this.#ring, place(START), 'MOVE', { destination: address, immediate: start });
    encodeCs(this.#ring, place(SIZE), 'MOVE32', { destination: value, immediate: size });
    return position + JOB_BYTES;
  }
}
