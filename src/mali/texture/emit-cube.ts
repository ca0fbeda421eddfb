/**
 * Cube maps in emitted samplers: faces out of coordinates, directions of lanes for the level of detail, and the texels that lie
 * beyond the edges of a face (cube.ts says where).
 *
 * Most footprints lie inside a face; only where one of a quad's does not are its corners looked for one by one.
 */
import { CUBE_S_BITS } from '../../abi/gpu/texture-descriptors.ts';
import { acrossEdge, CUBE_FACES, type CubeTexel, LEAST_AHEAD } from './cube.ts';
import type { Footprint } from './emit-axis.ts';
import { AXIS, LEVEL, type SamplerCode } from './emit-code.ts';

const SIDES = 4;
/** What an edge leads to, as a byte: the face, whether places along the edge count the other way, and the side they are at. */
const FACE_BITS = 3;
const FLIPPED = 1 << FACE_BITS;
const SIDE_SHIFT = FACE_BITS + 1;

/** By face and side (left, right, top, bottom): what lies one step beyond. */
const EDGES: readonly number[] = Array.from({ length: CUBE_FACES * SIDES }, (_, n) => {
  const [size, along] = [8, 2];
  const side = n % SIDES;
  const across = side & 1 ? size : -1;
  const at: CubeTexel = { face: Math.floor(n / SIDES), x: side < 2 ? across : along, y: side < 2 ? along : across };
  acrossEdge(at, size);
  const sides = [at.x === 0, at.x === size - 1, at.y === 0, at.y === size - 1];
  const to = sides.indexOf(true);
  const flipped = (to < 2 ? at.y : at.x) !== along;
  return at.face | (flipped ? FLIPPED : 0) | (to << SIDE_SHIFT);
});

/** A texel of a footprint: locals. `missing`: lanes where three faces meet and there is none. */
export interface Corner {
  readonly x: number;
  readonly y: number;
  readonly face: number;
  readonly missing: number;
}

export class CubeEmitter {
  readonly #c: SamplerCode;

  constructor(c: SamplerCode) {
    this.#c = c;
  }

  /** Takes the first word of coordinates apart: s stays in its local, the answer is the face's. */
  face(x: number): number {
    const { f } = this.#c;
    const face = this.#c.vector(() => {
      f.get(x).i32(CUBE_S_BITS).op('i32x4_shr_u');
      this.#c.words(CUBE_FACES - 1).op('i32x4_min_u');
    });
    f.get(x);
    this.#c
      .words((1 << CUBE_S_BITS) - 1)
      .op('v128_and')
      .set(x);
    // The upper bits of a float from 2^-63 on are 001; s is such a float, or zero.
    f.get(x);
    this.#c.words(1 << CUBE_S_BITS).op('v128_or');
    f.get(x);
    this.#c.words(0).op('i32x4_ne').op('v128_and').set(x);
    return face;
  }

  /** Points of the cube's surface as they are seen on the plane of the first lane's face (cube.ts: ontoFace). */
  ontoFirst(points: readonly number[], face: number): number[] {
    const { f } = this.#c;
    const first = this.#c.vector(() => f.get(face).get(face).shuffle32(0, 0, 0, 0));
    const axis = this.#c.vector(() => f.get(first).i32(1).op('i32x4_shr_u'));
    const ahead = this.#c.vector(() => {
      f.get(points[0]!);
      for (const n of [1, 2]) {
        const before = f.local('v128');
        f.set(before).get(points[n]!).get(before).get(axis);
        this.#c.words(n).op('i32x4_eq').op('v128_bitselect');
      }
      // Faces with odd numbers look the other way.
      f.get(first).i32(31).op('i32x4_shl').op('v128_xor');
      this.#c.single(LEAST_AHEAD).op('f32x4_max');
    });
    return points.map((point) => this.#c.vector(() => f.get(point).get(ahead).op('f32x4_div')));
  }

  /** The points of the cube's surface at s and t of a face: locals of x, y and z. */
  points(s: number, t: number, face: number): number[] {
    const { f } = this.#c;
    const from = (local: number): [number, number] => {
      const centred = this.#c.vector(() => {
        f.get(local);
        this.#c.single(2).op('f32x4_mul');
        this.#c.single(1).op('f32x4_sub');
      });
      return [centred, this.#c.vector(() => f.get(centred).op('f32x4_neg'))];
    };
    const [[sc, minusS], [tc, minusT]] = [from(s), from(t)];
    const one = this.#c.vector(() => this.#c.single(1));
    const minusOne = this.#c.vector(() => this.#c.single(-1));
    const is = Array.from({ length: CUBE_FACES }, (_, n) =>
      this.#c.vector(() => {
        f.get(face);
        this.#c.words(n).op('i32x4_eq');
      }),
    );
    // By face (cube.ts: FACES).
    const components = [
      [one, minusOne, sc, sc, sc, minusS],
      [minusT, minusT, one, minusOne, minusT, minusT],
      [minusS, sc, tc, minusT, one, minusOne],
    ];
    return components.map((values) => {
      const most = values.find((value) => values.filter((v) => v === value).length > 1) ?? values[0]!;
      return this.#c.vector(() => {
        f.get(most);
        for (const [n, value] of values.entries()) {
          if (value === most) continue;
          const below = f.local('v128');
          f.set(below).get(value).get(below).get(is[n]!).op('v128_bitselect');
        }
      });
    });
  }

  /** The footprint's texels: low and high along x, then the same of the higher row. */
  corners(x: Footprint, y: Footprint, face: number): { corners: Corner[]; beyond: number } {
    const { f } = this.#c;
    const beyond = f.local('i32');
    const corners = y.texels.flatMap(({ index: row }) =>
      x.texels.map(({ index: column }) => {
        const local = (from: number): number => this.#c.vector(() => f.get(from));
        return {
          x: local(column),
          y: local(row),
          face: local(face),
          missing: this.#c.vector(() => this.#c.words(0)),
        };
      }),
    );
    const outside = (axis: number, { texels }: Footprint): number[] =>
      texels.map(({ index }) =>
        this.#c.vector(() => {
          f.get(index);
          this.#field(axis, AXIS.count);
          f.op('i32x4_ge_u');
        }),
      );
    const [outX, outY] = [outside(0, x), outside(1, y)];
    for (const [n, out] of [...outX, ...outY].entries()) {
      f.get(out);
      if (n > 0) f.op('v128_or');
    }
    f.op('v128_any_true').tee(beyond).if();
    for (const [n, corner] of corners.entries()) this.#cross(corner, outX[n & 1]!, outY[n >> 1]!);
    f.end();
    return { corners, beyond };
  }

  #field(axis: number, offset: number): void {
    this.#c.field(LEVEL.axes + axis * AXIS.bytes + offset);
  }

  /** Moves a corner that lies outside onto the face that is there. */
  #cross({ x, y, face, missing }: Corner, outX: number, outY: number): void {
    const { f } = this.#c;
    f.get(outX).get(outY).op('v128_and').set(missing);
    const choose = (a: () => void, b: () => void, mask: number): number =>
      this.#c.vector(() => {
        a();
        b();
        f.get(mask).op('v128_bitselect');
      });
    // Below zero is the first side of an axis, behind the last one the second.
    const side = choose(
      () => this.#above(x),
      () => {
        this.#above(y);
        this.#c.words(2).op('i32x4_add');
      },
      outX,
    );
    const entry = this.#c.vector(() => {
      const index = this.#c.vector(() => f.get(face).i32(Math.log2(SIDES)).op('i32x4_shl').get(side).op('i32x4_add'));
      this.#table(0).get(index).op('i8x16_swizzle');
      this.#table(16).get(index);
      this.#c.words(16).op('i32x4_sub').op('i8x16_swizzle').op('v128_or');
      // Other bytes have looked up something too.
      this.#c.words(0xff).op('v128_and');
    });
    const last = (): void => this.#field(0, AXIS.last);
    const along = choose(
      () => f.get(y),
      () => f.get(x),
      outX,
    );
    const flipped = this.#flag(entry, FLIPPED);
    const place = this.#c.vector(() => {
      last();
      f.get(along).op('i32x4_sub').get(along).get(flipped).op('v128_bitselect');
      // Of what is missing there is some texel.
      this.#c.words(0).op('i32x4_max_s');
      last();
      f.op('i32x4_min_s');
    });
    const edge = this.#c.vector(() => {
      last();
      f.get(this.#flag(entry, 1 << SIDE_SHIFT)).op('v128_and');
    });
    const vertical = this.#flag(entry, 2 << SIDE_SHIFT);
    const out = this.#c.vector(() => f.get(outX).get(outY).op('v128_or'));
    for (const [local, [a, b]] of [
      [x, [place, edge]],
      [y, [edge, place]],
    ] as const) {
      f.get(a).get(b).get(vertical).op('v128_bitselect').get(local).get(out).op('v128_bitselect').set(local);
    }
    f.get(entry);
    this.#c.words((1 << FACE_BITS) - 1).op('v128_and');
    f.get(face).get(out).op('v128_bitselect').set(face);
  }

  /** Pushes 1 where an index that lies outside is not below zero, else 0. */
  #above(index: number): void {
    this.#c.f.get(index).i32(31).op('i32x4_shr_u');
    this.#c.words(1).op('v128_xor');
  }

  /** All ones where a bit of the entry is set. */
  #flag(entry: number, bit: number): number {
    const { f } = this.#c;
    return this.#c.vector(() => {
      f.get(entry);
      this.#c.words(bit).op('v128_and');
      this.#c.words(0).op('i32x4_ne');
    });
  }

  #table(from: number): SamplerCode['f'] {
    const bytes = Array.from({ length: 16 }, (_, n) => EDGES[from + n] ?? 0);
    const word = (n: number): number => bytes.slice(4 * n, 4 * n + 4).reduce((sum, b, i) => sum | (b << (8 * i)), 0);
    return this.#c.words(word(0), word(1), word(2), word(3));
  }

  /** Where corners are missing, a channel of them becomes the average of the other three. */
  fill(values: readonly number[], corners: readonly Corner[]): void {
    const { f } = this.#c;
    const averages = values.map((_, n) =>
      this.#c.vector(() => {
        const [a, b, c] = values.filter((_value, i) => i !== n) as [number, number, number];
        f.get(a).get(b).op('f32x4_add').get(c).op('f32x4_add');
        this.#c.single(3).op('f32x4_div');
      }),
    );
    for (const [n, value] of values.entries()) {
      f.get(averages[n]!).get(value).get(corners[n]!.missing).op('v128_bitselect').set(value);
    }
  }
}
