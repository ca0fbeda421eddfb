/**
 * VertexShading: a batch's positions and varyings, shaded warp by warp.
 *
 * Positions go to the geometry buffer, which serves as the position FIFO; varyings to a packet in the tiler heap. The warps'
 * preloaded registers are filled by emitted code where they lie in scratch memory (wasm/preload.ts).
 */
import { pairOf, IDVS_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { PACKET_POSITION_STRIDE, PACKET_VARYINGS_OFFSET, PACKET_VERTICES } from '../../abi/gpu/shader-descriptors.ts';
import { VERTEX_PRELOAD as PRELOAD } from '../../abi/isa/preload.ts';
import type { RunRequest } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { ALL_LANES, LANES, type ShaderRun, THREAD_SLOT, type VertexStage } from '../shader/contract.ts';
import { VertexOutput } from '../shader/vertex-output.ts';
import type { Batch } from './batch.ts';
import { fault, type ShaderAddresses, SLICE, type TilerDraw } from './draw.ts';
import { preloader } from './wasm/preload.ts';

/** Opens a program for a run of vertex warps. Bound to the shader cores where the units are put together. */
export type OpenVertexShader = (
  memory: RunRequest<unknown>['memory'],
  addresses: ShaderAddresses,
  stage: VertexStage,
  threadSlot: number,
) => ShaderRun;

export class VertexShading {
  /** Warps that have ended. */
  warps = 0;
  readonly #draw: TilerDraw;
  readonly #batch: Batch;
  readonly #open: OpenVertexShader;
  readonly #positionOutput = new VertexOutput();
  readonly #varyingOutput = new VertexOutput();
  #positionRun: ShaderRun | undefined;
  #varyingRun: ShaderRun | undefined;
  /** First vertex of the warp that is being shaded, and whether it has begun. */
  #first = 0;
  #running = false;

  constructor(draw: TilerDraw, batch: Batch, open: OpenVertexShader) {
    this.#draw = draw;
    this.#batch = batch;
    this.#open = open;
  }

  /** Gives the shader cores their registers back. */
  close(): void {
    this.#positionRun?.close();
    this.#varyingRun?.close();
    this.#positionRun = undefined;
    this.#varyingRun = undefined;
    this.#positionOutput.close();
    this.#varyingOutput.close();
  }

  /** Shades the batch's positions. False: the slice is over; call again. */
  positions(): boolean {
    const draw = this.#draw;
    const { memory, extended } = draw;
    if (!this.#positionRun) {
      const output = this.#positionOutput;
      const entries = PACKET_VERTICES * (extended ? 2 : 1);
      output.set(draw.context.geometryBuffer, PACKET_VARYINGS_OFFSET, 0, PACKET_POSITION_STRIDE, entries);
      this.#positionRun = this.#open(memory, draw.addresses('position'), stageOf(output), THREAD_SLOT.VERTEX);
    }
    if (!this.#shade(this.#positionRun, extended)) return false;
    if (pairOf(draw.registers, R.varyingSpd) === 0 && draw.flags.secondaryShader) {
      throw fault('RUN_IDVS: a secondary shader is enabled, its program is 0');
    }
    return true;
  }

  /** Shades the varyings of the batch into its packet. False: the slice is over; call again. */
  varyings(packet: number): boolean {
    const { memory, attributeStride: stride } = this.#draw;
    const output = this.#varyingOutput;
    const packetStride = PACKET_VARYINGS_OFFSET + PACKET_VERTICES * stride;
    output.set(packet, packetStride, PACKET_VARYINGS_OFFSET, stride, PACKET_VERTICES);
    this.#varyingRun ??= this.#open(memory, this.#draw.addresses('varying'), stageOf(output), THREAD_SLOT.VERTEX);
    return this.#shade(this.#varyingRun, false);
  }

  /** Shades the batch's vertices from `#first` on: all of them are some primitive's. */
  #shade(run: ShaderRun, extended: boolean): boolean {
    const draw = this.#draw;
    const count = this.#batch.vertices;
    while (this.#first < count) {
      if (!this.#running) {
        this.#preload(run, extended);
        const left = count - this.#first;
        run.start(left < LANES ? 2 ** left - 1 : ALL_LANES);
        this.#running = true;
      }
      if (!run.resume(SLICE)) return false;
      this.#running = false;
      this.#first += LANES;
      this.warps++;
      draw.budget -= SLICE / 16;
      if (draw.budget < 0) return false;
    }
    this.#first = 0;
    return true;
  }

  /** Fills the registers of the warp at `#first`. */
  #preload(run: ShaderRun, extended: boolean): void {
    const { registers, request } = this.#draw;
    const { operands } = request;
    const vertexOffset = registers[R.vertexOffset]!;
    const instanceOffset = registers[R.instanceOffset]!;
    const drawId = operands.drawIdRegisterEnable ? registers[operands.drawId]! : 0;
    const first = this.#first;
    run.reset();
    const { u32 } = run.warp;
    if (u32.buffer === scratch.buffer) {
      preloader()(this.#batch.at, u32.byteOffset, first, extended ? 1 : 0, vertexOffset, instanceOffset, drawId);
      return;
    }
    const { index, instance, vertices } = this.#batch;
    for (let lane = 0; lane < LANES && first + lane < vertices; lane++) {
      const v = first + lane;
      u32[PRELOAD.LINEAR_ID * LANES + lane] = positionId(v, extended);
      u32[PRELOAD.VERTEX_ID * LANES + lane] = index[v]! + vertexOffset;
      u32[PRELOAD.INSTANCE_ID * LANES + lane] = instance[v]! + instanceOffset;
      u32[PRELOAD.DRAW_ID * LANES + lane] = drawId;
    }
  }
}

const stageOf = (output: VertexOutput): VertexStage => ({ kind: 'vertex', frame: output.frame, output });

/** Place of vertex v in the position FIFO, or of its extension. */
export function positionId(v: number, extended: boolean, extension = false): number {
  if (!extended) return v;
  return (v - (v % 4)) * 2 + (v % 4) + (extension ? 4 : 0);
}
