/**
 * Scratch: the memory inside the GPU that script and emitted WebAssembly share: register files, warps' frames, uniforms, tile
 * buffers. GPU programs cannot address it; DRAM is another memory.
 *
 * Pieces are handed out by exact size from free lists. A piece that belongs to an object can be given back when the object
 * is collected (`owned`), so that nobody needs to remember.
 */
const PAGES = 4096;
const WASM_PAGE = 65536;
const ALIGN = 64;

/**
 * What emitted code names by its address. It lies at the same place on every thread, so that threads that emit the same code make the
 * same bytes, which V8 compiles once for all of them.
 */
const FIXED = [
  ...[
    'constants',
    'operands',
    'powers',
    'sines',
    'cosines',
    'depth steps',
    'blended bytes',
    'sRGB singles',
    'sRGB bytes',
  ],
  ...[
    'raster lanes',
    'raster after',
    'raster up to',
    'raster plane',
    'AFBC header',
    'AFBC order',
    'sRGB texels',
    'ends',
    'logarithms',
    'called run',
  ],
] as const;
/** Bytes of each. */
export const FIXED_BYTES = 65536;

/** A piece that is used again and again: by one owner after the other, each of which gives it back. */
export class Piece {
  readonly at: number;
  readonly size: number;
  /** Whether somebody has it. */
  taken = true;

  constructor(at: number, size: number) {
    this.at = at;
    this.size = size;
  }
}

export class Scratch {
  readonly memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  readonly buffer = this.memory.buffer as SharedArrayBuffer;
  readonly pages = PAGES;
  readonly u8 = new Uint8Array(this.buffer);
  readonly u16 = new Uint16Array(this.buffer);
  readonly i32 = new Int32Array(this.buffer);
  readonly u32 = new Uint32Array(this.buffer);
  readonly f32 = new Float32Array(this.buffer);
  readonly f64 = new Float64Array(this.buffer);
  readonly #free = new Map<number, number[]>();
  /** Pieces that nobody has, by their size. */
  readonly #pieces = new Map<number, Piece[]>();
  readonly #owned = new FinalizationRegistry<readonly [number, number]>(([at, size]) => this.free(at, size));
  // Address 0 is nobody's.
  #top = ALIGN + FIXED.length * FIXED_BYTES;

  /** Up to FIXED_BYTES zeroed bytes at a place of their own. */
  fixed(name: (typeof FIXED)[number], size: number): number {
    if (size > FIXED_BYTES) throw new Error(`mali: ${size} bytes of ${name} are more than there is room for`);
    return ALIGN + FIXED.indexOf(name) * FIXED_BYTES;
  }

  /** `size` zeroed bytes, aligned to 64. */
  alloc(size: number): number {
    const bytes = Math.ceil(size / ALIGN) * ALIGN;
    const known = this.#free.get(bytes)?.pop();
    if (known !== undefined) {
      this.u8.fill(0, known, known + bytes);
      return known;
    }
    const at = this.#top;
    if (at + bytes > PAGES * WASM_PAGE) throw new Error(`mali: no ${bytes} bytes of scratch memory are left`);
    this.#top += bytes;
    return at;
  }

  free(at: number, size: number): void {
    const bytes = Math.ceil(size / ALIGN) * ALIGN;
    const list = this.#free.get(bytes);
    if (list) list.push(at);
    else this.#free.set(bytes, [at]);
  }

  /**
   * As `alloc`, for owners that come and go with every draw: to register each for collection is dear. Whoever takes one holds
   * it and calls `give`; one that is forgotten is given back when it is collected. `cleared`: whether it must be zero.
   */
  take(size: number, cleared = true): Piece {
    const piece = this.#pieces.get(size)?.pop();
    if (piece) {
      if (cleared) this.u8.fill(0, piece.at, piece.at + size);
      piece.taken = true;
      return piece;
    }
    const made = new Piece(this.alloc(size), size);
    this.#owned.register(made, [made.at, size]);
    return made;
  }

  /** Gives a piece back; a second time changes nothing. */
  give(piece: Piece): void {
    if (!piece.taken) return;
    piece.taken = false;
    const pieces = this.#pieces.get(piece.size);
    if (pieces) pieces.push(piece);
    else this.#pieces.set(piece.size, [piece]);
  }

  /** As `alloc`; the piece is given back when `owner` is collected. */
  owned(owner: object, size: number): number {
    const at = this.alloc(size);
    this.#owned.register(owner, [at, size], owner);
    return at;
  }

  /** Gives all pieces of `owner` back before it is collected: the pieces, as `owned` answered them. */
  disown(owner: object, ...pieces: readonly (readonly [at: number, size: number])[]): void {
    if (this.#owned.unregister(owner)) for (const [at, size] of pieces) this.free(at, size);
  }
}

export const scratch = new Scratch();
