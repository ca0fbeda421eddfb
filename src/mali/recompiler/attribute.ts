/**
 * Attributes and addresses in recompiled code: LD_ATTR, LEA_ATTR, LEA_BUF, LEA_BUF_IMM, LEA_BUFFER.
 *
 * An attribute is loaded by a function that is emitted for its descriptor's form (attribute-fetch.ts) and found by its number
 * in a record, like the buffer that it reads; so a shader's code does not depend on its descriptors. All lanes are fetched before a
 * register is written. Addresses are computed here, from the buffer that a record remembers, or from the vertex stage's
 * output buffer, which a draw moves from packet to packet and keeps in scratch memory (frame.ts: OUTPUT). Whatever does
 * not fit (another buffer in each lane, elements across pages, a fault) is the interpreter's step.
 */
import { handleTable, VERTEX_PACKET_TABLE } from '../../abi/gpu/shader-descriptors.ts';
import type { Instruction } from '../shader/decode.ts';
import { NO_ADDRESS } from '../shader/memory.ts';
import { channelCount, registerCount, registerFormat } from '../shader/vector.ts';
import type { Label } from '../wasm/builder.ts';
import { type Around, setRegister } from './access.ts';
import { ADDRESS_REGISTERS, fetchType } from './attribute-fetch.ts';
import { ADDRESS_SHAPE, attributeShape } from './attribute-record.ts';
import type { Site } from './flow.ts';
import { ADDRESS, ATTRIBUTE, ATTRIBUTE_RECORDS, FRAME, OUTPUT, REFILL } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { Lowering, type Operands, readable } from './lowering.ts';
import { immediateHandle, leaveIfStale, type Named, named } from './named.ts';
import { Remembered } from './remembered.ts';

/** Elements of the output buffer that follow one another without a gap. */
const RUN = 64;
const RUN_LOG2 = 6;
const MOST_REGISTERS = 4;
/** The first three lanes of each vector. */
const VERTEX_LANES = 0x7777;

export class AttributeCode {
  readonly #a: Around & Operands;
  readonly #results: number[][];
  readonly #active: number;
  readonly #records: Remembered;
  readonly #base: number;

  constructor(around: Around & Operands) {
    this.#a = around;
    const { code } = around;
    this.#results = Array.from({ length: MOST_REGISTERS }, () => code.locals('v128', around.lanes.vectors));
    this.#active = code.local('i32');
    this.#records = new Remembered(around);
    this.#base = code.local('i32');
  }

  /** Emits an attribute load or an address. False: it is not one, or this form is the interpreter's. */
  emit(site: Site): boolean {
    const i = site.instruction;
    if (!readable(i)) return false;
    switch (i.spec.base) {
      case 'LD_ATTR':
      case 'LD_ATTR_IMM':
        this.#attribute(site);
        return true;
      case 'LEA_ATTR':
      case 'LEA_ATTR_IMM':
        this.#addressOf(site);
        return true;
      case 'LEA_BUFFER':
      case 'LEA_BUF':
        this.#address(site, { handle: new Lowering(this.#a, i).raw(1), indirect: true }, i.spec.base === 'LEA_BUF');
        return true;
      case 'LEA_BUF_IMM': {
        const handle = immediateHandle(i);
        if (handleTable(handle) === VERTEX_PACKET_TABLE) this.#output(site);
        else this.#address(site, named(new Lowering(this.#a, i)), true);
        return true;
      }
      default:
        return false;
    }
  }

  #attribute(site: Site): void {
    const i = site.instruction;
    const format = i.modifiers.regfmt!;
    const channels = channelCount(i.modifiers.vecsize!);
    const registers = registerCount(registerFormat(format), channels);
    const x = new Lowering(this.#a, i);
    this.#fetch(site, attributeShape(format, channels), registers, x.raw(0), x.raw(1), named(x), undefined, () => {
      // The last of an odd number of 16-bit channels leaves the other half of its register.
      const half = registerFormat(format).bits === 16 && channels % 2 === 1;
      this.#write(i, registers, half);
    });
  }

  /** LEA_ATTR: two words of address, and the format's. */
  #addressOf(site: Site): void {
    const i = site.instruction;
    const x = new Lowering(this.#a, i);
    this.#fetch(site, ADDRESS_SHAPE, ADDRESS_REGISTERS, x.raw(0), x.raw(1), named(x), undefined, (record) => {
      this.#write(i, ADDRESS_REGISTERS, false);
      const { code, lanes } = this.#a;
      for (let k = 0; k < lanes.vectors; k++) {
        code.get(this.#a.records).memory('v128_load32_splat', record + ATTRIBUTE.format);
        setRegister(this.#a, i.staging[0]!.register + ADDRESS_REGISTERS, k);
      }
    });
  }

  /**
   * Fetches what the vertices of each vector's primitive have of the attribute that the instruction's immediates name, or a
   * source that is the same in all lanes: lanes 0…2 of `vertex`, and of the result, whose locals `finish` is given by register and
   * vector. `check` branches to the interpreter's step where that must do it; behind that comes `interpreted`.
   */
  ofVertices({ site, format, channels, vertex, source, check, finish, interpreted }: OfVertices): void {
    const { lanes } = this.#a;
    const none = lanes.words(0);
    const i = site.instruction;
    const indirect = source !== undefined;
    const handle = indirect ? new Lowering(this.#a, i).raw(source) : lanes.words(immediateHandle(i));
    const registers = registerCount(registerFormat(format), channels);
    const done = () => finish(this.#results);
    const shape = attributeShape(format, channels);
    this.#fetch(site, shape, registers, vertex, none, { handle, indirect }, { check, interpreted }, done);
  }

  #fetch(
    site: Site,
    shape: number,
    registers: number,
    vertex: Lanes,
    instance: Lanes,
    what: Named,
    vertices: Pick<OfVertices, 'check' | 'interpreted'> | undefined,
    finish: (record: number) => void,
  ): void {
    const { code, lanes } = this.#a;
    const record = this.#a.record();
    for (let n = 1; n < ATTRIBUTE_RECORDS; n++) this.#a.record();
    const { params, results } = fetchType(registers);
    const type = this.#a.functionType(params, results);
    this.#remembered(
      site,
      REFILL.ATTRIBUTE + 16 * shape,
      { record, time: ATTRIBUTE.time, handle: ATTRIBUTE.handle },
      [vertex, instance],
      what,
      () => {
        code.i32(0).set(this.#records.failing);
        for (let k = 0; k < lanes.vectors; k++) {
          code.get(this.#a.records).i32(record).op('i32_add');
          vertex(k);
          instance(k);
          code
            .get(this.#a.records)
            .memory('i32_load', record + ATTRIBUTE.slot)
            .callIndirect(type);
          code.op('v128_not').op('i32x4_bitmask');
          if (k > 0)
            code
              .i32(4 * k)
              .op('i32_shl')
              .get(this.#records.failing)
              .op('i32_or');
          code.set(this.#records.failing);
          for (let r = registers - 1; r >= 0; r--) code.set(this.#results[r]![k]!);
        }
      },
      () => finish(record),
      vertices,
    );
  }

  /** The address of a byte or element of a buffer that a resource table names. */
  #address(site: Site, what: Named, elements: boolean): void {
    const { code, lanes } = this.#a;
    const i = site.instruction;
    const place = new Lowering(this.#a, i).raw(0);
    const record = this.#a.record();
    const field = (at: number): void => {
      code.get(this.#a.records).memory('v128_load32_splat', record + at);
    };
    this.#remembered(
      site,
      REFILL.ADDRESS,
      { record, time: ADDRESS.time, handle: ADDRESS.handle },
      [],
      what,
      () => {
        if (!elements) code.i32(0).set(this.#records.failing);
        else {
          lanes.bitmask((k) => {
            place(k);
            field(ADDRESS.last);
            code.op('i32x4_gt_u');
          });
          code.set(this.#records.failing);
        }
      },
      () => {
        for (let k = 0; k < lanes.vectors; k++) {
          const [low, high] = [this.#results[0]![k]!, this.#results[1]![k]!];
          place(k);
          if (elements) {
            field(ADDRESS.stride);
            code.op('i32x4_mul');
          }
          this.#sum(low, high, field, ADDRESS);
          for (const local of [low, high]) {
            code.get(local);
            field(ADDRESS.present);
            code.op('v128_and').set(local);
          }
        }
        this.#write(i, 2, false);
      },
    );
  }

  /** LEA_BUF_IMM of the vertex stage's output buffer. */
  #output(site: Site): void {
    const { code, lanes } = this.#a;
    const i = site.instruction;
    const element = new Lowering(this.#a, i).raw(0);
    const field = (at: number): void => {
      code.get(this.#base).memory('v128_load32_splat', at);
    };
    const done = code.block();
    const slow = code.block();
    code.get(1).memory('i32_load', FRAME.output).tee(this.#base).op('i32_eqz').brIf(slow);
    // Entry 0 is the only one.
    if (i.immediates.index !== 0) code.br(slow);
    for (let k = 0; k < lanes.vectors; k++) {
      const [low, high] = [this.#results[0]![k]!, this.#results[1]![k]!];
      element(k);
      code.i32(RUN_LOG2).op('i32x4_shr_u');
      field(OUTPUT.packetStride);
      code.op('i32x4_mul');
      lanes.and(element, lanes.words(RUN - 1))(k);
      field(OUTPUT.stride);
      code.op('i32x4_mul').op('i32x4_add');
      this.#sum(low, high, field, OUTPUT);
      for (const [local, other] of [
        [low, 0],
        [high, NO_ADDRESS / 2 ** 32],
      ] as const) {
        code.get(local);
        lanes.words(other)(k);
        element(k);
        field(OUTPUT.count);
        code.op('i32x4_lt_u').op('v128_bitselect').set(local);
      }
    }
    this.#write(i, 2, false);
    code.br(done);
    code.end();
    this.#a.interpret(site);
    code.end();
  }

  /** The sum of a 64-bit field and the vector on the stack, which has no sign. */
  #sum(low: number, high: number, field: (at: number) => void, at: { low: number; high: number }): void {
    const { code } = this.#a;
    field(at.low);
    code.op('i32x4_add').set(low);
    field(at.high);
    code.get(low);
    field(at.low);
    // A comparison gives -1 for true: the carry.
    code.op('i32x4_lt_u').op('i32x4_sub').set(high);
  }

  /**
   * `attempt` by a record that is of this epoch and of the lanes' handle, and that finds the lanes which do not
   * fit; then `finish`. Where the record does not serve, a new one is asked for once; then the interpreter's step has it.
   */
  #remembered(
    site: Site,
    kind: number,
    { record, time, handle: known }: { record: number; time: number; handle: number },
    inputs: readonly Lanes[],
    what: Named,
    attempt: () => void,
    finish: () => void,
    vertices?: Pick<OfVertices, 'check' | 'interpreted'>,
  ): void {
    const { code, bits, lanes, refill } = this.#a;
    const { failing } = this.#records;
    if (vertices) code.i32(VERTEX_LANES & (2 ** (4 * lanes.vectors) - 1)).set(this.#active);
    else code.get(bits).set(this.#active);
    const places = [FRAME.low, FRAME.high];
    this.#records.emit(site, {
      record,
      kind,
      refill,
      inputs: [...inputs.map((lane, n) => [lane, places[n]!] as const), [what.handle, FRAME.third]],
      begin: vertices?.check,
      interpreted: vertices?.interpreted,
      check: () => {
        const stale = code.block();
        code.get(this.#active).set(failing);
        // Lanes that run as well as those that stand for vertices.
        const among = vertices ? undefined : this.#active;
        leaveIfStale(this.#a, { time: record + time, known: record + known }, what, among, stale);
        attempt();
        code.end();
        code.get(failing).get(this.#active).op('i32_and').set(failing);
      },
      finish,
    });
  }

  /** Results to the staging registers of the lanes that run. `half`: of the last one only the lower half. */
  #write(i: Instruction, registers: number, half: boolean): void {
    const { code, lanes } = this.#a;
    const { register } = i.staging[0]!;
    for (let r = 0; r < registers; r++) {
      const locals = this.#a.locals(register + r);
      for (let k = 0; k < lanes.vectors; k++) {
        code.get(this.#results[r]![k]!);
        if (half && r === registers - 1) {
          lanes.and(() => code.get(locals[k]!), lanes.words(0xffff0000))(k);
          code.op('v128_or');
        }
        setRegister(this.#a, register + r, k);
      }
    }
  }
}

/** A fetch for the vertices of primitives. */
export interface OfVertices {
  readonly site: Site;
  readonly format: string;
  readonly channels: number;
  readonly vertex: Lanes;
  /** The source that holds the handle. */
  readonly source: number | undefined;
  readonly check: (slow: Label) => void;
  readonly finish: (results: readonly (readonly number[])[]) => void;
  readonly interpreted: (() => void) | undefined;
}
