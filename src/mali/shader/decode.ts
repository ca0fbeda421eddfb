/**
 * The decoder: 64 bits to an instruction with named parts, by the ISA table and nothing else.
 *
 * What the hardware would refuse throws `EncodingError`: unknown opcodes, reserved values of fields, pairs that start at an
 * odd register. Whoever knows the address makes a GpuFault of it (program.ts).
 */
import {
  DEST,
  DEST_HALVES,
  FAU_PAGE,
  FLOW,
  FLOWS,
  getField,
  HALVES,
  OPCODE,
  RESERVED,
  SOURCE_INDEX_MASK,
  SOURCE_KIND,
  SOURCE_KIND_SHIFT,
  SPECIAL_FIRST,
  SPECIALS,
  STAGING_COUNT,
  STAGING_WRITE_COUNT,
  UNIFORMS_PER_PAGE,
} from '../../abi/isa/encoding.ts';
import { INSTRUCTIONS, type InstructionSpec, type SourceSpec } from '../../abi/isa/instructions.ts';

export class EncodingError extends Error {}

/** A source, decoded. `index`: register, word of the FAU, place in the constant table, or word of a special page. */
export interface Source {
  readonly spec: SourceSpec;
  readonly kind: 'register' | 'uniform' | 'constant' | 'special';
  readonly index: number;
  /** Register that is not read again. */
  readonly last: boolean;
  readonly negate: boolean;
  readonly absolute: boolean;
  readonly not: boolean;
  /** Value of the selector, as its table names it; '' without one. */
  readonly select: string;
}

/** A run of registers. */
export interface Staging {
  readonly register: number;
  readonly count: number;
  readonly read: boolean;
  readonly write: boolean;
}

export interface Instruction {
  readonly spec: InstructionSpec;
  readonly low: number;
  readonly high: number;
  readonly flow: number;
  readonly page: number;
  readonly dest: number;
  readonly destHalves: number;
  readonly staging: readonly Staging[];
  readonly sources: readonly Source[];
  readonly immediates: Readonly<Record<string, number>>;
  /** Names of the values; flags are '' or their name. */
  readonly modifiers: Readonly<Record<string, string>>;
}

const byOpcode: InstructionSpec[][] = [];
for (const spec of INSTRUCTIONS) {
  const bucket = byOpcode[spec.opcode] ?? [];
  byOpcode[spec.opcode] = bucket;
  bucket.push(spec);
}

const hex = (value: number, digits: number): string => (value >>> 0).toString(16).padStart(digits, '0');

/** Takes an instruction apart. Throws EncodingError. */
export function decode(low: number, high: number): Instruction {
  const fail = (what: string): never => {
    throw new EncodingError(`${what} (encoding ${hex(high, 8)}${hex(low, 8)})`);
  };
  const read = (field: { bit: number; width: number }): number => getField(low, high, field);
  const opcode = read(OPCODE);
  if (low === 0 && high === 0) return fail('no instruction');
  const spec = byOpcode[opcode]?.find((s) => s.secondary.every((field) => read(field) === field.value));
  if (!spec) return fail(`opcode 0x${opcode.toString(16)} is not an instruction`);
  if (read(RESERVED)) fail(`${spec.name}: bit 63 is set`);
  const flow = read(FLOW);
  if (FLOWS[flow] === undefined) fail(`${spec.name}: flow ${flow} is reserved`);
  const page = read(FAU_PAGE);
  const destHalves = read(DEST_HALVES);
  if (spec.dest && destHalves === 0) fail(`${spec.name}: writes nothing`);

  const staging = spec.staging.map((s): Staging => {
    const count = s.counted === 'writeCount' ? read(STAGING_WRITE_COUNT) + 1 : read(STAGING_COUNT);
    const register = read(s.base);
    if (register + count > 64) fail(`${spec.name}: staging registers end beyond r63`);
    return { register, count, read: s.read, write: s.write };
  });

  const sources = spec.sources.map((s, i): Source => {
    const byte = read({ bit: s.bit, width: 8 });
    const type = byte >>> SOURCE_KIND_SHIFT;
    const value = byte & SOURCE_INDEX_MASK;
    const select = s.select ? s.select.values[read(s.select)] : '';
    if (select === undefined) return fail(`${spec.name}: source ${i} picks a reserved part`);
    const shared = {
      spec: s,
      last: type === SOURCE_KIND.LAST,
      negate: s.negate !== undefined && read(s.negate) === 1,
      absolute: s.absolute !== undefined && read(s.absolute) === 1,
      not: s.not !== undefined && read(s.not) === 1,
      select,
    };
    const whole = select === '' || select === 'none';
    if (s.size === 64 && whole && type !== SOURCE_KIND.SPECIAL && value & 1)
      fail(`${spec.name}: source ${i} is an odd pair`);
    if (type === SOURCE_KIND.UNIFORM) return { ...shared, kind: 'uniform', index: page * UNIFORMS_PER_PAGE + value };
    if (type !== SOURCE_KIND.SPECIAL) return { ...shared, kind: 'register', index: value };
    if (value < SPECIAL_FIRST) return { ...shared, kind: 'constant', index: value };
    const index = value - SPECIAL_FIRST;
    if (SPECIALS[page]?.[index >>> 1] === undefined) fail(`${spec.name}: special ${index} of page ${page} is reserved`);
    return { ...shared, kind: 'special', index };
  });

  const immediates: Record<string, number> = {};
  for (const field of spec.immediates) {
    const raw = read(field);
    immediates[field.name] = field.signed && raw >= 2 ** (field.width - 1) ? raw - 2 ** field.width : raw;
  }

  const modifiers: Record<string, string> = {};
  for (const field of spec.modifiers) {
    const raw = read(field);
    const name = field.values ? field.values[raw] : raw ? field.name : '';
    if (name === undefined) return fail(`${spec.name}: ${field.name} ${raw} is reserved`);
    modifiers[field.name] = name;
  }

  return {
    spec,
    low,
    high,
    flow,
    page,
    dest: spec.dest ? read(DEST) : -1,
    destHalves: spec.dest ? destHalves : HALVES.BOTH,
    staging,
    sources,
    immediates,
    modifiers,
  };
}
