/** What shaders see: programs, disassembled in place, uniforms, resource tables and all that these lead to. */

import { DepthStencil } from '../../abi/gpu/raster-descriptors.ts';
import {
  ATTRIBUTE_TYPE,
  AttributeDescriptor,
  BufferDescriptor,
  DESCRIPTOR_STRIDE,
  DESCRIPTOR_TYPE,
  LocalStorage,
  RESOURCE_COUNT_MASK,
  Resource,
  SHADER_STAGE,
  ShaderProgram,
} from '../../abi/gpu/shader-descriptors.ts';
import { PLANE_TYPE, Plane, Sampler, TEXTURE_DIMENSION, Texture } from '../../abi/gpu/texture-descriptors.ts';
import { INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import { uint, viewOf } from '../../abi/layout.ts';
import { disassembleWord } from '../shader/disassemble.ts';
import { hex, type Page } from './page.ts';

/** Descriptors of a table, planes of a texture and words of uniforms that are printed; instructions of a program. */
const MOST_DESCRIPTORS = 64;
const MOST_PLANES = 16;
const MOST_UNIFORMS = 512;
const MOST_INSTRUCTIONS = 1 << 16;
const PIECE = 64;
const CUBE_FACES = 6;
const COLUMNS = 4;

/** The instructions from an address on, to the padding behind a program's end, as two words each. */
export function programAt(page: Page, address: number): Uint32Array | undefined {
  const words: number[] = [];
  // Instructions that are read at once: fewer where not all of them can be read.
  let piece = PIECE;
  while (words.length < MOST_INSTRUCTIONS * 2) {
    const data = page.bytes(address + words.length * 4, piece * INSTRUCTION_SIZE);
    if (!data) {
      if (piece === 1) break;
      piece /= 2;
      continue;
    }
    const view = viewOf(data);
    for (let at = 0; at < data.length; at += INSTRUCTION_SIZE) {
      const [low, high] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
      if (low === 0 && high === 0) return words.length > 0 ? Uint32Array.from(words) : undefined;
      words.push(low, high);
    }
  }
  return words.length > 0 ? Uint32Array.from(words) : undefined;
}

/** Prints programs. Each is disassembled once, and again when its bytes have changed. */
export class Programs {
  /** Called with every program that is met for the first time. */
  readonly #met: (address: number, code: Uint32Array) => void;
  readonly #known = new Map<number, Uint32Array>();

  constructor(met: (address: number, code: Uint32Array) => void) {
    this.#met = met;
  }

  print(page: Page, title: string, address: number): void {
    if (address === 0) return;
    page.at(
      `${title} program`,
      ShaderProgram,
      address,
      ({ type, binary }) => {
        if (type === DESCRIPTOR_TYPE.SHADER) this.code(page, binary);
      },
      ({ stage }) =>
        (name) =>
          (name === 'vertexWarpLimit' && stage !== SHADER_STAGE.VERTEX) ||
          (name === 'fragmentCoverageGl' && stage !== SHADER_STAGE.FRAGMENT),
    );
  }

  /** Instructions that no program descriptor names. */
  code(page: Page, address: number): void {
    const code = programAt(page, address);
    if (!code) {
      page.line(`instructions at ${hex(address)}: unreadable, or none`);
      return;
    }
    const known = this.#known.get(address);
    if (known && known.length === code.length && code.every((word, i) => word === known[i])) {
      page.line(`${code.length / 2} instructions at ${hex(address)}, as above`);
      return;
    }
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(address, code);
    this.#met(address, code);
    page.under(`${code.length / 2} instructions at ${hex(address)}:`, () => {
      for (let i = 0; i < code.length && page.room && page.writes; i += 2)
        page.line(disassembleWord(code[i]!, code[i + 1]!));
    });
  }
}
/** Programs that are remembered. */
const MOST_KNOWN = 4096;

/** `count` 64-bit words of fast-access uniforms. */
export function printUniforms(page: Page, title: string, address: number, count: number): void {
  if (count === 0 || !page.writes) return;
  const words = Math.min(count * 2, MOST_UNIFORMS);
  const data = page.bytes(address, words * 4);
  if (!data) {
    page.line(`${title} uniforms at ${hex(address)}: unreadable`);
    return;
  }
  const view = viewOf(data);
  page.under(`${title} uniforms at ${hex(address)}:`, () => {
    for (let first = 0; first < words; first += COLUMNS) {
      const row = Array.from({ length: Math.min(COLUMNS, words - first) }, (_, n) => {
        const bits = view.getUint32((first + n) * 4, true);
        return `${bits.toString(16).padStart(8, '0')} (${Number(view.getFloat32((first + n) * 4, true).toPrecision(6))})`;
      });
      page.line(`u${first}: ${row.join(' ')}`);
    }
  });
}

export function printStorage(page: Page, title: string, address: number): void {
  if (address !== 0) page.at(`${title} storage`, LocalStorage, address);
}

/** The tables that a pointer with their count in its low bits leads to. */
export function printResources(page: Page, title: string, pointer: number): void {
  const count = pointer % (RESOURCE_COUNT_MASK + 1);
  const tables = pointer - count;
  if (count === 0 || !page.writes) return;
  page.under(`${title} resources at ${hex(tables)}, ${count} tables:`, () => {
    for (let table = 0; table < count; table++) {
      const at = tables + table * Resource.size;
      const entry = page.bytes(at, Resource.size);
      if (!entry) {
        page.line(`table ${table} at ${hex(at)}: unreadable`);
        continue;
      }
      const { address, size, containsDescriptors } = Resource.read(viewOf(entry), 0);
      if (address === 0 && size === 0) continue;
      if (!containsDescriptors) {
        page.line(`table ${table}: a buffer of ${size} bytes at ${hex(address)}`);
        continue;
      }
      page.under(`table ${table}: ${size} bytes at ${hex(address)}`, () => printDescriptors(page, address, size));
    }
  });
}

function printDescriptors(page: Page, address: number, size: number): void {
  const count = Math.floor(size / DESCRIPTOR_STRIDE);
  for (let i = 0; i < count && i < MOST_DESCRIPTORS && page.room; i++)
    printDescriptor(page, i, address + i * DESCRIPTOR_STRIDE);
  if (count > MOST_DESCRIPTORS) page.line(`… and ${count - MOST_DESCRIPTORS} more`);
}

const TYPE = uint(0, 4);

function printDescriptor(page: Page, index: number, address: number): void {
  const data = page.bytes(address, DESCRIPTOR_STRIDE);
  if (!data) {
    page.line(`${index} at ${hex(address)}: unreadable`);
    return;
  }
  const type = TYPE.read(viewOf(data), 0);
  switch (type) {
    case DESCRIPTOR_TYPE.NULL:
      if (data.some((byte) => byte !== 0)) page.line(`${index}: null`);
      break;
    case DESCRIPTOR_TYPE.SAMPLER:
      page.at(`${index}: sampler`, Sampler, address);
      break;
    case DESCRIPTOR_TYPE.TEXTURE:
      page.at(`${index}: texture`, Texture, address, (texture) => {
        const faces = texture.dimension === TEXTURE_DIMENSION.CUBE ? CUBE_FACES : 1;
        printPlanes(page, texture.surfaces, texture.levels * texture.arraySize * faces);
      });
      break;
    case DESCRIPTOR_TYPE.ATTRIBUTE:
      page.at(`${index}: attribute`, AttributeDescriptor, address, undefined, ({ attributeType }) => {
        const packet = attributeType === ATTRIBUTE_TYPE.VERTEX_PACKET;
        return (name) => (packet ? name === 'stride' : name === 'attributeStride' || name === 'packetStride');
      });
      break;
    case DESCRIPTOR_TYPE.BUFFER:
      page.at(`${index}: buffer`, BufferDescriptor, address);
      break;
    case DESCRIPTOR_TYPE.DEPTH_STENCIL:
      page.at(`${index}: depth/stencil`, DepthStencil, address);
      break;
    default:
      page.line(`${index} at ${hex(address)}: a descriptor of type ${type}`);
  }
}

/** Which fields mean nothing in planes of a type. */
function meaningless({ planeType }: { planeType: number }): (name: string) => boolean {
  const afbc = planeType === PLANE_TYPE.AFBC;
  const chroma = planeType === PLANE_TYPE.CHROMA_2P;
  return (name) =>
    (name.startsWith('afbc') && !afbc) ||
    (name.startsWith('astc2d') && planeType !== PLANE_TYPE.ASTC_2D) ||
    (name.startsWith('astc3d') && planeType !== PLANE_TYPE.ASTC_3D) ||
    (name.startsWith('astcDecode') && planeType !== PLANE_TYPE.ASTC_2D && planeType !== PLANE_TYPE.ASTC_3D) ||
    (name.startsWith('chroma') && !chroma) ||
    (name === 'clumpOrdering' && afbc) ||
    (name === 'clumpFormat' && planeType !== PLANE_TYPE.GENERIC && !chroma) ||
    (name === 'sliceStride' && chroma);
}

function printPlanes(page: Page, address: number, count: number): void {
  for (let i = 0; i < count && i < MOST_PLANES && page.room; i++) {
    page.at(`plane ${i}`, Plane, address + i * Plane.size, undefined, meaningless);
  }
  if (count > MOST_PLANES) page.line(`… and ${count - MOST_PLANES} more planes`);
}
