/**
 * DrawTable: the draws that a polygon list's primitives name, numbered in the order in which they are met.
 */
import type { Draw } from '../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';
import { DepthBias, loadDepthStencil } from './depth-stencil.ts';
import type { Framebuffer } from './framebuffer.ts';
import type { PolygonReader } from './polygon-reader.ts';
import { CENTER, tieBreakOf } from './raster.ts';
import type { Bounds, DrawSetup } from './setup.ts';

export interface ListedDraw extends DrawSetup {
  /** Of its record. */
  readonly address: number;
  readonly draw: Infer<typeof Draw>;
}

export class DrawTable {
  readonly #memory: VirtualMemory;
  readonly #reader: PolygonReader;
  readonly #framebuffer: Framebuffer;
  readonly #numbers = new Map<number, ListedDraw>();
  readonly #draws: ListedDraw[] = [];

  constructor(memory: VirtualMemory, reader: PolygonReader, framebuffer: Framebuffer) {
    this.#memory = memory;
    this.#reader = reader;
    this.#framebuffer = framebuffer;
  }

  get count(): number {
    return this.#draws.length;
  }

  /** The draw with this number. */
  at(number: number): ListedDraw {
    return this.#draws[number]!;
  }

  /** The draw whose record lies at an address. Throws GpuFault if there is none. */
  of(address: number): ListedDraw {
    let listed = this.#numbers.get(address);
    if (!listed) {
      const record = this.#reader.readDraw(address);
      const bounds = {
        minX: record.scissorMinX,
        minY: record.scissorMinY,
        maxX: record.scissorMaxX,
        maxY: record.scissorMaxY,
      };
      const setup = drawSetup(this.#memory, this.#framebuffer, record.draw, bounds, this.#draws.length);
      listed = { ...setup, address, draw: record.draw };
      this.#numbers.set(address, listed);
      this.#draws.push(listed);
    }
    return listed;
  }

  reset(): void {
    this.#numbers.clear();
    this.#draws.length = 0;
  }
}

/** What set-up needs of a draw within a scissor. */
export function drawSetup(
  memory: VirtualMemory,
  framebuffer: Framebuffer,
  draw: Infer<typeof Draw>,
  scissor: Bounds,
  number: number,
): DrawSetup {
  const { width, height, zInternalFormat, tieBreakRule } = framebuffer.parameters;
  const state = loadDepthStencil(memory, draw.depthStencil);
  return {
    number,
    bounds: {
      minX: scissor.minX,
      minY: scissor.minY,
      maxX: Math.min(scissor.maxX, width - 1),
      maxY: Math.min(scissor.maxY, height - 1),
    },
    pattern: draw.multisampleEnable ? framebuffer.raster : CENTER,
    tieBreak: tieBreakOf(tieBreakRule),
    bias: state.depthBiasEnable ? new DepthBias(state, zInternalFormat) : undefined,
    attributeStride: draw.vertexAttributeStride,
    centers: framebuffer.pattern.count === 1,
  };
}
