import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Group } from './group.ts';
import { byPriority, choose, type TickInput } from './tick.ts';

const LOW = 0;
const MEDIUM = 1;
const REALTIME = 3;

const group = (priority: number, options: { idle?: boolean; canRun?: boolean; vm?: object } = {}): Group =>
  ({ priority, idle: options.idle ?? false, canRun: options.canRun ?? true, vm: options.vm ?? {} }) as unknown as Group;

function tick(options: Partial<TickInput> & { in?: Group[]; ready?: Group[]; resting?: Group[] }) {
  const current = byPriority<Group[]>(() => []);
  const runnable = byPriority<Set<Group>>(() => new Set());
  const idle = byPriority<Set<Group>>(() => new Set());
  for (const one of options.in ?? []) current[one.priority]!.push(one);
  for (const one of options.ready ?? []) runnable[one.priority]!.add(one);
  for (const one of options.resting ?? []) idle[one.priority]!.add(one);
  return choose({ slots: 2, addressSpaces: 7, full: true, current, runnable, idle, ...options });
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
