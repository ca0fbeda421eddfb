/**
 * Assembly: which vertices make the next primitive. Draw modes, primitive restart, the provoking vertex.
 *
 * Vertices of a draw are numbered by their place in the index stream. A primitive is two or three of these numbers, in an
 * order that keeps the winding of the first triangle of a strip. Fans and strips turn so that with the first-vertex
 * convention the provoking vertex is the one that the APIs name.
 * Source: OpenGL ES 3.2 and Vulkan 1.3, primitive topologies; Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml` (Draw Mode).
 */
import { DRAW_MODE, nameOf } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { GpuFault } from '../contract.ts';

/** Vertices in a primitive: 1 points, 2 lines, 3 triangles. */
export type Arity = 1 | 2 | 3;

/** Vertices of a primitive of a mode. Throws DATA_INVALID_FAULT for modes that are not implemented. */
export function arityOf(mode: number): Arity {
  switch (mode) {
    case DRAW_MODE.POINTS:
      return 1;
    case DRAW_MODE.LINES:
    case DRAW_MODE.LINE_STRIP:
    case DRAW_MODE.LINE_LOOP:
      return 2;
    case DRAW_MODE.TRIANGLES:
    case DRAW_MODE.TRIANGLE_STRIP:
    case DRAW_MODE.TRIANGLE_FAN:
      return 3;
  }
  throw new GpuFault(
    EXCEPTION.DATA_INVALID_FAULT,
    0,
    `Primitive Flags: draw mode ${nameOf(DRAW_MODE, mode)} (${mode}) is not implemented`,
  );
}

/**
 * Walks an index stream. Feed it with `push` place by place; when that answers true a primitive stands in a, b, c.
 * Between two restarts, and at the end, call `finish` once: true gives the closing line of a loop.
 */
export class Assembler {
  a = 0;
  b = 0;
  c = 0;
  /** Which of a, b, c (0, 1, 2) flat varyings come from. */
  provoking = 0;
  readonly #mode: number;
  readonly #first: boolean;
  #seen = 0;
  #start = 0;
  #previous = 0;
  #before = 0;

  /** `first`: the first-vertex convention. */
  constructor(mode: number, first: boolean) {
    this.#mode = mode;
    this.#first = first;
  }

  /** The stream's next vertex. */
  push(vertex: number): boolean {
    const n = this.#seen++;
    const older = this.#before;
    const old = this.#previous;
    this.#before = old;
    this.#previous = vertex;
    if (n === 0) this.#start = vertex;
    switch (this.#mode) {
      case DRAW_MODE.POINTS:
        this.a = vertex;
        this.provoking = 0;
        return true;
      case DRAW_MODE.LINES:
        return n % 2 === 1 && this.#line(old, vertex);
      case DRAW_MODE.LINE_STRIP:
      case DRAW_MODE.LINE_LOOP:
        return n > 0 && this.#line(old, vertex);
      case DRAW_MODE.TRIANGLES:
        return n % 3 === 2 && this.#triangle(older, old, vertex, this.#first ? 0 : 2);
      case DRAW_MODE.TRIANGLE_STRIP:
        if (n < 2) return false;
        if (n % 2 === 0) return this.#triangle(older, old, vertex, this.#first ? 0 : 2);
        return this.#triangle(old, older, vertex, this.#first ? 1 : 2);
      default:
        return n >= 2 && this.#triangle(this.#start, old, vertex, this.#first ? 1 : 2);
    }
  }

  /** The stream ends or restarts. True: a line that closes a loop is in a, b. */
  finish(): boolean {
    const closes = this.#mode === DRAW_MODE.LINE_LOOP && this.#seen > 1;
    if (closes) this.#line(this.#previous, this.#start);
    this.#seen = 0;
    return closes;
  }

  #line(a: number, b: number): boolean {
    this.a = a;
    this.b = b;
    this.provoking = this.#first ? 0 : 1;
    return true;
  }

  #triangle(a: number, b: number, c: number, provoking: number): boolean {
    this.a = a;
    this.b = b;
    this.c = c;
    this.provoking = provoking;
    return true;
  }
}
