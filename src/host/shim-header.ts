/**
 * Prints `shim/protocol.h`, the C side of src/abi/shim.ts. Run this file to write it anew after a change there:
 * `node src/host/shim-header.ts`.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Field } from '../abi/layout.ts';
import { SHIM_PROTOCOL } from '../abi/shim.ts';

/** Where the printed header stands in the repository. */
export const SHIM_HEADER = fileURLToPath(new URL('../../shim/protocol.h', import.meta.url));

/** The header's text. Each struct's size and offsets are asserted, so that a compiler that lays it out otherwise stops. */
export function shimHeader(): string {
  const lines = [
    '/* The wire between this library and the machine. Printed from src/abi/shim.ts by src/host/shim-header.ts. */',
    '#ifndef TYR_PROTOCOL_H',
    '#define TYR_PROTOCOL_H',
    '',
    '#include <stddef.h>',
    '#include <stdint.h>',
    '',
  ];
  for (const [name, value] of Object.entries(SHIM_PROTOCOL.numbers)) lines.push(`#define ${name} ${value}`);
  lines.push('');
  for (const [name, rows] of Object.entries(SHIM_PROTOCOL.rows))
    lines.push(`#define ${name} ${rows.map((row) => `{ ${row.join(', ')} }`).join(', ')}`);
  for (const [name, value] of Object.entries(SHIM_PROTOCOL.strings)) lines.push(`#define ${name} "${value}"`);
  const checks: [label: string, condition: string][] = [];
  for (const layout of SHIM_PROTOCOL.structs) {
    lines.push('', `struct ${layout.name} {`);
    for (const [member, field] of Object.entries<Field<number | bigint>>(layout.fields)) {
      // All bits set reads as a negative number from a signed field alone.
      const signed = field.read(new DataView(new Uint8Array(layout.size).fill(0xff).buffer), 0) < 0;
      lines.push(`   ${signed ? '' : 'u'}int${field.width}_t ${member};`);
      checks.push([
        `${layout.name}_${member}`,
        `offsetof(struct ${layout.name}, ${member}) == ${layout.offset[member]}`,
      ]);
    }
    lines.push('};');
    checks.push([layout.name, `sizeof(struct ${layout.name}) == ${layout.size}`]);
  }
  lines.push('', '/* Refused by any compiler that lays the structs out otherwise. */');
  for (const [label, condition] of checks) lines.push(`typedef char tyr_check_${label}[(${condition}) ? 1 : -1];`);
  lines.push('', '#endif', '');
  return lines.join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SHIM_HEADER, shimHeader());
