/**
 * ASTC decoder for one block size: reads a block's parts, mixes its endpoint colours by its weights.
 *
 * A block that breaks a rule shows the error colour: magenta, or not-a-number where HDR is decoded. HDR endpoints in an LDR
 * decoder are magenta too.
 * Source: Khronos Data Format Specification 1.3 chapter 23; OpenGL ES 3.2 KHR_texture_compression_astc_ldr,
 * EXT_texture_compression_astc_decode_mode.
 */
import {
  ASTC,
  ASTC_BLOCK_BITS,
  ASTC_COLOURS_AT,
  ASTC_ENDPOINT_CLASS_SHIFT,
  ASTC_ENDPOINT_SELECTOR_BITS,
  ASTC_HDR_ALPHA,
  ASTC_HDR_COLOUR,
  ASTC_MAX_COLOURS,
  ASTC_MAX_PARTITIONS,
  ASTC_MAX_WEIGHT_BITS,
  ASTC_MAX_WEIGHTS,
  ASTC_MIN_WEIGHT_BITS,
  ASTC_PLANE_SELECTOR_BITS,
  ASTC_RANGES,
  ASTC_SMALLEST_COLOUR_RANGE,
  ASTC_VOID,
  ASTC_VOID_MARKER,
  ASTC_VOID_NONE,
  ASTC_VOID_RESERVED,
  type AstcBlockMode,
  astcBlockMode2d,
  astcBlockMode3d,
  astcReverse,
} from '../../../../abi/blocks/astc.ts';
import { type Block, bitsAt } from '../../../../abi/blocks/bits.ts';
import { decodeEndpoints, type Endpoints } from './endpoints.ts';
import { COLOUR_VALUES, readSequence, sequenceBits, WEIGHT_VALUES } from './integers.ts';
import { ASTC_OUTPUT, type AstcOutput, type OutputKind } from './output.ts';
import { partitionPattern } from './partition.ts';
import { type Infill, infill, texelWeight } from './weights.ts';

const CHANNELS = 4;

/** A block mode that fits a block size, with what follows from it. */
interface Grid {
  readonly mode: AstcBlockMode;
  readonly planes: number;
  readonly count: number;
  readonly bits: number;
  readonly infill: Infill;
}

const weights = new Uint8Array(ASTC_MAX_WEIGHTS);
const colours = new Uint8Array(ASTC_MAX_COLOURS);
const reversed: Block = new Uint32Array(4);
const endpointModes = new Uint8Array(ASTC_MAX_PARTITIONS);
const endpoints: readonly Endpoints[] = Array.from({ length: ASTC_MAX_PARTITIONS }, () => new Int32Array(2 * CHANNELS));
/** Whether each partition's colour, and its alpha, are HDR. */
const hdrColour = new Uint8Array(ASTC_MAX_PARTITIONS);
const hdrAlpha = new Uint8Array(ASTC_MAX_PARTITIONS);
const texel = new Int32Array(CHANNELS);

export class AstcDecoder {
  readonly #width: number;
  readonly #height: number;
  readonly #depth: number;
  readonly #texels: number;
  readonly #output: AstcOutput;
  /** What has been worked out for block modes and partition seeds that textures use. Null: not allowed. */
  readonly #grids = new Map<number, Grid | null>();
  readonly #patterns = new Map<number, Uint8Array>();
  readonly #whole: Uint8Array;

  /** A decoder for blocks of these many texels; `kind`: what texels it writes. */
  constructor(width: number, height: number, depth: number, kind: OutputKind) {
    this.#width = width;
    this.#height = height;
    this.#depth = depth;
    this.#texels = width * height * depth;
    this.#output = ASTC_OUTPUT[kind];
    this.#whole = new Uint8Array(this.#texels);
  }

  /** Writes all texels of a block, rows of x within layers of z. */
  decode(block: Block, out: Uint32Array): void {
    if (!this.#decode(block, out)) for (let i = 0; i < this.#texels; i++) this.#output.error(out, i);
  }

  /** False if the block breaks a rule. */
  #decode(block: Block, out: Uint32Array): boolean {
    if (ASTC_VOID.marker(block) === ASTC_VOID_MARKER) return this.#decodeVoid(block, out);
    const grid = this.#grid(ASTC.mode(block));
    const partitions = ASTC.partitions(block) + 1;
    if (!grid || (partitions === ASTC_MAX_PARTITIONS && grid.planes > 1)) return false;

    // What lies below the weights: the rest of the endpoint modes, then the channel of the second plane.
    let top = ASTC_BLOCK_BITS - grid.bits;
    if (partitions === 1) endpointModes[0] = ASTC.singleEndpointMode(block);
    else top -= readEndpointModes(block, partitions, top);
    if (grid.planes > 1) top -= ASTC_PLANE_SELECTOR_BITS;
    const second = grid.planes > 1 ? bitsAt(block, top, ASTC_PLANE_SELECTOR_BITS) : -1;

    const colourCount = this.#readColours(block, partitions, top);
    if (colourCount === 0) return false;
    for (let p = 0, at = 0; p < partitions; p++) {
      const mode = endpointModes[p]!;
      decodeEndpoints(mode, colours, at, endpoints[p]!);
      at += valuesOf(mode);
      hdrColour[p] = ASTC_HDR_COLOUR.has(mode) ? 1 : 0;
      hdrAlpha[p] = ASTC_HDR_ALPHA.has(mode) ? 1 : 0;
      this.#output.widen(endpoints[p]!, hdrColour[p] === 1, hdrAlpha[p] === 1);
    }

    const { range } = grid.mode;
    readSequence(astcReverse(block, reversed), 0, ASTC_RANGES[range]!, grid.count, weights);
    const unquantized = WEIGHT_VALUES[range]!;
    for (let i = 0; i < grid.count; i++) weights[i] = unquantized[weights[i]!]!;

    const pattern = partitions === 1 ? this.#whole : this.#pattern(ASTC.partitionSeed(block), partitions);
    this.#mix(grid, second, pattern, out);
    return true;
  }

  #mix(grid: Grid, second: number, pattern: Uint8Array, out: Uint32Array): void {
    for (let i = 0; i < this.#texels; i++) {
      const p = pattern[i]!;
      const pair = endpoints[p]!;
      const weight = texelWeight(grid.infill, i, weights, grid.planes, 0);
      const other = second >= 0 ? texelWeight(grid.infill, i, weights, grid.planes, 1) : weight;
      for (let c = 0; c < CHANNELS; c++) {
        const w = c === second ? other : weight;
        texel[c] = (pair[c]! * (64 - w) + pair[CHANNELS + c]! * w + 32) >> 6;
      }
      this.#output.store(texel, hdrColour[p] === 1, hdrAlpha[p] === 1, out, i);
    }
  }

  /** Reads all partitions' values, as finely as the room up to bit `top` allows. The number of them, 0 if they do not fit. */
  #readColours(block: Block, partitions: number, top: number): number {
    let count = 0;
    for (let p = 0; p < partitions; p++) count += valuesOf(endpointModes[p]!);
    const start = partitions === 1 ? ASTC_COLOURS_AT.one : ASTC_COLOURS_AT.several;
    if (count > ASTC_MAX_COLOURS) return 0;
    let range = ASTC_RANGES.length - 1;
    while (range >= ASTC_SMALLEST_COLOUR_RANGE && sequenceBits(ASTC_RANGES[range]!, count) > top - start) range--;
    if (range < ASTC_SMALLEST_COLOUR_RANGE) return 0;
    readSequence(block, start, ASTC_RANGES[range]!, count, colours);
    const unquantized = COLOUR_VALUES[range]!;
    for (let i = 0; i < count; i++) colours[i] = unquantized[colours[i]!]!;
    return count;
  }

  #decodeVoid(block: Block, out: Uint32Array): boolean {
    const flat = this.#depth === 1;
    const hdr = ASTC_VOID.hdr(block) === 1;
    if (flat && ASTC_VOID.reserved(block) !== ASTC_VOID_RESERVED) return false;
    if (hdr && !this.#output.hdr) return false;
    const extent = (flat ? ASTC_VOID.extent2d : ASTC_VOID.extent3d).map(
      ([low, high]) => [low(block), high(block)] as const,
    );
    const none = flat ? ASTC_VOID_NONE.flat : ASTC_VOID_NONE.deep;
    const absent = extent.every(([low, high]) => low === none && high === none);
    if (!absent && extent.some(([low, high]) => low >= high)) return false;
    for (let c = 0; c < CHANNELS; c++) texel[c] = ASTC_VOID.colour[c]!(block);
    for (let i = 0; i < this.#texels; i++) this.#output.storeVoid(texel, hdr, out, i);
    return true;
  }

  #grid(number: number): Grid | null {
    let grid = this.#grids.get(number);
    if (grid === undefined) {
      grid = this.#makeGrid(number);
      this.#grids.set(number, grid);
    }
    return grid;
  }

  #makeGrid(number: number): Grid | null {
    const flat = this.#depth === 1;
    const mode = flat ? astcBlockMode2d(number) : astcBlockMode3d(number);
    if (!mode || mode.width > this.#width || mode.height > this.#height || mode.depth > this.#depth) return null;
    const planes = mode.dual ? 2 : 1;
    const count = mode.width * mode.height * mode.depth * planes;
    const bits = sequenceBits(ASTC_RANGES[mode.range]!, count);
    if (count > ASTC_MAX_WEIGHTS || bits < ASTC_MIN_WEIGHT_BITS || bits > ASTC_MAX_WEIGHT_BITS) return null;
    return { mode, planes, count, bits, infill: infill(this.#width, this.#height, this.#depth, mode) };
  }

  #pattern(seed: number, partitions: number): Uint8Array {
    const key = seed * ASTC_MAX_PARTITIONS + partitions - 1;
    let pattern = this.#patterns.get(key);
    if (!pattern) {
      pattern = partitionPattern(seed, partitions, this.#width, this.#height, this.#depth);
      this.#patterns.set(key, pattern);
    }
    return pattern;
  }
}

const classOf = (mode: number): number => mode >>> ASTC_ENDPOINT_CLASS_SHIFT;
/** Number of values that an endpoint mode takes. */
const valuesOf = (mode: number): number => 2 * (classOf(mode) + 1);

/** Reads the endpoint modes of several partitions. Answers how many of their bits lie below bit `top`. */
function readEndpointModes(block: Block, partitions: number, top: number): number {
  const low = ASTC.endpointModes(block);
  const selector = low & ((1 << ASTC_ENDPOINT_SELECTOR_BITS) - 1);
  const rest = low >>> ASTC_ENDPOINT_SELECTOR_BITS;
  if (selector === 0) {
    endpointModes.fill(rest, 0, partitions);
    return 0;
  }
  // A bit of the class for each partition, then two bits of the mode for each: four of these bits lie here, others above.
  const here = 4;
  const above = 3 * partitions - here;
  const all = rest | (bitsAt(block, top - above, above) << here);
  for (let p = 0; p < partitions; p++) {
    const of = selector - 1 + ((all >>> p) & 1);
    endpointModes[p] = (of << ASTC_ENDPOINT_CLASS_SHIFT) | ((all >>> (partitions + 2 * p)) & 3);
  }
  return above;
}
