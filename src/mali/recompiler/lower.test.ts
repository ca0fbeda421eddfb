/**
 * Lane operations against the interpreter: every arithmetic instruction of the ISA table with all values of its modifiers,
 * parts and signs of its sources at random, on words that are special in one way or another, bit for bit. Where results
 * are floats, any NaN equals any other.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INSTRUCTIONS, type InstructionSpec, type SourceSpec } from '../../abi/isa/instructions.ts';
import { execute } from '../../testing/mali/shader-rig.ts';
import { executorOf } from '../engine/engine.ts';
import { assembleLine } from '../shader/assemble.ts';
import { LANES, type ShaderRun } from '../shader/contract.ts';
import { compile } from '../shader/control.ts';
import { decode, EncodingError } from '../shader/decode.ts';
import { ModuleBuilder } from '../wasm/builder.ts';
import { LaneCode } from './lanes.ts';
import { lower, lowerDiscard, type Operands } from './lower.ts';
import { isDirectedSum } from './lowering.ts';

/** Arithmetic that the interpreter is called for, beside sums that are rounded in a direction. May only become shorter. */
const WITHOUT_LANE_OPERATIONS: string[] = [];

const arithmetic = INSTRUCTIONS.filter((spec) => spec.dest);

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
type Random = ReturnType<typeof generator>;

const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;

/** Words that are special as singles, halves, integers or 64-bit halves of them. */
const SPECIAL = [
  0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x7f800000,
  0xff800000, 0x7fc00000, 0xffc00000, 0x3f800000, 0xbf800000, 0x3f000000, 0x40490fdb, 0x4b000000, 0xcb000001,
  0x4f000000, 0xcf000000, 0x7fffffff, 0xffffffff, 0x80008000, 0x00010001, 0x7bff7bff, 0x7c00fc00, 0x04008400,
  0x03ff83ff, 0x3c00bc00, 0x7e000001, 0x7f7f7f7f, 0x80808080, 0x0000ffff, 0xffff0000, 0x3fc00000, 0x3f400000,
  0x01020304, 0x477fefff, 0x477ff000,
];

function word(random: Random): number {
  const whole = (random(0x10000) << 16) | random(0x10000);
  switch (random(6)) {
    case 0:
      return pick(random, SPECIAL);
    case 1:
      // Small numbers: amounts, exponents, lanes.
      return random(600) - 300;
    case 2:
      // A single near 1.
      return (whole & 0x807fffff) | ((110 + random(40)) << 23);
    case 3:
      // Two halves near 1.
      return (whole & 0x87ff87ff) | ((8 + random(14)) << 10) | ((8 + random(14)) << 26);
    default:
      return whole;
  }
}

/** All combinations of the modifiers' values, as text. */
function modifiersOf(spec: InstructionSpec): string[] {
  let texts = [''];
  for (const field of spec.modifiers) {
    const values = field.values ? field.values.filter((v) => v !== undefined) : ['', field.name];
    texts = texts.flatMap((text) =>
      values.map((value) => {
        const silent = field.values && field.default !== undefined && field.values[field.default] === value;
        return value === '' || silent ? text : `${text}.${value}`;
      }),
    );
  }
  return texts;
}

/** `page`: the special that stands for uniforms, of which it is on another page; '' for none. */
function sourceText(random: Random, spec: SourceSpec, page: string): string {
  const pair = spec.size === 64;
  // What is always even is right for pairs, too.
  const index = random(8) * 2 + (pair ? 0 : random(2));
  let text = `r${index}`;
  const kind = random(16);
  if (kind < 2) text = page === '' ? `u${index}` : `${page}.w${pair ? 0 : random(2)}`;
  else if (kind < 4) text = pick(random, ['0x0', '0x3f800000', '0x3020100']);
  if (spec.select) {
    const part = pick(
      random,
      spec.select.values.filter((v) => v !== undefined),
    );
    if (part !== spec.select.values[spec.select.default]) text += `.${part}`;
  }
  for (const sign of ['negate', 'absolute', 'not'] as const) {
    if (spec[sign] && random(3) === 0) text += { negate: '.neg', absolute: '.abs', not: '.not' }[sign];
  }
  return text;
}

function lineOf(random: Random, spec: InstructionSpec, modifiers: string, dest: number): string {
  const operands: string[] = [];
  // Half of a single is no float, whose NaNs could be told.
  const whole = /64$/.test(spec.type) || resultOf(spec) === 'single';
  if (spec.dest) operands.push(`r${dest}${whole ? '' : pick(random, ['', '', '', '.h0', '.h1'])}`);
  const page = random(3) ? '' : pick(random, ['lane_id', 'thread_local_pointer']);
  for (const source of spec.sources) operands.push(sourceText(random, source, page));
  for (const field of spec.immediates) {
    const value = field.width === 32 ? word(random) >>> 0 : random(2 ** field.width);
    operands.push(field.name === 'constant' ? `#${value}` : `${field.name}:${value}`);
  }
  return `${spec.name}${modifiers} ${operands.join(', ')}`;
}

/** A line's instruction, or undefined where the interpreter itself has none. */
function decoded(line: string) {
  const [low, high] = assembleLine(line);
  const instruction = decode(low!, high!);
  try {
    compile(instruction);
  } catch (error) {
    if (error instanceof EncodingError) return undefined;
    throw error;
  }
  return instruction;
}

/** How bits of an instruction's result compare. */
function resultOf({ base, type, name }: InstructionSpec): 'single' | 'halves' | 'bits' {
  if (/^(FREXPE|FCMP|CSEL|CUBEFACE2)/.test(base)) return 'bits';
  if (type === 'f32' || /TO_F32$|^CUBE|_TABLE/.test(name)) return 'single';
  return type === 'v2f16' || type === 'f16' || /TO_V2F16$/.test(name) ? 'halves' : 'bits';
}

const sameHalf = (a: number, b: number): boolean => a === b || ((a & 0x7fff) > 0x7c00 && (b & 0x7fff) > 0x7c00);
function same(kind: string, a: number, b: number): boolean {
  if (a === b) return true;
  if (kind === 'bits') return false;
  if (kind === 'halves') return sameHalf(a & 0xffff, b & 0xffff) && sameHalf(a >>> 16, b >>> 16);
  return (a & 0x7fffffff) > 0x7f800000 && (b & 0x7fffffff) > 0x7f800000;
}

const FIRST_RESULT = 16;
const hex = (x: number): string => `0x${(x >>> 0).toString(16)}`;

interface Line {
  readonly text: string;
  readonly spec: InstructionSpec;
}

/** Runs the same lines on both engines and compares what each has written. */
function compare(random: Random, lines: readonly Line[], flushToZero: number): void {
  const registers = Object.fromEntries(
    Array.from({ length: 64 }, (_, r) => [r, Array.from({ length: LANES }, () => word(random))]),
  );
  const fau = Array.from({ length: 32 }, () => word(random));
  const live = random(2) ? 0xffff : random(0xffff) + 1;
  const text = `${lines.map((line) => line.text).join('\n')}\nNOP.end`;
  const run = (engine: 'wasm' | 'interpreter'): ShaderRun =>
    execute(text, { registers, fau, flushToZero, live, executor: executorOf(engine) });
  const [ours, reference] = [run('wasm').warp, run('interpreter').warp];
  assert.equal(ours.discarded, reference.discarded, text);
  for (const [n, line] of lines.entries()) {
    for (let at = 0; at < 2; at++) {
      const r = FIRST_RESULT + n * 2 + at;
      for (let lane = 0; lane < LANES; lane++) {
        if (!(live & (1 << lane))) continue;
        const [a, b] = [ours.u32[r * LANES + lane]!, reference.u32[r * LANES + lane]!];
        if (same(resultOf(line.spec), a, b)) continue;
        const sources = [...line.text.matchAll(/[ru](\d+)/g)].slice(1);
        const inputs = sources.map(([name, i]) => {
          const pair = name.startsWith('u') ? fau : registers[i!]!.map((_, k) => k);
          const value = (q: number) => (name.startsWith('u') ? pair[q]! : registers[q]![lane]!);
          return `${name} = ${hex(value(Number(i)))} ${hex(value(Number(i) + 1))}`;
        });
        assert.fail(
          `${line.text}, lane ${lane} of ${hex(live)}, flushing ${flushToZero}: ` +
            `${hex(a)} is not ${hex(b)} (${inputs.join(', ')})`,
        );
      }
    }
  }
}

const MOST_LINES = 24;
/** Lines for one instruction at least, so that those without modifiers see many parts of sources, too. */
const LEAST_LINES = 24;

function compareAll(specs: readonly InstructionSpec[], seed: number, flushToZero: number, most = MOST_LINES): void {
  const random = generator(seed);
  let lines: Line[] = [];
  const flush = (): void => {
    if (lines.length) compare(random, lines, flushToZero);
    lines = [];
  };
  for (const spec of specs) {
    const modifiers = modifiersOf(spec);
    for (let n = 0; n < Math.max(modifiers.length, LEAST_LINES); n++) {
      const text = lineOf(random, spec, modifiers[n % modifiers.length]!, FIRST_RESULT + lines.length * 2);
      if (!decoded(text)) continue;
      lines.push({ text, spec });
      if (lines.length === most) flush();
    }
  }
  flush();
}

const families: [string, (spec: InstructionSpec) => boolean][] = [
  ['float', ({ base }) => /^F(?!CMP)|^LDEXP|^CUBE/.test(base)],
  ['compare', ({ base }) => /^[IF]CMP|^CSEL|^CLPER|^WMASK|^MUX/.test(base)],
  ['convert', ({ base }) => base.includes('_TO_')],
];
const rest = (spec: InstructionSpec): boolean => !families.some(([, belongs]) => belongs(spec));

for (const [family, belongs] of [...families, ['integer', rest] as const]) {
  test(`lane operations give the interpreter's bits: ${family}`, () => {
    const specs = arithmetic.filter(belongs);
    assert.ok(specs.length > 8);
    for (const flushToZero of [0, 3]) compareAll(specs, 1 + flushToZero, flushToZero);
  });
}

test('DISCARD takes the same lanes', () => {
  compareAll(
    INSTRUCTIONS.filter((spec) => spec.name === 'DISCARD.f32'),
    9,
    0,
    1,
  );
});

test('special functions give the same halves for every half', () => {
  for (const name of ['FRCP.f16', 'FRSQ.f16']) {
    for (let first = 0; first < 65536; first += 48 * LANES) {
      const registers = Object.fromEntries(
        Array.from({ length: 48 }, (_, r) => [
          r,
          Array.from({ length: LANES }, (_, n) => (first + r * LANES + n) & 0xffff),
        ]),
      );
      const text = `${Array.from({ length: 48 }, (_, r) => `${name} r${r}, r${r}.h00`).join('\n')}\nNOP.end`;
      const [a, b] = (['wasm', 'interpreter'] as const).map(
        (engine) => execute(text, { registers, executor: executorOf(engine) }).warp.u32,
      );
      for (let n = 0; n < 48 * LANES; n++)
        assert.ok(
          same('halves', a![n]!, b![n]!),
          `${name} of ${hex((first + n) & 0xffff)}: ${hex(a![n]!)}, ${hex(b![n]!)}`,
        );
    }
  }
});

test('all arithmetic has lane operations, but for what is listed', () => {
  const module = new ModuleBuilder();
  const lanes = new LaneCode(module.function('f', [], []), false);
  const nothing = () => {};
  const operands: Operands = {
    lanes,
    flush32: false,
    flush16: false,
    register: () => nothing,
    uniform: () => nothing,
    active: () => nothing,
    programCounter: () => nothing,
  };
  const random = generator(5);
  const without = new Set<string>();
  for (const spec of [...arithmetic, ...INSTRUCTIONS.filter((s) => s.name === 'DISCARD.f32')]) {
    for (const modifiers of modifiersOf(spec)) {
      const instruction = decoded(lineOf(random, spec, modifiers, 16));
      if (!instruction || isDirectedSum(instruction)) continue;
      if (!lower(operands, instruction) && !lowerDiscard(operands, instruction)) without.add(spec.name);
    }
  }
  assert.deepEqual([...without], WITHOUT_LANE_OPERATIONS);
});
