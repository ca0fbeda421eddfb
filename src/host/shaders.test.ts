/**
 * Guest tests: every shader program that Mesa gives to the GPU, found as the decoder finds it, is disassembled and assembled
 * again to the same bytes; and a run's decoded text says what the program drew.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recorder } from '../board/log.ts';
import { lostInText } from '../mali/shader/round-trip.ts';
import { launched } from '../testing/host/launched.ts';
import { type LaunchOptions, launch } from './launch.ts';
import { shadersOf } from './shader-folder.ts';
import { ensureUserland } from './userland/userland.ts';

const userland = await ensureUserland();

interface Decoded {
  readonly lines: string[];
  readonly programs: Uint32Array[];
}

async function decoded(program: string, args: string[], options: Partial<LaunchOptions> = {}): Promise<Decoded> {
  const lines: string[] = [];
  const programs: Uint32Array[] = [];
  const record = recorder();
  const result = await launch({
    userland,
    program,
    args,
    log: record.log,
    timeout: 120,
    refresh: 'unlimited',
    stdout: () => {},
    stderr: () => {},
    decode: { write: (line) => lines.push(line), program: (_, code) => programs.push(code) },
    ...options,
  });
  assert.equal(result.exitCode, 0, record.lines.join('\n'));
  assert.equal(result.faults, 0);
  return { lines, programs };
}

function hold(programs: readonly Uint32Array[]): void {
  for (const code of programs) assert.deepEqual(lostInText(code), []);
}

/** Programs that a machine keeps in a folder, each once. */
const shaders = mkdtempSync(join(tmpdir(), 'tyr-kept-'));
after(() => rmSync(shaders, { recursive: true }));
const kept = (): Uint32Array[] => [...shadersOf(shaders)].map(({ code }) => code);
const digits = (code: Uint32Array): string => code.join();

test('guest: kmscube’s shaders survive the way through text, and its draws are printed', async () => {
  const { lines, programs } = await decoded('kmscube', [], { frames: 2, shaders });
  assert.ok(programs.length >= 3, `${programs.length} programs`);
  hold(programs);
  assert.deepEqual(new Set(kept().map(digits)), new Set(programs.map(digits)));
  const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
  const draws = count(/: RUN_IDVS/);
  assert.ok(draws >= 6 && draws % 6 === 0, `${draws} draws of six faces a frame`);
  assert.equal(count(/^ +4 indices from 0, 1 instances from 0/), draws);
  assert.equal(count(/^ +drawMode: TRIANGLE_STRIP$/), draws);
  assert.ok(count(/^ +BLEND\.slot\d\.v4\.f16\.end @/) >= 1);
  assert.ok(count(/^ +render target 0 at/) >= 1);
  assert.deepEqual(
    lines.filter((line) => /unreadable|at fault/.test(line)),
    [],
  );
});

test('guest: so do those of kmscube with four samples and with a texture, and of programs of our own', async () => {
  const before = kept().length;
  await launched({ userland, program: 'kmscube', args: ['-s', '4'], frames: 2, shaders });
  assert.ok(kept().length > before, 'they are kept where nobody reads text, too');
  hold(kept());
  const { programs, lines } = await decoded(userland.guest.clients['byte-textures']!, []);
  hold(programs);
  assert.ok(programs.length >= 2);
  assert.ok(lines.some((line) => /^ +\d+: texture at/.test(line)) && lines.some((line) => /^ +plane 0 at/.test(line)));
});
