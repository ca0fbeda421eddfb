/** The core's files in debugfs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testClient } from '../testing/display/client.ts';

const cells = (line: string): string[] => line.trim().split(/ +/);

test('clients are told with the process that opened the device, its node, master and own name', () => {
  const client = testClient();
  const { device } = client.display;
  const show = (name: string): string[] =>
    device.debugFiles
      .find((file) => file.name === name)!
      .show()
      .split('\n');
  assert.deepEqual(show('name'), ['rockchip dev=display-subsystem unique=display-subsystem']);
  const other = device.open('primary', 4711, false, { command: 'a program', uid: 1000, minor: 3 });
  other.clientName = 'itself';
  const [header, first, second, ...rest] = show('clients');
  assert.equal(header!.length, first!.length);
  assert.deepEqual(cells(header!), ['command', 'tgid', 'dev', 'master', 'a', 'uid', 'magic', 'name', 'id']);
  assert.deepEqual(cells(first!), ['a', 'program', '4711', '3', 'n', 'n', '1000', '0', 'itself', String(other.id)]);
  const { file } = client;
  assert.deepEqual(cells(second!).slice(0, 3), ['<unknown>', String(file.pid), '0']);
  assert.deepEqual(cells(second!).slice(3, 5), ['y', 'y']);
  assert.deepEqual(rest, []);
  other.close();
  assert.equal(show('clients').length, 2);
});
