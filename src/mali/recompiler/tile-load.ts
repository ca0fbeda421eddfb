/**
 * LD_TILE in recompiled fragment shaders, and the records by which it and BLEND know what to do (frame.ts: TILE_RECORD).
 *
 * A record fits where all running lanes bring the two words that it is of, in the run that it is of. Script fills it (`refill`); what has
 * no emitted function, lanes that bring different words, and what faults is the interpreter's step.
 */
import { LOAD_QUAD } from '../fragment/wasm/tile-load.ts';
import { channelCount, registerFormat } from '../shader/vector.ts';
import type { Label } from '../wasm/builder.ts';
import { type Around, setRegister } from './access.ts';
import { typeOf } from './blend-form.ts';
import type { Site } from './flow.ts';
import { FRAME, REFILL, STAGE, TILE_RECORD } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { Lowering, type Operands } from './lowering.ts';
import { pushPixel, type QuadFeed } from './quad-feed.ts';
import { Remembered } from './remembered.ts';

/** Finds records by the two words that lanes bring. */
export class TileRecordCode {
  readonly #a: Around & Operands;
  readonly #remembered: Remembered;

  constructor(around: Around & Operands) {
    this.#a = around;
    this.#remembered = new Remembered(around);
  }

  /** Emits the search for a record; to `slow` where there is none. Where it lies, behind the unit's first. */
  find(kind: number, low: Lanes, high: Lanes, slow: Label): number {
    const { code, lanes, bits, records, refill } = this.#a;
    const record = this.#a.record();
    const field =
      (at: number): Lanes =>
      () =>
        void code.get(records).memory('v128_load32_splat', record + at);
    const same = lanes.and(
      lanes.op('i32x4_eq', low, field(TILE_RECORD.low)),
      lanes.op('i32x4_eq', high, field(TILE_RECORD.high)),
    );
    const { failing } = this.#remembered;
    this.#remembered.find(slow, {
      record,
      kind,
      refill,
      inputs: [
        [low, FRAME.low],
        [high, FRAME.high],
      ],
      check: () => {
        lanes.bitmask(same);
        this.#remembered.current(record + TILE_RECORD.time, FRAME.epoch);
        code.i32(-1).op('i32_xor').get(bits).op('i32_and').set(failing);
      },
    });
    return record;
  }
}

export class TileLoadCode {
  readonly #a: Around & Operands;
  readonly #quads: QuadFeed | undefined;
  readonly #records: TileRecordCode;
  readonly #stage: number;
  readonly #plane: number;
  readonly #colour: readonly number[];

  /** `quads`: the list that warps come from. */
  constructor(around: Around & Operands, quads: QuadFeed | undefined) {
    this.#a = around;
    this.#quads = quads;
    this.#records = new TileRecordCode(around);
    const { code } = around;
    this.#stage = quads?.stage ?? code.local('i32');
    this.#plane = code.local('i32');
    this.#colour = code.locals('v128', 4);
  }

  /** Emits LD_TILE. False: it is another instruction, or a form that is the interpreter's. */
  emit(site: Site): boolean {
    const { instruction: i } = site;
    const type = typeOf(i);
    if (i.spec.name !== 'LD_TILE' || i.modifiers.z_stencil || type < 0) return false;
    if (i.sources[0]!.kind === 'special' || i.sources[2]!.kind === 'special') return false;
    const { code, lanes, records } = this.#a;
    const source = new Lowering(this.#a, i);
    const done = code.block();
    const slow = code.block();
    if (!this.#quads) code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(slow);
    const record = this.#records.find(REFILL.TILE_LOAD | (type << 4), source.raw(0), source.raw(2), slow);
    const field = (at: number): void => void code.get(records).memory('i32_load', record + at);
    field(TILE_RECORD.slot);
    code.op('i32_eqz').unlikely().brIf(slow);
    field(TILE_RECORD.words);
    if (!this.#quads || this.#quads.ways.multisampled) {
      // The sample that the thread stands for, if it is one.
      const sample = (): void => void code.get(this.#stage).memory('i32_load', STAGE.sample);
      field(TILE_RECORD.plane);
      sample();
      code.i32(0);
      sample();
      code.i32(0).op('i32_gt_s').op('select').op('i32_mul').op('i32_add');
    }
    code.set(this.#plane);
    for (let k = 0; k < lanes.vectors; k++) {
      pushPixel(code, this.#quads, this.#stage, k);
      field(TILE_RECORD.bytes);
      code.op('i32_mul').get(this.#plane).op('i32_add');
      field(TILE_RECORD.slot);
      code.callIndirect(this.#a.functionType(...LOAD_QUAD));
      for (const local of this.#colour.toReversed()) code.set(local);
      this.#results(site, k);
    }
    code.br(done).end();
    this.#a.interpret(site);
    code.end();
    return true;
  }

  /** The colours of quad k into registers. */
  #results({ instruction: i }: Site, k: number): void {
    const { code, lanes } = this.#a;
    const format = registerFormat(i.modifiers.regfmt!);
    const channels = channelCount(i.modifiers.vecsize!);
    const { register } = i.staging[0]!;
    const write = (at: number, value: Lanes): void => {
      value(k);
      setRegister(this.#a, at, k);
    };
    const channel =
      (n: number): Lanes =>
      () =>
        void code.get(this.#colour[n]!);
    if (format.bits === 32) {
      for (let n = 0; n < channels; n++) write(register + n, channel(n));
      return;
    }
    const narrow = (n: number): Lanes => {
      if (format.type === 'float') return lanes.narrow(channel(n));
      if (format.type === 'uint') return lanes.op('i32x4_min_u', channel(n), lanes.words(0xffff));
      const above = lanes.op('i32x4_max_s', channel(n), lanes.words(-0x8000));
      return lanes.and(lanes.op('i32x4_min_s', above, lanes.words(0x7fff)), lanes.words(0xffff));
    };
    for (let n = 0; n < channels; n += 2) {
      const at = register + (n >> 1);
      const old = lanes.and(this.#a.register(at), lanes.words(0xffff0000));
      write(at, n + 1 < channels ? lanes.pair(narrow(n), narrow(n + 1)) : lanes.or(narrow(n), old));
    }
    lanes.release();
  }
}
