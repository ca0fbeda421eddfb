/**
 * Atomics of recompiled code: the host's own, lane after lane, where all addresses are aligned in one known extent (access.ts).
 *
 * Lesser and greater are no atomic instructions of WebAssembly: there the new value is exchanged for as long as another thread
 * or a guest has changed the old one meanwhile. What is not aligned is the interpreter's, which does it in parts.
 */
import type { Instruction } from '../shader/decode.ts';
import type { MemoryOpName, OpName, ValueType } from '../wasm/opcodes.ts';
import type { AccessCode, Around } from './access.ts';
import type { Site } from './flow.ts';
import { REFILL } from './frame.ts';
import { type Operands, readable } from './lowering.ts';

type Bits = 32 | 64;

/** Operations that the host has. */
const HOST = { aadd: 'add', aand: 'and', aor: 'or', axor: 'xor', axchg: 'xchg' } as const;
/** Those that choose one of two values: the comparison by which the old one stays. */
const CHOICE = { asmin: 'lt_s', asmax: 'gt_s', aumin: 'lt_u', aumax: 'gt_u' } as const;
/** With a constant operand: what does the same, and the operand. */
const CONSTANT = {
  ainc: ['aadd', 1],
  adec: ['aadd', -1],
  aumax1: ['aumax', 1],
  asmax1: ['asmax', 1],
  aor1: ['aor', 1],
} as const;

type Operation = keyof typeof HOST | keyof typeof CHOICE;

interface Form {
  readonly bits: Bits;
  readonly operation: Operation;
  /** Exchanges only where memory holds what is expected. */
  readonly compare: boolean;
  /** The operand, or the register where it begins. */
  readonly constant: number | undefined;
  readonly operand: number;
  /** Where the old value goes; -1: nowhere. */
  readonly result: number;
}

function formOf(i: Instruction): Form | undefined {
  const { base, type } = i.spec;
  if (!/^ATOM(1?_RETURN)?$/.test(base) || !readable(i)) return undefined;
  const bits = Number(type.slice(1)) as Bits;
  const name = i.modifiers.atomic!;
  const one = base === 'ATOM1_RETURN';
  const [operation, constant] = one ? CONSTANT[name as keyof typeof CONSTANT] : [name as Operation, undefined];
  return {
    bits,
    operation,
    compare: i.modifiers.compare === 'compare',
    constant,
    operand: one ? 0 : i.staging.at(-1)!.register,
    result: base !== 'ATOM' && i.staging[0]!.count > 0 ? i.staging[0]!.register : -1,
  };
}

export class AtomicCode {
  readonly #a: Around & Operands;
  readonly #access: AccessCode;
  readonly #locals = new Map<ValueType, readonly [old: number, expected: number]>();
  readonly #at: number;

  constructor(around: Around & Operands, access: AccessCode) {
    this.#a = around;
    this.#access = access;
    this.#at = around.code.local('i32');
  }

  /** Emits an atomic. False: it is another instruction, or reads what the interpreter has. */
  emit(site: Site): boolean {
    const form = formOf(site.instruction);
    if (!form) return false;
    this.#access.checked(site, form.bits / 8, REFILL.ATOMIC, () => {
      for (let lane = 0; lane < 4 * this.#a.lanes.vectors; lane++) this.#lane(form, lane);
    });
    return true;
  }

  #lane(form: Form, lane: number): void {
    const { code } = this.#a;
    const { bits, operation, compare } = form;
    const type: ValueType = `i${bits}`;
    const [old, expected] = this.#pair(type);
    const memory = (name: string): void => {
      code.memory(`${type}_atomic_${name}` as MemoryOpName, 0, this.#a.dram);
    };
    code
      .get(this.#access.active)
      .i32(1 << lane)
      .op('i32_and')
      .if();
    code.get(this.#access.relative[lane >> 2]!).lane('i32x4_extract_lane', lane & 3);
    if (compare) {
      // The new value comes first, what is expected second.
      this.#operand(form, lane, bits / 32);
      this.#operand(form, lane, 0);
      memory('rmw_cmpxchg');
      code.set(old);
    } else if (operation in HOST) {
      this.#operand(form, lane, 0);
      memory(`rmw_${HOST[operation as keyof typeof HOST]}`);
      code.set(old);
    } else {
      code.tee(this.#at);
      memory('load');
      code.set(old);
      const again = code.loop();
      code.get(this.#at).get(old).tee(expected);
      code.get(old);
      this.#operand(form, lane, 0);
      code.get(old);
      this.#operand(form, lane, 0);
      code.op(`${type}_${CHOICE[operation as keyof typeof CHOICE]}` as OpName).op('select');
      memory('rmw_cmpxchg');
      code.tee(old).get(expected).op(`${type}_ne`).brIf(again);
      code.end();
    }
    if (form.result >= 0) this.#answer(form, lane, old);
    code.end();
  }

  #pair(type: ValueType): readonly [number, number] {
    let locals = this.#locals.get(type);
    if (!locals) {
      locals = [this.#a.code.local(type), this.#a.code.local(type)];
      this.#locals.set(type, locals);
    }
    return locals;
  }

  /** Pushes a lane's operand, or the one that begins so many registers behind it. */
  #operand({ bits, constant, operand }: Form, lane: number, behind: number): void {
    const { code } = this.#a;
    if (constant !== undefined) {
      code.i32(constant);
      if (bits === 64) code.op('i64_extend_i32_s');
      return;
    }
    const word = (n: number): void => {
      code.get(this.#a.locals(operand + behind + n)[lane >> 2]!).lane('i32x4_extract_lane', lane & 3);
    };
    word(0);
    if (bits === 32) return;
    code.op('i64_extend_i32_u');
    word(1);
    code.op('i64_extend_i32_u').i64(32n).op('i64_shl').op('i64_or');
  }

  #answer({ bits, result }: Form, lane: number, old: number): void {
    const { code } = this.#a;
    for (let word = 0; word < bits / 32; word++) {
      const local = this.#a.locals(result + word)[lane >> 2]!;
      code.get(local).get(old);
      if (word === 1) code.i64(32n).op('i64_shr_u');
      if (bits === 64) code.op('i32_wrap_i64');
      code.lane('i32x4_replace_lane', lane & 3).set(local);
    }
  }
}
