import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leftText, profileText, SHARES, type Share, shareOf, sharesOf } from './profile.ts';

const SRC = new URL('..', import.meta.url).href;

test('each function belongs to the part of the machine whose file it stands in', () => {
  const cases: [string, Share][] = [
    ['mali/csu/execute.ts', 'command stream'],
    ['mali/mcu/global.ts', 'command stream'],
    ['mali/tiler/clip.ts', 'vertex'],
    ['mali/shader/core.ts', 'shading'],
    ['mali/texture/unit.ts', 'texturing'],
    ['mali/texture/emit.ts', 'compile'],
    ['mali/fragment/writeback.ts', 'write-back'],
    ['mali/fragment/afbc-store.ts', 'write-back'],
    ['mali/fragment/raster.ts', 'raster'],
    ['mali/wasm/builder.ts', 'compile'],
    ['mali/recompiler/lower.ts', 'compile'],
    ['driver/index.ts', 'driver'],
    ['drm/index.ts', 'driver'],
    ['host/server.ts', 'transport'],
    ['host/watch.ts', 'idle'],
    ['display/index.ts', 'display'],
  ];
  for (const [file, share] of cases) assert.equal(shareOf('f', `${SRC}${file}`), share, file);
  assert.equal(shareOf('shade_40', 'wasm://wasm/1234'), 'shading');
  assert.equal(shareOf('fragment_7fff0080', 'wasm://wasm/1234'), 'shading');
  assert.equal(shareOf('sample_tiled_4_2d_none_linear_none_bytes', 'wasm://wasm/1234'), 'texturing');
  assert.equal(shareOf('tile_fill', 'wasm://wasm/1234'), 'raster');
  assert.equal(shareOf('writeback_rows', 'wasm://wasm/1234'), 'write-back');
  assert.equal(shareOf('(garbage collector)', ''), 'garbage collection');
  assert.equal(shareOf('memcpy', ''), undefined);
});

test('no row of the table has lost its files', () => {
  for (const [start] of SHARES) {
    const path = fileURLToPath(`${SRC}${start}`);
    assert.ok(existsSync(path) || existsSync(`${path}.ts`), start);
  }
});

test('native functions count for who called them, and shares add up to one', () => {
  const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
    id,
    callFrame: { functionName, url, scriptId: '', lineNumber: 0, columnNumber: 0 },
    children,
  });
  const nodes = [
    node(1, '(root)', '', [2, 3, 5]),
    node(2, '(idle)', ''),
    node(3, 'submit', `${SRC}driver/index.ts`, [4]),
    node(4, 'set', ''),
    node(5, '(program)', ''),
  ];
  const shares = sharesOf({ nodes, samples: [2, 3, 4, 5, 2], timeDeltas: [0, 50, 10, 20, 20] });
  assert.deepEqual(
    [...shares].filter(([, fraction]) => fraction > 0),
    [
      ['driver', 0.3],
      ['other', 0.2],
      ['idle', 0.5],
    ],
  );
});

test('a run is bound by the guest where the guest is busier than the machine, else by the largest share', () => {
  const shares = new Map<Share, number>([
    ['shading', 0.5],
    ['raster', 0.2],
    ['idle', 0.3],
  ]);
  assert.match(
    profileText(shares, 0.4),
    /^The run was bound by shading\.\n {2}guest CPU +40\.0 %.*\n {2}shading +50\.0 %/,
  );
  assert.match(profileText(shares, 0.9), /^The run was bound by guest CPU\./);
  assert.match(profileText(new Map<Share, number>([['idle', 0.9]]), 0.2), /^The run was bound by waiting/);
  const worker = {
    busy: 0.75,
    shares: new Map<Share, number>([
      ['raster', 0.25],
      ['shading', 0.7],
    ]),
  };
  const withWorker = profileText(new Map<Share, number>([['idle', 0.9]]), 0.2, [worker]);
  assert.match(withWorker, /^The run was bound by workers\./);
  assert.match(withWorker, /worker 0 +75\.0 % of one core, beside the machine: shading 70 %, raster 25 %\n/);
});

test('what is left to script is told by how often, the most frequent first', () => {
  assert.equal(leftText({}), '');
  assert.equal(leftText({ LEA_ATTR: 2, TEX_FETCH: 30 }), 'Left to script: TEX_FETCH (30), LEA_ATTR (2).\n');
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`A${n}`, n + 1]));
  assert.match(leftText(many), /^Left to script: A10 \(11\), .*, A3 \(4\), and 3 more\.\n$/);
});
