/** Makes findings of the fuzzer small. */
import { assembleLine } from '../../../mali/shader/assemble.ts';
import { LANES } from '../../../mali/shader/contract.ts';
import type { Input } from './input.ts';
import type { Shader } from './program.ts';

/** Leaves out what a difference does not need: instructions become NOPs, lanes and quads are left out as long as it stays. */
export function shrink(shader: Shader, differs: (candidate: Shader, input: Input) => boolean): Shader {
  let best = shader;
  const better = (code: Uint32Array, input: Input): boolean => {
    const candidate = { ...best, code, inputs: [input] };
    if (!differs(candidate, input)) return false;
    best = candidate;
    return true;
  };
  const nop = assembleLine('NOP');
  for (let again = true; again; ) {
    again = false;
    for (let at = best.code.length - 2; at >= 0; at -= 2) {
      if (best.code[at] === nop[0] && best.code[at + 1] === nop[1]) continue;
      const code = best.code.slice();
      code.set(nop, at);
      if (better(code, best.inputs[0]!)) again = true;
    }
    for (let lane = 0; lane < LANES; lane++) {
      const [input] = best.inputs as [Input];
      const live = input.live & ~(1 << lane);
      if (!live || live === input.live) continue;
      if (better(best.code, { ...input, live, helpers: input.helpers & live })) again = true;
    }
    const quads = best.inputs[0]!.fragment?.list?.quads ?? [];
    for (let n = 0; n < quads.length; n++) {
      const [input] = best.inputs as [Input];
      const fragment = input.fragment!;
      const list = fragment.list!;
      if (list.quads[n]!.masks.every((mask) => mask === 0)) continue;
      const fewer = list.quads.with(n, { ...list.quads[n]!, masks: [0, 0, 0, 0] });
      if (better(best.code, { ...input, fragment: { ...fragment, list: { ...list, quads: fewer } } })) again = true;
    }
  }
  return best;
}
