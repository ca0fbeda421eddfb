/**
 * `tyr bench compute`: nanoseconds a thread of compute jobs, from submit to the end of the wait, through driver and command stream, on
 * as many threads of the host as `--workers` says.
 *
 * `saxpy`: two loads, a multiply-add and a store. `exchange`: a workgroup of 64 turns its words round through workgroup memory, behind
 * a barrier. `mandelbrot`: a loop of at most 63 rounds from which lanes part one by one.
 */
import { Problem } from '../host/userland/problem.ts';
import { Client, liveMachine } from '../testing/machine/board.ts';
import { ComputeJob, type ComputeJobOptions, DATA } from '../testing/machine/compute-job.ts';
import type { Bench, Result } from './bench-programs.ts';

const SIZE = 64;
const GROUPS = 4096;
export const THREADS = SIZE * GROUPS;
/** Runs of which the shortest counts, and before them others that let V8 optimise. */
const RUNS = 20;
const WARM_UP = 10;

const WORD = 4;
const SECOND = THREADS * WORD;
const STORAGE = 2 * SECOND;
const DATA_BYTES = 2 * SECOND + 0x10000;

/** Two singles as a uniform. */
const singles = (low: number, high: number): bigint =>
  new DataView(Float32Array.of(low, high).buffer).getBigUint64(0, true);

type Case = Pick<ComputeJobOptions, 'shader' | 'uniforms' | 'workgroup'>;

export const CASES: Readonly<Record<string, Case>> = {
  saxpy: {
    uniforms: [BigInt(DATA), BigInt(DATA + SECOND), singles(0.5, 0)],
    shader: `
      SHADDX.u64 r2, u0, r60.w0, shift:2
      SHADDX.u64 r4, u2, r60.w0, shift:2
      LOAD.i32.unsigned.slot0 @r0, r2, offset:0
      LOAD.i32.unsigned.slot0.wait0 @r1, r4, offset:0
      FMA.f32 r0, r0, u4, r1
      STORE.i32.slot0 @r0, r2, offset:0
      NOP.end`,
  },
  exchange: {
    uniforms: [BigInt(DATA)],
    workgroup: { bytes: SIZE * WORD, at: DATA + STORAGE },
    shader: `
      U16_TO_U32 r0, r55.h00
      LSHIFT_AND.i32 r4, r0, 0x03020100.b22, 0xffffffff
      IADD.u32 r4, r4, workgroup_local_pointer.w0
      MOV.i32 r5, workgroup_local_pointer.w1
      STORE.i32.slot0 @r60, r4, offset:0
      BARRIER.slot7.wait
      IADD_IMM.i32 r1, 0x0, #${SIZE - 1}
      ISUB.u32 r1, r1, r0
      LSHIFT_AND.i32 r4, r1, 0x03020100.b22, 0xffffffff
      IADD.u32 r4, r4, workgroup_local_pointer.w0
      LOAD.i32.unsigned.slot0.wait0 @r1, r4, offset:0
      SHADDX.u64 r2, u0, r60.w0, shift:2
      STORE.i32.slot0 @r1, r2, offset:0
      NOP.end`,
  },
  mandelbrot: {
    // A picture of 512 by 512: points from -2 - 1.5i to 1 + 1.5i.
    uniforms: [BigInt(DATA), singles(3 / 512, -2), singles(3 / 512, -1.5), singles(4, 0), 511n],
    shader: `
      LSHIFT_AND.i32 r0, r60, 0x0.b00, u8
      RSHIFT_OR.i32 r1, r60, 0x0b0a0908.b11, 0x0
      S32_TO_F32 r0, r0
      S32_TO_F32 r1, r1
      FMA.f32 r0, r0, u2, u3
      FMA.f32 r1, r1, u4, u5
      MOV.i32 r2, 0x0
      MOV.i32 r3, 0x0
      IADD_IMM.i32 r6, 0x0, #63
      loop: FMA.f32 r7, r2, r2, r0
      FMA.f32 r7, r3.neg, r3, r7
      FADD.f32 r8, r2, r2
      FMA.f32 r3, r8, r3, r1
      MOV.i32 r2, r7
      FMA.f32 r9, r2, r2, 0x0
      FMA.f32 r9, r3, r3, r9
      IADD_IMM.i32 r6, r6, #0xffffffff
      CSEL.f32.lt r9, r9, u6, r6, 0x0
      BRANCHZ.reconverge r9, offset:loop
      SHADDX.u64 r4, u0, r60.w0, shift:2
      STORE.i32.slot0 @r6, r4, offset:0
      NOP.end`,
  },
};

export const jobOf = (client: Client, one: Case): Promise<ComputeJob> =>
  ComputeJob.make(client, { size: SIZE, groups: GROUPS, data: DATA_BYTES, ...one });

export const compute: Bench = async (_userland, { vs, engine, workers }) => {
  if (vs) throw new Problem(`there is nothing in compute that ${vs} could do`);
  const results: Result[] = [];
  const live = await liveMachine(2 ** 28, workers, undefined, engine);
  try {
    for (const [metric, one] of Object.entries(CASES)) {
      const client = new Client(live);
      const job = await jobOf(client, one);
      let best = Number.POSITIVE_INFINITY;
      for (let n = 0; n < WARM_UP + RUNS; n++) {
        const before = performance.now();
        await job.run();
        if (n >= WARM_UP) best = Math.min(best, performance.now() - before);
      }
      client.file.close();
      results.push({ metric, value: (best * 1e6) / THREADS, unit: 'ns' });
    }
  } finally {
    live.machine.close();
  }
  return results;
};
