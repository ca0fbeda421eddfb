import assert from 'node:assert/strict';
import { test } from 'node:test';
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
