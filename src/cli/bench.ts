/**
 * `tyr bench NAME`: named measurements. With --json one object {bench, machine, results: [{metric, value, unit}]}; the
 * names of the metrics stay the same for good, so that runs can be compared.
 */
import { arch, availableParallelism, cpus, release } from 'node:os';
import { basename } from 'node:path';
import { silent } from '../board/log.ts';
import { launch } from '../host/launch.ts';
import { Problem } from '../host/userland/problem.ts';
import { ensureUserland, type ShimBuild, type Userland } from '../host/userland/userland.ts';
import type { Engine } from '../mali/engine/names.ts';
import { progressBar } from './progress-bar.ts';
import { summary } from './run.ts';

interface Result {
  metric: string;
  value: number;
  unit: string;
}

interface BenchOptions {
  frames: number;
  json?: boolean;
  /** Who runs shaders. */
  engine?: Engine;
}

type Bench = (userland: Userland, options: BenchOptions) => Promise<Result[]>;

/** Frames at 1024x768, as fast as they come. */
const kmscube: Bench = async (userland, { frames, engine }) => {
  const times: number[] = [];
  const result = await launch({
    userland,
    program: 'kmscube',
    log: silent,
    mode: '1024x768@60',
    refresh: 'unlimited',
    frames,
    engine,
    stdout: () => {},
    stderr: () => {},
    onFrame: () => times.push(performance.now()),
  });
  if (result.ended !== 'frames') throw new Problem(`kmscube did not draw its ${frames} frames: ${summary(result)}`);
  const steps = times.slice(1).map((time, i) => time - times[i]!);
  return [
    { metric: 'fps', value: result.fps, unit: 'frames/s' },
    { metric: 'frame_time_mean', value: 1000 / result.fps, unit: 'ms' },
    { metric: 'frame_time_worst', value: Math.max(...steps), unit: 'ms' },
    { metric: 'jobs_per_frame', value: result.jobs / result.frames, unit: 'jobs' },
  ];
};

/** A small ioctl from a program to the driver and back, from the guest and from a program of the host's own. */
const ioctl: Bench = async (userland) => {
  const results: Result[] = [];
  const sides: [string, ShimBuild][] = [['guest', userland.guest]];
  if (userland.host !== userland.guest) sides.push(['host', userland.host]);
  for (const [side, build] of sides) {
    const program = build.clients['bench-ioctl'];
    if (!program) throw new Problem('shim/test/bench-ioctl.c is missing; the clone of Tyr is incomplete');
    let output = '';
    const stdout = (text: string) => {
      output += text;
    };
    const { exitCode } = await launch({ userland, program, log: silent, stdout });
    const nanoseconds = Number(output);
    if (exitCode !== 0 || !(nanoseconds > 0)) throw new Problem(`${basename(program)} failed: ${output}`);
    results.push({ metric: `ioctl_round_trip_${side}`, value: nanoseconds / 1000, unit: 'µs' });
  }
  return results;
};

const BENCHES: Record<string, Bench> = { kmscube, ioctl };

export async function bench(name: string, options: BenchOptions): Promise<number> {
  const measure = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (!measure) throw new Problem(`there is no bench ${name}; there are ${Object.keys(BENCHES).join(' and ')}`);
  const userland = await ensureUserland({ progress: progressBar() });
  const results = await measure(userland, options);
  if (options.json) console.log(JSON.stringify({ bench: name, machine: machine(), results }));
  else for (const { metric, value, unit } of results) console.log(`${metric.padEnd(24)} ${value.toFixed(3)} ${unit}`);
  return 0;
}

/** What the numbers were measured on. */
function machine(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    architecture: arch(),
    kernel: release(),
    node: process.version,
  };
}
