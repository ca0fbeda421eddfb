/** For benches: a program of a VM with a command stream in it, and jobs of its groups that run the stream. */
import { DRM_IOCTL } from '../abi/drm.ts';
import { assembleCs, type CsLine } from '../abi/gpu/cs.ts';
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import type { IoctlDef } from '../abi/ioctl.ts';
import { PANTHOR, QueueCreate, QueueSubmit, SYNC_OP, SyncOp, VM_BIND_OP, VmBindOp } from '../abi/panthor.ts';
import type { Machine } from '../machine/machine.ts';
import { BenchFile, type BenchProcess, type Call } from './bench-client.ts';

const STREAM = 0x10000000n;
const FOREVER = 2n ** 62n;

export interface JobProgram {
  readonly file: BenchFile;
  readonly vmId: number;
  /** Bytes of the stream. */
  readonly streamSize: number;
}

/** A job that can be submitted and waited for again and again. */
export interface Job {
  readonly syncobj: number;
  readonly submit: Call;
  readonly wait: Call;
}

/** Opens a program: its stream, and a page at `data` that the stream may write to. */
export async function openProgram(
  machine: Machine,
  process: BenchProcess,
  lines: readonly CsLine[],
  data: bigint,
): Promise<JobProgram> {
  if (!machine.gpu) throw new Error('no GPU came up');
  const file = new BenchFile(process, machine.gpu, 'render');
  const vmId = (await file.do(PANTHOR.VM_CREATE, { userVaRange: 2n ** 47n })).id;
  const size = BigInt(PAGE_SIZE);
  const stream = (await file.do(PANTHOR.BO_CREATE, { size })).handle;
  const result = (await file.do(PANTHOR.BO_CREATE, { size })).handle;
  const places = [
    { boHandle: stream, va: STREAM, size, flags: VM_BIND_OP.MAP_NOEXEC },
    { boHandle: result, va: data, size, flags: VM_BIND_OP.MAP_NOEXEC },
  ];
  await file.do(PANTHOR.VM_BIND, { vmId, ops: process.objects(VmBindOp.layout, places) });
  const program = assembleCs(lines);
  machine.dram.u8.set(program, file.file.object(stream).run.physical);
  return { file, vmId, streamSize: program.length };
}

/** The smallest group that there is. */
export const groupOf = (process: BenchProcess, vmId: number, priority: number) => ({
  queues: process.objects(QueueCreate.layout, [{ priority: 1, ringbufSize: PAGE_SIZE }]),
  maxComputeCores: 1,
  maxFragmentCores: 1,
  maxTilerCores: 1,
  priority,
  computeCoreMask: 1n,
  fragmentCoreMask: 1n,
  tilerCoreMask: 1n,
  vmId,
});

/** A job of a group, which signals a syncobj of its own. */
export async function jobOf({ file, streamSize }: JobProgram, groupHandle: number): Promise<Job> {
  const { process } = file;
  const { handle: syncobj } = await file.do(DRM_IOCTL.SYNCOBJ_CREATE, {});
  const syncs = process.objects(SyncOp.layout, [{ flags: SYNC_OP.SIGNAL + SYNC_OP.SYNCOBJ, handle: syncobj }]);
  const job = { streamAddr: STREAM, streamSize, syncs };
  return {
    syncobj,
    submit: file.call(PANTHOR.GROUP_SUBMIT, { groupHandle, queueSubmits: process.objects(QueueSubmit.layout, [job]) }),
    wait: waitFor(file, syncobj, DRM_IOCTL.SYNCOBJ_WAIT),
  };
}

export const waitFor = (file: BenchFile, syncobj: number, def: IoctlDef): Call =>
  file.call(def, { handles: file.process.words(syncobj), timeout_nsec: FOREVER, count_handles: 1 });

export async function submitAndWait({ submit, wait }: Job): Promise<void> {
  await submit.run();
  await wait.run();
}
