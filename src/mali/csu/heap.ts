/**
 * HeapShortage: what a stream does when its tiler heap has no room.
 *
 * The order is the firmware's: ask the host for a chunk; if the host has none, wait for render passes that are still being
 * drawn, whose chunks come back; if there are none, call the exception handler that the stream has set, which draws what
 * has been binned so far; and if there is no handler, or it did not help, the draw fails.
 *
 * The handler may be that of another stream of the group, which has the same heap set. It is interrupted whatever it waits for. If
 * there is such a stream and it has no handler at the moment, the shortage stays until it sets one: PanVK's fragment stream does when it
 * comes to the pass that is being tiled, and takes it away again behind the pass (issue_fragment_jobs).
 * Source: Linux `drivers/gpu/drm/panthor/panthor_sched.c` (group_process_tiler_oom), Mesa 25.0
 * `src/gallium/drivers/panfrost/pan_csf.c` (csf_oom_handler_init), `src/panfrost/vulkan/csf/panvk_vX_cmd_draw.c`.
 */
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { chunkAddress, HeapChunkHeader, HeapContext } from '../../abi/gpu/tiler-heap.ts';
import { GpuFault } from '../contract.ts';
import { releaseChunks, TilerHeap } from '../tiler-heap.ts';
import type { Job } from './endpoint.ts';
import type { CommandStream } from './stream.ts';

type Phase = 'host' | 'fragments' | 'no handler' | 'handler';

export class HeapShortage {
  readonly #stream: CommandStream;
  #job: Job | undefined;
  #phase: Phase = 'host';
  /** The handler has run since the job last got on. */
  #handled = false;

  constructor(stream: CommandStream) {
    this.#stream = stream;
  }

  /** Whether the host has been asked and has not answered. */
  get asksHost(): boolean {
    return this.#job !== undefined && this.#phase === 'host';
  }

  /** Whether this job waits for memory. */
  stops(job: Job): boolean {
    return this.#job === job;
  }

  begin(job: Job): void {
    this.#job = job;
    if (this.#handled) {
      this.#giveUp('the tiler heap has no room even after an intermediate render');
      return;
    }
    this.#phase = 'host';
    this.#stream.host.reportShortage(this.#stream.heapContext);
  }

  /** Asks again, after the group was off the GPU. */
  askAgain(): void {
    if (this.asksHost) this.#stream.host.reportShortage(this.#stream.heapContext);
  }

  /** The job got on. */
  progressed(job: Job): void {
    if (job.endpoint === 'tiler') this.#handled = false;
  }

  /** The host's answer: first and last chunk of a list, 0 if it has none. */
  answer(first: number, last: number): void {
    const job = this.#job;
    if (!job || this.#phase !== 'host') return;
    this.#attempt(() => {
      if (first === 0) {
        this.#reclaim();
        return;
      }
      const { memory } = this.#stream.host;
      const rest = first === last ? 0 : memory.load64(chunkAddress(first) + HeapChunkHeader.offset.next);
      new TilerHeap(memory, job.tilerContext, this.#stream.heapContext).grow(first);
      if (rest !== 0) releaseChunks(memory, this.#stream.heapContext, rest, last);
      this.#resume();
    });
  }

  /** Fragment work has ended somewhere, or chunks have been given back. */
  released(heapContext: number): void {
    if (this.#job && this.#phase === 'fragments' && heapContext === this.#stream.heapContext) this.#resume();
  }

  /** A stream with this heap has set its exception handler. */
  handlerSet(): void {
    if (this.#job && this.#phase === 'no handler') this.#attempt(() => this.#reclaim());
  }

  /** The exception handler of a stream with this heap has returned. */
  handled(): void {
    if (!this.#job || this.#phase !== 'handler') return;
    this.#handled = true;
    this.#resume();
  }

  clear(): void {
    this.#job = undefined;
    this.#handled = false;
  }

  #reclaim(): void {
    const job = this.#job!;
    const stream = this.#stream;
    const { memory } = stream.host;
    if (stream.heapContext !== 0) {
      const context = memory.decode(HeapContext, stream.heapContext);
      if (context.vtEnd !== context.fragEnd) {
        this.#phase = 'fragments';
        return;
      }
    }
    const others = stream.host.heapStreams(stream.heapContext).filter((other) => other !== stream);
    const handler = [stream, ...others].find((one) => one.handlerLength > 0 && one.handlerDepth === 0 && one.running);
    if (handler) {
      new TilerHeap(memory, job.tilerContext, stream.heapContext).retire();
      this.#phase = 'handler';
      handler.enterHandler();
    } else if (others.some((other) => other.running) && stream.handlerDepth === 0) this.#phase = 'no handler';
    else this.#giveUp('the tiler heap has no room, and no exception handler is set');
  }

  #resume(): void {
    this.#job = undefined;
    this.#stream.host.schedule();
  }

  #giveUp(message: string): void {
    const job = this.#job!;
    this.clear();
    this.#stream.fail(job, new GpuFault(EXCEPTION.OOM, this.#stream.heapContext, message));
  }

  /** Heap structures are the client's memory: what goes wrong there is the job's fault. */
  #attempt(fn: () => void): void {
    const job = this.#job!;
    try {
      fn();
    } catch (error) {
      this.clear();
      this.#stream.fail(job, error);
    }
  }
}
