/**
 * Work that never ends: loops of instructions, shaders that go round, grids without end, waits for what nobody writes. It
 * costs the others time, not their results. What does not get on is thrown out when its time is over; what does gets more
 * time, and goes with its client.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CS_CONDITION, type CsLine } from '../abi/gpu/cs.ts';
import { COMPUTE_REGISTERS } from '../abi/gpu/cs-registers.ts';
import { ComputeSizeWorkgroup, DESCRIPTOR_TYPE, ShaderProgram } from '../abi/gpu/shader-descriptors.ts';
import { viewOf } from '../abi/layout.ts';
import { GROUP_STATE, PANTHOR } from '../abi/panthor.ts';
import { assemble } from '../mali/shader/assemble.ts';
import { Client, type LiveMachine, liveMachine, until } from '../testing/machine/board.ts';
import { movJob } from '../testing/machine/mov-job.ts';

const MEMORY = 0x10000000;
const [PROGRAM, CODE, NUMBER] = [0x1000, 0x2000, 0x3000];

/** A compute job of `groups` workgroups. */
function compute(groups: number): CsLine[] {
  const r = COMPUTE_REGISTERS;
  const size = viewOf(ComputeSizeWorkgroup.pack({ x: 64, y: 1, z: 1 })).getUint32(0, true);
  return [
    ['MOVE', { destination: r.spd[0], immediate: MEMORY + PROGRAM }],
    ['MOVE32', { destination: r.workgroupSize, immediate: size }],
    ['MOVE32', { destination: r.jobSizeX, immediate: groups }],
    ['MOVE32', { destination: r.jobSizeY, immediate: groups }],
    ['MOVE32', { destination: r.jobSizeZ, immediate: 1 }],
    ['RUN_COMPUTE', {}],
    ['WAIT', { waitMask: 0xff }],
  ];
}

/** Work that does not get on. */
const STUCK: Record<string, { stream: CsLine[]; shader?: string }> = {
  'a loop of instructions': {
    stream: [['BRANCH', { condition: CS_CONDITION.always, value: 0, offset: -1 }]],
  },
  'a shader that goes round': { stream: compute(1), shader: 'loop: BRANCHZ.eq.reconverge 0x0, offset:loop' },
  'a wait for what nobody writes': {
    stream: [
      ['MOVE', { destination: 4, immediate: MEMORY + NUMBER }],
      ['SYNC_WAIT32', { condition: CS_CONDITION.gt, address: 4, data: 6 }],
    ],
  },
};

/** Work that gets on, and will for years. */
const GRID = { stream: compute(0xffff), shader: 'NOP.end' };

/** Jobs that a client beside all that gets done at least; 19 to 54 on a slow host, by engine. One that is starved gets none or one. */
const LEAST_JOBS = 5;

interface Endless {
  readonly client: Client;
  readonly group: number;
  /** A syncobj that the work signals at its end. */
  readonly done: number;
}

/** Starts endless work on both queues of a group. */
async function begin(live: LiveMachine, { stream, shader }: { stream: CsLine[]; shader?: string }): Promise<Endless> {
  const client = new Client(live);
  const vm = await client.createVm();
  const buffer = await client.createBuffer(65536);
  await client.bind(vm, { handle: buffer, va: BigInt(MEMORY), size: 65536n });
  const memory = client.memory(buffer);
  const size = client.program(buffer, stream);
  ShaderProgram.write(memory, PROGRAM, { type: DESCRIPTOR_TYPE.SHADER, stage: 1, binary: MEMORY + CODE });
  const code = assemble(shader ?? 'NOP.end');
  new Uint8Array(memory.buffer, memory.byteOffset + CODE).set(new Uint8Array(code.buffer));
  const group = await client.createGroup(vm, 2);
  const done = await client.createSyncobj();
  const job = { address: BigInt(MEMORY), size, syncs: [{ handle: done, signal: true }] };
  assert.equal(await client.submit(group, { ...job, queue: 0 }), 0);
  assert.equal(await client.submit(group, { ...job, queue: 1 }), 0);
  return { client, group, done };
}

/** Waits until the driver has thrown the work out. */
async function outlast({ client, group, done }: Endless): Promise<void> {
  assert.equal(await client.wait(done, 300), 0, 'the job’s fence signals, with an error');
  const { state } = await client.do(PANTHOR.GROUP_GET_STATE, { groupHandle: group });
  assert.equal(state & GROUP_STATE.TIMEDOUT, GROUP_STATE.TIMEDOUT);
  client.file.close();
}

/** Resolves when the machine has nothing of any client. */
async function emptied({ machine }: LiveMachine): Promise<void> {
  while (Object.values(machine.usage).some((count) => count !== 0))
    await new Promise((resolve) => setTimeout(resolve, 5));
}

test('endless work of every kind at once, while another client goes on', {
  timeout: 400_000,
}, async () => {
  const live = await liveMachine();
  try {
    let wasting = true;
    const beside = (async () => {
      let jobs = 0;
      for (; wasting; jobs++) {
        const client = new Client(live);
        assert.equal((await movJob(client, jobs)).after, jobs);
        client.file.close();
      }
      return jobs;
    })();
    const grid = await begin(live, GRID);
    const names = Object.keys(STUCK);
    const ends = await Promise.allSettled(names.map(async (name) => outlast(await begin(live, STUCK[name]!))));
    wasting = false;
    for (const [i, end] of ends.entries()) if (end.status === 'rejected') assert.fail(`${names[i]}: ${end.reason}`);
    grid.client.file.close();
    const jobs = await beside;
    assert.ok(jobs > LEAST_JOBS, `the other client got only ${jobs} jobs done`);
    assert.equal(live.lines.filter((line) => line.includes('at fault')).length, 0);
    const last = new Client(live);
    assert.equal((await movJob(last, 7)).after, 7);
    last.file.close();
    await until(live.clock, emptied(live), 3e9);
  } finally {
    live.machine.close();
  }
});
