import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_SEAT, type Seat, SlotManager } from './slot.ts';

class Owner {
  seat: Seat = NO_SEAT;
}

test('an owner that comes back finds its slot as it left it', () => {
  const slots = new SlotManager<Owner>([1, 2]);
  const a = new Owner();
  assert.deepEqual(slots.activate(a), { slot: 1, fresh: true, evicted: undefined });
  slots.idle(a);
  assert.deepEqual(slots.activate(a), { slot: 1, fresh: false, evicted: undefined });
});

test('the owner that has been idle the longest loses its slot, and notices', () => {
  const slots = new SlotManager<Owner>([0, 1]);
  const [old, young, newcomer] = [new Owner(), new Owner(), new Owner()];
  slots.activate(young);
  slots.activate(old);
  slots.activate(young);
  slots.idle(young);
  slots.idle(old);
  assert.deepEqual(slots.activate(newcomer), { slot: 1, fresh: true, evicted: old });
  assert.equal(slots.slotOf(old), undefined);
  assert.equal(slots.slotOf(young), 0);
});

test('nobody loses an active seat', () => {
  const slots = new SlotManager<Owner>([3]);
  const a = new Owner();
  slots.activate(a);
  assert.equal(slots.activate(new Owner()), undefined);
  assert.equal(slots.slotOf(a), 3);
  assert.equal(slots.evict(a), 3);
  assert.equal(slots.activate(new Owner())?.slot, 3);
});
