/**
 * The driver's files in debugfs: `gems`, all buffers that there are, and `gpuvas`, what each VM has mapped where.
 * After Linux `drivers/gpu/drm/panthor/panthor_{gem,mmu}.c` and `drm_debugfs.c`, column by column. Three columns say less than panthor's:
 * who brought the GPU up is no process (`created-by` is `driver/0`), an mmap offset is each file's own (`file-offset` is 0), and an
 * object is told from others by its physical address.
 */
import type { PageRun } from '../board/dram.ts';
import type { DebugFile } from '../drm/device.ts';
import type { GemObject } from '../drm/gem.ts';
import type { File } from './file.ts';
import { creatorOf, isImported, processOf } from './gem.ts';
import type { AddressSpace } from './mmu/address-space.ts';
import type { Tyr } from './tyr.ts';
import type { Vm } from './vm.ts';

const STATE = { IMPORTED: 1, EXPORTED: 2, EVICTED: 4 } as const;
const USAGE = { KERNEL: 1, FW_MAPPED: 2 } as const;

const COLUMNS = [
  ['created-by', 32],
  ['global-name', 16],
  ['refcount', 11],
  ['evictions', 11],
  ['size', 16],
  ['resident-size', 16],
  ['file-offset', 18],
  ['state', 11],
  ['usage', 12],
  ['label', 5],
] as const;
const LINE = COLUMNS.reduce((sum, [, width]) => sum + width, 0);

interface Row {
  readonly creator: string;
  readonly references: number;
  readonly size: number;
  readonly state: number;
  readonly usage: number;
  readonly label: string;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function rowText({ creator, references, size, state, usage, label }: Row): string {
  const cells = [creator, 0, references, 0, size, size, hex(0), hex(state), hex(usage), label];
  return cells.map((cell, i) => String(cell).padEnd(COLUMNS[i]![1])).join('');
}

const legend = (what: string, bits: Readonly<Record<string, number>>): string =>
  `GEM ${what} flags: ${Object.entries(bits)
    .map(([name, bit]) => `${name.toLowerCase().replace('_', '-')} (${hex(bit)})`)
    .join(', ')}`;

const userRow = (object: GemObject): Row => ({
  creator: creatorOf(object) ?? 'driver/0',
  references: object.references,
  size: object.size,
  state: (isImported(object) ? STATE.IMPORTED : 0) | (object.exported ? STATE.EXPORTED : 0),
  usage: 0,
  label: object.label,
});

const kernelRow = (creator: string, { mcu }: AddressSpace, { run, label }: { run: PageRun; label: string }): Row => ({
  creator,
  references: 1,
  size: run.size,
  state: 0,
  usage: USAGE.KERNEL | (mcu ? USAGE.FW_MAPPED : 0),
  label,
});

/** All VMs of clients with the file that has each. */
function* vmsOf(files: Iterable<File>): IterableIterator<{ vm: Vm; file: File }> {
  for (const file of files) for (const vm of file.private.vms.values()) yield { vm, file };
}

function showGems({ firmware }: Tyr, files: Iterable<File>): string {
  const rows: Row[] = [];
  const seen = new Set<GemObject>();
  const note = (object: GemObject | undefined): void => {
    if (!object || seen.has(object)) return;
    seen.add(object);
    rows.push(userRow(object));
  };
  for (const buffer of firmware.space.buffers) rows.push(kernelRow('driver/0', firmware.space, buffer));
  for (const file of files) for (const object of file.handles.values()) note(object);
  for (const { vm, file } of vmsOf(files)) {
    for (const { object } of vm.mappings.mappings) note(object);
    for (const buffer of vm.space.buffers) rows.push(kernelRow(processOf(file), vm.space, buffer));
  }
  const total = rows.reduce((sum, { size }) => sum + size, 0);
  return [
    legend('state', STATE),
    legend('usage', USAGE),
    '',
    COLUMNS.map(([name, width]) => name.padEnd(width)).join(''),
    '-'.repeat(LINE),
    ...rows.map(rowText),
    '='.repeat(LINE),
    `Total size: ${total}, Total resident: ${total}, Total reclaimable: 0`,
  ].join('\n');
}

const wide = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;

function showSpace(name: string, size: number, space: AddressSpace, vm: Vm | undefined): string {
  const kernel = [...space.buffers].map(({ va, run }) => ({ va, size: run.size, physical: run.physical, offset: 0 }));
  const mapped = (vm?.mappings.mappings ?? []).map(({ va, size: bytes, object, offset }) => ({
    va,
    size: bytes,
    physical: object?.run.physical ?? 0,
    offset,
  }));
  const all = [...mapped, ...kernel].sort((a, b) => a.va - b.va);
  const header =
    ' VAs | start              | range              | end                | object             | object offset';
  return [
    `DRM GPU VA space (${name}) [${wide(0)};${wide(size)}]`,
    `Kernel reserved node [${wide(0)};${wide(0)}]`,
    '',
    header,
    '-'.repeat(header.length),
    ...all.map(
      ({ va, size: bytes, physical, offset }) =>
        `     | ${[va, bytes, va + bytes, physical, offset].map(wide).join(' | ')}`,
    ),
    '',
  ].join('\n');
}

function showGpuvas({ firmware, gpu }: Tyr, files: Iterable<File>): string {
  return [
    showSpace('panthor-MCU-VM', 2 ** 32, firmware.space, undefined),
    ...[...vmsOf(files)].map(({ vm }) => showSpace('panthor-GPU-VM', 2 ** gpu.vaBits, vm.space, vm)),
  ].join('\n');
}

export const debugFiles = (tyr: Tyr, files: Iterable<File>): DebugFile[] => [
  { name: 'gems', show: () => showGems(tyr, files) },
  { name: 'gpuvas', show: () => showGpuvas(tyr, files) },
];
