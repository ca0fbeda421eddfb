/** Guest tests: a short form of `tyr fuzz ioctl` and `tyr fuzz kills`, as the commands run them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT_HARMS, type ClientHarm, fuzzClients } from './fuzz-clients.ts';

const COUNTS: Readonly<Record<ClientHarm, number>> = { ioctl: 6000, kills: 16 };

for (const what of Object.keys(CLIENT_HARMS) as ClientHarm[]) {
  test(`guest: a short tyr fuzz ${what} leaves nothing behind, and a fresh kmscube draws`, async () => {
    assert.equal(await fuzzClients(what, { count: COUNTS[what], seed: 100 }), 0);
  });
}
