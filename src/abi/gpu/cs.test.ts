import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../layout.ts';
import { assembleCs, CS, type CsName, csName, decodeCs, encodeCs, printCs } from './cs.ts';

const wordOf = (...line: Parameters<typeof assembleCs>[0]) => viewOf(assembleCs(line)).getBigUint64(0, true);

test('known instruction words of the kernel driver', () => {
  // drivers/gpu/drm/panthor/panthor_sched.c, prepare_job_instrs.
  assert.equal(wordOf(['MOVE32', { destination: 94, immediate: 0x1234 }]), (2n << 56n) | (94n << 48n) | 0x1234n);
  assert.equal(
    wordOf(['MOVE', { destination: 92, immediate: 0xabcdef012345 }]),
    (1n << 56n) | (92n << 48n) | 0xabcdef012345n,
  );
  assert.equal(wordOf(['WAIT', { waitMask: 0xff }]), (3n << 56n) | (0xffn << 16n));
  assert.equal(wordOf(['CALL', { address: 92, length: 94 }]), (32n << 56n) | (92n << 40n) | (94n << 32n));
  assert.equal(wordOf(['ERROR_BARRIER']), 47n << 56n);
  assert.equal(
    wordOf(['FLUSH_CACHE2', { l2FlushMode: 3, lscFlushMode: 3, otherInvalidate: true, latestFlushId: 94 }]),
    (36n << 56n) | (94n << 40n) | 0x233n,
  );
  assert.equal(
    wordOf(['SYNC_ADD64', { errorPropagate: true, address: 92, data: 94, waitMask: 0 }]),
    (51n << 56n) | (92n << 40n) | (94n << 32n) | 1n,
  );
});

test('every instruction survives encode, decode and print with each field at its extremes', () => {
  for (const name of Object.keys(CS) as CsName[]) {
    const type = CS[name];
    const fields = Object.entries(type.fields) as [string, any][];
    const patterns: Record<string, any>[] = [{}];
    for (const [key, field] of fields) {
      const sample = field.read(new DataView(new Uint8Array(8).fill(0xff).buffer), 0);
      patterns.push({ [key]: sample });
    }
    for (const operands of patterns) {
      const view = new DataView(new ArrayBuffer(8));
      encodeCs(view, 0, name, operands);
      const back = decodeCs(view, 0);
      assert.equal(back?.name, name);
      for (const [key] of fields) {
        const expected: unknown = operands[key] ?? (typeof (back.operands as any)[key] === 'boolean' ? false : 0);
        assert.equal((back.operands as any)[key], expected, `${name}.${key}`);
      }
      assert.match(printCs(view, 0), new RegExp(`^${name}`));
      assert.doesNotMatch(printCs(view, 0), /[{}]|undefined/);
    }
  }
});

test('no field overlaps another or the opcode', () => {
  for (const [name, type] of Object.entries(CS)) {
    const used = new Set<number>();
    for (const field of Object.values(type.fields) as any[]) {
      for (let bit = field.bit; bit < field.bit + field.width; bit++) {
        assert.ok(bit < 56 && !used.has(bit), `${name} bit ${bit}`);
        used.add(bit);
      }
    }
  }
});

test('the printer reads like the field writes', () => {
  const text = (...program: Parameters<typeof assembleCs>[0]) => printCs(viewOf(assembleCs(program)), 0);
  assert.equal(text(['MOVE32', { destination: 5, immediate: 0xcafe }]), 'MOVE32 r5, #0xcafe');
  assert.equal(text(['BRANCH', { condition: 1, value: 66, offset: -4 }]), 'BRANCH.gt r66, #-4');
  assert.equal(
    text(['SYNC_ADD64', { errorPropagate: true, address: 92, data: 94, waitMask: 3, signalSlot: 1 }]),
    'SYNC_ADD64.errorPropagate.system [d92], d94, #0x3, #1',
  );
  assert.equal(
    printCs(new DataView(new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0xee]).buffer), 0),
    'UNKNOWN_238 0xee00000000000001',
  );
});

test('an opcode that does not exist decodes to nothing', () => {
  assert.equal(csName(10), undefined);
  assert.equal(decodeCs(new DataView(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 10]).buffer), 0), undefined);
});
