/**
 * The core's files in debugfs: `name`, the device, and `clients`, who has it open, line by line as `drm_debugfs.c` (drm_name_info,
 * drm_clients_info) writes them.
 */
import type { DebugFile, DrmDevice } from './device.ts';
import type { DrmFile } from './file.ts';

/** DRM_CLIENT_NAME_MAX_LEN. */
const NAME_WIDTH = 64;
const HEADER = ['command', 'tgid', 'dev', 'master a', 'uid', 'magic', 'name', 'id'] as const;
const WIDTHS = [20, 5, 3, 8, 5, 10, NAME_WIDTH, 20] as const;

const row = (cells: readonly (string | number)[]): string =>
  cells.map((cell, i) => String(cell).padStart(WIDTHS[i]!)).join(' ');

const flag = (set: boolean): string => (set ? 'y' : 'n');

function clientRow(file: DrmFile<any>): string {
  const { opener, pid, magic, id } = file;
  return row([
    opener.command || '<unknown>',
    pid,
    opener.minor,
    `  ${flag(file.isMaster)}    ${flag(file.authenticated)}`,
    opener.uid,
    magic,
    file.clientName ?? '<unset>',
    id,
  ]);
}

export const coreDebugFiles = (device: DrmDevice<any>): DebugFile[] => [
  {
    name: 'name',
    show: () => {
      const { name, unique } = device.driver;
      return unique === undefined ? name : `${name} dev=${unique} unique=${unique}`;
    },
  },
  // Whoever came last stands first: the kernel walks its list from the end.
  { name: 'clients', show: () => [row(HEADER), ...[...device.files].reverse().map(clientRow)].join('\n') },
];
