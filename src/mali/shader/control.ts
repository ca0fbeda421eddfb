/**
 * Control flow: branches, and the warp's end. An instruction becomes a `Step`: what it does, and what comes after it.
 *
 * BRANCHZ compares with zero lane by lane; `.eq` branches where the source is zero, otherwise where it is not. Targets
 * count in instructions from the next one, or are addresses (the upper half is the program's own).
 */
import { INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import { COMPARE, compileDiscard } from './alu-compare.ts';
import { CONVERT } from './alu-convert.ts';
import { FLOAT } from './alu-float.ts';
import { INTEGER } from './alu-integer.ts';
import { ATTRIBUTE } from './attribute.ts';
import type { Compilers, Exec } from './compile.ts';
import { LANES } from './contract.ts';
import { EncodingError, type Instruction } from './decode.ts';
import { MEMORY } from './memory.ts';
import { rawBits } from './operand.ts';
import { TEXTURE } from './texture-ops.ts';
import { compileBlend, TILE } from './tile.ts';
import { VARYING } from './varying.ts';

/** A compiled instruction. */
export interface Step {
  readonly exec: Exec;
  /** Flow field (FLOW_… of the encoding). */
  readonly flow: number;
  /** True: it may have set `taken`, `barrier` or `ignoreFlow`. */
  readonly control: boolean;
}

/** Which lanes a branch takes. */
function condition(i: Instruction): (x: Int32Array, n: number) => boolean {
  const equal = i.modifiers.eq === 'eq';
  switch (i.sources[0]!.select) {
    case 'none':
      return (x, n) => (x[n] === 0) === equal;
    case 'h0':
      return (x, n) => ((x[n]! & 0xffff) === 0) === equal;
    case 'h1':
      return (x, n) => (x[n]! >>> 16 === 0) === equal;
    default:
      throw new EncodingError(`${i.spec.name}.${i.sources[0]!.select} is not modelled`);
  }
}

function branch(i: Instruction): Exec {
  const source = rawBits(i.sources[0]!, i.page);
  const test = condition(i);
  const offset = (i.immediates.offset! + 1) * INSTRUCTION_SIZE;
  return (w) => {
    const x = source(w);
    let taken = 0;
    for (let n = 0; n < LANES; n++) if (w.mask & (1 << n) && test(x, n)) taken |= 1 << n;
    w.taken = taken;
    w.target = w.pc + offset;
  };
}

function branchIndirect(i: Instruction): Exec {
  const source = rawBits(i.sources[0]!, i.page);
  const target = rawBits(i.sources[1]!, i.page);
  const test = condition(i);
  const absolute = i.modifiers.absolute === 'absolute';
  return (w) => {
    const x = source(w);
    const t = target(w);
    let taken = 0;
    let where = Number.NaN;
    let same = true;
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n)) || !test(x, n)) continue;
      taken |= 1 << n;
      const to = absolute
        ? Math.floor(w.pc / 2 ** 32) * 2 ** 32 + (t[n]! >>> 0)
        : w.pc + (t[n]! + 1) * INSTRUCTION_SIZE;
      w.pcs[n] = to;
      if (Number.isNaN(where)) where = to;
      else if (where !== to) same = false;
    }
    w.taken = taken;
    w.target = same ? where : Number.NaN;
  };
}

const CONTROL: Compilers = {
  BRANCHZ: branch,
  BRANCHZI: branchIndirect,
  BLEND: compileBlend,
  BARRIER: () => (w) => {
    w.barrier = true;
  },
};

const PLAIN: Compilers = {
  NOP: () => () => {},
  'DISCARD.f32': compileDiscard,
  ...INTEGER,
  ...FLOAT,
  ...CONVERT,
  ...COMPARE,
  ...MEMORY,
  ...ATTRIBUTE,
  ...VARYING,
  ...TILE,
  ...TEXTURE,
};

/** Whether an instruction is known to compile: arithmetic of which no form is refused. */
export const compiles = ({ spec: { name, base, type, dest } }: Instruction): boolean =>
  dest && PLAIN[name] !== undefined && !type.endsWith('64') && !REFUSING.test(base);
/** Some forms of these are refused. */
const REFUSING = /^(ICMP|FCMP|CLPER)/;

/** Compiles an instruction. Throws EncodingError, also for what is not modelled. */
export function compile(i: Instruction): Step {
  const { name } = i.spec;
  const control = CONTROL[name];
  const compiler = control ?? PLAIN[name];
  if (!compiler) throw new EncodingError(`${name} is not modelled`);
  return { exec: compiler(i), flow: i.flow, control: control !== undefined };
}
