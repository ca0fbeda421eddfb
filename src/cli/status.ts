/** `tyr status` and `tyr top`: who uses a running machine's GPU and memory, once or again and again. `tyr suspend`: it sleeps. */
import { setTimeout as sleep } from 'node:timers/promises';
import { PROFILING } from '../abi/panthor.ts';
import { fdinfoSize } from '../drm/fdinfo.ts';
import { askStatus, setProfiling, suspend as suspendMachine } from '../host/control.ts';
import type { ClientStatus, MachineStatus } from '../machine/status.ts';
import { findMachine } from './input.ts';
import { interruptible } from './interrupts.ts';

export interface StatusOptions {
  readonly machine?: number;
  readonly json?: boolean;
  /** Seconds between two looks. */
  readonly interval?: number;
  /** Looks; without it until Ctrl-C. */
  readonly count?: number;
}

const INTERVAL = 1;
const PRIORITIES = ['low', 'medium', 'high', 'realtime'];

export async function status({ machine, json }: StatusOptions): Promise<number> {
  const now = await askStatus(findMachine(machine));
  if (json) console.log(JSON.stringify(now));
  else for (const line of statusLines(now)) console.log(line);
  return 0;
}

/** Measures jobs while it looks, as `echo 3 > profiling` on a board would, and leaves that as it was. */
export async function top({ machine, interval = INTERVAL, count, json }: StatusOptions): Promise<number> {
  const folder = findMachine(machine);
  let before = await askStatus(folder);
  const profiling = before.gpu?.profiling;
  if (profiling !== undefined) await setProfiling(folder, PROFILING.ALL);
  try {
    const { interrupted } = await interruptible(async (signal) => {
      for (let i = 0; !signal.aborted && (count === undefined || i < count); i++) {
        await sleep(interval * 1000, undefined, { signal }).catch(() => {});
        if (signal.aborted) break;
        const now = await askStatus(folder);
        if (json) console.log(JSON.stringify(topRows(before, now)));
        else {
          if (process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[2J');
          for (const line of topLines(before, now)) console.log(line);
        }
        before = now;
      }
    });
    return interrupted ?? 0;
  } finally {
    if (profiling !== undefined) await setProfiling(folder, profiling).catch(() => {});
  }
}

/** `tyr suspend`. */
export async function suspend({ machine, seconds }: { machine?: number; seconds: number }): Promise<number> {
  await suspendMachine(findMachine(machine), seconds);
  return 0;
}

const mhz = (rate: number): string => `${(rate / 1e6).toFixed(0)} MHz`;

function head({ time, frames, dram, gpu }: MachineStatus): string[] {
  const lines = [
    `up ${(time / 1e9).toFixed(1)} s, ${frames} frames, DRAM ${fdinfoSize(dram[0])} of ${fdinfoSize(dram[1])}`,
  ];
  if (!gpu) return [...lines, 'no GPU'];
  return [
    ...lines,
    `${gpu.name}: ${gpu.power}, ${mhz(gpu.frequency)} of ${mhz(gpu.maxFrequency)}, governor ${gpu.governor}`,
    `${gpu.jobs} jobs, ${gpu.faults} faults, ${gpu.resets} resets; group slots ${gpu.groupSlots.join(' of ')}, ` +
      `address spaces ${gpu.addressSpaces.join(' of ')}`,
  ];
}

/** What its process is called, and it calls itself. */
const namesOf = ({ command, name }: Pick<ClientStatus, 'command' | 'name'>): string => {
  const names = [command, name].filter((each) => each);
  return names.length === 0 ? '' : ` (${names.join(', ')})`;
};

/** All that is known, as text. */
export function statusLines(now: MachineStatus): string[] {
  const lines = head(now);
  for (const client of now.clients) {
    const { memory, buffers, vms = [], groups = [] } = client;
    lines.push(
      '',
      `client ${client.id}: pid ${client.pid}${namesOf(client)}, ${client.node}, ${client.driver}`,
      `  ${buffers.length} buffers, ${fdinfoSize(memory.total)}, of which shared ${fdinfoSize(memory.shared)}, in use ${fdinfoSize(memory.active)}` +
        `${client.internal === undefined ? '' : `; the driver's own ${fdinfoSize(client.internal)}`}`,
    );
    if (client.engineTime)
      lines.push(`  GPU time measured: ${(client.engineTime / 1e9).toFixed(3)} s, ${client.cycles} cycles`);
    for (const vm of vms) {
      lines.push(
        `  VM ${vm.id}: ${vm.mappings} mappings of ${fdinfoSize(vm.mapped)}, page tables ${fdinfoSize(vm.tables)}, ${vm.heaps} heaps, ` +
          `${vm.slot === null ? 'in no slot' : `address space ${vm.slot}`}${vm.usable ? '' : ', UNUSABLE'}`,
      );
    }
    for (const group of groups) {
      const queues = group.queues.map(
        ({ inFlight, done, blocked }) => `${inFlight}/${done}${blocked ? ' blocked' : ''}`,
      );
      lines.push(
        `  group ${group.handle}: ${PRIORITIES[group.priority]}, ${group.state}, ${group.slot === null ? 'in no slot' : `slot ${group.slot}`}, ` +
          `queues in flight/done: ${queues.join(', ')}`,
      );
    }
    for (const { handle, size, label } of buffers)
      if (label) lines.push(`  buffer ${handle}: ${fdinfoSize(size)} ${JSON.stringify(label)}`);
  }
  return lines;
}

interface TopRow {
  readonly id: number;
  readonly pid: number;
  readonly name: string | null;
  /** Part of the time in which its jobs had the GPU, 0 to 1; jobs side by side count each. */
  readonly busy: number;
  readonly memory: number;
  readonly groups: number;
  readonly jobs: number;
}

const jobsOf = ({ groups = [] }: ClientStatus): number =>
  groups.reduce((sum, { queues }) => queues.reduce((all, { done }) => all + done, sum), 0);

/** What clients of the GPU did between two looks, the busiest first. */
export function topRows(before: MachineStatus, now: MachineStatus): TopRow[] {
  const passed = now.time - before.time;
  const rows = now.clients
    .filter(({ groups }) => groups)
    .map((client) => {
      const old = before.clients.find(({ id }) => id === client.id);
      const time = (client.engineTime ?? 0) - (old?.engineTime ?? 0);
      return {
        id: client.id,
        pid: client.pid,
        name: client.name,
        busy: passed > 0 ? Math.max(0, time) / passed : 0,
        memory: client.memory.resident + (client.internal ?? 0),
        groups: client.groups?.length ?? 0,
        jobs: Math.max(0, jobsOf(client) - (old ? jobsOf(old) : 0)),
      };
    });
  return rows.sort((a, b) => b.busy - a.busy || a.id - b.id);
}

export function topLines(before: MachineStatus, now: MachineStatus): string[] {
  const rows = topRows(before, now);
  const columns = ['CLIENT', 'PID', 'GPU%', 'MEMORY', 'GROUPS', 'JOBS', 'NAME'];
  const table = rows.map(({ id, pid, busy, memory, groups, jobs, name }) => [
    String(id),
    String(pid),
    (busy * 100).toFixed(1),
    fdinfoSize(memory),
    String(groups),
    String(jobs),
    name ?? '',
  ]);
  const widths = columns.map((column, i) => Math.max(column.length, ...table.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cell.padStart(i < 6 ? widths[i]! : 0)).join('  ');
  return [...head(now), '', line(columns), ...table.map(line)];
}
