/**
 * Endpoints: the works that one stream has sent to the shader cores and the tiler.
 *
 * Works of one kind run in order, kinds run beside each other: the fragment work of one pass beside the tiling of the next.
 * A work is started (its unit is asked for it) when it comes to the head of its queue.
 */
import type { CsName } from '../../abi/gpu/cs.ts';
import type { RunRequest, Units, Work } from '../contract.ts';
import type { Outstanding } from './scoreboard.ts';

export const ENDPOINTS = ['compute', 'tiler', 'fragment'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

export interface Job {
  readonly endpoint: Endpoint;
  /** The instruction and where it stood, for the log. */
  readonly name: CsName;
  readonly address: number;
  readonly start: (units: Units, request: RunRequest<any>) => Work;
  readonly request: RunRequest<any>;
  readonly item: Outstanding;
  readonly progressIncrement: boolean;
  /** Address of the tiler context, for out-of-memory. */
  readonly tilerContext: number;
  work?: Work;
  /** The work waits for another thread. */
  waiting?: boolean;
  /** The work's progress when it was last looked at. */
  progress?: number | undefined;
}

export class Endpoints {
  readonly #queues: Record<Endpoint, Job[]> = { compute: [], tiler: [], fragment: [] };

  get empty(): boolean {
    const { compute, tiler, fragment } = this.#queues;
    return compute.length === 0 && tiler.length === 0 && fragment.length === 0;
  }

  push(job: Job): void {
    this.#queues[job.endpoint].push(job);
  }

  head(endpoint: Endpoint): Job | undefined {
    return this.#queues[endpoint][0];
  }

  remove(job: Job): void {
    const queue = this.#queues[job.endpoint];
    const i = queue.indexOf(job);
    if (i >= 0) queue.splice(i, 1);
  }

  /** Forgets all works; those that have begun are told. */
  clear(): void {
    for (const endpoint of ENDPOINTS) {
      for (const { work } of this.#queues[endpoint].splice(0)) work?.abandon?.();
    }
  }
}
