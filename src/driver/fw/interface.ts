/**
 * The firmware's interface in the shared section: control blocks that say what there is, and for the whole, each group
 * slot and each stream a pair of input block (ours) and output block (the firmware's).
 *
 * A request is a bit of `req` made different from `ack`; it is done when both are equal again. An event is the
 * firmware's bit of `ack` made different from our `req`. After Linux `drivers/gpu/drm/panthor/panthor_fw.{c,h}`.
 */
import {
  CsControl,
  CsFeatures,
  CsgControl,
  CsgInput,
  CsgOutput,
  CsInput,
  CsOutput,
  FW_GROUP_CONTROL_OFFSET,
  FW_MAX_GROUPS,
  FW_MAX_STREAMS,
  FW_MIN_GROUPS,
  FW_MIN_STREAMS,
  FW_STREAM_CONTROL_OFFSET,
  FwVersion,
  GlbControl,
  GlbInput,
  GlbOutput,
} from '../../abi/gpu/firmware.ts';
import { type Field, type Layout, printLayout } from '../../abi/layout.ts';
import { HardwareError } from '../hardware-error.ts';
import type { KernelBuffer } from '../kernel-buffer.ts';
import { hex } from '../log.ts';

type FieldValue<F> = F extends Field<infer T> ? T : never;

/** Where the words of a layout lie; fields of other kinds have no place. */
function placesOf<F extends Record<string, Field<any>>>({
  fields,
  offset,
}: Layout<F>): Partial<Record<keyof F, number>> {
  const places: Partial<Record<keyof F, number>> = {};
  for (const name of Object.keys(fields) as (keyof F)[]) if (fields[name]!.width === 32) places[name] = offset[name];
  return places;
}

/** One struct in shared memory, read and written field by field. Nearly all fields are words. */
export class Block<F extends Record<string, Field<any>>> {
  readonly #layout: Layout<F>;
  readonly #fields: F;
  readonly #places: Partial<Record<keyof F, number>>;
  readonly #view: DataView;
  readonly #base: number;

  constructor(layout: Layout<F>, view: DataView, base: number) {
    this.#layout = layout;
    this.#fields = layout.fields;
    this.#places = placesOf(layout);
    this.#view = view;
    this.#base = base;
  }

  get<K extends keyof F>(name: K): FieldValue<F[K]> {
    const place = this.#places[name];
    if (place === undefined) return this.#fields[name]!.read(this.#view, this.#base);
    return this.#view.getUint32(this.#base + place, true) as FieldValue<F[K]>;
  }

  set<K extends keyof F>(name: K, value: FieldValue<F[K]>): void {
    const place = this.#places[name];
    if (place === undefined) this.#fields[name]!.write(this.#view, this.#base, value);
    else this.#view.setUint32(this.#base + place, value as number, true);
  }

  /** All fields as text, a line each. */
  print(): string[] {
    return printLayout(this.#layout, this.#view, this.#base);
  }
}

type Fields<L> = L extends Layout<infer F> ? F : never;
/** A block with requests, and the block that acknowledges them. */
interface Requests {
  readonly input: Block<any>;
  readonly output: Block<any>;
}

/** Makes the bits of `mask` differ from their acknowledgement: asks for them. */
export function toggle(pair: Requests, req: string, ack: string, mask: number): void {
  const old = pair.input.get(req) as number;
  const acked = pair.output.get(ack) as number;
  pair.input.set(req, (((acked ^ mask) & mask) | (old & ~mask)) >>> 0);
}

/** Gives the bits of `mask` in `req` the values in `value`. */
export function update(pair: Requests, value: number, mask: number): void {
  const old = pair.input.get('req') as number;
  pair.input.set('req', ((old & ~mask) | (value & mask)) >>> 0);
}

/** Bits of `mask` in which `req` and `ack` differ: open requests and unseen events. */
export const differing = (pair: Requests, mask = 0xffffffff): number =>
  (((pair.input.get('req') as number) ^ (pair.output.get('ack') as number)) & mask) >>> 0;

export interface StreamInterface {
  readonly input: Block<Fields<typeof CsInput>>;
  readonly output: Block<Fields<typeof CsOutput>>;
}

export interface GroupInterface {
  readonly input: Block<Fields<typeof CsgInput>>;
  readonly output: Block<Fields<typeof CsgOutput>>;
  readonly streams: readonly StreamInterface[];
}

export interface FirmwareInterface {
  readonly version: { readonly major: number; readonly minor: number; readonly patch: number };
  readonly features: number;
  readonly instrFeatures: number;
  readonly input: Block<Fields<typeof GlbInput>>;
  readonly output: Block<Fields<typeof GlbOutput>>;
  readonly groups: readonly GroupInterface[];
  /** Bytes of a group's suspend buffers. */
  readonly suspendSize: number;
  readonly protmSuspendSize: number;
  readonly streamCount: number;
  readonly workRegisters: number;
  readonly scoreboards: number;
}

/** Reads the control blocks that a booted firmware has filled in. Throws if they make no sense. */
export function readInterface(shared: KernelBuffer): FirmwareInterface {
  const { view } = shared;
  const control = GlbControl.read(view, 0);
  if (control.version === 0) throw new HardwareError('Firmware version is 0. Firmware may have failed to boot');
  const word = new DataView(new ArrayBuffer(4));
  word.setUint32(0, control.version, true);
  const version = FwVersion.read(word, 0);
  if (control.groupNum < FW_MIN_GROUPS || control.groupNum > FW_MAX_GROUPS)
    throw new HardwareError(`Invalid number of control groups: ${control.groupNum}`);

  const block = <F extends Record<string, Field<any>>>(layout: Layout<F>, va: number, what: string): Block<F> => {
    const offset = va - shared.va;
    if (offset < 0 || offset + layout.size > shared.size) throw new HardwareError(`Invalid ${what} VA ${hex(va)}`);
    return new Block(layout, view, offset);
  };
  const inside = (layout: Layout<any>, offset: number): void => {
    if (offset < 0 || offset + layout.size > shared.size)
      throw new HardwareError(`${layout.name} at ${hex(offset)} lies outside the shared section`);
  };

  let first: { group: string; control: ReturnType<typeof CsgControl.read>; features: number } | undefined;
  const groups: GroupInterface[] = [];
  for (let g = 0; g < control.groupNum; g++) {
    const groupOffset = FW_GROUP_CONTROL_OFFSET + g * control.groupStride;
    inside(CsgControl, groupOffset);
    const csg = CsgControl.read(view, groupOffset);
    if (csg.streamNum < FW_MIN_STREAMS || csg.streamNum > FW_MAX_STREAMS)
      throw new HardwareError(`Invalid number of streams in group slot ${g}: ${csg.streamNum}`);
    const alike = `${csg.features} ${csg.suspendSize} ${csg.protmSuspendSize} ${csg.streamNum}`;
    if (first && first.group !== alike) throw new HardwareError('Expecting identical CSG slots');
    const streams: StreamInterface[] = [];
    for (let s = 0; s < csg.streamNum; s++) {
      const streamOffset = groupOffset + FW_STREAM_CONTROL_OFFSET + s * csg.streamStride;
      inside(CsControl, streamOffset);
      const cs = CsControl.read(view, streamOffset);
      first ??= { group: alike, control: csg, features: cs.features };
      if (cs.features !== first.features) throw new HardwareError('Expecting identical CS slots');
      streams.push({
        input: block(CsInput, cs.inputVa, 'stream control interface input'),
        output: block(CsOutput, cs.outputVa, 'stream control interface output'),
      });
    }
    groups.push({
      input: block(CsgInput, csg.inputVa, 'group control interface input'),
      output: block(CsgOutput, csg.outputVa, 'group control interface output'),
      streams,
    });
  }
  if (!first) throw new HardwareError('the firmware has no group slot');
  word.setUint32(0, first.features, true);
  const features = CsFeatures.read(word, 0);
  return {
    version,
    features: control.features,
    instrFeatures: version.major > 1 || (version.major === 1 && version.minor >= 1) ? control.instrFeatures : 0,
    input: block(GlbInput, control.inputVa, 'global interface input'),
    output: block(GlbOutput, control.outputVa, 'global interface output'),
    groups,
    suspendSize: first.control.suspendSize,
    protmSuspendSize: first.control.protmSuspendSize,
    streamCount: first.control.streamNum,
    workRegisters: features.workRegisters + 1,
    scoreboards: features.scoreboards,
  };
}
