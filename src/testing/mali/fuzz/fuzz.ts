/**
 * The differential fuzzer: random shaders (program.ts) run by both engines from the same state, in the same memory
 * (memory.ts), and whatever a program could see is compared: registers, live and discarded lanes wherever all lanes wait
 * at a barrier (each program ends with one), memory, tile buffer, and the fault that stopped it. The interpreter is the reference.
 *
 * Registers of lanes that have ended, or stand elsewhere when a fault comes, mean nothing and are not looked at. In registers
 * of floats any NaN equals any other (instruction.ts says why, and how programs are kept from telling them apart).
 *
 * A difference is made small (shrink.ts) before it is told (report.ts).
 */
import { GpuFault, PageFault } from '../../../mali/contract.ts';
import { REGISTERS } from '../../../mali/recompiler/effects.ts';
import { recompiler } from '../../../mali/recompiler/executor.ts';
import { findUnit, type Unit } from '../../../mali/recompiler/flow.ts';
import { LANES, type ShaderRun, type Stage } from '../../../mali/shader/contract.ts';
import { interpreter, type MakeExecutor, openShader, type WarpExecutor } from '../../../mali/shader/core.ts';
import { VertexOutput } from '../../../mali/shader/vertex-output.ts';
import { TexturePipe } from '../../../mali/texture/unit.ts';
import { type Coverage, kindOfRun, newCoverage } from './coverage.ts';
import { FuzzFragment } from './fragment.ts';
import type { Input } from './input.ts';
import { CODE_AT, FuzzMemory } from './memory.ts';
import { differenceOf, Outcome } from './outcome.ts';
import type { Pool } from './pool.ts';
import { type Shader, shaderOf } from './program.ts';
import { report } from './report.ts';
import { shrink } from './shrink.ts';
import { writeThreads } from './threads.ts';

export interface Finding {
  readonly seed: number;
  /** What differs first. */
  readonly difference: string;
  readonly shader: Shader;
  /** All that is needed to see it again, in lines. */
  readonly report: string;
}

const isList = ({ fragment, threads }: Input): boolean => fragment?.list !== undefined || threads !== undefined;

const MOST_INSTRUCTIONS = 40_000;

/** The texture units of the two engines. */
const units = { interpreter: new TexturePipe('interpreter'), wasm: new TexturePipe('wasm') };

/** An engine whose warps are looked at when they pass a barrier. */
const watched =
  (engine: MakeExecutor, outcome: Outcome): MakeExecutor =>
  (context) => {
    const inner = engine(context);
    return {
      get left() {
        return inner.left;
      },
      run: (w, budget) => inner.run(w, budget),
      clear: (w) => inner.clear(w),
      pass(w) {
        outcome.look(w);
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

/** What registers hold that nobody has cleared. */
const STALE = new Uint32Array(REGISTERS * LANES).fill(0xdead_beef);

function preload(run: ShaderRun, { registers, clear }: Input): void {
  const { u32 } = run.warp;
  if (!clear) {
    u32.set(registers);
    return;
  }
  u32.set(STALE);
  run.reset();
  for (let at = 0; at < registers.length; at += LANES) {
    let any = 0;
    for (let n = at; n < at + LANES; n++) any |= registers[n]!;
    if (any !== 0) u32.set(registers.subarray(at, at + LANES), at);
  }
}

/** Registers that a program can reach: of others, a run may leave what was in them before. */
function reachable({ blocks }: Unit): ReadonlySet<number> {
  const registers = new Set<number>();
  for (const { end, sites } of blocks) {
    if (end === 'indirect') return ALL_REGISTERS;
    for (const site of sites) {
      const { reads, writes } = site.effects;
      for (const r of reads) registers.add(r);
      for (const r of writes) registers.add(r);
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

const count = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);

export class Fuzzer {
  readonly #memory = new FuzzMemory();
  readonly #fragment = new FuzzFragment(this.#memory.fragment);
  readonly #engine: MakeExecutor;
  readonly #outcomes = { interpreter: new Outcome(), wasm: new Outcome() };
  /** What is in memory. */
  #pool: Pool | undefined;
  #code: Uint32Array | undefined;
  #registers: ReadonlySet<number> = ALL_REGISTERS;
  /** What has been seen since it was made anew. */
  coverage: Coverage = newCoverage();

  /** `engine` is held to the interpreter. */
  constructor(engine: MakeExecutor = recompiler) {
    this.#engine = engine;
  }

  /** What differs first of a shader. */
  difference(shader: Shader): string | undefined {
    this.#put(shader.code);
    for (const input of shader.inputs) {
      const difference = this.#compare(shader, input);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }

  /** Runs the shader of a seed on both engines. */
  try(seed: number): Finding | undefined {
    const shader = shaderOf(seed);
    const { blocks } = this.#put(shader.code);
    for (const { sites } of blocks) {
      for (const { instruction } of sites) count(this.coverage.instructions, instruction.spec.name);
    }
    for (const input of shader.inputs) {
      if (this.#compare(shader, input) === undefined) continue;
      const small = shrink({ ...shader, inputs: [input] }, (candidate, other) => {
        if (candidate.code !== this.#code) this.#put(candidate.code);
        return this.#compare(candidate, other) !== undefined;
      });
      this.#put(small.code);
      const difference = this.#compare(small, small.inputs[0]!)!;
      return { seed, difference, shader: small, report: report(seed, difference, small) };
    }
    return undefined;
  }

  /** Puts a program in memory. */
  #put(code: Uint32Array): Unit {
    this.#memory.setProgram(code);
    this.#code = code;
    const unit = findUnit(this.#memory.memory, CODE_AT);
    this.#registers = reachable(unit);
    return unit;
  }

  #usePool(pool: Pool): void {
    if (this.#pool === pool) return;
    this.#pool = pool;
    this.#fragment.forget();
    this.#memory.putTextures(pool.textures.map(({ bytes }) => bytes));
    this.#memory.putAttributes(pool.attributes);
  }

  /** Runs the program in memory on both engines. */
  #compare(shader: Shader, input: Input): string | undefined {
    this.#usePool(input.pool);
    const place = this.#memory;
    place.setShader(shader.flushToZero, input.requiresHelpers);
    place.setUniforms(input.uniforms);
    place.setTables(input.textures, input.attributes);
    const a = this.#run('interpreter', input);
    const b = this.#run('wasm', input);
    const kind = kindOfRun(input);
    count(this.coverage.runs, kind);
    if (a.fault) count(this.coverage.faults, kind);
    const difference = this.#difference(a, b, input);
    if (input.fragment && (a.fault || b.fault || a.endless || b.endless)) this.#fragment.drop(input.fragment.draw);
    return difference;
  }

  #difference(a: Outcome, b: Outcome, input: Input): string | undefined {
    // list.ts and threads.ts say why.
    if (isList(input) && a.fault && isFault(b.fault)) return undefined;
    const difference = differenceOf(a, b, this.#registers);
    return difference ?? (input.fragment && !a.endless ? this.#fragment.difference(input.fragment) : undefined);
  }

  #run(name: 'interpreter' | 'wasm', input: Input): Outcome {
    const place = this.#memory;
    const { fragment, output, threads, budget } = input;
    const engine = name === 'interpreter' ? interpreter : this.#engine;
    const outcome = this.#outcomes[name];
    outcome.begin();
    place.setData(input.data);
    place.clearResults();
    let run: ShaderRun | undefined;
    let left = MOST_INSTRUCTIONS / budget;
    try {
      const stage: Stage = fragment
        ? this.#fragment.stage(fragment, name)
        : output
          ? vertexStage(output)
          : { kind: 'compute', workgroupStorage: 0, threadSlot: 0 };
      const list = isList(input);
      run = openShader(place.memory, place.pointers, stage, units[name], 0, list ? engine : watched(engine, outcome));
      if (threads) run.beginThreads(writeThreads(threads), threads.threads);
      if (list) while (!run.resumeList(budget) && --left > 0);
      else {
        preload(run, input);
        run.start(input.live, input.helpers);
        while (!run.resume(budget) && --left > 0);
      }
    } catch (error) {
      outcome.fault = faultText(error);
    } finally {
      run?.close();
    }
    outcome.endless = left <= 0;
    place.data(outcome.data);
    place.results(outcome.results);
    return outcome;
  }
}
