/**
 * Guest tests: every shader program that Mesa gives to the GPU, found as the decoder finds it, is disassembled and assembled
 * again to the same bytes; and a run's decoded text says what the program drew.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recorder } from '../board/log.ts';
import { assemble, unfetchable } from '../mali/shader/assemble.ts';
import { disassembleAll } from '../mali/shader/disassemble.ts';
import { type LaunchOptions, launch } from './launch.ts';
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

/** Holds programs to what their text gives; `known`: words that no text gives, which Mesa writes all the same. */
function hold(programs: readonly Uint32Array[]): void {
  for (const code of programs) {
    const text = disassembleAll(code);
    assert.deepEqual(assemble(text.join('\n')), new Uint32Array(code));
    for (const [i, line] of text.entries()) {
      assert.ok(!line.startsWith('.quad'), line);
      assert.equal(unfetchable(code[i * 2]!, code[i * 2 + 1]!), undefined, line);
    }
  }
}

test('guest: kmscube’s shaders survive the way through text, and its draws are printed', async () => {
  const { lines, programs } = await decoded('kmscube', [], { frames: 2 });
  assert.ok(programs.length >= 3, `${programs.length} programs`);
  hold(programs);
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
  hold((await decoded('kmscube', ['-s', '4'], { frames: 2 })).programs);
  const { programs, lines } = await decoded(userland.guest.clients['byte-textures']!, []);
  hold(programs);
  assert.ok(programs.length >= 2);
  assert.ok(lines.some((line) => /^ +\d+: texture at/.test(line)) && lines.some((line) => /^ +plane 0 at/.test(line)));
});
