/**
 * Samplers as emitted WebAssembly: made of what a texture and a sampler descriptor fix (`SamplerState`), shared by all that are equal.
 *
 * A sampler answers sixteen lanes, a quad at a time: a vector holds one number of four lanes. Levels' addresses and sizes come
 * from a record in scratch memory (emit-code.ts), texels from DRAM by physical address; the record's maker has translated and
 * bounded them, and wrapping keeps every index inside the level, whatever the coordinates are. All of it is one function, so that
 * nothing has to be passed on. The arithmetic is that of the script sampler (sampler.ts, unit.ts), operation by operation in
 * singles or integers, so that both give the same bits.
 * Source: OpenGL ES 3.2 chapter 8.14; WebAssembly core specification 3.0 (vector instructions).
 */
import { scratch } from '../engine/scratch.ts';
import { type Code, ModuleBuilder } from '../wasm/builder.ts';
import { blockFunction } from './block-cache.ts';
import { headerFunction } from './emit-afbc.ts';
import { RECORD } from './emit-code.ts';
import type { SamplerState } from './emit-filter.ts';
import { MASK, mixLevels, OPERANDS, QUAD_BYTES, QuadEmitter, RECORD_AT } from './emit-quad.ts';

/**
 * Addresses in scratch memory: a binding's record, and a block of operands (operands.ts), into which the results go. `mask`: the
 * lanes that run. Answers 0, or 1 if the results are not to be used.
 */
export type EmittedSampler = (record: number, operands: number, mask: number) => number;
/** Its type. */
export const SAMPLER_TYPE = { params: ['i32', 'i32', 'i32'], results: ['i32'] } as const;

const PAGE_BYTES = 65536;
const QUAD_LANES = 4;
/**
 * Quads that are sampled at a time where their code can be woven. Two cost four fifths of the time, measured with bilinear filters;
 * four are no faster.
 */
const WOVEN_QUADS = 2;

/** The module's bytes; its memories are `e.scratch` and `e.dram`, of `dramPages`; it exports `sample`. */
export function emitSampler(state: SamplerState, dramPages: number): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  m.importMemory('e', 'scratch', scratch.pages, scratch.pages);
  const dram = m.importMemory('e', 'dram', dramPages, dramPages);
  const { kind, block: blocks } = state.layout;
  const decode = blocks && m.importFunction('e', 'decode', ['i32', 'i32', 'i32'], []);
  const header = kind === 'afbc' ? headerFunction(m, state.layout, dram) : undefined;
  const block = decode && blockFunction(m, blocks, dram, decode);
  const f = m.function(nameOf(state), [...SAMPLER_TYPE.params], [...SAMPLER_TYPE.results]);
  m.exportFunction('sample', f);
  const memory = { dram, dramBytes: dramPages * PAGE_BYTES };
  sampler(f, state, (quad) => new QuadEmitter(f, state, memory, { header, block }, quad));
  return m.build();
}

/** What profiles call it: what its time depends on most. */
const nameOf = ({ layout, axes, cube, lod, magnify, minify, mipmap, bytes, anisotropic }: SamplerState): string => {
  const { kind, bytes: size } = layout;
  const filter = magnify === minify ? magnify : `${magnify}_${minify}`;
  const parts = [kind, size, cube === 'none' ? `${axes}d` : cube, lod, filter, mipmap];
  return ['sample', ...parts, bytes ? 'bytes' : 'singles', anisotropic ? 'anisotropic' : ''].filter(String).join('_');
};

/** The body: a loop over quads. `quadEmitter` makes what emits a quad, by its number among those that are sampled at a time. */
function sampler(f: Code, state: SamplerState, quadEmitter: (quad: number) => QuadEmitter): void {
  const quads = Array.from({ length: isStraight(state) ? WOVEN_QUADS : 1 }, (_, n) => quadEmitter(n));
  const fails = state.layout.kind === 'afbc' || state.layout.kind === 'blocks';
  if (fails) f.get(RECORD_AT).i32(0).memory('i32_store', RECORD.failed);
  for (const quad of quads) quad.open();
  const again = f.loop();
  const next = f.block();
  f.get(MASK).i32(2 ** (QUAD_LANES * quads.length) - 1);
  f.op('i32_and').op('i32_eqz').brIf(next);
  if (quads.length === 1) quads[0]!.emit();
  else sampleWoven(f, state, quads);
  f.end();
  const bytes = QUAD_BYTES * quads.length;
  f.get(OPERANDS).i32(bytes).op('i32_add').set(OPERANDS);
  f.get(MASK)
    .i32(QUAD_LANES * quads.length)
    .op('i32_shr_u')
    .tee(MASK)
    .brIf(again);
  f.end();
  if (fails) f.get(RECORD_AT).memory('i32_load', RECORD.failed);
  else f.i32(0);
}

/** Whether a quad's code has no branches, but for the second of two levels. */
function isStraight({ layout, cube, lod, levels, anisotropic, magnify, minify }: SamplerState): boolean {
  if (layout.kind === 'afbc' || layout.kind === 'blocks' || cube === 'seamless' || anisotropic) return false;
  if (['none', 'first'].includes(lod) || (lod === 'fetched' && !levels)) return true;
  return ['zero', 'footprint'].includes(lod) && magnify === minify;
}

function sampleWoven(f: Code, { lod, mipmap }: SamplerState, quads: readonly QuadEmitter[]): void {
  if (lod === 'none' || lod === 'first' || mipmap !== 'linear') {
    f.weave(quads.map((quad) => () => quad.emit()));
    return;
  }
  const filters: (() => void)[] = [];
  f.weave(quads.map((quad) => () => filters.push(quad.prepare(quad.operands()))));
  mixLevels(f, quads, filters);
  f.weave(quads.map((quad) => () => quad.store()));
}
