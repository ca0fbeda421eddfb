/**
 * VertexShading: a batch's positions and varyings, each shaded in one run.
 *
 * Positions go to the geometry buffer, which serves as the position FIFO; varyings to packets in the tiler heap, which follow
 * one another. Varyings are shaded for vertices of visible primitives only. The preloaded registers are listed by emitted code
 * (wasm/preload.ts), and the shader works off the list.
 */
import { pairOf, IDVS_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { PACKET_POSITION_STRIDE, PACKET_VARYINGS_OFFSET } from '../../abi/gpu/shader-descriptors.ts';
import type { RunRequest } from '../contract.ts';
import { LANES, type ShaderRun, THREAD_SLOT, type VertexStage } from '../shader/contract.ts';
import type { EnvironmentPointers } from '../shader/resources.ts';
import { VertexOutput } from '../shader/vertex-output.ts';
import type { Batch } from './batch.ts';
import { fault, SLICE, type TilerDraw } from './draw.ts';
import { MAX_BATCH_VERTICES, TILER } from './state.ts';
import { preloader } from './wasm/preload.ts';

/**
 * Opens a program for a run of vertex warps. `other`: the run of the same draw's other program. Bound to the shader cores where the units
 * are put together.
 */
export type OpenVertexShader = (
  memory: RunRequest<unknown>['memory'],
  addresses: EnvironmentPointers,
  stage: VertexStage,
  threadSlot: number,
  other?: ShaderRun,
) => ShaderRun;

export class VertexShading {
  /** Warps that have begun. */
  warps = 0;
  readonly #draw: TilerDraw;
  readonly #batch: Batch;
  readonly #open: OpenVertexShader;
  readonly #positionOutput = new VertexOutput();
  readonly #varyingOutput = new VertexOutput();
  #positionRun: ShaderRun | undefined;
  #varyingRun: ShaderRun | undefined;
  /** How many vertices have been listed; 0: none are being shaded. */
  #listed = 0;
  /** Warps of them that have begun. */
  #begun = 0;

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
    const { memory, extended, fifoEntries } = draw;
    if (!this.#positionRun) {
      const output = this.#positionOutput;
      const entries = MAX_BATCH_VERTICES * (extended ? 2 : 1);
      output.set(draw.context.geometryBuffer, PACKET_VARYINGS_OFFSET, 0, PACKET_POSITION_STRIDE, entries);
      this.#positionRun = this.#open(memory, draw.addresses('position'), stageOf(output), THREAD_SLOT.VERTEX);
    }
    if (this.#listed === 0) {
      preloader().list_all(this.#batch.at, fifoEntries, draw.vertexOffset, draw.instanceOffset, draw.drawId);
      this.#list(this.#positionRun, this.#batch.vertices);
    }
    if (!this.#shade(this.#positionRun)) return false;
    if (pairOf(draw.registers, R.varyingSpd) === 0 && draw.flags.secondaryShader) {
      throw fault('RUN_IDVS: a secondary shader is enabled, its program is 0');
    }
    return true;
  }

  /**
   * Shades the varyings of vertices that visible primitives have, but those that it has shaded before, into the batch's packets.
   * False: the slice is over; call again.
   */
  varyings(packet: number): boolean {
    const draw = this.#draw;
    const { memory, attributeStride: stride, packetStride } = draw;
    if (this.#listed === 0) {
      const { vertexOffset, instanceOffset, drawId, places } = draw;
      const count = preloader().list_wanted(this.#batch.at, places, vertexOffset, instanceOffset, drawId);
      if (count === 0) return true;
      this.#varyingOutput.set(packet, packetStride, PACKET_VARYINGS_OFFSET, stride, MAX_BATCH_VERTICES);
      this.#varyingRun ??= this.#open(
        memory,
        draw.addresses('varying'),
        stageOf(this.#varyingOutput),
        THREAD_SLOT.VERTEX,
        this.#positionRun,
      );
      this.#list(this.#varyingRun, count);
    }
    return this.#shade(this.#varyingRun!);
  }

  #list(run: ShaderRun, count: number): void {
    run.beginThreads(this.#batch.at + TILER.list, count);
    this.#listed = count;
    this.#begun = 0;
  }

  /** Shades what is listed. */
  #shade(run: ShaderRun): boolean {
    const draw = this.#draw;
    const done = run.resumeList(SLICE);
    const warps = Math.ceil((done ? this.#listed : run.begun) / LANES);
    this.warps += warps - this.#begun;
    draw.budget -= ((warps - this.#begun) * SLICE) / 16;
    this.#begun = warps;
    if (!done) return false;
    this.#listed = 0;
    return true;
  }
}

const stageOf = (output: VertexOutput): VertexStage => ({ kind: 'vertex', frame: output.frame, output });
