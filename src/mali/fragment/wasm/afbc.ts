/**
 * Emitted WebAssembly that codes superblocks of AFBC: from rows of pixels in scratch memory to header and body in DRAM, as
 * board/image/afbc.ts does it: one colour or sixteen plain subblocks.
 */
import type { PhysicalMemory } from '../../../board/dram.ts';
import { AFBC_PIXELS, AFBC_PLAIN_WORDS, AFBC_SUBBLOCK } from '../../../board/image/afbc.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { DRAM, functions } from './modules.ts';
import { PIECES } from './tile.ts';

/**
 * `from`: rows of pixels. `header`, `body`: physical addresses. `place`: the body's, from the first header on.
 */
export type EncodeSuperblock = (from: number, header: number, body: number, place: number) => void;

/** For pixels of `bytes` bytes in superblocks `width` pixels wide. */
export const encodeSuperblock = (dram: PhysicalMemory, bytes: number, width: number): EncodeSuperblock =>
  functions<{ writeback_afbc: EncodeSuperblock }>(`afbc ${bytes} ${width}`, (m) => emit(m, bytes, width), dram)
    .writeback_afbc;

const VECTOR = 16;
/** A colour that a header can hold. */
const COLOUR = { at: 8, bytes: 8 } as const;

function emit(m: ModuleBuilder, bytes: number, width: number): void {
  const f = m.function('writeback_afbc', ['i32', 'i32', 'i32', 'i32'], [], true);
  const [from, header, body, place] = [0, 1, 2, 3];
  const coded = f.block();
  if (bytes <= COLOUR.bytes) {
    const varied = f.block();
    oneColour(f, bytes, () => f.brIf(varied));
    f.get(header).v128(0, 0, 0, 0).get(place).lane('i32x4_replace_lane', 0).memory('v128_store', 0, DRAM);
    pieces(bytes, (at, load, store) => {
      f.get(header)
        .get(from)
        .memory(load, at)
        .memory(store, COLOUR.at + at, DRAM);
    });
    f.br(coded);
    f.end();
  }
  f.get(header);
  f.v128(...AFBC_PLAIN_WORDS)
    .get(place)
    .lane('i32x4_replace_lane', 0)
    .memory('v128_store', 0, DRAM);
  f.end();
  let to = 0;
  for (let sy = 0; sy < AFBC_PIXELS / width; sy += AFBC_SUBBLOCK) {
    for (let sx = 0; sx < width; sx += AFBC_SUBBLOCK) {
      for (let y = 0; y < AFBC_SUBBLOCK; y++) {
        const row = ((sy + y) * width + sx) * bytes;
        pieces(AFBC_SUBBLOCK * bytes, (at, load, store) => {
          f.get(body)
            .get(from)
            .memory(load, row + at)
            .memory(store, to + at, DRAM);
        });
        to += AFBC_SUBBLOCK * bytes;
      }
    }
  }
}

type Move = (at: number, load: (typeof PIECES)[number][1], store: (typeof PIECES)[number][2]) => void;

/** Moves of so many bytes. */
function pieces(bytes: number, move: Move): void {
  let at = 0;
  for (const [size, load, store] of PIECES) {
    for (; bytes - at >= size; at += size) move(at, load, store);
  }
}

/** Leaves by `varied`, with the condition on the stack, where a pixel differs from the one before it. */
function oneColour(f: Code, bytes: number, varied: () => void): void {
  const size = AFBC_PIXELS * bytes;
  const at = f.local('i32');
  const end = f.local('i32');
  const differ = (offset: number) => {
    f.get(at)
      .memory('v128_load', bytes + offset)
      .get(at)
      .memory('v128_load', offset);
    f.op('v128_xor').op('v128_any_true');
    varied();
  };
  f.get(0)
    .tee(at)
    .i32(size - bytes - VECTOR)
    .op('i32_add')
    .set(end);
  const again = f.loop();
  differ(0);
  f.get(at).i32(VECTOR).op('i32_add').tee(at).get(end).op('i32_lt_u').brIf(again);
  f.end();
  // The last vector may overlap the one before it.
  f.get(end).set(at);
  differ(0);
}
