/**
 * The firmware's interface as the firmware sees it: input and output blocks at their places (abi/gpu/firmware-places.ts),
 * and the control blocks that say to the host where they are.
 * Source: Linux `drivers/gpu/drm/panthor/panthor_fw.c` for how a host reads it.
 */
import type { CommandSet } from '../../abi/gpu/cs.ts';
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
import type { Field, Layout } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';

/** Bytes of the state that a suspend buffer takes. */
export const SUSPEND_SIZE = suspendSize(STREAMS);

/** A layout's value as one 32-bit word. */
export const packWord = <F extends Record<string, any>>(
  layout: Layout<F>,
  values: Parameters<Layout<F>['pack']>[0],
): number => {
  scratch.setUint32(0, 0, true);
  layout.write(scratch, 0, values as any);
  return scratch.getUint32(0, true);
};

/** A 32-bit word taken apart by a layout. */
export const unpackWord = <F extends Record<string, any>>(
  layout: Layout<F>,
  word: number,
): ReturnType<Layout<F>['read']> => {
  scratch.setUint32(0, word, true);
  return layout.read(scratch, 0);
};
const scratch = new DataView(new ArrayBuffer(4));

/** Where the fields of each layout lie: their byte offsets, and one more where they have 64 bits. */
const places = new WeakMap<Layout<any>, Record<string, number>>();

function placesOf(layout: Layout<any>): Record<string, number> {
  let known = places.get(layout);
  if (!known) {
    known = {};
    for (const [name, { width }] of Object.entries(layout.fields as Record<string, Field<any>>))
      known[name] = layout.offset[name]! + (width === 64 ? 1 : 0);
    places.set(layout, known);
  }
  return known;
}

/** The number fields of a struct in the MCU's memory, read and written one by one. */
export class Block<F extends Record<string, Field<any>>> {
  readonly #memory: VirtualMemory;
  readonly #places: Record<keyof F, number>;
  readonly #base: number;

  constructor(memory: VirtualMemory, layout: Layout<F>, base: number) {
    this.#memory = memory;
    this.#places = placesOf(layout) as Record<keyof F, number>;
    this.#base = base;
  }

  get(name: keyof F): number {
    const place = this.#places[name];
    return place & 1 ? this.#memory.load64(this.#base + place - 1) : this.#memory.load32(this.#base + place);
  }

  set(name: keyof F, value: number): void {
    const place = this.#places[name];
    if (place & 1) this.#memory.store64(this.#base + place - 1, value);
    else this.#memory.store32(this.#base + place, value);
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
export function writeControl(memory: VirtualMemory, commands: CommandSet): void {
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
    workRegisters: commands.registers - 1,
    scoreboards: commands.scoreboards,
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
