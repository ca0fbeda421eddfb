/** What a crowd's client says comes to medians and shares, side by side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crowdTable, parseCrowd } from './crowd.ts';

const said = (shares: number[], loaded: number): string =>
  [
    'warm 900000',
    ...[5000, 1000, 3000].map((time) => `idle ${time}`),
    'idle-again 500',
    ...shares.map((share) => `share ${share}`),
    `loaded ${loaded}`,
    'loaded-again 2000',
    '',
  ].join('\n');

test('medians are in microseconds, and ratios are within one world', () => {
  const tyr = parseCrowd(said([50, 100], 6000));
  assert.deepEqual(tyr, { shares: [50, 100], idle: 3, idleAgain: 0.5, loaded: 6, loadedAgain: 2 });
  const lines = crowdTable({ tyr, panthor: parseCrowd(said([10, 10], 9000)) }).split('\n');
  assert.match(lines[0]!, /tyr \| panthor/);
  assert.match(lines.find((line) => line.includes('least share'))!, /\| 0\.500 \| 1\.00 \|$/);
  assert.deepEqual(
    lines.filter((line) => line.includes('ratio')).map((line) => line.split('|').slice(2, 4).map(Number)),
    [
      [2, 3],
      [4, 4],
    ],
  );
});
