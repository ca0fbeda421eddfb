/**
 * A GPU that fails beneath Debian's panthor, as by `tyr vm --fault`: the kernel says what it has seen, its own recovery does the rest, and
 * the next client gets its work done. Run by `./tyr test --vm`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFault } from '../../mali/faults.ts';
import { underPanthor } from '../../testing/host/under-panthor.ts';

const STORY = `
/tyr/program /dev/dri/renderD128 1; echo first $?
sleep 3
/tyr/program /dev/dri/renderD128 1; echo second $?
`;

/** Faults, what the kernel warns of then, and of nothing else. */
const TOLD: readonly [fault: string, warnings: RegExp, must: RegExp][] = [
  ['firmware-hang@1', /MCU|job timeout|[Pp]ing|reset/, /MCU to halt/],
  ['stream-lost@1', /CS_FATAL|CSG slot 0 CS slot: 0/, /CS_UNRECOVERABLE/],
];

for (const [fault, expected, must] of TOLD) {
  test(`panthor recovers from ${fault}, tells of it and of nothing else, and the next client's job is done`, async () => {
    const { stdout, lines, warnings, ended, all } = await underPanthor(STORY, 'mov-job', {
      faults: [parseFault(fault)],
      timeout: 200,
    });
    assert.equal(ended, 'itself', all);
    assert.ok(
      lines.some((line) => line.includes(fault.replace(/@.*/, ''))),
      all,
    );
    assert.match(stdout, /first \d+\nmov-job: 0xcafe0000\nsecond 0\n$/, all);
    assert.match(warnings.join('\n'), must, all);
    assert.deepEqual(
      warnings.filter((line) => !expected.test(line)),
      [],
      all,
    );
  });
}
