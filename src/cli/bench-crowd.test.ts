/** A crowd on real time: requests are served between streams' turns, and everybody gets a share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLICY_NAMES } from '../driver/index.ts';
import { crowdOf } from './bench-crowd.ts';

/** More clients than there are address spaces, with more groups than slots. */
const SIZES = { clients: 10, samples: 40, counted: 5e8 };

test('under each policy every client of a crowd gets its jobs done, from the first on, and one of high priority beside them', async () => {
  for (const policy of POLICY_NAMES) {
    const { shares, beside, againBeside } = await crowdOf(policy, SIZES);
    // panthor's lets one group a slice go, so few have had two turns by then.
    const least = policy === 'fair' ? 0.25 * Math.max(...shares) : 0;
    assert.ok(Math.min(...shares) > least, `${policy}: ${shares}`);
    for (const time of [beside, againBeside]) assert.ok(time > 0 && Number.isFinite(time), `${policy}: ${time}`);
  }
});
