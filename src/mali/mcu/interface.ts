/**
 * The firmware's interface as the firmware sees it: input and output blocks at their places (abi/gpu/firmware-places.ts),
 * and the control blocks that say to the host where they are.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_fw.c` for how a host reads it.
 */
import { CS_REGISTERS, CS_SCOREBOARDS } from '../../abi/gpu/cs.ts';
import {
  CsControl,
  CsFeatures,
  CsgControl,
  CsgInput,
  CsgOutput,
  CsInput,
  CsOutput,
  FW_GROUP_CONTROL_OFFSET,
  FW_SHARED_START,
  FW_STREAM_CONTROL_OFFSET,
  FwVersion,
  GlbControl,
  GlbInput,
  GlbOutput,
} from '../../abi/gpu/firmware.ts';
import {
  CS_INPUT,
  CS_INPUT_STRIDE,
  CS_OUTPUT,
  CS_OUTPUT_STRIDE,
  CSG_INPUT,
  CSG_INPUT_STRIDE,
  CSG_OUTPUT,
  CSG_OUTPUT_STRIDE,
  GLB_INPUT,
  GLB_OUTPUT,
  GROUP_STRIDE,
  GROUPS,
  INTERFACE_VERSION,
  STREAM_STRIDE,
  STREAMS,
} from '../../abi/gpu/firmware-places.ts';
import { suspendSize } from '../../abi/gpu/suspend.ts';
import { type Field, type Layout, viewOf } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';

/** Bytes of the state that a suspend buffer takes. */
export const SUSPEND_SIZE = suspendSize(STREAMS);

/** A layout's value as one 32-bit word. */
export const packWord = <F extends Record<string, any>>(
  layout: Layout<F>,
  values: Parameters<Layout<F>['pack']>[0],
): number => viewOf(layout.pack(values)).getUint32(0, true);

/** A 32-bit word taken apart by a layout. */
export const unpackWord = <F extends Record<string, any>>(
  layout: Layout<F>,
  word: number,
): ReturnType<Layout<F>['read']> => {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, word, true);
  return layout.read(view, 0);
};

/** The number fields of a struct in the MCU's memory, read and written one by one. */
export class Block<F extends Record<string, Field<any>>> {
  readonly #memory: VirtualMemory;
  readonly #layout: Layout<F>;
  readonly #base: number;

  constructor(memory: VirtualMemory, layout: Layout<F>, base: number) {
    this.#memory = memory;
    this.#layout = layout;
    this.#base = base;
  }

  get(name: keyof F): number {
    const at = this.#base + this.#layout.offset[name];
    return this.#layout.fields[name]!.width === 64 ? this.#memory.load64(at) : this.#memory.load32(at);
  }

  set(name: keyof F, value: number): void {
    const at = this.#base + this.#layout.offset[name];
    if (this.#layout.fields[name]!.width === 64) this.#memory.store64(at, value);
    else this.#memory.store32(at, value);
  }

  /** Turns bits round. */
  toggle(name: keyof F, bits: number): void {
    this.set(name, (this.get(name) ^ bits) >>> 0);
  }
}

type Fields<L> = L extends Layout<infer F> ? F : never;
export interface BlockPair<I, O> {
  readonly input: Block<Fields<I> & Record<string, Field<any>>>;
  readonly output: Block<Fields<O> & Record<string, Field<any>>>;
}
export type GlobalBlocks = BlockPair<typeof GlbInput, typeof GlbOutput>;
export type GroupBlocks = BlockPair<typeof CsgInput, typeof CsgOutput>;
export type StreamBlocks = BlockPair<typeof CsInput, typeof CsOutput>;

export const globalBlocks = (memory: VirtualMemory): GlobalBlocks => ({
  input: new Block(memory, GlbInput, GLB_INPUT),
  output: new Block(memory, GlbOutput, GLB_OUTPUT),
});

export const groupBlocks = (memory: VirtualMemory, group: number): GroupBlocks => ({
  input: new Block(memory, CsgInput, CSG_INPUT + group * CSG_INPUT_STRIDE),
  output: new Block(memory, CsgOutput, CSG_OUTPUT + group * CSG_OUTPUT_STRIDE),
});

const streamIndex = (group: number, stream: number): number => group * STREAMS + stream;

export const streamBlocks = (memory: VirtualMemory, group: number, stream: number): StreamBlocks => ({
  input: new Block(memory, CsInput, CS_INPUT + streamIndex(group, stream) * CS_INPUT_STRIDE),
  output: new Block(memory, CsOutput, CS_OUTPUT + streamIndex(group, stream) * CS_OUTPUT_STRIDE),
});

/** Writes the control blocks: what a host reads after boot. Requests and acknowledgements stay as they are. */
export function writeControl(memory: VirtualMemory): void {
  memory.encode(GlbControl, FW_SHARED_START, {
    version: packWord(FwVersion, INTERFACE_VERSION),
    features: 0,
    inputVa: GLB_INPUT,
    outputVa: GLB_OUTPUT,
    groupNum: GROUPS,
    groupStride: GROUP_STRIDE,
    // No performance counters and no instrumentation.
    perfcntSize: 0,
    instrFeatures: 0,
  });
  const features = packWord(CsFeatures, {
    workRegisters: CS_REGISTERS - 1,
    scoreboards: CS_SCOREBOARDS,
    compute: 1,
    fragment: 1,
    tiler: 1,
  });
  for (let group = 0; group < GROUPS; group++) {
    const control = FW_SHARED_START + FW_GROUP_CONTROL_OFFSET + group * GROUP_STRIDE;
    memory.encode(CsgControl, control, {
      features: 0,
      inputVa: CSG_INPUT + group * CSG_INPUT_STRIDE,
      outputVa: CSG_OUTPUT + group * CSG_OUTPUT_STRIDE,
      suspendSize: SUSPEND_SIZE,
      protmSuspendSize: SUSPEND_SIZE,
      streamNum: STREAMS,
      streamStride: STREAM_STRIDE,
    });
    for (let stream = 0; stream < STREAMS; stream++) {
      memory.encode(CsControl, control + FW_STREAM_CONTROL_OFFSET + stream * STREAM_STRIDE, {
        features,
        inputVa: CS_INPUT + streamIndex(group, stream) * CS_INPUT_STRIDE,
        outputVa: CS_OUTPUT + streamIndex(group, stream) * CS_OUTPUT_STRIDE,
      });
    }
  }
}
