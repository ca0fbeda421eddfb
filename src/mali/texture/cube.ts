/**
 * Cube maps: how faces lie in space, and which texel lies beyond the edge of one.
 * Source: OpenGL ES 3.2 table 8.23 and chapter 8.14 (seamless cube map filtering).
 */

/** Faces of a cube map, in the order +x, -x, +y, -y, +z, -z. */
export const CUBE_FACES = 6;
const AXES = 3;

/** Of a face: the point of the cube's surface at s, t from -1 to 1. */
export const FACES: readonly ((s: number, t: number) => [number, number, number])[] = [
  (s, t) => [1, -t, -s],
  (s, t) => [-1, -t, s],
  (s, t) => [s, 1, t],
  (s, t) => [s, -1, -t],
  (s, t) => [s, -t, 1],
  (s, t) => [-s, -t, -1],
];

/** The reverse: s and t of a point on a face. */
const COORDINATES: readonly ((p: readonly number[]) => [number, number])[] = [
  ([, y, z]) => [-z!, -y!],
  ([, y, z]) => [z!, -y!],
  ([x, , z]) => [x!, z!],
  ([x, , z]) => [x!, -z!],
  ([x, y]) => [x!, -y!],
  ([x, y]) => [-x!, -y!],
];

/** How far before the middle of the cube a point counts as at least, so that one beside a face or behind it is seen far away. */
export const LEAST_AHEAD = 2 ** -40;

/**
 * Where the line from the middle of the cube through a point meets the plane of a face: there differences to points of that face are
 * what they would be if the face went on beyond its edges, as OpenGL ES 3.2 chapter 8.14 has derivatives on the one face that is
 * selected. In singles, as emitted samplers do it (emit-cube.ts).
 *
 * A quad has one level of detail: the finest that its lanes' faces tell, so that none is sampled coarser than its own face asks for. A
 * lane beyond a corner, which runs for the sake of derivatives alone, is on another face, from which steps look longer.
 */
export function ontoFace(face: number, point: readonly [number, number, number]): [number, number, number] {
  const axis = point[face >> 1]!;
  const ahead = Math.max(face & 1 ? -axis : axis, LEAST_AHEAD);
  return [Math.fround(point[0] / ahead), Math.fround(point[1] / ahead), Math.fround(point[2] / ahead)];
}

/** A texel of a cube's level. */
export interface CubeTexel {
  face: number;
  x: number;
  y: number;
}

/**
 * The texel that lies one step beyond an edge of `at.face`, on the face next to it; a texel inside stays. False at a corner,
 * where there is none. `size`: texels along an edge.
 */
export function acrossEdge(at: CubeTexel, size: number): boolean {
  const outX = at.x < 0 || at.x >= size;
  const outY = at.y < 0 || at.y >= size;
  if (!outX && !outY) return true;
  if (outX && outY) return false;
  const point = FACES[at.face]!(coordinate(at.x, size), coordinate(at.y, size));
  const from = at.face >> 1;
  let to = 0;
  for (let axis = 0; axis < AXES; axis++) if (axis !== from && Math.abs(point[axis]!) > 1) to = axis;
  // The point goes round the edge: what it stands out by is what it lies behind the old face.
  point[from] = Math.sign(point[from]!) * (2 - Math.abs(point[to]!));
  point[to] = Math.sign(point[to]!);
  at.face = to * 2 + (point[to]! < 0 ? 1 : 0);
  const [s, t] = COORDINATES[at.face]!(point);
  at.x = texel(s, size);
  at.y = texel(t, size);
  return true;
}

const coordinate = (i: number, size: number): number => (2 * i + 1) / size - 1;
const texel = (s: number, size: number): number => Math.max(0, Math.min(size - 1, Math.floor(((s + 1) / 2) * size)));
