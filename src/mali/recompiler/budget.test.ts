import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Budget } from './budget.ts';

test('when more is held than there is room for, all but the newcomer drop what they have', () => {
  const budget = new Budget(100);
  const dropped: string[] = [];
  const holder = (name: string) => ({ drop: () => void dropped.push(name) });
  const [a, b, c] = ['a', 'b', 'c'].map(holder) as [
    ReturnType<typeof holder>,
    ReturnType<typeof holder>,
    ReturnType<typeof holder>,
  ];
  budget.hold(a, 40);
  budget.hold(b, 30);
  budget.hold(a, 30);
  assert.equal(budget.held, 100);
  assert.deepEqual(dropped, []);
  budget.hold(c, 1);
  assert.deepEqual(dropped, ['a', 'b'], 'each once');
  assert.equal(budget.held, 1);
});

test('a budget keeps nobody alive who holds something', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const budget = new Budget(100);
  const gone = new WeakRef({ drop: () => {} });
  budget.hold(gone.deref()!, 1);
  await setImmediate();
  collect();
  assert.equal(gone.deref(), undefined);
});
