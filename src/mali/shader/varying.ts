/**
 * Varyings in fragment shaders: LD_VAR and its forms.
 *
 * Of each quad's primitive the values at the vertices are fetched once, and every lane weighs them with the barycentrics
 * that the fragment front end gives for the place that the instruction asks for. Flat ones are the provoking vertex's.
 * LD_VAR_BUF names bytes of the hardware's vertex packets; LD_VAR goes through an attribute descriptor, which may point to
 * the same packets.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_load_vary), `src/panfrost/vulkan/csf/panvk_vX_cmd_draw.c`.
 */
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import {
  ATTRIBUTE_TYPE,
  handleIndex,
  handleTable,
  PACKET_VARYINGS_OFFSET,
  resourceHandle,
  unfoldTable,
} from '../../abi/gpu/shader-descriptors.ts';
import { GpuFault } from '../contract.ts';
import { attributeOf, elementAddress, elementIndex, loadTexel, type TexelFormat, texelFormat } from './attribute.ts';
import type { Compilers, Exec } from './compile.ts';
import { type FragmentStage, LANES, type LaneType, type PrimitiveVertices, type SampleMode } from './contract.ts';
import { EncodingError, type Instruction } from './decode.ts';
import { F16_TO_F32, fma32 } from './float.ts';
import { rawBits } from './operand.ts';
import { channelCount, type RegisterFormat, registerCount, registerFormat, Vectors, vectorWriter } from './vector.ts';
import type { WarpState } from './warp.ts';

const VERTICES = 3;
const QUAD = 4;

/** The fragment stage of a warp, or a fault that names the instruction. */
export function fragmentStage(w: WarpState, i: Instruction): FragmentStage {
  const { stage } = w.run;
  if (stage.kind !== 'fragment') {
    throw new GpuFault(
      EXCEPTION.INSTR_INVALID_ENC,
      w.pc,
      `${i.spec.name} at pc 0x${w.pc.toString(16)} in a ${stage.kind} shader`,
    );
  }
  return stage;
}

/** Fetches one vertex's value: channel c goes to `to[c]` as float, or as bits to `bits[c]`. */
type Fetch = (w: WarpState, primitive: PrimitiveVertices, vertex: number, offset: number) => void;

const floats = new Float32Array(4);
const bits = new Int32Array(floats.buffer);

/** Reads a varying record of the vertex packets. */
function packetFetch(i: Instruction, source: string, channels: number): Fetch {
  const half = source === 'src_f16' || source === 'src_flat16';
  const flat = source.startsWith('src_flat');
  return (w, primitive, vertex, offset) => {
    const { memory } = w.run.environment;
    const { attributeStride } = fragmentStage(w, i);
    const address =
      primitive.packets[vertex]! + PACKET_VARYINGS_OFFSET + primitive.slots[vertex]! * attributeStride + offset;
    for (let c = 0; c < channels; c++) {
      if (!half) bits[c] = memory.load32(address + c * 4);
      else {
        const word = memory.load16(address + c * 2);
        if (flat) bits[c] = word;
        else floats[c] = F16_TO_F32[word]!;
      }
    }
  };
}

const texelScratch = new Vectors();

/** Reads a varying through an attribute descriptor. */
function descriptorFetch(i: Instruction, type: LaneType, channels: number): Fetch {
  return (w, primitive, vertex, handle) => {
    const { environment } = w.run;
    const attribute = attributeOf(environment, handleTable(handle), handleIndex(handle));
    bits.fill(0);
    if (!attribute) return;
    const texel: TexelFormat = texelFormat(attribute.format, i.spec.name, w.pc);
    let address: number;
    if (attribute.attributeType === ATTRIBUTE_TYPE.VERTEX_PACKET) {
      const base = primitive.packets[vertex]!;
      address = base + attribute.offset + primitive.slots[vertex]! * attribute.attributeStride;
    } else {
      const number = (primitive.indices ?? primitive.slots)[vertex]!;
      const index = elementIndex(attribute, number, 0, environment.attributeOffset);
      address = elementAddress(environment, attribute, index, texel.format.bytes);
    }
    loadTexel(environment.memory, address, texel, type, channels, texelScratch, 0);
    for (let c = 0; c < channels; c++) bits[c] = texelScratch.i32[c * LANES]!;
  };
}

/** Values of the three vertices of one quad's primitive. */
const corners = new Float32Array(VERTICES * 4);
const cornerBits = new Int32Array(corners.buffer);

/**
 * Fills `out`: per quad, fetches the vertices' values at `where[lane]` (byte offset or handle, one for all lanes of a
 * quad's primitive, or lane by lane where they differ) and weighs them.
 */
export function interpolate(
  w: WarpState,
  stage: FragmentStage,
  fetch: Fetch,
  where: Int32Array,
  channels: number,
  flat: boolean,
  out: Vectors,
): void {
  const { weights, mask } = w;
  let known: PrimitiveVertices | undefined;
  let knownAt = 0;
  for (let q = 0; q < LANES / QUAD; q++) {
    const primitive = stage.primitives[q];
    if (!primitive) continue;
    for (let n = q * QUAD; n < (q + 1) * QUAD; n++) {
      if (!(mask & (1 << n))) continue;
      const at = where[n]! >>> 0;
      if (known !== primitive || knownAt !== at) {
        known = primitive;
        knownAt = at;
        const first = flat ? primitive.provoking : 0;
        const last = flat ? primitive.provoking + 1 : primitive.count;
        for (let v = first; v < last; v++) {
          fetch(w, primitive, v, at);
          for (let c = 0; c < channels; c++) cornerBits[(flat ? 0 : v) * 4 + c] = bits[c]!;
        }
      }
      if (flat) {
        for (let c = 0; c < channels; c++) out.i32[c * LANES + n] = cornerBits[c]!;
        continue;
      }
      const { count } = known;
      const w1 = weights[n]!;
      const w2 = weights[LANES + n]!;
      for (let c = 0; c < channels; c++) {
        // From the first vertex on, so that what is the same at all of them is that everywhere, as on boards: piglit's
        // variable-indexing tests compare such values, and Mesa's CI has none of them among what fails on a G52 or a G57.
        // In singles, each step rounded once: recompiler/varying.ts does the same.
        const first = corners[c]!;
        let value = first;
        if (count > 1) {
          // A line is a triangle whose third vertex is its first.
          const third = count > 2 ? corners[8 + c]! : first;
          value = fma32(Math.fround(corners[4 + c]! - first), w1, value);
          value = fma32(Math.fround(third - first), w2, value);
        }
        out.f32[c * LANES + n] = value;
      }
    }
  }
}

/** Puts the barycentrics that sample and update mode ask for into the warp's weights. */
function weigh(w: WarpState, stage: FragmentStage, sample: string, update: string, source: Int32Array): void {
  if (update === 'retrieve') return;
  stage.barycentrics(w, w.mask, sample as SampleMode, source, w.weights);
}

/** Where in a run of staging registers the result goes, checked against the count that the instruction gives. */
function writerFor(i: Instruction, format: RegisterFormat, channels: number): (w: WarpState, from: Vectors) => void {
  const { register, count } = i.staging[0]!;
  const needed = registerCount(format, channels);
  if (count && count < needed) throw new EncodingError(`${i.spec.name}: ${count} registers for ${channels} channels`);
  return vectorWriter(i, register, format, channels);
}

function loadVaryingBuffer(i: Instruction): Exec {
  const source = rawBits(i.sources[0]!, i.page);
  const second = i.sources[1];
  const immediate = new Int32Array(LANES).fill(i.immediates.index ?? 0);
  const offsets = second ? rawBits(second, i.page) : () => immediate;
  const from = i.modifiers.sourceFormat!;
  const flat = from.startsWith('src_flat');
  const half = i.spec.type === 'f16';
  const channels = channelCount(i.modifiers.vecsize!);
  const format: RegisterFormat = { type: flat ? 'uint' : 'float', bits: half ? 16 : 32 };
  const write = writerFor(i, format, channels);
  const { sample, update } = i.modifiers as { sample: string; update: string };
  const out = new Vectors();
  const fetch = packetFetch(i, from, channels);
  return (w) => {
    const stage = fragmentStage(w, i);
    if (!flat) weigh(w, stage, sample, update, source(w));
    interpolate(w, stage, fetch, offsets(w), channels, flat, out);
    write(w, out);
  };
}

function loadVarying(i: Instruction, flat: boolean): Exec {
  const indirect = i.spec.base === 'LD_VAR' || i.spec.base === 'LD_VAR_FLAT';
  const source = flat ? undefined : rawBits(i.sources[0]!, i.page);
  const immediate = new Int32Array(LANES);
  if (!indirect) immediate.fill(resourceHandle(unfoldTable(i.immediates.table!), i.immediates.index!));
  const handles = indirect ? rawBits(i.sources[flat ? 0 : 1]!, i.page) : () => immediate;
  const format = registerFormat(i.modifiers.regfmt!);
  const channels = channelCount(i.modifiers.vecsize!);
  const write = writerFor(i, format, channels);
  // Integers cannot be interpolated: what is not a float is taken as it is.
  const type: LaneType = flat ? format.type : 'float';
  const fetch = descriptorFetch(i, type, channels);
  const { sample = 'center', update = 'store' } = i.modifiers;
  const out = new Vectors();
  return (w) => {
    const stage = fragmentStage(w, i);
    if (source) weigh(w, stage, sample, update, source(w));
    interpolate(w, stage, fetch, handles(w), channels, flat, out);
    write(w, out);
  };
}

/** The numbers of LD_VAR_SPECIAL's index field; 1 is the second half of 0. */
const SPECIALS: Record<number, 'point' | 'w' | 'z'> = { 0: 'point', 1: 'point', 2: 'w', 3: 'z' };
const POINT_Y = 1;

function loadSpecial(i: Instruction): Exec {
  const what = SPECIALS[i.immediates.index!];
  if (!what) throw new EncodingError(`LD_VAR_SPECIAL: index ${i.immediates.index} is reserved`);
  const source = rawBits(i.sources[0]!, i.page);
  const format = registerFormat(i.modifiers.regfmt!);
  const channels = channelCount(i.modifiers.vecsize!);
  const write = writerFor(i, format, channels);
  const out = new Vectors();
  const y = i.immediates.index === POINT_Y;
  if (y && channels > 1)
    throw new EncodingError(`LD_VAR_SPECIAL: index ${POINT_Y} of ${channels} channels is not modelled`);
  return (w) => {
    fragmentStage(w, i).special(w, w.mask, what, i.modifiers.sample as SampleMode, source(w), out);
    if (y) out.f32.copyWithin(0, LANES, 2 * LANES);
    write(w, out);
  };
}

export const VARYING: Compilers = {
  'LD_VAR_BUF.f32': loadVaryingBuffer,
  'LD_VAR_BUF.f16': loadVaryingBuffer,
  'LD_VAR_BUF_IMM.f32': loadVaryingBuffer,
  'LD_VAR_BUF_IMM.f16': loadVaryingBuffer,
  LD_VAR: (i) => loadVarying(i, false),
  LD_VAR_IMM: (i) => loadVarying(i, false),
  LD_VAR_FLAT: (i) => loadVarying(i, true),
  LD_VAR_FLAT_IMM: (i) => loadVarying(i, true),
  LD_VAR_SPECIAL: loadSpecial,
};
