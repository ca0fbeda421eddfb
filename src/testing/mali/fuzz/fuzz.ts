/**
 * The differential fuzzer: random shaders (program.ts) run by both engines from the same state, in the same memory
 * (memory.ts), and whatever a program could see is compared: registers, live and discarded lanes wherever all lanes wait
 * at a barrier (each program ends with one), memory, and the fault that stopped it. The interpreter is the reference.
 *
 * Registers of lanes that have ended, or stand elsewhere when a fault comes, mean nothing and are not looked at. In registers
 * of floats any NaN equals any other (instruction.ts says why, and how programs are kept from telling them apart).
 *
 * A difference is made small before it is told: instructions become NOPs and lanes are left out as long as it stays.
 */
import { GpuFault, PageFault } from '../../../mali/contract.ts';
import { REGISTERS } from '../../../mali/recompiler/effects.ts';
import { recompiler } from '../../../mali/recompiler/executor.ts';
import { findUnit, type Unit } from '../../../mali/recompiler/flow.ts';
import { assembleLine } from '../../../mali/shader/assemble.ts';
import { LANES, type ShaderRun, type Stage } from '../../../mali/shader/contract.ts';
import { interpreter, type MakeExecutor, openShader, type WarpExecutor } from '../../../mali/shader/core.ts';
import { disassemble } from '../../../mali/shader/disassemble.ts';
import { VertexOutput } from '../../../mali/shader/vertex-output.ts';
import { TexturePipe } from '../../../mali/texture/unit.ts';
import { type Coverage, kindOfRun, newCoverage } from './coverage.ts';
import { FuzzFragment } from './fragment.ts';
import { type Input, type Kind, kindOf } from './input.ts';
import { CODE_AT, DATA_SIZE, FuzzMemory } from './memory.ts';
import { type Shader, shaderOf } from './program.ts';
import { writeThreads } from './threads.ts';

/** A warp while all its lanes wait. */
interface Snapshot {
  readonly live: number;
  readonly discarded: number;
  readonly registers: Uint32Array;
}

interface Outcome {
  readonly snapshots: readonly Snapshot[];
  /** Why it stopped before its end; '' if it did not. */
  readonly fault: string;
  /** Memory, and behind it the results of a list of threads or the tile buffer of a fragment shader. */
  readonly data: Uint8Array;
  /** It did not end in the time it had: then the others say nothing. */
  readonly endless: boolean;
}

export interface Finding {
  readonly seed: number;
  /** What differs first. */
  readonly difference: string;
  readonly shader: Shader;
  /** All that is needed to see it again, in lines. */
  readonly report: string;
}

const isList = ({ fragment, threads }: Input): boolean => fragment?.list !== undefined || threads !== undefined;

const hex = (x: number): string => `0x${(x >>> 0).toString(16)}`;

const MOST_INSTRUCTIONS = 40_000;

/** The texture units of the two engines. */
const units = { interpreter: new TexturePipe('interpreter'), wasm: new TexturePipe('wasm') };

/** An engine that shows its warps when they pass a barrier. */
const watched =
  (engine: MakeExecutor, snapshots: Snapshot[]): MakeExecutor =>
  (context) => {
    const inner = engine(context);
    return {
      get left() {
        return inner.left;
      },
      run: (w, budget) => inner.run(w, budget),
      clear: (w) => inner.clear(w),
      pass(w) {
        const { live, discarded } = w;
        snapshots.push({ live, discarded: discarded & live, registers: w.u32.slice() });
        inner.pass(w);
      },
    } satisfies WarpExecutor;
  };

/** Bytes from one run of 64 elements to the next. */
const RUN_BYTES = 2048;
const FIRST_ELEMENT = 64;

function vertexStage({ base, stride, count }: NonNullable<Input['output']>): Stage {
  const output = new VertexOutput();
  output.set(base, RUN_BYTES, FIRST_ELEMENT, stride, count);
  return { kind: 'vertex', frame: output.frame, output };
}

const STALE = 0xdead_beef;

function preload(run: ShaderRun, { registers, clear }: Input): void {
  const { u32 } = run.warp;
  if (!clear) {
    u32.set(registers);
    return;
  }
  u32.fill(STALE);
  run.reset();
  for (let at = 0; at < registers.length; at += LANES) {
    const lanes = registers.subarray(at, at + LANES);
    if (lanes.some((word) => word !== 0)) u32.set(lanes, at);
  }
}

/** Registers that a program can reach: of others, a run may leave what was in them before. */
function reachable({ blocks }: Unit): ReadonlySet<number> {
  const registers = new Set<number>();
  for (const { end, sites } of blocks) {
    if (end === 'indirect') return ALL_REGISTERS;
    for (const site of sites) {
      const { reads, writes } = site.effects;
      for (const r of [...reads, ...writes]) registers.add(r);
    }
  }
  return registers;
}

const ALL_REGISTERS = new Set(Array.from({ length: REGISTERS }, (_, r) => r));

const isFault = (text: string): boolean => text.startsWith('0x');

function faultText(error: unknown): string {
  if (!(error instanceof GpuFault)) return `not a fault but ${error instanceof Error ? error.stack : error}`;
  const access = error instanceof PageFault ? ` (${error.access})` : '';
  return `0x${error.code.toString(16)} at 0x${error.address.toString(16)}${access}: ${error.message}`;
}

const sameKind = (kind: Kind, a: number, b: number): boolean => {
  if (a === b) return true;
  if (kind === 'single') return isNaN32(a) && isNaN32(b);
  return kind === 'half' && sameHalf(a & 0xffff, b & 0xffff) && sameHalf(a >>> 16, b >>> 16);
};
const isNaN32 = (x: number): boolean => (x & 0x7fffffff) > 0x7f800000;
const isNaN16 = (x: number): boolean => (x & 0x7fff) > 0x7c00;
const sameHalf = (a: number, b: number): boolean => a === b || (isNaN16(a) && isNaN16(b));

/** What differs first between the reference's outcome and the other one. */
function differenceOf(a: Outcome, b: Outcome, registers: ReadonlySet<number>): string | undefined {
  if (a.endless && b.endless) return undefined;
  if (a.endless || b.endless) return `${a.endless ? 'the interpreter' : 'recompiled code'} does not end`;
  for (const [n, one] of a.snapshots.entries()) {
    const other = b.snapshots[n];
    if (!other) break;
    const at = `at barrier ${n + 1}`;
    if (one.live !== other.live) return `live lanes ${at}: ${hex(one.live)}, recompiled ${hex(other.live)}`;
    if (one.discarded !== other.discarded) {
      return `discarded lanes ${at}: ${hex(one.discarded)}, recompiled ${hex(other.discarded)}`;
    }
    for (let i = 0; i < one.registers.length; i++) {
      const lane = i % LANES;
      if (!(one.live & (1 << lane))) continue;
      const register = Math.floor(i / LANES);
      if (!registers.has(register)) continue;
      const [x, y] = [one.registers[i]!, other.registers[i]!];
      if (!sameKind(kindOf(register), x, y)) return `r${register} lane ${lane} ${at}: ${hex(x)}, recompiled ${hex(y)}`;
    }
  }
  if (a.fault !== b.fault) return `the fault: ${a.fault || 'none'}\n  recompiled: ${b.fault || 'none'}`;
  if (a.snapshots.length !== b.snapshots.length) {
    return `barriers passed: ${a.snapshots.length}, recompiled ${b.snapshots.length}`;
  }
  if (a.fault.startsWith('not a fault')) return a.fault;
  if (Buffer.compare(a.data, b.data) === 0) return undefined;
  const at = a.data.findIndex((x, i) => x !== b.data[i]);
  const where = at < DATA_SIZE ? `${at} of the data` : `${at - DATA_SIZE} of what a list has left`;
  return `byte ${where}: ${hex(a.data[at]!)}, recompiled ${hex(b.data[at]!)}`;
}

export class Fuzzer {
  readonly #memory = new FuzzMemory();
  readonly #fragment = new FuzzFragment(this.#memory.fragment);
  readonly #engine: MakeExecutor;
  /** What has been seen since it was made anew. */
  coverage: Coverage = newCoverage();

  /** `engine` is held to the interpreter. */
  constructor(engine: MakeExecutor = recompiler) {
    this.#engine = engine;
  }

  /** Runs the shader of a seed on both engines. */
  try(seed: number): Finding | undefined {
    const shader = shaderOf(seed);
    for (const input of shader.inputs) {
      if (this.#compare(shader, input) === undefined) continue;
      const small = this.#shrink({ ...shader, inputs: [input] });
      const difference = this.#compare(small, small.inputs[0]!)!;
      return { seed, difference, shader: small, report: report(seed, difference, small) };
    }
    return undefined;
  }

  /** Counts what a comparison has seen. */
  #cover({ blocks }: Unit, input: Input, { fault }: Outcome): void {
    const { instructions, runs, faults } = this.coverage;
    const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const { sites } of blocks) for (const { instruction } of sites) count(instructions, instruction.spec.name);
    const kind = kindOfRun(input);
    count(runs, kind);
    if (fault) count(faults, kind);
  }

  #compare(shader: Shader, input: Input): string | undefined {
    const reference = this.#run(interpreter, shader, input);
    const other = this.#run(this.#engine, shader, input);
    const unit = findUnit(this.#memory.memory, CODE_AT);
    this.#cover(unit, input, reference);
    // list.ts and threads.ts say why.
    if (isList(input) && reference.fault && isFault(other.fault)) return undefined;
    return differenceOf(reference, other, reachable(unit));
  }

  #run(engine: MakeExecutor, { code, flushToZero }: Shader, input: Input): Outcome {
    const place = this.#memory;
    const name = engine === interpreter ? 'interpreter' : 'wasm';
    place.setProgram(code, flushToZero, input.requiresHelpers);
    place.setUniforms(input.uniforms);
    place.setData(input.data);
    place.setTextures(input.textures);
    place.setDescriptors(input.descriptors);
    if (input.threads) place.clearResults();
    const snapshots: Snapshot[] = [];
    let run: ShaderRun | undefined;
    let fault = '';
    let left = MOST_INSTRUCTIONS / input.budget;
    try {
      const stage: Stage = input.fragment
        ? this.#fragment.stage(input.fragment, name)
        : input.output
          ? vertexStage(input.output)
          : { kind: 'compute', workgroupStorage: 0, threadSlot: 0 };
      const list = isList(input);
      const maker = list ? engine : watched(engine, snapshots);
      run = openShader(place.memory, place.pointers, stage, units[name], 0, maker);
      if (input.threads) run.beginThreads(writeThreads(input.threads), input.threads.threads);
      if (list) while (!run.resumeList(input.budget) && --left > 0);
      else {
        preload(run, input);
        run.start(input.live, input.helpers);
        while (!run.resume(input.budget) && --left > 0);
      }
    } catch (error) {
      fault = faultText(error);
    } finally {
      run?.close();
    }
    const threads = input.threads ? place.results() : new Uint8Array();
    const tile = input.fragment ? this.#fragment.contents(input.fragment, name) : new Uint8Array();
    return { snapshots, fault, data: Buffer.concat([place.data(), threads, tile]), endless: left <= 0 };
  }

  /** Leaves out what the difference does not need. */
  #shrink(shader: Shader): Shader {
    let best = shader;
    const better = (code: Uint32Array, input: Input): boolean => {
      const candidate = { ...best, code, inputs: [input] };
      if (this.#compare(candidate, input) === undefined) return false;
      best = candidate;
      return true;
    };
    const nop = assembleLine('NOP');
    for (let again = true; again; ) {
      again = false;
      for (let at = best.code.length - 2; at >= 0; at -= 2) {
        if (best.code[at] === nop[0] && best.code[at + 1] === nop[1]) continue;
        const code = best.code.slice();
        code.set(nop, at);
        if (better(code, best.inputs[0]!)) again = true;
      }
      for (let lane = 0; lane < LANES; lane++) {
        const [input] = best.inputs as [Input];
        const live = input.live & ~(1 << lane);
        if (!live || live === input.live) continue;
        if (better(best.code, { ...input, live, helpers: input.helpers & live })) again = true;
      }
      const quads = best.inputs[0]!.fragment?.list?.quads ?? [];
      for (let n = 0; n < quads.length; n++) {
        const [input] = best.inputs as [Input];
        const fragment = input.fragment!;
        const list = fragment.list!;
        if (list.quads[n]!.masks.every((mask) => mask === 0)) continue;
        const fewer = list.quads.with(n, { ...list.quads[n]!, masks: [0, 0, 0, 0] });
        if (better(best.code, { ...input, fragment: { ...fragment, list: { ...list, quads: fewer } } })) again = true;
      }
    }
    return best;
  }
}

function report(seed: number, difference: string, { code, flushToZero, inputs }: Shader): string {
  const [input] = inputs as [Input];
  const text = disassemble(code, CODE_AT).split('\n');
  const lines = [
    `seed ${seed}: ${difference}`,
    `flush to zero: ${flushToZero}, live lanes ${hex(input.live)}, helpers ${hex(input.helpers)}, slices of ${input.budget}${input.clear ? ', registers cleared' : ''}`,
    ...text.filter((line) => !line.endsWith(' NOP')),
  ];
  const mentioned = new Set(text.flatMap((line) => [...line.matchAll(/\br(\d+)/g)].map(([, r]) => Number(r))));
  const lanes = Array.from({ length: LANES }, (_, n) => n).filter((n) => input.live & (1 << n));
  for (const r of [...mentioned].sort((a, b) => a - b)) {
    for (const near of [r, ...(r % 2 ? [] : [r + 1])]) {
      if (near !== r && mentioned.has(near)) continue;
      lines.push(`r${near}: ${lanes.map((n) => hex(input.registers[near * LANES + n]!)).join(' ')}`);
    }
  }
  const uniforms = new Set(text.flatMap((line) => [...line.matchAll(/\bu(\d+)/g)].map(([, u]) => Number(u))));
  for (const u of uniforms) lines.push(`u${u}: ${hex(input.uniforms[u] ?? 0)}`);
  if (input.threads) lines.push(`${input.threads.threads} threads of a ${input.threads.kind} list`);
  if (input.fragment) lines.push(JSON.stringify(input.fragment));
  return lines.join('\n');
}
