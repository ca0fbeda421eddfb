/**
 * VertexShading: a batch's positions and varyings, each shaded in one run.
 *
 * Positions go to the geometry buffer, which serves as the position FIFO; varyings to a packet in the tiler heap. The
 * preloaded registers are listed by emitted code (wasm/preload.ts), and the shader works off the list.
 */
import { pairOf, IDVS_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { PACKET_POSITION_STRIDE, PACKET_VARYINGS_OFFSET, PACKET_VERTICES } from '../../abi/gpu/shader-descriptors.ts';
import type { RunRequest } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { COLUMN_BYTES, THREAD_PRELOADS, threadListBytes } from '../engine/threads.ts';
import { LANES, type ShaderRun, THREAD_SLOT, type VertexStage } from '../shader/contract.ts';
import type { EnvironmentPointers } from '../shader/resources.ts';
import { VertexOutput } from '../shader/vertex-output.ts';
import type { Batch } from './batch.ts';
import { fault, SLICE, type TilerDraw } from './draw.ts';
import { preloader } from './wasm/preload.ts';

/** Opens a program for a run of vertex warps. Bound to the shader cores where the units are put together. */
export type OpenVertexShader = (
  memory: RunRequest<unknown>['memory'],
  addresses: EnvironmentPointers,
  stage: VertexStage,
  threadSlot: number,
) => ShaderRun;

const LIST_BYTES = threadListBytes(THREAD_PRELOADS.vertex, PACKET_VERTICES);

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
  /** Registers of the batch's vertices, and whether their shading has begun. */
  readonly #piece = scratch.take(LIST_BYTES, false);
  readonly #list = this.#piece.at;
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
    scratch.give(this.#piece);
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

  /** Shades the batch's vertices: all of them are some primitive's. */
  #shade(run: ShaderRun, extended: boolean): boolean {
    const draw = this.#draw;
    const count = this.#batch.vertices;
    if (!this.#running) {
      this.#preload(extended);
      run.beginThreads(this.#list, count);
      this.#running = true;
    }
    if (!run.resumeList(SLICE)) return false;
    this.#running = false;
    const warps = Math.ceil(count / LANES);
    this.warps += warps;
    draw.budget -= (warps * SLICE) / 16;
    return true;
  }

  /** Lists the registers of the batch's vertices (engine/threads.ts). */
  #preload(extended: boolean): void {
    const { registers, request } = this.#draw;
    const { operands } = request;
    const vertexOffset = registers[R.vertexOffset]!;
    const instanceOffset = registers[R.instanceOffset]!;
    const drawId = operands.drawIdRegisterEnable ? registers[operands.drawId]! : 0;
    const { at, vertices } = this.#batch;
    const { first, count } = THREAD_PRELOADS.vertex;
    for (let v = 0; v < vertices; v += LANES) {
      // As if the warp's register file lay there, of which the list has but some.
      const file = this.#list + (v / LANES) * count * COLUMN_BYTES - first * COLUMN_BYTES;
      preloader()(at, file, v, extended ? 1 : 0, vertexOffset, instanceOffset, drawId);
    }
  }
}

const stageOf = (output: VertexOutput): VertexStage => ({ kind: 'vertex', frame: output.frame, output });

/** Place of vertex v in the position FIFO, or of its extension. */
export function positionId(v: number, extended: boolean, extension = false): number {
  if (!extended) return v;
  return (v - (v % 4)) * 2 + (v % 4) + (extension ? 4 : 0);
}
