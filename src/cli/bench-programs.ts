/**
 * The benches of whole programs, kmscube and glmark2, on our GPU and, with --vs llvmpipe, in turn on Mesa's llvmpipe.
 *
 * llvmpipe runs the same program, size and scene as a native program of the host, without qemu-user: that is the goal to be
 * held against, not an equal race of GPUs. It opens our machine's display node, since a host may have none, and draws by
 * itself; only kmscube's page flips pass through our server and our display, which costs llvmpipe what it costs us. The
 * scenes of glmark2 are drawn off screen and pass through nothing of ours. Each side runs alone, one after the other. A
 * run whose GL_RENDERER is not the wanted one is refused. With --native ours is a program of the host, too, on the Mesa that
 * `tyr mesa build` has made: then the difference is the GPU's alone.
 *
 * glmark2-es2-drm ignores its --size and takes the display's largest mode, also off screen (glmark2's
 * native-state-drm.cpp); so its machine has a display with 800x600 alone. Asked for the very size that the display has,
 * glmark2 takes its window for made and fails ("glwindow has never been initialized"); so it is asked for another one.
 */
import { join } from 'node:path';
import { silent } from '../board/log.ts';
import { type LaunchOptions, type LaunchResult, launch } from '../host/launch.ts';
import { ARCHITECTURES } from '../host/userland/compiler.ts';
import { inspectMesa } from '../host/userland/mesa.ts';
import { nativeMesa } from '../host/userland/mesa-build.ts';
import { mesaWorld } from '../host/userland/mesa-world.ts';
import { nativeStart } from '../host/userland/natives.ts';
import { Problem } from '../host/userland/problem.ts';
import { ensureNatives, hostArchitecture, type Userland } from '../host/userland/userland.ts';
import type { Engine } from '../mali/engine/names.ts';
import { progressBar } from './progress-bar.ts';
import { summary } from './run.ts';

export interface Result {
  metric: string;
  value: number;
  unit: string;
}

export interface BenchOptions {
  frames: number;
  /** How long glmark2 draws each scene. */
  seconds: number;
  json?: boolean;
  markdown?: boolean;
  /** Who runs shaders. */
  engine?: Engine;
  /** Threads beside the main one that draw. */
  workers?: number;
  vs?: 'llvmpipe';
  /** Programs of the host's own architecture on the Mesa of `tyr mesa build`, in place of the guest's. */
  native?: boolean;
}

export type Bench = (userland: Userland, options: BenchOptions) => Promise<Result[]>;

/** Who draws, and for which program. */
interface Side {
  /** What GL_RENDERER says. */
  readonly renderer: RegExp;
  /** glmark2's folder, where it does not look for itself. */
  readonly data?: string;
  start(program: string, args: string[]): Promise<Pick<LaunchOptions, 'program' | 'args' | 'env' | 'native'>>;
}

interface Sides {
  readonly ours: Side;
  readonly theirs: Side | undefined;
}

const GLMARK2_DATA = 'usr/share/glmark2';

async function sidesOf(userland: Userland, { vs, native }: BenchOptions): Promise<Sides> {
  const progress = progressBar();
  const renderer = /Mali-G610/;
  const natives = vs || native ? await ensureNatives({ progress }) : undefined;
  const theirs: Side | undefined = vs && {
    renderer: /llvmpipe/,
    data: join(natives!.root, GLMARK2_DATA),
    start: async (program, args) => nativeStart(userland, natives!, program, args),
  };
  if (!native) return { ours: { renderer, start: async (program, args) => ({ program, args }) }, theirs };
  const host = hostArchitecture();
  const mesa = await inspectMesa(nativeMesa(undefined), ARCHITECTURES);
  const root = natives!.root;
  const ours: Side = {
    renderer,
    data: join(root, GLMARK2_DATA),
    async start(program, args) {
      const world = await mesaWorld(mesa, program, host, { packages: async () => root, packagesFirst: true });
      return { ...world, args };
    },
  };
  return { ours, theirs };
}

interface Run {
  result: LaunchResult;
  output: string;
}

/** Runs a program to its end. Throws Problem if another GPU than the wanted one drew. */
async function draw(
  userland: Userland,
  side: Side,
  program: string,
  args: string[],
  options: Partial<LaunchOptions>,
): Promise<Run> {
  let output = '';
  const collect = (text: string) => {
    output += text;
  };
  const start = await side.start(program, args);
  const result = await launch({
    userland,
    log: silent,
    refresh: 'unlimited',
    ...options,
    ...start,
    stdout: collect,
    stderr: collect,
  });
  const renderer = /^\s*(?:GL_RENDERER|renderer):\s*(.*)$/m.exec(output)?.[1];
  const wanted = side.renderer;
  // Standard output of a program that is ended after its frames may still have been in its buffer.
  if (renderer === undefined ? result.ended === 'itself' : !wanted.test(renderer)) {
    throw new Problem(
      `${program} was to draw on ${wanted.source}, but drew on ${renderer ?? 'nothing'}: ${summary(result)}\n${output}`,
    );
  }
  return { result, output };
}

/** Frames at 1024x768, as fast as they come. */
export const kmscube: Bench = async (userland, options) => {
  const { frames, engine, workers } = options;
  const { ours: own, theirs: rival } = await sidesOf(userland, options);
  const times: number[][] = [];
  const cube = async (side: Side) => {
    const at: number[] = [];
    const onFrame = () => void at.push(performance.now());
    const { result } = await draw(userland, side, 'kmscube', [], {
      mode: '1024x768@60',
      frames,
      engine,
      workers,
      onFrame,
    });
    if (result.ended !== 'frames') throw new Problem(`kmscube did not draw its ${frames} frames: ${summary(result)}`);
    if (side === own) times.push(at);
    return result;
  };
  const ours: LaunchResult[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < (rival ? ROUNDS : 1); round++) {
    ours.push(await cube(own));
    if (rival) theirs.push((await cube(rival)).fps);
  }
  const fps = median(ours.map((result) => result.fps));
  const steps = times.flatMap((at) => at.slice(1).map((time, i) => time - at[i]!));
  const [first] = ours;
  const results = [
    { metric: 'fps', value: fps, unit: 'frames/s' },
    { metric: 'frame_time_mean', value: 1000 / fps, unit: 'ms' },
    { metric: 'frame_time_worst', value: Math.max(...steps), unit: 'ms' },
    { metric: 'jobs_per_frame', value: first!.jobs / first!.frames, unit: 'jobs' },
  ];
  return rival ? [...results, ...compared('kmscube', fps, median(theirs))] : results;
};

/** How often kmscube runs on each side; the median counts. */
const ROUNDS = 3;

/** glmark2's scenes by name, each with the options that it is run with. Fixed for good: results are compared over time. */
export const SCENES = {
  build: 'build:use-vbo=true',
  texture: 'texture:texture-filter=linear',
  shading: 'shading:shading=phong',
  bump: 'bump:bump-render=normals',
  effect2d: 'effect2d:kernel=0,1,0;1,-4,1;0,1,0;',
  pulsar: 'pulsar:light=false:quads=5:texture=false',
  conditionals: 'conditionals:fragment-steps=5:vertex-steps=0',
  jellyfish: 'jellyfish',
} as const;

/** Seconds that a scene may take beside being drawn, with all its loading. */
const SCENE_LIMIT = 120;

/** Eight scenes at 800x600, off screen. */
export const glmark2: Bench = async (userland, options) => {
  const { seconds, engine, workers } = options;
  const { ours: own, theirs: rival } = await sidesOf(userland, options);
  const scene = async (side: Side, name: string, options: string) => {
    const data = side.data === undefined ? [] : ['--data-path', side.data];
    const args = ['--off-screen', '--size', '640x480', '-b', `${options}:duration=${seconds}`, ...data];
    const display = { mode: '800x600@60', soleMode: true, timeout: SCENE_LIMIT + seconds };
    const { result, output } = await draw(userland, side, 'glmark2-es2-drm', args, { ...display, engine, workers });
    const fps = sceneRate(output);
    if (fps !== undefined && result.faults === 0) return fps;
    throw new Problem(`glmark2's scene ${name} was not drawn: ${summary(result)}\n${output}`);
  };
  const results: Result[] = [];
  const ours: number[] = [];
  const theirs: number[] = [];
  for (const [name, options] of Object.entries(SCENES)) {
    const fps = await scene(own, name, options);
    ours.push(fps);
    results.push({ metric: `${name}_fps`, value: fps, unit: 'frames/s' });
    if (!rival) continue;
    const rate = await scene(rival, name, options);
    theirs.push(rate);
    results.push(...compared(name, fps, rate));
  }
  const mean = geometricMean(ours);
  results.push({ metric: 'geometric_mean_fps', value: mean, unit: 'frames/s' });
  if (rival) results.push(...compared('geometric_mean', mean, geometricMean(theirs)));
  return results;
};

/** Frames a second of the one scene in glmark2's output, undefined where it was not drawn at 800x600. */
export function sceneRate(output: string): number | undefined {
  if (!/^\s*Surface Size:\s*800x600\b/m.test(output)) return undefined;
  // FPS is rounded to whole frames; the time of a frame is not.
  const milliseconds = Number(/ FPS: \d+ FrameTime: ([\d.]+) ms/.exec(output)?.[1]);
  return milliseconds > 0 ? 1000 / milliseconds : undefined;
}

function compared(name: string, ours: number, theirs: number): Result[] {
  return [
    { metric: `${name}_llvmpipe_fps`, value: theirs, unit: 'frames/s' },
    { metric: `${name}_ratio`, value: ours / theirs, unit: 'ratio' },
  ];
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

export function geometricMean(values: number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
