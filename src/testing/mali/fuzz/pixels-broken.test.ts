/** Apart from pixels.test.ts: emitted modules are kept by their states, broken ones too. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Code } from '../../../mali/wasm/code.ts';
import { PixelFuzzer } from './pixels.ts';

test('a fixed function whose code is wrong is found, and the picture that shows it is made small', () => {
  const real = Code.prototype.op;
  mock.method(Code.prototype, 'op', function (this: Code, name: Parameters<typeof real>[0]) {
    return real.call(this, name === 'i32x4_min_s' ? 'i32x4_max_s' : name);
  });
  const fuzzer = new PixelFuzzer();
  for (let seed = 0; ; seed++) {
    const finding = fuzzer.try(seed);
    if (!finding) continue;
    const [difference, picture] = finding.report.split('\n') as [string, string];
    assert.match(
      difference,
      /^seed \d+: byte \d+ of (memory|occlusion query|render target \d|depth|stencil): \d+, recompiled \d+$/,
    );
    const { draws } = JSON.parse(picture);
    assert.ok(draws.length <= 2, picture);
    break;
  }
});
