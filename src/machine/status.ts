/** MachineStatus: who uses a machine and what for, as `tyr status` and `tyr top` show it. */

import type { ClientUse, GpuStatus } from '../driver/index.ts';
import { type MemoryStats, memoryStats } from '../drm/fdinfo.ts';
import type { Machine } from './machine.ts';

export interface BufferStatus {
  readonly handle: number;
  readonly size: number;
  readonly label: string;
}

export interface ClientStatus extends Partial<ClientUse> {
  /** Of the open file, as fdinfo's drm-client-id. */
  readonly id: number;
  readonly pid: number;
  /** What its process was called when it opened the device. */
  readonly command: string;
  /** What it calls itself. */
  readonly name: string | null;
  /** The device's driver. */
  readonly driver: string;
  readonly node: string;
  readonly memory: MemoryStats;
  readonly buffers: readonly BufferStatus[];
}

export interface MachineStatus {
  /** Nanoseconds since it was switched on. */
  readonly time: number;
  readonly frames: number;
  /** Bytes of DRAM: in use, and all. */
  readonly dram: readonly [used: number, all: number];
  readonly gpu: GpuStatus | null;
  readonly clients: readonly ClientStatus[];
}

export function machineStatus(machine: Machine, now: number): MachineStatus {
  const clients: ClientStatus[] = [];
  for (const device of new Set(machine.nodes.map((node) => node.device))) {
    for (const file of device.files) {
      const node = machine.nodes.find((each) => each.device === device && each.kind === file.node);
      clients.push({
        id: file.id,
        pid: file.pid,
        command: file.opener.command,
        name: file.clientName ?? null,
        driver: device.driver.name,
        node: node?.path ?? '',
        memory: memoryStats(file),
        buffers: [...file.handles].map(([handle, { size, label }]) => ({ handle, size, label })),
        ...(device === machine.gpu ? machine.gpu.clientUse(file) : {}),
      });
    }
  }
  return {
    time: now,
    frames: machine.display.frames,
    dram: [machine.dram.used, machine.dram.size],
    gpu: machine.gpu && !machine.gpu.gone ? machine.gpu.status : null,
    clients: clients.sort((a, b) => a.id - b.id),
  };
}
