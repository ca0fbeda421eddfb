/**
 * Calls as text (calls/*.calls, in the language of testing/machine/calls/), made on a machine of our own: what is written below a call
 * is what came of it under Linux's panthor on the same GPU (`tyr compare` makes them there). One sequence, one client.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { liveMachine } from '../testing/machine/board.ts';
import { compileCalls } from '../testing/machine/calls/compile.ts';
import { generateCalls } from '../testing/machine/calls/generate.ts';
import { CallsError } from '../testing/machine/calls/language.ts';
import { makeCalls } from '../testing/machine/calls/local.ts';

const FOLDER = new URL('calls/', import.meta.url);
/** Seeds of random sequences. */
const RANDOM = 120;

const live = await liveMachine();
after(() => live.machine.close());

for (const file of readdirSync(FOLDER)) {
  const sequences = compileCalls(readFileSync(new URL(file, FOLDER), 'utf8'));
  for (const sequence of sequences) {
    test(`${file}${sequence.name && `: ${sequence.name}`}`, async () => {
      const told = await makeCalls(live, sequence);
      for (const { call, text } of told) {
        const { number, expected } = call.line;
        if (expected !== undefined) assert.equal(text, expected, `line ${number}: ${call.line.text}`);
      }
    });
  }
}

/** The mistake that a text has. */
function mistake(source: string): string {
  try {
    compileCalls(source);
  } catch (error) {
    if (error instanceof CallsError) return error.message;
    throw error;
  }
  return '';
}

test('a text with a mistake says where it is', () => {
  assert.match(mistake('vm = VM_CREATE\nVM_DESTRY id=vm.id'), /^line 2: nobody knows VM_DESTRY/);
  assert.match(mistake('VM_CREATE flag=0'), /^line 1: a drm_panthor_vm_create has no flag, but flags/);
  assert.match(mistake('VM_DESTROY id=vm.id'), /^line 1: nothing is called vm/);
  assert.match(mistake('VM_CREATE\nVM_CREATE flags=[1'), /^line 2: the text ends in the midst of a value/);
  assert.match(mistake('BO_CREATE size=?'), /^line 1: nobody knows what "\?" is/);
  assert.match(mistake('stream memory 0 {\n  MOVE\n}'), /^line 1: the first word is a mapping/);
});

test('what is written behind a list has the last word, and a struct may be of another age', async () => {
  const [sequence] = compileCalls(`
    vm = VM_CREATE
    bo = BO_CREATE size=4K
    VM_BIND vmId=vm.id ops=[{ boHandle=bo.handle va=4K size=4K }] ops.stride=4
    VM_BIND vmId=vm.id ops=[{ boHandle=bo.handle va=4K size=4K }] ops.array=8
    VM_BIND vmId=vm.id ops=[{ boHandle=bo.handle va=4K size=4K } { va=1 size=1 }]
    VM_DESTROY id=vm.id+1
    VM_GET_STATE argsize=4
    ioctl 0xc00864ff
  `);
  const told = await makeCalls(live, sequence!);
  assert.deepEqual(
    told.slice(2).map(({ text }) => text),
    ['EINVAL', 'EFAULT', 'EINVAL ops.count=1', 'EINVAL', 'EINVAL', 'EINVAL'],
  );
});

test('a mapping on which a queued bind has mapped nothing can be cut (panthor of Linux 7.3.4 does not come back from that)', async () => {
  const [sequence] = compileCalls(`
    vm = VM_CREATE
    bo = BO_CREATE size=1M
    done = SYNCOBJ_CREATE
    VM_BIND vmId=vm.id flags=BIND.ASYNC ops=[
      { boHandle=bo.handle va=0x1200000 size=1M }
      { boHandle=bo.handle va=0x1200000 size=0 syncs=[{ flags=SYNC.SIGNAL handle=done.handle }] }
    ]
    SYNCOBJ_WAIT handles=[done.handle] count_handles=1 timeout_nsec=now+20s
    VM_BIND vmId=vm.id ops=[{ flags=BIND.UNMAP va=0x121a000 size=2M }]
    VM_BIND vmId=vm.id ops=[{ boHandle=bo.handle va=0x1214000 size=1M }]
    VM_GET_STATE vmId=vm.id`);
  const told = await makeCalls(live, sequence!);
  assert.deepEqual(
    told.slice(3).map(({ text }) => text.split(' ')[0]),
    ['0', '0', '0', '0', '0'],
  );
});

test('random clients, right and wrong, get answers and leave nothing behind', async () => {
  const succeeded = new Set<string>();
  const failed = new Set<string>();
  for (let seed = 1; seed <= RANDOM; seed++) {
    for (const { call, text } of await makeCalls(live, compileCalls(generateCalls(seed))[0]!)) {
      (/^(E[A-Z0-9]+|errno)/.test(text) ? failed : succeeded).add(call.line.verb);
    }
  }
  // So that the sequences reach what they are meant to reach.
  for (const verb of [
    'VM_BIND',
    'GROUP_SUBMIT',
    'SYNCOBJ_WAIT',
    'SYNCOBJ_TIMELINE_WAIT',
    'TILER_HEAP_CREATE',
    'mmap',
  ]) {
    assert.ok(succeeded.has(verb) && failed.has(verb), verb);
  }
  const left = (): string[] =>
    Object.entries(live.machine.usage).flatMap(([name, count]) => (count === 0 ? [] : [`${count} ${name}`]));
  for (let i = 0; left().length > 0 && i < 300; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(left(), []);
});
