/**
 * Chaos: a client that sends anything, for tests: every ioctl of every device of a machine, with arguments that make sense
 * half the time, numbers that break things in the other half, and buffers full of accidents.
 *
 * What a field is likely to mean is guessed from its name, so that calls get past the first check: an id names something
 * that exists, a pointer points into the client's memory, a count is small. Then words are replaced.
 */

import { DRM_CLIENT_CAP, DRM_IOCTL } from '../../abi/drm.ts';
import { fourcc } from '../../abi/fourcc.ts';
import { assembleCs, CS, type CsLine, type CsName } from '../../abi/gpu/cs.ts';
import type { IoctlDef } from '../../abi/ioctl.ts';
import * as KMS from '../../abi/kms-ioctls.ts';
import { ModeInfo } from '../../abi/kms-structs.ts';
import { type Layout, viewOf } from '../../abi/layout.ts';
import {
  PANTHOR,
  PanthorObjArray,
  QueueCreate,
  QueueSubmit,
  SyncOp,
  VM_BIND_OP_TYPE_SCALE,
  VmBindOp,
} from '../../abi/panthor.ts';
import type { Dram } from '../../board/dram.ts';
import type { DrmFile } from '../../drm/file.ts';
import type { IoctlResult } from '../../drm/ioctl.ts';
import { abandon } from '../../drm/user.ts';
import type { Machine } from '../../machine/machine.ts';
import { FakeUser } from '../drm/client.ts';

/** Numbers that look random and are the same on every run; `n(below)` is a whole number from 0 on. */
export function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const ORDINARY = [0n, 0n, 0n, 1n, 1n, 2n, 3n, 4n, 5n, 7n, 8n, 16n, 31n, 32n, 63n, 64n, 255n, 4096n, 8192n, 65536n];
const EXTREME = [
  4095n,
  4097n,
  1n << 20n,
  1n << 21n,
  1n << 31n,
  (1n << 31n) - 1n,
  (1n << 32n) - 1n,
  1n << 32n,
  1n << 47n,
  1n << 48n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 4096n,
  (1n << 64n) - 1n,
];
/** Where its buffers are bound: low, so that pointers of 32 bits reach them. */
const BOUND = 0x10000000n;

export class Chaos {
  readonly user: FakeUser;
  readonly files: readonly DrmFile<any>[];
  /** Ioctls by name that succeeded, and how often. */
  readonly succeeded = new Map<string, number>();
  readonly random: (below: number) => number;
  readonly #machine: Machine;
  readonly #entries: readonly { file: DrmFile<any>; def: IoctlDef }[];
  readonly #fbs: number[] = [];
  readonly #blobs: number[] = [];

  /** `user`: whose calls they are. */
  constructor(machine: Machine, seed: number, user = new FakeUser(666)) {
    this.#machine = machine;
    this.user = user;
    this.random = numbers(seed);
    this.files = machine.nodes.map(({ device, kind }) => device.open(kind, this.user.pid));
    this.#entries = this.files.flatMap((file) =>
      [...file.device.table.values()].flatMap(({ def }) =>
        Array(weight(def.name)).fill({ file, def: def as IoctlDef }),
      ),
    );
    for (const capability of [DRM_CLIENT_CAP.UNIVERSAL_PLANES, DRM_CLIENT_CAP.ATOMIC]) {
      if (this.random(3) > 0) this.files[0]!.clientCaps.set(capability, 1n);
    }
    this.#scribble();
    for (const file of this.files) this.#settleDown(file);
  }

  /** Sends one ioctl. What comes back is a number that an ioctl may return, or a promise of one. */
  send(): IoctlResult | Promise<IoctlResult> {
    const { random, user } = this;
    if (random(40) === 0) this.#scribble();
    const { file, def } = this.#entries[random(this.#entries.length)]!;
    const arg = this.#argument(def);
    const view = viewOf(arg);
    for (let i = random(3) === 0 ? 1 + random(3) : 0; i > 0 && arg.length >= 4; i--)
      view.setUint32(4 * random(arg.length / 4), Number(this.#number() % 2n ** 32n), true);
    // Now and then a struct of another age.
    const sent = random(50) === 0 ? arg.subarray(0, random(arg.length)) : arg;
    const result = file.device.ioctl(file, def.request, sent, user);
    const note = (outcome: IoctlResult): IoctlResult => {
      if (outcome.value >= 0) this.#note(def, outcome.arg);
      return outcome;
    };
    return result instanceof Promise ? result.then(note) : note(result);
  }

  /** Writes anything into its buffers: streams of instructions that may be some, descriptors, plain noise. */
  corrupt(dram: Dram): void {
    const { random } = this;
    for (const file of this.files) {
      for (const object of file.handles.values()) {
        const memory = new Uint8Array(dram.buffer, object.run.physical, object.size);
        const at = 64 * random(Math.min(memory.length, 1 << 16) / 64);
        const data = random(3) === 0 ? this.#noise(64) : assembleCs(this.#program(8));
        memory.set(data.subarray(0, memory.length - at), at);
      }
    }
  }

  /** Ends it as a kill would: its waits end, its descriptors and files are closed. */
  die(): void {
    this.user.die();
    for (const descriptor of this.user.descriptors.values()) abandon(descriptor);
    for (const file of this.files) file.close();
  }

  /** Begins as an honest client would, so that there is something to ruin. */
  #settleDown(file: DrmFile<any>): void {
    const call = (def: IoctlDef, values: object): void => {
      const result = file.device.ioctl(file, def.request, def.arg!.pack(values), this.user);
      if (!(result instanceof Promise)) this.#note(def, result.arg);
    };
    if (file === this.files[0]) {
      const { crtcs, connectors } = this.#machine.display.config;
      const [width, height, pitch] = [1920, 1080, 7680];
      for (let i = 1; i <= 3; i++) {
        call(KMS.MODE_CREATE_DUMB, { width, height, bpp: 32 });
        const picture = { width, height, pixel_format: fourcc('XR24') };
        call(KMS.MODE_ADDFB2, {
          ...picture,
          handles: [i, 0, 0, 0],
          pitches: [pitch, 0, 0, 0],
          offsets: [0, 0, 0, 0],
          modifier: [0n, 0n, 0n, 0n],
        });
      }
      call(KMS.MODE_SETCRTC, {
        crtc_id: crtcs[0]!.id,
        fb_id: this.#fbs[0]!,
        set_connectors_ptr: this.user.base + BigInt(PLACES.connector),
        count_connectors: 1,
        mode_valid: 1,
        mode: connectors[0]!.options.modes[0],
      });
      return;
    }
    call(PANTHOR.VM_CREATE, {});
    for (let i = 0; i < 3; i++) {
      call(PANTHOR.BO_CREATE, { size: 65536n });
      call(DRM_IOCTL.SYNCOBJ_CREATE, {});
    }
    VmBindOp.layout.write(viewOf(this.user.memory), PLACES.end, { boHandle: 1, va: BOUND, size: 65536n });
    const array = this.user.base + BigInt(PLACES.end);
    call(PANTHOR.VM_BIND, { vmId: 1, ops: { stride: VmBindOp.layout.size, count: 1, array } });
  }

  #number(): bigint {
    const list = this.random(2) ? ORDINARY : EXTREME;
    return list[this.random(list.length)]!;
  }

  #noise(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => this.random(256));
  }

  /** Instructions with operands that may be any: most of them registers, some of which hold addresses. */
  #program(length: number): CsLine[] {
    const { random } = this;
    const names = Object.keys(CS) as CsName[];
    const address = (): number => Number(BOUND) + 64 * random(1024);
    return Array.from({ length }, (_, i): CsLine => {
      if (i < length / 2) return ['MOVE', { destination: 2 * random(48), immediate: address() }];
      const name = names[random(names.length)]!;
      const operands: Record<string, unknown> = {};
      for (const [key, field] of Object.entries<{ readonly width: number }>(CS[name].fields))
        operands[key] = field.width === 1 ? random(2) === 0 : random(Math.min(2 ** field.width, 96));
      return [name, operands] as unknown as CsLine;
    });
  }

  #pick<T>(list: readonly T[], none: T): T {
    return list.length === 0 ? none : list[this.random(list.length)]!;
  }

  /** Fills the client's memory with what its pointers are supposed to point to. */
  #scribble(): void {
    const { memory } = this.user;
    const view = viewOf(memory);
    const { connectors } = this.#machine.display.config;
    for (let at = 0; at < PLACES.end; at += 4) view.setUint32(at, this.random(9), true);
    for (let at = PLACES.ids; at < PLACES.ids + 4096; at += 4) view.setUint32(at, this.#objectId(), true);
    view.setUint32(PLACES.connector, connectors[0]!.id, true);
    for (let at = PLACES.modes; at + ModeInfo.size < PLACES.modes + 4096; at += ModeInfo.size)
      ModeInfo.write(view, at, this.#pick(connectors[0]!.options.modes, {} as ModeInfo));
    this.#fill(PLACES.syncs, SyncOp.layout, () => this.#sync());
    this.#fill(PLACES.binds, VmBindOp.layout, () => this.#bind());
    this.#fill(PLACES.queues, QueueCreate.layout, () => ({ priority: 1, ringbufSize: 4096 << this.random(5) }));
    this.#fill(PLACES.jobs, QueueSubmit.layout, () => ({
      queueIndex: this.random(2),
      streamAddr: BOUND + 64n * BigInt(this.random(1024)),
      streamSize: 8 * this.random(64),
      syncs: this.#array(PLACES.syncs, SyncOp.layout, 3),
    }));
    this.#atomic(view);
    for (let i = this.random(20); i > 0; i--) view.setBigUint64(8 * this.random(PLACES.end / 8), this.#number(), true);
  }

  /** Objects with some of their properties, as an atomic commit names them, with values that they may have. */
  #atomic(view: DataView): void {
    const { planes, crtcs, connectors } = this.#machine.display.config;
    const all = [...planes, ...crtcs, ...connectors];
    let at = 0;
    for (let i = 0; i < 4; i++) {
      const object = this.#pick(all, all[0]!);
      const properties = object
        .properties()
        .filter(
          ({ property }) => this.random(property.options.immutable ? 40 : 3) > (property.options.immutable ? 38 : 0),
        );
      view.setUint32(PLACES.atomic + 4 * i, object.id, true);
      view.setUint32(PLACES.atomicCounts + 4 * i, properties.length, true);
      for (const { property, value } of properties) {
        view.setUint32(PLACES.atomicProps + 4 * at, property.id, true);
        const likely: Record<string, bigint> = {
          FB_ID: BigInt(this.#pick(this.#fbs, 0)),
          CRTC_ID: BigInt(crtcs[0]!.id),
          MODE_ID: BigInt(this.#pick(this.#blobs, 0)),
          ACTIVE: 1n,
          CRTC_W: 64n,
          CRTC_H: 64n,
          SRC_W: 64n << 16n,
          SRC_H: 64n << 16n,
        };
        const chosen = this.random(8) === 0 ? this.#number() : (likely[property.name] ?? value);
        view.setBigUint64(PLACES.atomicValues + 8 * at++, BigInt.asUintN(64, chosen), true);
      }
    }
  }

  #fill<L extends Layout<any>>(at: number, layout: L, make: () => object): void {
    for (let i = 0; i < 64; i++) layout.write(viewOf(this.user.memory), at + i * layout.size, make());
  }

  #array(at: number, layout: Layout<any>, most: number): object {
    const count = this.random(most + 1);
    const first = this.random(60 - most) * layout.size;
    return { stride: layout.size, count, array: this.user.base + BigInt(at + first) };
  }

  #sync(): object {
    const timeline = this.random(3) === 0;
    const flags = (this.random(2) ? 0x80000000 : 0) + (timeline ? 1 : 0);
    return { flags, handle: 1 + this.random(4), timelineValue: timeline ? BigInt(this.random(9)) : 0n };
  }

  #bind(): object {
    const page = (): bigint => BigInt(this.random(16)) * 4096n;
    return {
      flags:
        (this.random(4) === 0 ? VM_BIND_OP_TYPE_SCALE * (1 + this.random(2)) : 0) +
        this.random(this.random(2) ? 1 : 16),
      boHandle: this.random(5),
      boOffset: this.random(3) ? 0n : page(),
      va: BOUND + page(),
      size: page() + 4096n,
      syncs: this.#array(PLACES.syncs, SyncOp.layout, this.random(2) * 2),
    };
  }

  #objectId(): number {
    const { planes, crtcs, connectors } = this.#machine.display.config;
    const all = [...planes, ...crtcs, ...connectors].map(({ id }) => id);
    return this.random(3) ? this.#pick(all, 0) : this.random(80);
  }

  #argument(def: IoctlDef): Uint8Array {
    if (!def.arg) return new Uint8Array();
    const values: Record<string, unknown> = {};
    for (const [name, field] of Object.entries<{ readonly width: number }>(def.arg.fields)) {
      const value = this.#value(def, name, field.width);
      if (value !== undefined) values[name] = value;
    }
    const arg = new Uint8Array(def.arg.size);
    const view = viewOf(arg);
    for (const [name, value] of Object.entries(values)) {
      const { offset } = def.arg;
      const width = def.arg.fields[name]!.width / 8;
      if (value instanceof Uint8Array) arg.set(value.subarray(0, width), offset[name]!);
      else if (width === 8) view.setBigUint64(offset[name]!, BigInt.asUintN(64, value as bigint), true);
      else if (width === 4) view.setUint32(offset[name]!, Number(BigInt.asUintN(32, value as bigint)), true);
    }
    return arg;
  }

  /** What a field of this name may hold. */
  #value(def: IoctlDef, name: string, width: number): bigint | Uint8Array | undefined {
    const { random } = this;
    const { config } = this.#machine.display;
    const big = (n: number): bigint => BigInt(n);
    const at = (place: number): bigint => this.user.base + big(place);
    if (name === 'mode') return ModeInfo.pack(this.#pick(config.connectors[0]!.options.modes, {} as ModeInfo));
    if (name in OBJECT_ARRAYS && width === PanthorObjArray.size * 8) {
      const [place, layout, most] = OBJECT_ARRAYS[name]!;
      return PanthorObjArray.pack(this.#array(place, layout, most) as never);
    }
    if (def.name === 'MODE_ATOMIC') {
      const places: Record<string, number> = {
        objs_ptr: PLACES.atomic,
        count_props_ptr: PLACES.atomicCounts,
        props_ptr: PLACES.atomicProps,
        prop_values_ptr: PLACES.atomicValues,
      };
      if (name in places) return at(places[name]!);
      if (name === 'count_objs') return big(1 + random(4));
      if (name === 'flags') return random(4) ? 0x400n + big(random(4) * 0x100) : big(random(0x800));
    }
    if (def.name === 'MODE_CREATE_LEASE') {
      if (name === 'object_ids') return at(PLACES.ids + 4 * random(64));
      if (name === 'object_count') return big(random(6) ? 2 + random(4) : random(64));
      if (name === 'flags') return random(6) ? 0x80000n : this.#number();
    }
    if (def.name === 'MODE_PAGE_FLIP' && name === 'flags') return big(random(4));
    if (/CURSOR/.test(def.name) && name === 'flags') return big(1 + random(3));
    if (/^(sequence|[xy])$/.test(name)) return random(8) ? 0n : this.#number();
    if (name === 'set_connectors_ptr') return at(PLACES.connector);
    if (name === 'count_connectors') return random(5) ? 1n : big(random(9));
    if (/^pad$|unused|reserved/.test(name)) return 0n;
    if (/crtc_id/.test(name) && width === 32) return big(config.crtcs[0]!.id);
    if (/fb_id$/.test(name)) return big(this.#pick(this.#fbs, random(60)));
    if (/plane_id$/.test(name)) return big(this.#pick(config.planes, config.planes[0]!).id);
    if (/connector_id$/.test(name)) return big(config.connectors[0]!.id);
    if (/encoder_id$/.test(name)) return big(config.encoders[0]!.id);
    if (/blob_id$/.test(name)) return big(this.#pick(this.#blobs, random(60)));
    if (/prop_id|property_id/.test(name)) return big(1 + random(60));
    if (/obj_id|object_id/.test(name)) return big(this.#objectId());
    if (name === 'pixel_format') return big(fourcc(random(4) ? 'XR24' : 'AR24'));
    if (name === 'handles' && width > 64) return Uint8Array.of(1 + random(4));
    if (name === 'pitches') return Uint8Array.of(0, [1, 16, 16, 30][random(4)]!);
    if (name === 'bpp') return random(5) ? 32n : big(random(64));
    if (/^(width|height)$/.test(name)) return big(random(5) ? [16, 64, 1024, 1024, 1920][random(5)]! : random(70000));
    if (/^(crtc|src)_[xywh]$/.test(name))
      return big(random(random(4) ? 65 : 640)) << (name.startsWith('src') ? 16n : 0n);
    if (/modes_ptr|^data$/.test(name)) return at(PLACES.modes);
    if (name === 'length') return big(random(3) ? ModeInfo.size : random(4096));
    if (/ids?_ptr|objs_ptr|connectors_ptr|props_ptr|lease_ids/.test(name)) return at(PLACES.ids + 4 * random(64));
    if (width === 64 && /ptr|array|pointer|handles|points|label|name|date|desc|red|green|blue|unique$/.test(name))
      return random(12) ? at(8 * random(512)) : this.#number();
    if (/core_?mask/i.test(name)) return name.startsWith('tiler') ? 1n : 0x50005n;
    if (/^max.*Cores$/.test(name)) return 1n;
    if (name === 'priority') return big(random(3));
    if (name === 'userVaRange') return random(2) ? 0n : 1n << 47n;
    if (/chunkSize/i.test(name)) return 1n << big(17 + random(3));
    if (/count|len/i.test(name)) return big(random(random(4) ? 4 : 200));
    if (/handle|(vm|group)Id|^id$|fd$/i.test(name)) return big(random(6));
    if (/timeout/.test(name)) return random(2) ? 0n : 1n << 62n;
    if (/flags/.test(name)) return random(2) ? 0n : 1n << big(random(12));
    if (name === 'size')
      return def.name === PANTHOR.DEV_QUERY.name ? big(8 * random(20)) : big(4096 * (1 + random(16)));
    if (name === 'pointer') return at(0);
    return width === 32 || width === 64 ? this.#number() : undefined;
  }

  #note(def: IoctlDef, arg: Uint8Array): void {
    this.succeeded.set(def.name, (this.succeeded.get(def.name) ?? 0) + 1);
    if (!def.arg || arg.length < def.arg.size) return;
    const values = def.arg.read(viewOf(arg), 0) as Record<string, number>;
    if (/ADDFB/.test(def.name)) this.#fbs.push(values.fb_id!);
    if (/CREATEPROPBLOB/.test(def.name)) this.#blobs.push(values.blob_id!);
  }
}

/** How often an ioctl is sent: more often what leads on, less often what ends things. */
function weight(name: string): number {
  if (/ATOMIC|PAGE_FLIP|SETCRTC|SETPLANE|ADDFB|VM_BIND|GROUP_SUBMIT|GROUP_CREATE|SYNCOBJ_(TIMELINE_)?WAIT/.test(name))
    return 12;
  return /DESTROY|DROP|CLOSE|RMFB|RM_|FINISH|GET_|VERSION|UNIQUE/.test(name) ? 1 : 4;
}

/** What lies where in the client's memory. */
const PLACES = {
  numbers: 0,
  connector: 0x800,
  ids: 0x1000,
  modes: 0x2000,
  syncs: 0x3000,
  binds: 0x4000,
  queues: 0x6000,
  jobs: 0x7000,
  atomic: 0x9000,
  atomicCounts: 0x9100,
  atomicProps: 0x9200,
  atomicValues: 0x9400,
  end: 0xa000,
} as const;

const OBJECT_ARRAYS: Record<string, [place: number, layout: Layout<any>, most: number]> = {
  ops: [PLACES.binds, VmBindOp.layout, 3],
  queues: [PLACES.queues, QueueCreate.layout, 2],
  queueSubmits: [PLACES.jobs, QueueSubmit.layout, 3],
};
