/** Emitted alpha to coverage: what the fuzzer, whose alphas are any floats, seldom meets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FUNC, Z_INTERNAL_FORMAT } from '../../../abi/gpu/raster-descriptors.ts';
import { scratch } from '../../engine/scratch.ts';
import { STAGE, STAGE_BYTES } from '../../recompiler/frame.ts';
import { LANES } from '../../shader/contract.ts';
import { CENTER } from '../raster.ts';
import { lateTests } from './late.ts';
import { WARP } from './raster.ts';

const stage = scratch.alloc(STAGE_BYTES);
const warp = scratch.alloc(WARP.size);
scratch.u32[(stage + STAGE.pixels) / 4] = warp;
const words = (at: number) => scratch.i32.subarray((warp + at) / 4, (warp + at) / 4 + LANES);

test('alpha leaves so many samples, from either end', () => {
  const alphas = [0, 1, -1, 2, Number.NaN, 0.5, 0.125, 0.1249, 0.3751, 0.375, 0.625, 0.874, 0.875, 0.9, 1e-40, 0.2];
  for (const byAlpha of ['first', 'last'] as const) {
    for (const samples of [2, 4, 8]) {
      const everything = 2 ** samples - 1;
      words(WARP.coverage).fill(everything);
      words(WARP.blended).fill(everything);
      scratch.f32.set(alphas, (warp + WARP.colour) / 4);
      const state = {
        samples,
        pattern: CENTER,
        merged: false,
        early: true,
        fromShader: false,
        stencilFromShader: false,
      };
      const depth = {
        format: Z_INTERNAL_FORMAT.D24,
        func: FUNC.ALWAYS,
        write: false,
        limit: 'unit',
        stencil: undefined,
      };
      lateTests({ ...state, ...depth, limit: 'unit', byAlpha }).late_alpha(stage, 0xffff, 0, 0);
      for (const [lane, alpha] of alphas.entries()) {
        const n = Math.round((alpha > 0 ? Math.min(alpha, 1) : 0) * samples);
        const expected = byAlpha === 'last' ? 2 ** n - 1 : everything & ~(2 ** (samples - n) - 1);
        assert.equal(words(WARP.blended)[lane], expected, `${alpha} of ${samples}, ${byAlpha}`);
      }
    }
  }
});
