/**
 * The compute job: a grid of workgroups of a shader that is given as text, with 64-bit uniforms and a buffer that it may use.
 */
import type { CsLine } from '../../abi/gpu/cs.ts';
import { COMPUTE_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import {
  ComputeSizeWorkgroup,
  DESCRIPTOR_TYPE,
  LocalStorage,
  ShaderProgram,
} from '../../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../../abi/layout.ts';
import { assemble } from '../../mali/shader/assemble.ts';
import type { Client } from './board.ts';

/** Where the job's buffers are mapped, and what lies where in the first. */
const MEMORY = 0x10000000;
export const DATA = 0x20000000;
const AT = { program: 0x1000, storage: 0x1100, uniforms: 0x1200, code: 0x2000 } as const;

export interface ComputeJobOptions {
  readonly shader: string;
  /** Threads of a workgroup, and workgroups: in a row. */
  readonly size: number;
  readonly groups: number;
  readonly uniforms: readonly bigint[];
  /** Bytes at DATA. */
  readonly data: number;
  /** Bytes of workgroup storage, a power of two, and where it is. */
  readonly workgroup?: { readonly bytes: number; readonly at: number };
}

/** A job that can be run again and again, in a VM of its own. */
export class ComputeJob {
  readonly #client: Client;
  readonly #group: number;
  readonly #size: number;
  readonly #data: { readonly handle: number; readonly bytes: number };

  private constructor(client: Client, group: number, size: number, data: { handle: number; bytes: number }) {
    this.#client = client;
    this.#group = group;
    this.#size = size;
    this.#data = data;
  }

  static async make(client: Client, options: ComputeJobOptions): Promise<ComputeJob> {
    const { size, groups, uniforms, workgroup } = options;
    const vm = await client.createVm();
    const buffer = await client.createBuffer(0x10000);
    await client.bind(vm, { handle: buffer, va: BigInt(MEMORY), size: 0x10000n });
    const data = await client.createBuffer(options.data);
    await client.bind(vm, { handle: data, va: BigInt(DATA), size: BigInt(options.data) });
    const memory = client.memory(buffer);
    const r = COMPUTE_REGISTERS;
    const packed = viewOf(ComputeSizeWorkgroup.pack({ x: size, y: 1, z: 1 })).getUint32(0, true);
    const program: CsLine[] = [
      ['MOVE', { destination: r.spd[0], immediate: MEMORY + AT.program }],
      ['MOVE', { destination: r.fau[0], immediate: MEMORY + AT.uniforms }],
      ['MOVE32', { destination: r.fau[0] + 1, immediate: uniforms.length << 24 }],
      ['MOVE', { destination: r.tsd[0], immediate: MEMORY + AT.storage }],
      ['MOVE32', { destination: r.workgroupSize, immediate: packed }],
      ['MOVE32', { destination: r.jobSizeX, immediate: groups }],
      ['MOVE32', { destination: r.jobSizeY, immediate: 1 }],
      ['MOVE32', { destination: r.jobSizeZ, immediate: 1 }],
      ['RUN_COMPUTE', {}],
      ['WAIT', { waitMask: 0xff }],
    ];
    const bytes = client.program(buffer, program);
    ShaderProgram.write(memory, AT.program, { type: DESCRIPTOR_TYPE.SHADER, stage: 1, binary: MEMORY + AT.code });
    LocalStorage.write(memory, AT.storage, {
      wlsSizeScale: workgroup ? Math.log2(workgroup.bytes) + 1 : 0,
      wlsBase: workgroup?.at ?? 0,
    });
    for (const [i, word] of uniforms.entries()) memory.setBigUint64(AT.uniforms + i * 8, word, true);
    const code = assemble(options.shader);
    new Uint8Array(memory.buffer, memory.byteOffset + AT.code).set(new Uint8Array(code.buffer));
    return new ComputeJob(client, await client.createGroup(vm), bytes, { handle: data, bytes: options.data });
  }

  /** What is at DATA. */
  get words(): Uint32Array {
    const { handle, bytes } = this.#data;
    const view = this.#client.memory(handle);
    return new Uint32Array(view.buffer, view.byteOffset, bytes / 4);
  }

  /** Runs it to its end. */
  async run(): Promise<void> {
    const client = this.#client;
    const done = await client.createSyncobj();
    const syncs = [{ handle: done, signal: true }];
    const submitted = await client.submit(this.#group, { address: BigInt(MEMORY), size: this.#size, syncs });
    const waited = await client.wait(done);
    await client.destroySyncobj(done);
    if (submitted !== 0 || waited !== 0) throw new Error(`submit ${submitted}, wait ${waited}`);
  }
}

/** Runs one; answers what is at DATA then. */
export async function computeJob(client: Client, options: ComputeJobOptions): Promise<Uint32Array> {
  const job = await ComputeJob.make(client, options);
  await job.run();
  return job.words;
}
