import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairPolicy } from './fair.ts';
import type { Group } from './group.ts';
import { POLICIES, type Policy, type TickInput } from './policy.ts';
import { byPriority, choose } from './tick.ts';

const LOW = 0;
const MEDIUM = 1;
const REALTIME = 3;

interface Options {
  idle?: boolean;
  canRun?: boolean;
  vm?: object;
  client?: object;
  lastWork?: number;
}

const group = (priority: number, options: Options = {}): Group => {
  const { idle = false, canRun = true, vm = {}, client = {}, lastWork = 0 } = options;
  return { priority, idle, canRun, vm, client, lastWork } as unknown as Group;
};

function tick(options: Partial<TickInput> & { in?: Group[]; ready?: Group[]; resting?: Group[]; policy?: Policy }) {
  const current = byPriority<Group[]>(() => []);
  const runnable = byPriority<Set<Group>>(() => new Set());
  const idle = byPriority<Set<Group>>(() => new Set());
  for (const one of options.in ?? []) current[one.priority]!.push(one);
  for (const one of options.ready ?? []) runnable[one.priority]!.add(one);
  for (const one of options.resting ?? []) idle[one.priority]!.add(one);
  return (options.policy ?? { choose }).choose({
    now: 0,
    slots: 2,
    addressSpaces: 7,
    full: true,
    current,
    runnable,
    idle,
    ...options,
  });
}

test('higher priorities get the slots first', () => {
  const [low, medium, high] = [group(LOW), group(MEDIUM), group(2)];
  assert.deepEqual(tick({ ready: [low, medium, high] }).next, [high, medium]);
});

test('groups of one priority take turns at full ticks', () => {
  const [a, b, c] = [group(MEDIUM), group(MEDIUM), group(MEDIUM)];
  const first = tick({ in: [a, b], ready: [c] });
  assert.deepEqual(first.next, [b, c]);
  assert.deepEqual(first.leave, [a]);
  assert.ok(first.takingTurns);
});

test('between full ticks nobody has to leave but for a realtime group', () => {
  const [a, b, c, urgent] = [group(MEDIUM), group(MEDIUM), group(MEDIUM), group(REALTIME)];
  assert.deepEqual(tick({ in: [a, b], ready: [c], full: false }).leave, []);
  const choice = tick({ in: [a, b], ready: [c, urgent], full: false });
  assert.deepEqual(choice.next, [urgent, a]);
  assert.deepEqual(choice.leave, [b]);
});

test('groups with nothing to do stay only where nobody else wants the slot', () => {
  const [resting, busy, other] = [group(MEDIUM, { idle: true }), group(LOW), group(LOW)];
  assert.deepEqual(tick({ in: [resting], ready: [busy] }).next, [resting, busy]);
  const choice = tick({ in: [resting], ready: [busy, other] });
  assert.deepEqual(choice.next, [busy, other]);
  assert.deepEqual(choice.leave, [resting]);
  assert.equal(choice.idleCount, 0);
});

test('a dead group leaves whatever its priority', () => {
  const dead = group(REALTIME, { canRun: false });
  const choice = tick({ in: [dead], resting: [] });
  assert.deepEqual(choice.next, []);
  assert.deepEqual(choice.leave, [dead]);
});

test('there are no more VMs at work than address spaces', () => {
  const shared = {};
  const [a, b, c] = [group(MEDIUM, { vm: shared }), group(MEDIUM), group(MEDIUM, { vm: shared })];
  assert.deepEqual(tick({ ready: [a, b, c], slots: 3, addressSpaces: 1 }).next, [a, c]);
});

/** How often each group is in a slot in so many full ticks of 10 ms, all of them at work all the time. */
function turns(
  policy: Policy,
  groups: readonly Group[],
  ticks: number,
  slots = 2,
  begin = 0,
  inside: readonly Group[] = [],
): number[] {
  const counts = new Map<Group, number>();
  // Who leaves a slot comes behind those who wait.
  let ready = groups.filter((each) => !inside.includes(each));
  for (let i = 0; i < ticks; i++) {
    const { next, leave } = tick({ policy, in: [...inside], ready, now: begin + i * 1e7, slots });
    inside = next;
    ready = [...ready.filter((each) => !next.includes(each)), ...leave];
    for (const each of inside) counts.set(each, (counts.get(each) ?? 0) + 1);
  }
  return groups.map((each) => counts.get(each) ?? 0);
}

test('fair: a client with one group gets as much as one with eight', () => {
  const [few, many] = [{}, {}];
  const groups = [group(MEDIUM, { client: few }), ...Array.from({ length: 8 }, () => group(MEDIUM, { client: many }))];
  const [one, ...others] = turns(new FairPolicy(), groups, 200, 1);
  assert.ok(Math.abs(one! - 100) <= 2, `${one} of 200`);
  for (const each of others) assert.ok(Math.abs(each - 12.5) <= 2, `${others}`);
  // Under panthor's the same groups take turns one by one.
  const [row] = turns(POLICIES.panthor.make(), groups, 198, 1);
  assert.ok(row! <= 24, `${row} of 198`);
});

test('fair: shares follow the priorities’ weights, and a realtime group comes before all', () => {
  const groups = [group(LOW), group(MEDIUM), group(2)];
  const [low, medium, high] = turns(new FairPolicy(), groups, 700, 1);
  assert.ok(
    Math.abs(low! - 100) < 10 && Math.abs(medium! - 200) < 10 && Math.abs(high! - 400) < 10,
    `${low} ${medium} ${high}`,
  );
  const [urgent, plain] = turns(new FairPolicy(), [group(REALTIME), group(MEDIUM)], 50, 1);
  assert.deepEqual([urgent, plain], [50, 0]);
});

test('fair: who comes late does not catch up on what he has not asked for', () => {
  const policy = new FairPolicy();
  const [early, late] = [group(MEDIUM), group(MEDIUM)];
  turns(policy, [early], 1000, 1);
  const [first, second] = turns(policy, [early, late], 100, 1);
  assert.ok(Math.abs(first! - second!) <= 4, `${first} ${second}`);
});

test('fair: who has had the GPU to himself does not pay for it when others come, though nobody has taken turns meanwhile', () => {
  const policy = new FairPolicy();
  const [early, late] = [group(MEDIUM), group(MEDIUM)];
  tick({ policy, ready: [early], slots: 1 });
  const [first, second] = turns(policy, [early, late], 100, 1, 10e9, [early]);
  assert.ok(Math.abs(first! - second!) <= 4, `${first} ${second}`);
});

test('fair: who was at rest in a slot pays for what he has done since, not for his rest', () => {
  const policy = new FairPolicy();
  const [one, other, third] = [{ idle: true }, {}, {}].map((options) => group(MEDIUM, options));
  turns(policy, [other!, third!], 10, 2);
  tick({ policy, resting: [one!], slots: 2, now: 1e8 });
  Object.assign(one!, { idle: false });
  const shares = turns(policy, [one!, other!, third!], 99, 1, 10e9, [one!]);
  for (const each of shares) assert.ok(Math.abs(each - 33) <= 4, `${shares}`);
});

test('fair: no more VMs than address spaces, the dead leave, the idle stay where nobody wants the slot', () => {
  const shared = {};
  const [a, b, c] = [group(MEDIUM, { vm: shared }), group(MEDIUM), group(MEDIUM, { vm: shared })];
  assert.deepEqual(tick({ policy: new FairPolicy(), ready: [a, b, c], slots: 3, addressSpaces: 1 }).next, [a, c]);
  const dead = group(MEDIUM, { canRun: false });
  assert.deepEqual(tick({ policy: new FairPolicy(), in: [dead] }).leave, [dead]);
  const [resting, busy] = [group(MEDIUM, { idle: true }), group(LOW)];
  const choice = tick({ policy: new FairPolicy(), in: [resting], ready: [busy] });
  assert.deepEqual(choice.next, [busy, resting]);
  assert.equal(choice.idleCount, 1);
});

test('under the fair policy a higher priority does not wait for the slice’s end, as long as its client has had no more', () => {
  const policy = new FairPolicy();
  const [low, medium, other, high] = [group(LOW), group(MEDIUM), group(MEDIUM), group(2)];
  tick({ policy, in: [low, medium], ready: [other] });
  assert.ok(policy.hurries(high, [low, medium]));
  assert.ok(!policy.hurries(other, [medium]), 'one of the same priority waits');
  assert.ok(!policy.hurries(high, [group(MEDIUM, { idle: true })]), 'nobody is in the way of a group that rests');
  const choice = tick({ policy, in: [low, medium], ready: [other, high], full: false, now: 1e6 });
  assert.equal(choice.next[0], high);
  assert.equal(choice.next[1], medium, 'one of the same priority has not thrown it out');
  assert.deepEqual(choice.leave, [low]);
  // It keeps its slot until it has had more than they.
  for (let now = 2e6; policy.hurries(high, [medium]); now += 1e6) {
    assert.ok(now < 100e6, 'it hurries for ever');
    tick({ policy, in: [high], ready: [medium], full: false, now });
  }
});

test('under the fair policy who has come to rest, and would be let in again at once, keeps its slot for a while', () => {
  const policy = new FairPolicy();
  const [high, medium, other] = [group(2, { idle: true }), group(MEDIUM), group(MEDIUM)];
  const inSlots = [high, medium];
  assert.ok(policy.keepsSlot(high, inSlots, 50e6));
  const choice = tick({ policy, in: inSlots, ready: [other], slots: 4, addressSpaces: 2, now: 50e6 });
  assert.deepEqual(choice.next, [high, medium]);
  assert.equal(choice.idleCount, 0, 'who comes does not get its slot');
  assert.ok(!policy.keepsSlot(group(MEDIUM, { idle: true }), [medium], 50e6), 'one of the same priority would wait');
  assert.ok(!policy.keepsSlot(high, inSlots, 150e6), 'it has not had work for long');
  const later = tick({ policy, in: inSlots, ready: [other], slots: 4, addressSpaces: 2, now: 150e6 });
  assert.deepEqual(later.next, [medium, other]);
  assert.deepEqual(later.leave, [high]);
});

test('under the fair policy groups at rest keep a quarter of the slots: those that had work last', () => {
  const resting = Array.from({ length: 4 }, (_, i) => group(2, { idle: true, lastWork: i }));
  const busy = Array.from({ length: 8 }, () => group(MEDIUM));
  const { next } = tick({
    policy: new FairPolicy(),
    in: [...resting, ...busy.slice(4)],
    ready: busy.slice(0, 4),
    slots: 8,
    addressSpaces: 16,
    now: 1e6,
  });
  assert.deepEqual(next.slice(0, 2), [resting[3], resting[2]]);
  assert.equal(next.filter((each) => busy.includes(each)).length, 6);
});

test('under the fair policy the firmware serves higher priorities first, whoever is behind', () => {
  const policy = new FairPolicy();
  const [medium, high] = [group(MEDIUM), group(2)];
  for (const full of [true, false])
    for (let now = 0; now < 100e6; now += 10e6)
      assert.deepEqual(tick({ policy, in: [medium, high], full, now }).next, [high, medium]);
});

test('under panthor’s policy only realtime groups do not wait, and who rests gives its slot up', () => {
  assert.ok(!POLICIES.panthor.make().keepsSlot(group(REALTIME, { idle: true }), [group(LOW)], 0));
  const [low, high, realtime] = [group(LOW), group(2), group(REALTIME)];
  assert.ok(!POLICIES.panthor.make().hurries(high, [low]));
  assert.ok(POLICIES.panthor.make().hurries(realtime, [low]));
});
