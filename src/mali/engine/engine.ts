/**
 * Which engine runs shaders: code recompiled to WebAssembly, or the interpreter, which is the reference that the other is held
 * to. The environment variable TYR_ENGINE sets what runs where nobody asks for one, so that any test runs on either.
 */
import { recompiler } from '../recompiler/executor.ts';
import { interpreter, type MakeExecutor } from '../shader/core.ts';
import { ENGINES, type Engine } from './names.ts';

export type { Engine };

/** An engine by its name. Throws RangeError for a name that is none. */
export function engineNamed(name: string): Engine {
  const engine = ENGINES.find((e) => e === name);
  if (!engine) throw new RangeError(`there is no engine ${name}; there are ${ENGINES.join(' and ')}`);
  return engine;
}

export const defaultEngine = (): Engine => engineNamed(process.env.TYR_ENGINE ?? 'wasm');

export const executorOf = (engine: Engine): MakeExecutor => (engine === 'wasm' ? recompiler : interpreter);
