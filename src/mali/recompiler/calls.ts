/**
 * Blend shaders and their calls: what a draw's blend descriptors say of where an indirect branch leads, and whether lanes come there.
 *
 * A compiler puts behind a BLEND a jump to the address in its descriptor, with the link register set by the instruction before to
 * the address behind it, or to 0. The blend shader jumps back to the link register, or ends its threads where that is 0. Where the descriptor
 * is known, so is all of this, as long as nobody else writes to the link register. Where it says that fixed function blends, lanes end
 * or go on behind the jump, and nobody calls.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/valhall/va_pack.c` (va_lower_blend), `bifrost_compile.c` (bifrost_nir_lower_blend).
 */
import { CONSTANTS, FLOW_END, HALVES, INSTRUCTION_SIZE, SPECIALS } from '../../abi/isa/encoding.ts';
import type { Instruction } from '../shader/decode.ts';
import { targetOfBlend } from './blend-form.ts';
import type { Found, Resolved, Site, Unit } from './flow.ts';

export const FIXED = 'fixed';
/** What a draw's blend descriptors say, by number: the address of a shader, or that fixed function blends. */
export type Blends = readonly (number | typeof FIXED | undefined)[];

/** Instructions of a blend shader that becomes part of its caller. */
const MAX_INSTRUCTIONS = 512;
const HIGH = 2 ** 32;

/** Whether a branch is always taken, or never, by the constant that it tests; undefined: it depends. */
export function always({ sources, modifiers }: Instruction): boolean | undefined {
  const source = sources[0]!;
  if (source.kind !== 'constant') return undefined;
  const word = CONSTANTS[source.index]!;
  const part = source.select === 'h0' ? word & 0xffff : source.select === 'h1' ? word >>> 16 : word;
  return (part === 0) === (modifiers.eq === 'eq');
}

const special = ({ sources, page }: Instruction, n: number): string | undefined => {
  const { kind, index } = sources[n]!;
  if (kind !== 'special') return undefined;
  const name = SPECIALS[page]?.[index >>> 1];
  return name && `${name}.w${index & 1}`;
};

/** Number of the blend descriptor whose shader an instruction calls, or -1. */
function called(i: Instruction): number {
  if (i.spec.name !== 'BRANCHZI' || i.modifiers.absolute !== 'absolute' || !always(i)) return -1;
  const found = /^blend_descriptor_([0-7])\.w1$/.exec(special(i, 1) ?? '');
  return found ? Number(found[1]) : -1;
}

interface Link {
  readonly register: number;
  /** The lower word of an address, or 0. */
  readonly value: number;
}

/** What an instruction sets a link register to. */
function linkOf({ pc, instruction: i }: Site): Link | undefined {
  if (i.spec.name !== 'IADD_IMM.i32' || i.destHalves !== HALVES.BOTH) return undefined;
  const { kind, index } = i.sources[0]!;
  const next = special(i, 0) === 'program_counter.w0' ? pc + INSTRUCTION_SIZE : undefined;
  const base = kind === 'constant' ? CONSTANTS[index]! : next;
  return base === undefined ? undefined : { register: i.dest, value: (base + i.immediates.constant!) >>> 0 };
}

/** Whether lanes that come to an indirect branch with the link register at a value take it; undefined: it looks at something else. */
function returns(i: Instruction, { register, value }: Link): boolean | undefined {
  const whole = (n: number): boolean => {
    const { kind, index, select } = i.sources[n]!;
    return kind === 'register' && index === register && ['none', ''].includes(select);
  };
  if (i.modifiers.absolute !== 'absolute' || !whole(1)) return undefined;
  return always(i) ?? (whole(0) ? (value === 0) === (i.modifiers.eq === 'eq') : undefined);
}

/** A blend shader that is called from one place. */
export interface Called {
  /** Address of the branch that calls it. */
  readonly from: number;
  readonly found: ReadonlyMap<number, Found>;
  readonly leaders: readonly number[];
  readonly resolved: ReadonlyMap<number, Resolved>;
}

/** How the instructions of a unit are found. */
export interface Reader {
  read(pc: number): Found | undefined;
  /** Where the instruction leads; whether lanes go on behind it. */
  leads(site: Site): { readonly target: number | undefined; readonly goesOn: boolean; readonly indirect: boolean };
}

/** Whether lanes that come to a BLEND never go on behind it: fixed function blends, and they end or skip what calls a shader. */
export function skips({ instruction: i }: Site, blends: Blends): boolean {
  if (i.spec.name !== 'BLEND' || blends[targetOfBlend(i)] !== FIXED) return false;
  return i.flow === FLOW_END || i.immediates.target !== 0;
}

/** The shader that the branch of `site` calls, if all of it is known; `before` is the instruction in front of that. */
export function calledAt(site: Site, before: Site | undefined, blends: Blends, reader: Reader): Called | undefined {
  const entry = blends[called(site.instruction)];
  const link = before && linkOf(before);
  if (entry === undefined || entry === FIXED || !link) return undefined;
  const found = new Map<number, Found>();
  const leaders = new Set([entry]);
  const resolved = new Map<number, Resolved>([[site.pc, { always: true, target: entry }]]);
  const work = [entry];
  while (work.length > 0) {
    let pc = work.pop()!;
    for (;;) {
      if (found.has(pc)) break;
      const one = reader.read(pc);
      if (!one?.site || found.size >= MAX_INSTRUCTIONS || one.site.effects.writes.includes(link.register))
        return undefined;
      found.set(pc, one);
      const { target, goesOn, indirect } = reader.leads(one.site);
      if (indirect) {
        const { instruction } = one.site;
        const taken = returns(instruction, link);
        if (taken === undefined || (!taken && instruction.flow !== FLOW_END)) return undefined;
        resolved.set(pc, { always: taken, target: Math.floor(pc / HIGH) * HIGH + link.value });
        break;
      }
      pc += INSTRUCTION_SIZE;
      if (target !== undefined) {
        leaders.add(target).add(pc);
        work.push(target);
      }
      if (!goesOn) break;
    }
  }
  return { from: site.pc, found, leaders: [...leaders], resolved };
}

/** By unit, the blend descriptors whose shaders it calls; they live as long as their code. */
const calls = new WeakMap<Unit, readonly number[]>();

/** Numbers of the blend descriptors whose shaders a unit calls. */
export function callsOf(unit: Unit): readonly number[] {
  let known = calls.get(unit);
  if (!known) {
    const all = unit.blocks.map(({ end, sites }) => (end === 'indirect' ? called(sites.at(-1)!.instruction) : -1));
    known = [...new Set(all)].filter((n) => n >= 0);
    calls.set(unit, known);
  }
  return known;
}
