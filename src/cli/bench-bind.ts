/**
 * `tyr bench bind`: a buffer of 1 GiB is bound to a VM and unbound again, in process: by one call each, and as
 * 256 parts in one call and in as many; and what it is to make such a buffer. Times are of the clock on the wall.
 */
import { PANTHOR, VM_BIND_OP, VM_BIND_OP_TYPE, VM_BIND_OP_TYPE_SCALE, VmBindOp } from '../abi/panthor.ts';
import { HostClock } from '../board/clock.ts';
import { silent } from '../board/log.ts';
import { MemfdBacking } from '../host/memfd-backing.ts';
import { Problem } from '../host/userland/problem.ts';
import { Machine } from '../machine/machine.ts';
import { BenchFile, BenchProcess, type Call } from './bench-client.ts';
import type { Bench, Result } from './bench-programs.ts';

const DRAM = 3 * 2 ** 29;
const SIZE = 2 ** 30;
const PARTS = 256;
const VA = 0x40000000n;
const ROUNDS = 40;

interface Operation {
  readonly boHandle?: number;
  readonly va: bigint;
  readonly size: bigint;
  readonly boOffset?: bigint;
  readonly flags: number;
}

export const bind: Bench = async (_userland, { engine, vs }) => {
  if (vs) throw new Problem(`there is nothing in bind that ${vs} could do`);
  const options = { clock: new HostClock(), log: silent, backing: new MemfdBacking() };
  const machine = await Machine.boot({ ...options, engine, dramSize: DRAM });
  if (!machine.gpu) throw new Error('no GPU came up');
  const process = new BenchProcess();
  const file = new BenchFile(process, machine.gpu, 'render');
  const vmId = (await file.do(PANTHOR.VM_CREATE, { userVaRange: 2n ** 47n })).id;
  const begin = performance.now();
  const { handle: boHandle } = await file.do(PANTHOR.BO_CREATE, { size: BigInt(SIZE), exclusiveVmId: vmId });
  const results: Result[] = [{ metric: 'create_1g', value: performance.now() - begin, unit: 'ms' }];

  const calls = (operations: readonly Operation[], perCall: number) => {
    const made: Call[] = [];
    for (let at = 0; at < operations.length; at += perCall) {
      const ops = process.objects(VmBindOp.layout, operations.slice(at, at + perCall));
      made.push(file.call(PANTHOR.VM_BIND, { vmId, ops }));
    }
    return async (): Promise<number> => {
      const start = performance.now();
      for (const call of made) await call.run();
      return performance.now() - start;
    };
  };
  const operations = (count: number, unmap: boolean): Operation[] =>
    Array.from({ length: count }, (_, i) => {
      const size = BigInt(SIZE / count);
      const place = { va: VA + BigInt(i) * size, size };
      if (unmap) return { ...place, flags: VM_BIND_OP_TYPE.UNMAP * VM_BIND_OP_TYPE_SCALE };
      return { ...place, boHandle, boOffset: BigInt(i) * size, flags: VM_BIND_OP.MAP_NOEXEC };
    });
  /** The first of each, when code is cold, and the median of the others. */
  const measure = async (name: string, count: number, perCall: number): Promise<void> => {
    const [map, unmap] = [calls(operations(count, false), perCall), calls(operations(count, true), perCall)];
    const times: [bind: number, unbind: number][] = [];
    for (let i = 0; i < ROUNDS; i++) times.push([await map(), await unmap()]);
    for (const [side, word] of ['bind', 'unbind'].entries()) {
      const sorted = times.slice(1).map((pair) => pair[side]!);
      sorted.sort((a, b) => a - b);
      results.push({ metric: `${word}_${name}_first`, value: times[0]![side]!, unit: 'ms' });
      results.push({ metric: `${word}_${name}`, value: sorted[sorted.length >> 1]!, unit: 'ms' });
    }
  };
  await measure('1g', 1, 1);
  await measure('256_at_once', PARTS, PARTS);
  await measure('256_one_by_one', PARTS, 1);
  machine.close();
  return results;
};
