/** Faults of both drivers' logs are read to the same sentences, and what only one of them reports is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultDifferences, reportedFaults, tellsOfFault, unexpectedWarnings } from './faults.ts';

const pageFault = (prefix: string, level: number, address: string, access: string): string =>
  [
    `${prefix}panthor: Unhandled Page fault in AS1 at VA ${address}`,
    `${prefix}raw fault status: 0x2C${level}`,
    ...(prefix ? [`${prefix}decoded fault status: SLAVE FAULT`] : []),
    `${prefix}exception type 0xC${level}: TRANSLATION_FAULT_${level}`,
    `${prefix}access type ${access}`,
    `${prefix}source id 0x0`,
  ].join('\n');

const stream = (prefix: string, kind: string, type: string, info: string): string =>
  [
    `${prefix}CS_${kind}: pid=133`,
    `${prefix}CSG slot 2 CS slot: 1`,
    `${prefix}CS_${kind}.EXCEPTION_TYPE: ${type}`,
    `${prefix}CS_${kind}.EXCEPTION_DATA: 0x7`,
    `${prefix}CS_${kind}_INFO.EXCEPTION_DATA: ${info}`,
  ].join('\n');

const KERNEL = '[   12.500000] ';
const INVALID = '0x49 (CS_INVALID_INSTRUCTION)';

test('a page fault and a stream’s exception come to the same sentences from both drivers', () => {
  const said = (prefix: string, level: number): string =>
    `${pageFault(prefix, level, '0x0000000001C00300', '0x3: WRITE')}\n${stream(prefix, 'FAULT', INVALID, '0x10')}\n`;
  assert.deepEqual(reportedFaults(said('', 0)), [
    'page fault at 0x1c00300, TRANSLATION_FAULT, access type 0x3 WRITE, source id 0x0',
    'CS_FAULT of queue 1: 0x49 CS_INVALID_INSTRUCTION, data 0x7, info 0x10',
  ]);
  assert.deepEqual(reportedFaults(said(KERNEL, 3)), reportedFaults(said('', 0)));
  assert.deepEqual(faultDifferences(said('', 0), said(KERNEL, 3)), []);
  for (const line of said(KERNEL, 3).trim().split('\n')) assert.ok(tellsOfFault(line), line);
  assert.ok(!tellsOfFault(`${KERNEL}panthor 10000000.gpu: [drm] Firmware git sha: 1`));
});

test('another address, another access, another code, or another number of them is a difference', () => {
  const mine = pageFault('', 0, '0x1000', '0x2: READ');
  for (const other of [
    pageFault(KERNEL, 0, '0x2000', '0x2: READ'),
    pageFault(KERNEL, 0, '0x1000', '0x3: WRITE'),
    '',
    `${pageFault(KERNEL, 0, '0x1000', '0x2: READ')}\n`.repeat(2),
  ])
    assert.notDeepEqual(faultDifferences(mine, other), [], other);
  const fatal = stream('', 'FATAL', INVALID, '0x0');
  assert.equal(faultDifferences(fatal, stream(KERNEL, 'FAULT', INVALID, '0x0')).length, 2);
  assert.equal(faultDifferences(fatal, stream(KERNEL, 'FATAL', '0x4a (OTHER)', '0x0')).length, 2);
});

test('whether a stream’s end at a page fault is noted as well does not matter', () => {
  const page = pageFault('', 0, '0x1C00300', '0x2: READ');
  const end = stream('', 'FATAL', '0x48 (CS_BUS_FAULT)', '0x1c00300');
  assert.deepEqual(faultDifferences(`${page}\n${end}`, page), []);
  assert.equal(faultDifferences(end, '').length, 1);
});

test('where a driver has its own rings does not matter', () => {
  const lost = (prefix: string, info: string): string => stream(prefix, 'FATAL', '0x41 (CS_UNRECOVERABLE)', info);
  assert.deepEqual(faultDifferences(lost('', '0x800000001100'), lost(KERNEL, '0xfffff0063000')), []);
  assert.equal(faultDifferences(lost('', '0x800000001100'), lost(KERNEL, '0x1100')).length, 2);
});

test('a kernel’s warning is unexpected with all of its stack, or with none of it', () => {
  const trace = (what: string): string[] =>
    ['------------[ cut here ]------------', what, 'Call trace:', '---[ end trace 0000000000000000 ]---'].map(
      (line) => KERNEL + line,
    );
  const lines = [...trace('drm_WARN_ON(a)'), `${KERNEL}MCU`, ...trace('drm_WARN_ON(b)'), `${KERNEL}source id 0x0`];
  assert.deepEqual(unexpectedWarnings(lines, /WARN_ON\(a\)|MCU/), trace('drm_WARN_ON(b)'));
  assert.deepEqual(unexpectedWarnings(lines), lines.slice(0, -1));
  const cut = trace('drm_WARN_ON(a)').slice(0, 2);
  assert.deepEqual(unexpectedWarnings(cut, /WARN_ON\(a\)/), cut, 'one that has no end is told');
});
