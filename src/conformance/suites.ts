/** The suites by their names. */
import { Problem } from '../host/userland/problem.ts';
import { deqp } from './deqp/suite.ts';
import { piglit } from './piglit/suite.ts';
import { glmark2 } from './scenes/glmark2.ts';
import { kmscube } from './scenes/kmscube.ts';
import type { Suite } from './suite.ts';

export const SUITES: readonly Suite[] = [piglit, ...deqp, glmark2, kmscube];

/** Throws Problem for a name that no suite has. */
export function suiteOf(name: string): Suite {
  const found = SUITES.find((suite) => suite.name === name);
  if (found) return found;
  throw new Problem(`there is no suite ${name}; there are ${SUITES.map((suite) => suite.name).join(', ')}`);
}
