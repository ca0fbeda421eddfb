/** For tests: a program run to its end on a machine of its own, with all that it and the machine have said. */
import assert from 'node:assert/strict';
import { recorder } from '../../board/log.ts';
import { type LaunchOptions, type LaunchResult, launch } from '../../host/launch.ts';

export interface Launched extends LaunchResult {
  stdout: string;
  /** The machine's log, and what the program has said on standard error. */
  lines: string[];
}

/** Fails with what was said where the program's exit code is not 0. */
export async function launched(options: Omit<LaunchOptions, 'log' | 'stdout' | 'stderr'>): Promise<Launched> {
  assert.ok(options.program, 'the client is built');
  const { log, lines } = recorder();
  let stdout = '';
  const result = await launch({
    timeout: 120,
    ...options,
    log,
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => lines.push(text),
  });
  assert.equal(result.exitCode, 0, `${stdout}\n${lines.join('\n')}`);
  return { ...result, stdout, lines };
}
