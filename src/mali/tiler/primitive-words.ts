/**
 * PrimitiveWords: a PrimitiveRecord being made, word by word.
 *
 * The tiler writes one for each triangle that it bins, so it does not go field by field through the layout's writers; where
 * the words and bits are comes from the layout all the same (abi/gpu/polygon-list.ts), and a test compares the two.
 */
import { Corner, PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';

const WORD = 4;
const { offset, fields } = PrimitiveRecord;
const DRAW = offset.draw / WORD;
const PACKETS = [offset.packet0 / WORD, offset.packet1 / WORD, offset.packet2 / WORD] as const;
const VERTICES = offset.slot0 / WORD;
/** Bits of a record's word, for those that share one. */
export const PRIMITIVE_BITS = {
  slot1: fields.slot1.bit % 32,
  slot2: fields.slot2.bit % 32,
  provoking: fields.provoking.bit % 32,
  kind: fields.kind.bit % 32,
  backFacing: fields.backFacing.bit % 32,
  layer: fields.layer.bit % 32,
} as const;
const ID = offset.id / WORD;
const CORNERS = offset.corner0 / WORD;
const CORNER_WORDS = Corner.size / WORD;
const X = Corner.offset.x / WORD;
const Y = Corner.offset.y / WORD;
const Z = Corner.offset.z / WORD;
const INVERSE_W = Corner.offset.inverseW / WORD;
const WEIGHT1 = Corner.offset.weight1 / WORD;
const WEIGHT2 = Corner.offset.weight2 / WORD;
const MINIMUM = offset.minX / WORD;
const MINIMUM_Y = fields.minY.bit % 32;
const MAXIMUM = offset.maxX / WORD;
const MAXIMUM_Y = fields.maxY.bit % 32;

export class PrimitiveWords {
  readonly u32 = new Uint32Array(PrimitiveRecord.size / WORD);
  readonly #i32 = new Int32Array(this.u32.buffer);
  readonly #f32 = new Float32Array(this.u32.buffer);

  /** The draw's record, and the vertices' packets. */
  addresses(draw: number, packet0: number, packet1: number, packet2: number): void {
    this.#address(DRAW, draw);
    this.#address(PACKETS[0], packet0);
    this.#address(PACKETS[1], packet1);
    this.#address(PACKETS[2], packet2);
  }

  /** Slots of the vertices in their packets, and what else is known of the primitive. `layer` < 256. */
  primitive(
    slot0: number,
    slot1: number,
    slot2: number,
    provoking: number,
    kind: number,
    backFacing: boolean,
    layer: number,
    id: number,
  ): void {
    this.u32[VERTICES] =
      slot0 |
      (slot1 << PRIMITIVE_BITS.slot1) |
      (slot2 << PRIMITIVE_BITS.slot2) |
      (provoking << PRIMITIVE_BITS.provoking) |
      (kind << PRIMITIVE_BITS.kind) |
      ((backFacing ? 1 : 0) << PRIMITIVE_BITS.backFacing) |
      (layer << PRIMITIVE_BITS.layer);
    this.u32[ID] = id;
  }

  /** Corner 0, 1 or 2. x, y in 1/256 pixel. */
  corner(n: number, x: number, y: number, z: number, inverseW: number, weight1: number, weight2: number): void {
    const at = CORNERS + n * CORNER_WORDS;
    this.#i32[at + X] = x;
    this.#i32[at + Y] = y;
    this.#f32[at + Z] = z;
    this.#f32[at + INVERSE_W] = inverseW;
    this.#f32[at + WEIGHT1] = weight1;
    this.#f32[at + WEIGHT2] = weight2;
  }

  /** Pixels that it may touch, inclusive. */
  bounds(minX: number, minY: number, maxX: number, maxY: number): void {
    this.u32[MINIMUM] = minX | (minY << MINIMUM_Y);
    this.u32[MAXIMUM] = maxX | (maxY << MAXIMUM_Y);
  }

  #address(at: number, value: number): void {
    this.u32[at] = value;
    this.u32[at + 1] = Math.floor(value / 2 ** 32);
  }
}
