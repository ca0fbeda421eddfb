/**
 * Bindings that are kept from run to run: programs draw with the same textures again and again, and to bind one anew takes longer
 * than many draws do.
 *
 * A binding is good as long as the descriptors that it was made from still say the same, what it reads still lies where it did, and
 * the headers that it has seen are still so (`holds`). Texture and sampler are told by the memory's own cache of descriptors, which
 * gives the same objects for the same words wherever they lie; planes are compared word by word, and headers looked at, once a job.
 * With another sampler the texture's half of a binding (`laid`) is good as long.
 */
import {
  Plane,
  type Sampler as SamplerDescriptor,
  type Texture as TextureDescriptor,
} from '../../abi/gpu/texture-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';
import type { TextureKind } from '../shader/contract.ts';
import { type Binding, bind, planeCount } from './bind.ts';
import type { Sampler } from './sampler.ts';
import type { Texture } from './texture.ts';

/** What an instruction names, opened only where it is needed: to make that of two descriptors takes longer than to look at them. */
export interface Named {
  readonly source: Readonly<Infer<typeof TextureDescriptor>>;
  /** Undefined: the instruction has no sampler. */
  readonly sampler: Readonly<Infer<typeof SamplerDescriptor>> | undefined;
  /** May throw GpuFault. */
  open(): readonly [texture: Texture | undefined, sampler: Sampler | undefined];
}

interface Kept {
  generation: number;
  /** The job in which it was looked at last. */
  job: number;
  readonly texture: object;
  readonly sampler: object | undefined;
  /** The words of its planes, which lie in one extent. */
  readonly planes: Uint32Array;
  readonly binding: Binding;
}

/** Bindings kept of a kind of instruction; those whose planes' addresses share a place drive one another out. */
const ENTRIES = 512;
/** Words of planes that are looked at for a binding that is kept. */
const MOST_WORDS = (96 * Plane.size) / 4;
const entryOf = (surfaces: number): number => ((surfaces >>> 5) ^ (surfaces >>> 14)) & (ENTRIES - 1);

const tables = new WeakMap<VirtualMemory, Map<TextureKind, (Kept | undefined)[]>>();

function tableOf(memory: VirtualMemory, kind: TextureKind): (Kept | undefined)[] {
  let kinds = tables.get(memory);
  if (!kinds) {
    kinds = new Map();
    tables.set(memory, kinds);
  }
  let table = kinds.get(kind);
  if (!table) {
    table = new Array(ENTRIES).fill(undefined);
    kinds.set(kind, table);
  }
  return table;
}

/** As `bind`, but for what `open` throws. `job`: a number of the caller's job alone, 0: it is of none. */
export function bound(memory: VirtualMemory, named: Named, kind: TextureKind, job: number): Binding | undefined {
  const { surfaces } = named.source;
  const table = tableOf(memory, kind);
  const place = entryOf(surfaces % 2 ** 32);
  const kept = table[place];
  if (kept && kept.texture === named.source) {
    const looked = job !== 0 && kept.job === job && kept.generation === memory.generation;
    if (looked || good(memory, kept, surfaces)) {
      kept.job = job;
      if (kept.sampler === named.sampler) return kept.binding;
      // The texture is where it was, only the sampler is another one.
      const [texture, sampler] = named.open();
      const binding = texture && bind(memory, texture, sampler, kind, kept.binding.laid);
      if (binding) table[place] = { ...kept, sampler: named.sampler, binding };
      return binding;
    }
  }
  const [texture, sampler] = named.open();
  if (!texture) return undefined;
  const count = (planeCount(texture, kind) * Plane.size) / 4;
  const from = count <= MOST_WORDS ? wordOf(memory, surfaces, count) : -1;
  // What changes while the binding is made is found to have changed later.
  const planes = from < 0 ? undefined : memory.dram.u32.slice(from, from + count);
  const { generation } = memory;
  const binding = bind(memory, texture, sampler, kind);
  if (binding && planes) {
    table[place] = { generation, job, texture: named.source, sampler: named.sampler, planes, binding };
  }
  return binding;
}

/** Whether a binding is what `bind` would answer for the descriptors that it was made from. */
function good(memory: VirtualMemory, kept: Kept, surfaces: number): boolean {
  const { planes, binding } = kept;
  const { laid } = binding;
  const from = wordOf(memory, surfaces, planes.length);
  if (from < 0) return false;
  const { u32 } = memory.dram;
  for (let i = 0; i < planes.length; i++) if (u32[from + i] !== planes[i]) return false;
  if (kept.generation !== memory.generation) {
    if (!laid.stays()) return false;
    kept.generation = memory.generation;
  }
  return laid.holds?.() ?? true;
}

/** The word of DRAM where so many begin that lie at an address; -1 unless one extent holds them. */
function wordOf(memory: VirtualMemory, at: number, count: number): number {
  const extent = at % 4 === 0 ? memory.extent(at, 'read') : undefined;
  if (!extent || at + count * 4 > extent.start + extent.size) return -1;
  return (extent.physical + (at - extent.start)) / 4;
}
