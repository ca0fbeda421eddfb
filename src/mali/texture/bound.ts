/**
 * Bindings that are kept from run to run: programs draw with the same textures again and again, and to bind one anew takes longer
 * than many draws do.
 *
 * A binding is good as long as translations are the same, the descriptors that it was made from still say the same, which the
 * memory's own cache of descriptors tells by giving the same objects, and the headers that it has seen are still so (`holds`).
 */
import { Plane } from '../../abi/gpu/texture-descriptors.ts';
import type { VirtualMemory } from '../contract.ts';
import type { TextureKind } from '../shader/contract.ts';
import { type Binding, bind, planeCount } from './bind.ts';
import type { Sampler } from './sampler.ts';
import type { Texture } from './texture.ts';

interface Kept {
  readonly generation: number;
  readonly texture: object;
  readonly sampler: object | undefined;
  readonly planes: readonly object[];
  readonly binding: Binding;
}

/** Bindings kept of a kind of instruction; those whose planes' addresses share a place drive one another out. */
const ENTRIES = 256;
/** Planes that are looked at for a binding that is kept. */
const MOST_PLANES = 96;
const entryOf = (surfaces: number): number => ((surfaces >>> 5) ^ (surfaces >>> 13)) & (ENTRIES - 1);

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

/** As `bind`. */
export function bound(
  memory: VirtualMemory,
  texture: Texture,
  sampler: Sampler | undefined,
  kind: TextureKind,
): Binding | undefined {
  const count = planeCount(texture, kind);
  if (count > MOST_PLANES) return bind(memory, texture, sampler, kind);
  const { surfaces } = texture.descriptor;
  const table = tableOf(memory, kind);
  const place = entryOf(surfaces % 2 ** 32);
  const kept = table[place];
  const { generation } = memory;
  const plane = (n: number): object => memory.descriptor(Plane, surfaces + n * Plane.size);
  if (
    kept &&
    kept.generation === generation &&
    kept.texture === texture.source &&
    kept.sampler === sampler?.descriptor &&
    kept.planes.length === count &&
    kept.planes.every((known, n) => known === plane(n)) &&
    (kept.binding.holds?.() ?? true)
  ) {
    return kept.binding;
  }
  const binding = bind(memory, texture, sampler, kind);
  if (binding) {
    const planes = Array.from({ length: count }, (_, n) => plane(n));
    table[place] = { generation, texture: texture.source, sampler: sampler?.descriptor, planes, binding };
  }
  return binding;
}
