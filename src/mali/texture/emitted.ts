/**
 * EmittedSamplers: answers those texture instructions for which there is emitted code (bind.ts), all sixteen lanes at once.
 *
 * It wants one texture and one sampler for all lanes. Bindings are kept with what a shader run knows of its descriptors, and
 * dropped when the address space drops translations. Recompiled shaders call the bindings' functions by themselves
 * (recompiler/texture.ts); the interpreter's step for an instruction comes here.
 */
import { namePixelFormat } from '../../abi/formats.ts';
import { leave } from '../engine/left-over.ts';
import { scratch } from '../engine/scratch.ts';
import {
  LANES,
  type LaneVectors,
  type ShaderEnvironment,
  type TextureKind,
  type TextureRequest,
} from '../shader/contract.ts';
import type { Binding } from './bind.ts';
import { bound, type Named } from './bound.ts';
import { OPERAND, OPERAND_BYTES, OPERANDS_AT } from './operands.ts';

/**
 * Finds what handles name; `sampler` undefined: the instruction has none. Undefined where there is no descriptor. May throw as the
 * script does.
 */
export type FindNamed = (
  environment: ShaderEnvironment,
  texture: number,
  sampler: number | undefined,
) => Named | undefined;

/** In place of a handle: no handle has this many bits. */
const NO_SAMPLER = 2 ** 32;

type List = Map<TextureKind, Binding | undefined>;

/** Bindings by handles and by kinds of instructions; none of an older generation than this. */
export class Bindings {
  #generation = -1;
  readonly #of = new Map<number, Map<number, List>>();
  #texture = Number.NaN;
  #sampler = Number.NaN;
  /** Those of the texture and sampler above. */
  #last: List = new Map();

  /** The list of a texture and a sampler, by kind of instruction. */
  list(generation: number, texture: number, sampler: number): List {
    if (this.#generation !== generation) {
      this.#generation = generation;
      this.#of.clear();
      this.#texture = Number.NaN;
    }
    if (this.#texture === texture && this.#sampler === sampler) return this.#last;
    let samplers = this.#of.get(texture);
    if (!samplers) {
      samplers = new Map();
      this.#of.set(texture, samplers);
    }
    let list = samplers.get(sampler);
    if (!list) {
      list = new Map();
      samplers.set(sampler, list);
    }
    this.#texture = texture;
    this.#sampler = sampler;
    this.#last = list;
    return list;
  }
}

export class EmittedSamplers {
  readonly #find: FindNamed;

  constructor(find: FindNamed) {
    this.#find = find;
  }

  /** `mask`: lanes that run. False where there is no code for it, or it has met what the script must see; nothing has happened then. */
  execute(
    bindings: Bindings,
    environment: ShaderEnvironment,
    mask: number,
    request: TextureRequest,
    out: LaneVectors,
  ): boolean {
    const fetch = request.kind.operation === 'fetch';
    if (mask === 0) return true;
    const first = 31 - Math.clz32(mask & -mask);
    const texture = request.texture[first]!;
    const sampler = request.sampler[first]!;
    for (let lane = first + 1; lane < LANES; lane++) {
      const same = request.texture[lane] === texture && (fetch || request.sampler[lane] === sampler);
      if (!same && ((mask >>> lane) & 1) !== 0) return false;
    }
    const binding = this.binding(bindings, environment, request.kind, texture, sampler);
    if (!binding) return false;
    put(request.x, OPERAND.x);
    put(request.y, OPERAND.y);
    put(request.z, OPERAND.z);
    put(request.array, OPERAND.array);
    put(request.shadow, OPERAND.shadow);
    put(request.offset, OPERAND.offset);
    put(request.lod ?? request.gradient?.[0], OPERAND.lod);
    request.deltas.forEach((delta, n) => {
      put(delta, n * OPERAND.y);
    });
    if (binding.run(binding.record, OPERANDS_AT, mask)) return false;
    out.f32.set(RESULTS);
    request.result = binding.result;
    return true;
  }

  /** The binding for instructions of a kind with the texture and sampler of these handles. */
  binding(
    bindings: Bindings,
    environment: ShaderEnvironment,
    kind: TextureKind,
    texture: number,
    sampler: number,
  ): Binding | undefined {
    const fetch = kind.operation === 'fetch';
    const list = bindings.list(environment.memory.generation, texture, fetch ? NO_SAMPLER : sampler);
    const known = list.get(kind);
    if (known || list.has(kind)) return known;
    const named = this.#find(environment, texture, fetch ? undefined : sampler);
    const made = named && bound(environment.memory, named, kind, environment.job);
    if (named && !made) leave(`${kind.operation} of ${kind.dimension} ${namePixelFormat(named.source.format)}`);
    list.set(kind, made);
    return made;
  }
}

const RESULTS = scratch.f32.subarray((OPERANDS_AT + OPERAND.result) / 4, (OPERANDS_AT + OPERAND_BYTES) / 4);

function put(operand: Float32Array | Int32Array | undefined, at: number): void {
  if (!operand) return;
  (operand instanceof Float32Array ? scratch.f32 : scratch.i32).set(operand, (OPERANDS_AT + at) / 4);
}
