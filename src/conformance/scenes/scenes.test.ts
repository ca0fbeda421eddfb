import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PNG } from 'pngjs';
import { HostClock } from '../../board/clock.ts';
import type { Picture } from '../../display/index.ts';
import type { HostedMachine } from '../../host/hosted-machine.ts';
import { Problem } from '../../host/userland/problem.ts';
import { compare, distance, isPlain, shown } from '../pictures.ts';
import type { Answer, Result } from '../protocol.ts';
import type { Case } from '../suite.ts';
import { Run } from '../worker.ts';
import { theGpu } from './place.ts';
import { ValidationReader } from './reader.ts';

/** A picture of 100 by 10 pixels, whose colour is a function of the pixel. */
function picture(red: (pixel: number) => number, width = 100): Picture {
  const data = new Uint8Array(width * 10 * 4);
  for (let pixel = 0; pixel < width * 10; pixel++) data.set([red(pixel), 20, 30, pixel % 256], pixel * 4);
  return { width, height: 10, data };
}

const ramp = picture((pixel) => pixel % 100);
const TOLERANCE = { levels: 2, share: 0.001, mean: 0.25 };

test('rounding anywhere and one edge of a pixel are alike; two more pixels are not, nor is a little everywhere', () => {
  const rounded = picture((pixel) => (pixel % 100) + (pixel % 10 === 0 ? 1 : 0));
  assert.deepEqual(distance(rounded, ramp, 0), { share: 0.1, mean: 0.1 / 3, most: 1 });
  assert.ok(compare(rounded, ramp, TOLERANCE).alike);
  const edges = (count: number) => picture((pixel) => (pixel < count ? 200 : pixel % 100));
  assert.ok(!compare(edges(2), ramp, TOLERANCE).alike);
  assert.ok(!compare(edges(1), ramp, { ...TOLERANCE, share: 0 }).alike);
  assert.match(compare(edges(1), ramp, TOLERANCE).note, /^0\.100 % of the pixels .* \(at most 200\)/);
  const darker = picture((pixel) => (pixel % 100) + 1);
  assert.ok(!compare(darker, ramp, TOLERANCE).alike, 'one level on average');
  assert.match(
    compare(
      picture(() => 0, 90),
      ramp,
      TOLERANCE,
    ).note,
    /is 90x10, expected was 100x10/,
  );
  assert.deepEqual([isPlain(ramp), isPlain(picture(() => 7))], [false, true]);
});

test('the page shows both pictures and the difference, made stronger', () => {
  const pictures = shown(
    picture(() => 3),
    picture(() => 1),
  );
  assert.deepEqual(
    pictures.map(({ name }) => name),
    ['got', 'expected (llvmpipe)', 'difference, 16 times'],
  );
  const difference = PNG.sync.read(Buffer.from(pictures[2]!.png, 'base64'));
  assert.deepEqual([...difference.data.subarray(0, 4)], [32, 0, 0, 255]);
  assert.equal(shown(ramp, undefined).length, 1);
});

test("glmark2's own verdicts come in the order of its scenes", () => {
  const reader = new ValidationReader(4);
  const lines = [
    '    GL_RENDERER:    Mali-G610 (Panfrost)',
    '[build] use-vbo=false: Validation: Success',
    '[shading] shading=cel: Validation: Unknown',
    '[bump] bump-render=height: Set up failed',
    '[texture] <default>: Validation: Failure',
  ];
  const told = lines.flatMap((line) => reader.line(line, 'stdout'));
  assert.deepEqual(
    told.map((event) => (event.kind === 'end' ? `${event.index} ${event.verdict}` : `begin ${event.index}`)),
    ['0 pass', 'begin 1', '1 skip', 'begin 2', '2 fail', 'begin 3', '3 fail'],
  );
});

test('what does not draw on the virtual GPU is refused', () => {
  const told = (renderer: string) =>
    `OpenGL ES profile renderer: ${renderer}\nOpenGL ES profile version: OpenGL ES 3.1 Mesa 25.0.7-2\n`;
  assert.deepEqual(theGpu(told('Mali-G610 (Panfrost)')), { gpu: 'Mali-G610 (Panfrost)', mesa: '25.0.7-2' });
  assert.throws(() => theGpu(told('llvmpipe (LLVM 19)')), Problem);
  assert.throws(() => theGpu(''), /it said nothing/);
});

/** What a program does, in the place of one on a machine: shows pictures, has the GPU do jobs, and ends by itself. */
interface Doing {
  readonly pictures: readonly Picture[];
  readonly jobs: number;
  readonly code?: number;
}

async function hold(doings: Record<'ours' | 'reference', Doing>, flip = 2): Promise<Result[]> {
  const stats = { jobs: 0, faults: 0, gpuWorked: 0 };
  const listeners = new Set<() => void>();
  let now = ramp;
  const host = {
    machine: {
      stats,
      display: {
        screenshot: () => now,
        onFlip(listener: () => void) {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
    },
    async run({ program }: { program: string }) {
      const { pictures, jobs, code = 0 } = doings[program as 'ours' | 'reference'];
      let stopped = false;
      const ended = (async () => {
        for (const one of pictures) {
          await new Promise((resolve) => setImmediate(resolve));
          if (stopped) return 143;
          stats.jobs += jobs;
          now = one;
          for (const listener of listeners) listener();
        }
        return code;
      })();
      return {
        ended,
        stop() {
          stopped = true;
        },
      };
    },
  } as unknown as HostedMachine;
  const cases: Case[] = [{ name: 'a', group: 'g', batch: undefined, skip: undefined, args: [] }];
  const results: Result[] = [];
  const answer = (message: Answer) => void (message.kind === 'result' && results.push(message.result));
  const reference = { flip, command: { program: 'reference' } };
  const batch = { cases, command: { program: 'ours' }, limit: 60, shot: { flip, reference, tolerance: TOLERANCE } };
  const reader = { line: () => [], end: () => [] };
  await new Run(batch, reader, host, new HostClock(), () => [], answer).toEnd();
  return results;
}

test('the picture of one page flip is held against that of another program, and nothing else is', async () => {
  const other = picture((pixel) => 255 - (pixel % 100));
  const drawn: Doing = { pictures: [other, ramp, other], jobs: 1 };
  const reference: Doing = { pictures: [other, ramp, other], jobs: 0 };
  const [good] = await hold({ ours: drawn, reference });
  assert.deepEqual([good?.verdict, good?.pictures], ['pass', undefined]);
  const [bad] = await hold({ ours: { ...drawn, pictures: [ramp, other, ramp] }, reference });
  assert.equal(bad?.verdict, 'fail');
  assert.equal(bad?.pictures?.length, 3);
});

test('a picture that proves nothing is no pass', async () => {
  const drawn: Doing = { pictures: [ramp, ramp], jobs: 1 };
  const reference: Doing = { pictures: [ramp, ramp], jobs: 0 };
  const notes = async (doings: Record<'ours' | 'reference', Doing>) => {
    const [result] = await hold(doings);
    return `${result?.verdict}: ${result?.note}`;
  };
  assert.match(await notes({ ours: drawn, reference: drawn }), /^fail: the reference is not all the processor's/);
  assert.match(await notes({ ours: reference, reference }), /^fail: the GPU had no part/);
  const plain = picture(() => 1);
  const plains = { ...reference, pictures: [plain, plain] };
  assert.match(await notes({ ours: drawn, reference: plains }), /^fail: .* nothing but one colour/);
  const none = { pictures: [], jobs: 0, code: 255 };
  assert.match(await notes({ ours: drawn, reference: none }), /^fail: there is nothing to hold it against.* 255/);
  assert.match(await notes({ ours: { ...none, code: 139 }, reference }), /^crash: the program ended with 139/);
});
