/**
 * RUN_FULLSCREEN: a rectangle over the whole framebuffer, drawn by a Draw descriptor in memory, without vertices.
 *
 * It goes to the polygon list like any primitive, so it keeps its place among the draws of a render pass, and the scissor limits it.
 * It is drawn to the layers of the view mask, or the first one where that is empty. Like a frame shader's rectangle its vertices
 * 0, 1, 2 are the corners (0, 0), (width, 0), (0, height) at depth 0.
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/decode_csf.c` (pandecode_run_fullscreen); PanVK from 26 on emits it as a barrier between
 * fragments of a pass, with the layers in the view mask.
 */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import { pairOf, FULLSCREEN_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { DRAW_RECORD_MAGIC, DrawRecord, PRIMITIVE_KIND, PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { Draw, PrimitiveFlags, Scissor, TilerContext } from '../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { RunRequest, VirtualMemory, Work, WorkState } from '../contract.ts';
import { TilerHeap } from '../tiler-heap.ts';
import { fault } from './draw.ts';
import { PolygonListWriter } from './polygon-list.ts';
import { PIXEL } from './shape.ts';

export class FullscreenWork implements Work {
  readonly #memory: VirtualMemory;
  readonly #list: PolygonListWriter;
  readonly #scissor: Infer<typeof Scissor>;
  readonly #context: Infer<typeof TilerContext>;
  readonly #dcd: number;
  /** Layers that are still to be drawn, as bits. */
  #layers: number;
  /** Address of the draw's record; 0: there is none yet. */
  #record = 0;

  constructor({ memory, registers, operands, heapContext }: RunRequest<CsOperands<'RUN_FULLSCREEN'>>) {
    const words = new DataView(registers.buffer, registers.byteOffset);
    const context = pairOf(registers, R.tilerContext);
    this.#memory = memory;
    this.#context = memory.descriptor(TilerContext, context);
    this.#list = new PolygonListWriter(memory, new TilerHeap(memory, context, heapContext), context);
    this.#scissor = Scissor.read(words, R.scissor * 4);
    this.#dcd = pairOf(registers, operands.dcd);
    const raw = new DataView(new ArrayBuffer(PrimitiveFlags.size));
    raw.setUint32(0, registers[R.primitiveFlags]! | operands.flagsOverride, true);
    const { scissorArrayEnable, viewMask } = PrimitiveFlags.read(raw, 0);
    if (scissorArrayEnable) throw fault('Primitive Flags: scissor arrays are not implemented');
    this.#layers = viewMask === 0 ? 1 : viewMask;
  }

  step(): WorkState {
    const { layerCount, layerOffset } = this.#context;
    // If a handler has drawn and dropped the list since the last step, the record is gone too.
    if (this.#list.list === 0) this.#record = 0;
    for (; this.#layers !== 0; this.#layers &= this.#layers - 1) {
      const layer = 31 - Math.clz32(this.#layers & -this.#layers) + layerOffset;
      const words = layer >= 0 && layer < layerCount ? this.#rectangle(layer) : undefined;
      if (!words) continue;
      if (this.#record === 0) {
        const record = this.#list.draw(this.#drawRecord());
        if (record === undefined) return 'oom';
        this.#record = record;
      }
      words[PrimitiveRecord.offset.draw / 4] = this.#record % 2 ** 32;
      words[PrimitiveRecord.offset.draw / 4 + 1] = Math.floor(this.#record / 2 ** 32);
      if (!this.#list.append(words)) return 'oom';
    }
    return 'done';
  }

  /** The record of the rectangle on a layer; undefined if the scissor leaves nothing of it. */
  #rectangle(layer: number): Uint32Array | undefined {
    const { fbWidth, fbHeight } = this.#context;
    const { minimumX, minimumY, maximumX, maximumY } = this.#scissor;
    const maxX = Math.min(maximumX, fbWidth - 1);
    const maxY = Math.min(maximumY, fbHeight - 1);
    if (minimumX > maxX || minimumY > maxY) return undefined;
    // The triangle reaches twice as far and so covers all of it.
    const corner = (x: number, y: number, weight1: number, weight2: number) => ({
      ...{ x: x * 2 ** PIXEL, y: y * 2 ** PIXEL, z: 0, inverseW: 1, weight1, weight2 },
    });
    const bytes = PrimitiveRecord.pack({
      slot1: 1,
      slot2: 2,
      kind: PRIMITIVE_KIND.TRIANGLE,
      layer,
      corner0: corner(0, 0, 0, 0),
      corner1: corner(2 * fbWidth, 0, 2, 0),
      corner2: corner(0, 2 * fbHeight, 0, 2),
      minX: minimumX,
      minY: minimumY,
      maxX,
      maxY,
    });
    return new Uint32Array(bytes.buffer);
  }

  #drawRecord(): Uint8Array {
    const { minimumX, minimumY, maximumX, maximumY } = this.#scissor;
    const record = DrawRecord.pack({
      magic: DRAW_RECORD_MAGIC,
      scissorMinX: minimumX,
      scissorMinY: minimumY,
      scissorMaxX: maximumX,
      scissorMaxY: maximumY,
    });
    record.set(this.#memory.read(this.#dcd, Draw.size), DrawRecord.offset.draw);
    return record;
  }
}
