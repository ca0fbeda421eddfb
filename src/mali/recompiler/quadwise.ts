/**
 * Which units can be run a few quads after the other instead of a warp at a time: those whose lanes look at no lane of another quad and
 * leave nothing in memory that a later instruction of another quad could meet.
 */
import { SPECIALS } from '../../abi/isa/encoding.ts';
import type { Stage } from '../shader/contract.ts';
import type { Instruction } from '../shader/decode.ts';
import type { Unit } from './flow.ts';
import { crosses } from './lower.ts';

/** Instructions that load from memory, or exchange something with the stage that is the quad's own. */
const HARMLESS = /^(NOP|LD_|LOAD|LEA_|TEX_|VAR_TEX|ATEST|ZS_EMIT|BLEND|ST_TILE)/;
const BY_THE_WARP = ['lane_id', 'thread_local_pointer', 'warp_id'];

function ownQuad(i: Instruction): boolean {
  if (i.sources.some(({ kind, index }) => kind === 'special' && byTheWarp(i.page, index))) return false;
  if (crosses(i)) return ['subgroup2', 'subgroup4'].includes(String(i.modifiers.subgroup));
  return !i.spec.message || HARMLESS.test(i.spec.base);
}

const byTheWarp = (page: number, index: number): boolean => BY_THE_WARP.includes(SPECIALS[page]?.[index >>> 1] ?? '');

/** What is known of units, which live as long as their code. */
const known = new WeakMap<Unit, Map<string, boolean>>();

function remember(unit: Unit, question: string, answer: () => boolean): boolean {
  let answers = known.get(unit);
  if (!answers) {
    answers = new Map();
    known.set(unit, answers);
  }
  let found = answers.get(question);
  if (found === undefined) {
    found = answer();
    answers.set(question, found);
  }
  return found;
}

/**
 * Whether a unit can be run so. Other stages than the fragment stage have effects on memory alone, each thread its own: nobody
 * says in which order.
 */
export const quadwise = (unit: Unit, kind: Stage['kind']): boolean =>
  remember(unit, kind, () =>
    unit.blocks.every(
      ({ end, sites }) =>
        end !== 'barrier' &&
        sites.every(
          ({ instruction: i }) => ownQuad(i) || (kind !== 'fragment' && /^(STORE|ST_CVT)$/.test(i.spec.base)),
        ),
    ),
  );

/** Whether lanes bring addresses: there may be such of thread storage among them, where each lane of a warp has its own. */
export const bringsAddresses = (unit: Unit): boolean =>
  remember(unit, 'addresses', () =>
    unit.blocks.some(({ sites }) =>
      sites.some(({ instruction: { spec } }) => /^(LOAD|STORE|ATOM|LD_CVT|ST_CVT)/.test(spec.base)),
    ),
  );

/** Whether warps can be run one after the other as if each were the only one. */
export const isAlone = (unit: Unit): boolean =>
  remember(unit, 'alone', () =>
    unit.blocks.every(
      ({ end, sites }) =>
        end !== 'barrier' &&
        end !== 'indirect' &&
        end !== 'leave' &&
        !sites.some(({ instruction: i }) =>
          i.sources.some(({ kind, index }) => kind === 'special' && isWarpId(i.page, index)),
        ),
    ),
  );

const isWarpId = (page: number, index: number): boolean => SPECIALS[page]?.[index >>> 1] === 'warp_id';
