/** The raster bench measures what it says: every case leaves its colour in the picture. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES, prepare } from './bench-raster.ts';

const GREY = 0xff808080;

for (const one of CASES) {
  if (one.layout) continue;
  test(`bench raster: ${one.name}`, () => {
    const { draw, middle } = prepare(one);
    draw();
    const colour = middle();
    if (!one.shader) assert.equal(colour, GREY);
    else assert.notEqual(colour, GREY);
  });
}
