/** A quad's four words in a tile: two in a row, two in the row below. */
import type { Code } from '../../wasm/builder.ts';

/** Pushes the words of the quad whose first one is at the address in a local, plus `offset`. `row`: bytes of a row. */
export function pushQuad(f: Code, at: number, offset: number, row: number): Code {
  return f
    .get(at)
    .get(at)
    .memory('v128_load64_zero', offset)
    .loadHalf(1, offset + row);
}

/** Stores what a local holds. */
export function storeQuad(f: Code, at: number, value: number, offset: number, row: number): Code {
  for (const half of [0, 1]) {
    f.get(at)
      .get(value)
      .storeHalf(half, offset + row * half);
  }
  return f;
}
