/**
 * `tyr bench NAME`: named measurements. With --json one object {bench, machine, results: [{metric, value, unit}]}; the
 * names of the metrics stay the same for good, so that runs can be compared. With --markdown the table of docs/performance.md.
 */
import { arch, availableParallelism, cpus, release } from 'node:os';
import { basename } from 'node:path';
import { silent } from '../board/log.ts';
import { launch } from '../host/launch.ts';
import { Problem } from '../host/userland/problem.ts';
import { ensureUserland, type ShimBuild } from '../host/userland/userland.ts';
import { bind } from './bench-bind.ts';
import { compile } from './bench-compile.ts';
import { compute } from './bench-compute.ts';
import { crowd } from './bench-crowd.ts';
import { fairness } from './bench-fairness.ts';
import { type Bench, type BenchOptions, glmark2, kmscube, type Result } from './bench-programs.ts';
import { raster } from './bench-raster.ts';
import { alu, memory } from './bench-shader.ts';
import { submit } from './bench-submit.ts';
import { texture } from './bench-texture.ts';
import { vertex } from './bench-vertex.ts';
import { progressBar } from './progress-bar.ts';

/**
 * A small ioctl from a program to the driver and back, from the guest and from a program of the host's own: the shortest
 * time, how many that makes in a second, and what one costs this process in CPU time (its program's start and end included).
 */
const ioctl: Bench = async (userland, { vs }) => {
  if (vs) throw new Problem(`there is nothing in ioctl that ${vs} could do`);
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
    let before = process.cpuUsage();
    const onStart = () => {
      before = process.cpuUsage();
    };
    const { exitCode } = await launch({ userland, program, log: silent, stdout, onStart });
    const { user, system } = process.cpuUsage(before);
    const [nanoseconds = 0, calls = 0] = output.split(' ').map(Number);
    if (exitCode !== 0 || !(nanoseconds > 0)) throw new Problem(`${basename(program)} failed: ${output}`);
    results.push({ metric: `ioctl_round_trip_${side}`, value: nanoseconds / 1000, unit: 'µs' });
    results.push({ metric: `ioctls_per_second_${side}`, value: 1e9 / nanoseconds, unit: '1/s' });
    results.push({ metric: `ioctl_machine_cpu_${side}`, value: (user + system) / calls, unit: 'µs' });
  }
  return results;
};

const BENCHES: Record<string, Bench> = {
  kmscube,
  glmark2,
  ioctl,
  submit,
  bind,
  fairness,
  crowd,
  texture,
  compile,
  raster,
  vertex,
  alu,
  compute,
  memory,
};

export async function bench(name: string, options: BenchOptions): Promise<number> {
  const measure = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (!measure) throw new Problem(`there is no bench ${name}; there are ${Object.keys(BENCHES).join(' and ')}`);
  if (options.native && measure !== kmscube && measure !== glmark2)
    throw new Problem(`there is no program in ${name} that --native could run`);
  const userland = await ensureUserland({ progress: progressBar() });
  const results = await measure(userland, options);
  if (options.json) console.log(JSON.stringify({ bench: name, machine: machine(), results }));
  else if (options.markdown) process.stdout.write(markdown(name, results));
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

/** The machine, and one row a metric. */
function markdown(name: string, results: Result[]): string {
  const { cpu, cores, architecture, kernel, node } = machine();
  return [
    `\`tyr bench ${name}\` on ${cpu}, ${cores} cores, ${architecture}, Linux ${kernel}, Node ${node}, ${new Date().toISOString().slice(0, 10)}:`,
    '',
    '| metric | value | unit |',
    '|---|---:|---|',
    ...results.map(({ metric, value, unit }) => `| ${metric} | ${value.toPrecision(3)} | ${unit} |`),
    '',
  ].join('\n');
}
