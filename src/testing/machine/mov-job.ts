/**
 * The MOV job: the shortest way through the whole machine. A client makes a VM, binds a buffer, submits a command stream
 * that moves a constant into a register and stores it, waits for the syncobj, and finds the constant in memory.
 */
import { type Client, DATA_FLAGS } from './board.ts';

const STREAM = 0x10000000n;
const RESULT = 0x20000000n;
const RESULT_OFFSET = 16;

/** Runs it; returns the word that was in memory before, the one that is there after, and its neighbour. */
export async function movJob(
  client: Client,
  constant: number,
): Promise<{ before: number; after: number; next: number }> {
  const vm = await client.createVm();
  const stream = await client.createBuffer(4096);
  const result = await client.createBuffer(4096);
  await client.bind(vm, { handle: stream, va: STREAM, size: 4096n, flags: DATA_FLAGS });
  await client.bind(vm, { handle: result, va: RESULT, size: 4096n, flags: DATA_FLAGS });
  const group = await client.createGroup(vm);
  const memory = client.memory(result);
  const before = memory.getUint32(RESULT_OFFSET, true);
  const size = client.program(stream, [
    ['MOVE', { destination: 0, immediate: Number(RESULT) }],
    ['MOVE32', { destination: 2, immediate: constant }],
    ['STORE_MULTIPLE', { address: 0, baseRegister: 2, mask: 1, offset: RESULT_OFFSET }],
    ['WAIT', { waitMask: 0xff }],
  ]);
  const done = await client.createSyncobj();
  const submitted = await client.submit(group, { address: STREAM, size, syncs: [{ handle: done, signal: true }] });
  const waited = await client.wait(done);
  if (submitted !== 0 || waited !== 0)
    throw new Error(`submit ${submitted}, wait ${waited}: ${client.machine.lines.join('\n')}`);
  return { before, after: memory.getUint32(RESULT_OFFSET, true), next: memory.getUint32(RESULT_OFFSET + 4, true) };
}
