/**
 * EmittedSamplers: answers those texture instructions for which there is emitted code (bind.ts), all sixteen lanes at once.
 *
 * It wants one texture and one sampler for all lanes. Bindings are kept with what a shader run knows of its descriptors, and
 * dropped when the address space drops translations. Operands that lie in scratch memory (recompiled shaders' do) are used where
 * they are, others are copied there.
 */
import { scratch } from '../engine/scratch.ts';
import {
  LANES,
  type LaneVectors,
  type LodMode,
  type ShaderEnvironment,
  type TextureRequest,
  type Warp,
} from '../shader/contract.ts';
import { type Binding, bind } from './bind.ts';
import { RECORD } from './emit-address.ts';
import type { Sampler } from './sampler.ts';
import type { Texture } from './texture.ts';

/** Opens what handles name, once a run. Undefined where there is no descriptor. May throw as the script does. */
export interface Descriptors {
  texture(environment: ShaderEnvironment, handle: number): Texture | undefined;
  sampler(environment: ShaderEnvironment, handle: number): Sampler | undefined;
}

const LOD_MODES: readonly LodMode[] = ['zero', 'computed', 'explicit', 'computed_bias', 'grdesc'];
const LANE_BYTES = LANES * 4;
const CHANNELS = 4;
/** In place of a handle: no handle has this many bits. */
const NO_SAMPLER = 2 ** 32;
const ZEROS = new Int32Array(LANES);

/** Bindings by handles and by what instructions want; none of an older generation than this. */
export class Bindings {
  #generation = -1;
  readonly #of = new Map<number, Map<number, (Binding | undefined)[]>>();
  #texture = Number.NaN;
  #sampler = Number.NaN;
  /** Those of the texture and sampler above. */
  #last: (Binding | undefined)[] = [];

  /** The list of a texture and a sampler, by kind of instruction. */
  list(generation: number, texture: number, sampler: number): (Binding | undefined)[] {
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
      list = [];
      samplers.set(sampler, list);
    }
    this.#texture = texture;
    this.#sampler = sampler;
    this.#last = list;
    return list;
  }
}

export class EmittedSamplers {
  readonly #descriptors: Descriptors;
  /** Operands and results where the shader's are not in scratch memory: x, y, lod, reference, colours. */
  readonly #at = scratch.owned(this, (4 + CHANNELS) * LANE_BYTES);
  readonly #results = scratch.f32.subarray(this.#at / 4 + 4 * LANES, this.#at / 4 + (4 + CHANNELS) * LANES);

  constructor(descriptors: Descriptors) {
    this.#descriptors = descriptors;
  }

  /** Samples or fetches. False where there is no code for it, or it has met what the script must see; nothing has happened then. */
  execute(
    bindings: Bindings,
    environment: ShaderEnvironment,
    warp: Warp,
    mask: number,
    request: TextureRequest,
    out: LaneVectors,
  ): boolean {
    const fetch = request.operation === 'fetch';
    if (request.dimension !== '2d' || request.array) return false;
    if (!fetch && (request.operation !== 'single' || request.offset)) return false;
    const wanted = request.skip && !fetch ? mask & ~warp.discarded : mask;
    if (wanted === 0) return true;
    const first = 31 - Math.clz32(wanted & -wanted);
    const texture = request.texture[first]!;
    const sampler = fetch ? NO_SAMPLER : request.sampler[first]!;
    for (let lane = first + 1; lane < LANES; lane++) {
      const same = request.texture[lane] === texture && (fetch || request.sampler[lane] === sampler);
      if (!same && ((wanted >>> lane) & 1) !== 0) return false;
    }
    const binding = this.#binding(bindings, environment, texture, sampler, request);
    if (!binding) return false;
    const lod = request.lodMode === 'grdesc' ? request.gradient?.[0] : request.lod;
    const words = fetch ? (request.offset ?? ZEROS) : lod;
    const here = out.f32.buffer === scratch.buffer;
    const at = this.#at;
    const failed = binding.run(
      binding.record,
      place(request.x, at),
      place(request.y, at + LANE_BYTES),
      place(words, at + 2 * LANE_BYTES),
      place(request.shadow, at + 3 * LANE_BYTES),
      here ? out.f32.byteOffset : at + 4 * LANE_BYTES,
      wanted,
    );
    if (failed) {
      scratch.i32[(binding.record + RECORD.failed) / 4] = 0;
      return false;
    }
    if (!here) out.f32.set(this.#results);
    request.result = binding.result;
    return true;
  }

  #binding(
    bindings: Bindings,
    environment: ShaderEnvironment,
    texture: number,
    sampler: number,
    request: TextureRequest,
  ): Binding | undefined {
    const list = bindings.list(environment.memory.generation, texture, sampler);
    const kind = LOD_MODES.indexOf(request.lodMode) * 2 + (request.shadow ? 1 : 0);
    if (!(kind in list)) {
      const fetch = sampler === NO_SAMPLER;
      const t = this.#descriptors.texture(environment, texture);
      const s = fetch ? undefined : this.#descriptors.sampler(environment, sampler);
      const wanted = { lodMode: request.lodMode, shadow: !fetch && request.shadow !== undefined, fetch };
      list[kind] = t && (s || fetch) ? bind(environment.memory, t, s, wanted) : undefined;
    }
    return list[kind];
  }
}

/** Where a lane operand lies in scratch memory, if need be after a copy to `at`. What is absent is not read. */
function place(operand: Float32Array | Int32Array | undefined, at: number): number {
  if (!operand) return at;
  if (operand.buffer === scratch.buffer) return operand.byteOffset;
  (operand instanceof Float32Array ? scratch.f32 : scratch.i32).set(operand, at / 4);
  return at;
}
