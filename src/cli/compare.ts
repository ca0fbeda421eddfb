/** `tyr compare`: the same calls, or the same programs, under Tyr and under a real kernel's panthor on the same GPU. */
import { readFile } from 'node:fs/promises';
import { Problem } from '../host/userland/problem.ts';
import { differences, runCalls } from '../testing/host/compare/calls.ts';
import { WORLDS, type World } from '../testing/host/compare/worlds.ts';
import { CallsError } from '../testing/machine/calls/language.ts';
import { progressBar } from './progress-bar.ts';

export interface CompareOptions {
  /** In one of them alone, and print what came of each call. */
  only?: World;
  timeout: number;
  privileged?: boolean;
}

export async function compare(files: string[], options: CompareOptions): Promise<number> {
  let worst = 0;
  for (const file of files) worst = Math.max(worst, await compareCalls(file, options));
  return worst;
}

async function compareCalls(file: string, options: CompareOptions): Promise<number> {
  const source = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Problem(`${file} cannot be read: ${error.message}`);
  });
  const worlds = options.only ? [options.only] : WORLDS;
  const { timeout, privileged } = options;
  const outcome = await runCalls(source, worlds, {
    timeout,
    privileged: privileged ?? false,
    progress: progressBar(),
  }).catch((error: unknown) => {
    if (error instanceof CallsError) throw new Problem(`${file}: ${error.message}`);
    throw error;
  });
  if (options.only) {
    for (const [i, told] of outcome.told[options.only]!.entries()) {
      if (outcome.sequences[i]!.name) console.log(`sequence ${outcome.sequences[i]!.name}`);
      for (const { call, text } of told) console.log(`${call.line.number}: ${call.line.text}\n    ${text}`);
    }
    return 0;
  }
  const found = differences(outcome, false);
  for (const { sequence, line, call, tyr, panthor } of found) {
    console.log(
      `${file}:${line}${sequence && ` (sequence ${sequence})`}: ${call}\n    tyr:     ${tyr}\n    panthor: ${panthor}`,
    );
  }
  const calls = outcome.sequences.reduce((sum, { calls }) => sum + calls.length, 0);
  console.log(`${file}: ${calls} calls, ${found.length === 0 ? 'no difference' : `${found.length} differ`}`);
  return found.length === 0 ? 0 : 1;
}
