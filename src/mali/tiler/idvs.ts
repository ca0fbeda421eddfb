/**
 * RUN_IDVS with memory allocation: index-driven vertex shading and tiling of one draw.
 *
 * The draw is worked off in batches of up to 1024 vertices, which fill vertex packets of 64. For each batch: collect
 * primitives until it is full (index-stream.ts); shade positions into the geometry buffer (shading.ts); clip and cull
 * (shape.ts), and append what is left to the polygon list, for which the batch takes packets from the tiler heap; shade
 * varyings of the vertices that visible primitives have into them. Vertices that several primitives share are shaded once per
 * batch. With multiview each vertex has a position and varyings in every view, and the batch's primitives are clipped, culled and
 * appended view by view.
 * Emitted code (wasm/) collects, culls, clips and appends primitives, whole batches in a call; script sees to room for them, and
 * does the same where pages lie apart, and on the interpreter's engine. Nobody reads the list before the draw is done or has answered 'oom', and then all varyings are there.
 *
 * A step goes on where the last one stopped: `#phase`, and in it the place in the index stream, the warp, or the primitive and its
 * triangle. Nothing is allocated for a vertex, a primitive or a batch.
 *
 * When the heap has no room the work answers 'oom'. Afterwards the list may have been drawn and dropped by the stream's handler;
 * then draw record and packet are gone too, and the batch goes on with new ones from the primitive that was due.
 * Sources: Mesa 25.0.7 `src/panfrost/lib/genxml/decode_csf.c` (pandecode_run_idvs),
 * `src/panfrost/compiler/bifrost_compile.c`; the batch size and packet layout: shader/contract.ts.
 */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import { PRIMITIVE_KIND } from '../../abi/gpu/polygon-list.ts';
import { POINT_SIZE_FORMAT } from '../../abi/gpu/raster-descriptors.ts';
import { PACKET_POSITION_STRIDE, PACKET_VERTICES } from '../../abi/gpu/shader-descriptors.ts';
import type { RunRequest, Work, WorkState } from '../contract.ts';
import type { Engine } from '../engine/names.ts';
import { scratch } from '../engine/scratch.ts';
import { TilerHeap } from '../tiler-heap.ts';
import type { Arity } from './assemble.ts';
import { Batch } from './batch.ts';
import { CORNER } from './clip.ts';
import { SLICE, TilerDraw } from './draw.ts';
import { ExtentCache } from './extents.ts';
import { IndexStream } from './index-stream.ts';
import { PolygonListWriter } from './polygon-list.ts';
import { PrimitiveWords } from './primitive-words.ts';
import { type OpenVertexShader, VertexShading } from './shading.ts';
import { halfSize, halfWidth, PIXEL, Shaper, snap } from './shape.ts';
import { BINNED, TILER } from './state.ts';
import { type Bin, binner } from './wasm/bin.ts';

export type { OpenVertexShader } from './shading.ts';

/** Cost of one primitive in instructions. */
const STEP_COST = 2;
const PACKET_ALIGN = 64;
const HIGH = 2 ** 32;

/**
 * Where a draw stands: taking primitives from the index stream; shading their positions; binning them; shading varyings, of the
 * whole batch or because there is no room for more of it.
 */
const PHASE = { COLLECT: 0, POSITIONS: 1, BIN: 2, VARYINGS: 3, STARVED: 4, DONE: 5 } as const;

/** A draw, and the machinery of its batches. */
export class IdvsWork implements Work {
  /** Warps that have ended, and slices of indices. */
  progress = 0;
  readonly #draw: TilerDraw;
  readonly #heap: TilerHeap;
  readonly #list: PolygonListWriter;
  readonly #batch: Batch;
  readonly #stream: IndexStream;
  readonly #shading: VertexShading;
  /** What primitives need that are not emitted code's to append; few draws have any. */
  #ownShaper: Shaper | undefined;
  #ownWords: PrimitiveWords | undefined;
  readonly #geometry: ExtentCache;
  readonly #emitted: Bin | undefined;
  #phase: number = PHASE.COLLECT;
  #closed = false;
  /** Addresses of the draw's record and of the batch's first packet, 0: there is none yet. */
  #record = 0;
  #packet = 0;
  /** View that is due, primitive in it, its triangles (0: not clipped yet), and the one of them that is due. */
  #view = 0;
  #due = 0;
  #triangles = 0;
  #triangle = 0;
  /** The last step answered 'oom'. */
  #starved = false;

  constructor(request: RunRequest<CsOperands<'RUN_IDVS'>>, open: OpenVertexShader, engine: Engine) {
    const draw = new TilerDraw(request);
    const { memory, contextAddress } = draw;
    this.#draw = draw;
    this.#heap = new TilerHeap(memory, contextAddress, request.heapContext);
    this.#list = new PolygonListWriter(memory, this.#heap, contextAddress);
    if (draw.empty) this.#phase = PHASE.DONE;
    draw.check();
    this.#batch = Batch.take(draw.batchVertices);
    this.#stream = new IndexStream(draw, this.#batch, engine);
    this.#shading = new VertexShading(draw, this.#batch, open);
    this.#geometry = new ExtentCache(memory, 'read');
    if (engine === 'wasm') this.#emitted = this.#prepare();
  }

  get #shaper(): Shaper {
    if (!this.#ownShaper) {
      this.#ownShaper = new Shaper(this.#draw, this.#batch);
      this.#ownShaper.view = this.#view;
    }
    return this.#ownShaper;
  }

  get #words(): PrimitiveWords {
    this.#ownWords ??= new PrimitiveWords();
    return this.#ownWords;
  }

  /** The emitted function for the draw's primitives, told what does not change. */
  #prepare(): Bin {
    const { memory, flags, culls, arity, size, extended, layered, places, scissor, context, minimumZ, maximumZ } =
      this.#draw;
    const words = scratch.i32;
    const at = this.#batch.at / 4;
    scratch.f32[at + TILER.minimumZ / 4] = minimumZ;
    scratch.f32[at + TILER.maximumZ / 4] = maximumZ;
    words[at + TILER.minX / 4] = scissor.minimumX;
    words[at + TILER.minY / 4] = scissor.minimumY;
    words[at + TILER.maxX / 4] = Math.min(scissor.maximumX, context.fbWidth - 1);
    words[at + TILER.maxY / 4] = Math.min(scissor.maximumY, context.fbHeight - 1);
    words[at + TILER.layerCount / 4] = context.layerCount;
    words[at + TILER.packetStride / 4] = this.#draw.packetStride;
    words[at + TILER.triangles / 4] = 0;
    scratch.f64[(this.#batch.at + TILER.half) / 8] = arity === 1 ? halfSize(size) : halfWidth(size);
    const { lowDepthCull, highDepthCull } = flags;
    const sizes = extended && flags.pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE;
    const { frontFaceCcw, cullFrontFace, cullBackFace } = culls;
    return binner(memory.dram, {
      ...{ arity, places, extended, layers: layered, sizes, lowDepthCull, highDepthCull },
      ...{ frontFaceCcw, cullFrontFace, cullBackFace, rectangularLines: arity === 2 && this.#draw.rectangularLines },
    });
  }

  step(): WorkState {
    try {
      const state = this.#step();
      if (state === 'done') this.close();
      return state;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Gives back what the draw holds, also when it ends with a fault. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#shading.close();
    Batch.give(this.#batch);
    this.#phase = PHASE.DONE;
  }

  #step(): WorkState {
    const draw = this.#draw;
    if (draw.budget < 0) {
      this.progress++;
      draw.budget = SLICE;
    }
    for (;;) {
      switch (this.#phase) {
        case PHASE.COLLECT:
          if (!this.#stream.collect()) return 'more';
          if (this.#batch.primitives === 0) return 'done';
          this.#phase = PHASE.POSITIONS;
          break;
        case PHASE.POSITIONS:
          if (!this.#shade(this.#shading.positions())) return 'more';
          this.#packet = 0;
          this.#look(0);
          this.#phase = PHASE.BIN;
          break;
        case PHASE.BIN: {
          const state = this.#bin();
          if (state === 'more') return state;
          if (state === 'oom') this.#phase = PHASE.STARVED;
          else if (this.#view + 1 < draw.views.length) this.#look(this.#view + 1);
          else this.#phase = PHASE.VARYINGS;
          break;
        }
        case PHASE.VARYINGS:
          if (!this.#shadeVaryings()) return 'more';
          this.#batch.clear();
          this.#phase = PHASE.COLLECT;
          break;
        case PHASE.STARVED:
          if (!this.#shadeVaryings()) return 'more';
          this.#starved = true;
          this.#phase = PHASE.BIN;
          return 'oom';
        default:
          return 'done';
      }
    }
  }

  /** All primitives of the batch are due, in a view. */
  #look(view: number): void {
    this.#view = view;
    this.#due = 0;
    if (this.#ownShaper) this.#ownShaper.view = view;
    const { views, context } = this.#draw;
    const word = this.#batch.at / 4;
    scratch.i32[word + TILER.layerOffset / 4] = views[view]! + context.layerOffset;
    scratch.i32[word + TILER.view / 4] = this.#draw.varyingId(0, view);
  }

  /** Counts the warps that have been shaded. */
  #shade(done: boolean): boolean {
    this.progress += this.#shading.warps;
    this.#shading.warps = 0;
    return done;
  }

  /** Shades varyings of the vertices whose primitives have been appended. False: the slice is over; call again. */
  #shadeVaryings(): boolean {
    if (this.#packet === 0 || !this.#draw.flags.secondaryShader) return true;
    return this.#shade(this.#shading.varyings(this.#packet));
  }

  /** Clips, culls and appends the batch's primitives from `#due` on. Not 'done': call again, after 'oom' with more room. */
  #bin(): WorkState {
    const draw = this.#draw;
    const bytes = draw.positionBytes(this.#batch.vertices);
    const positions = this.#emitted ? this.#geometry.within(draw.context.geometryBuffer, bytes) : -1;
    if (this.#emitted && positions >= 0) return this.#binEmitted(this.#emitted, positions);
    const { primitives } = this.#batch;
    while (this.#due < primitives) {
      const state = this.#next();
      if (state !== 'done') return state;
    }
    return 'done';
  }

  /** The same by emitted code, which stops for want of room. */
  #binEmitted(bin: Bin, positions: number): WorkState {
    const words = scratch.i32;
    const { at } = this.#batch;
    const word = at / 4;
    words[word + TILER.positions / 4] = positions + this.#draw.positionId(0, this.#view) * PACKET_POSITION_STRIDE;
    // Between two steps the list may have been dropped, or another draw has gone on with it.
    words[word + TILER.room / 4] = 0;
    for (;;) {
      if (this.#triangles > 0) {
        const state = this.#next();
        if (state !== 'done') return state;
      }
      const room = words[word + TILER.room / 4]!;
      words[word + TILER.due / 4] = this.#due;
      const code = bin(at);
      const due = words[word + TILER.due / 4]!;
      this.#draw.budget -= (due - this.#due) * STEP_COST;
      this.#due = due;
      this.#list.commit(room - words[word + TILER.room / 4]!);
      if (code === BINNED.DONE) return 'done';
      const state = this.#makeRoom();
      if (state !== 'done') return state;
      if (!this.#list.open()) return 'oom';
      this.#address(word + TILER.draw / 4, this.#record);
      this.#address(word + TILER.packet / 4, this.#packet);
      words[word + TILER.out / 4] = this.#list.out;
      words[word + TILER.room / 4] = this.#list.room;
      if (this.#list.room > 0) continue;
      // The record does not lie in one extent: the primitive is script's, what is left of its triangles.
      const begun = words[word + TILER.triangles / 4] !== 0;
      words[word + TILER.triangles / 4] = 0;
      const own = this.#next(begun ? words[word + TILER.triangle / 4]! : 0);
      if (own !== 'done') return own;
    }
  }

  #address(word: number, address: number): void {
    scratch.u32[word] = address % HIGH;
    scratch.u32[word + 1] = Math.floor(address / HIGH);
  }

  /** Clips, culls and appends the primitive that is due, from one of its triangles on. Not 'done': call again. */
  #next(triangle = 0): WorkState {
    if (this.#triangles === 0) {
      this.#draw.budget -= STEP_COST;
      this.#triangles = this.#shaper.shape(this.#due);
      this.#triangle = triangle;
    }
    for (; this.#triangle < this.#triangles; this.#triangle++) {
      const state = this.#emit(this.#due, this.#triangle);
      if (state !== 'done') return state;
    }
    this.#triangles = 0;
    this.#due++;
    return 'done';
  }

  /** Appends triangle `t` of what the shaper made: of a fan of corners, or of the four corners of a line or point. */
  #emit(p: number, t: number): WorkState {
    const { arity, scissor, context, views } = this.#draw;
    const fan = arity === 3;
    const i = (fan || t === 0 ? 0 : 1) * CORNER;
    const j = (fan ? t + 1 : t === 0 ? 1 : 3) * CORNER;
    const k = (fan ? t + 2 : 2) * CORNER;
    const { corners, backFacing } = this.#shaper;
    const x0 = snap(corners[i]!);
    const y0 = snap(corners[i + 1]!);
    const x1 = snap(corners[j]!);
    const y1 = snap(corners[j + 1]!);
    const x2 = snap(corners[k]!);
    const y2 = snap(corners[k + 1]!);
    const minX = Math.max(Math.min(x0, x1, x2) >> PIXEL, scissor.minimumX, 0);
    const minY = Math.max(Math.min(y0, y1, y2) >> PIXEL, scissor.minimumY, 0);
    const maxX = Math.min(Math.max(x0, x1, x2) >> PIXEL, scissor.maximumX, context.fbWidth - 1);
    const maxY = Math.min(Math.max(y0, y1, y2) >> PIXEL, scissor.maximumY, context.fbHeight - 1);
    if (minX > maxX || minY > maxY) return 'done';
    const layer = this.#shaper.layer(p) + views[this.#view]! + context.layerOffset;
    if (layer < 0 || layer >= context.layerCount) return 'done';
    const room = this.#makeRoom();
    if (room !== 'done') return room;
    const batch = this.#batch;
    const { slots, ids } = batch;
    const a = slots[p * 4]!;
    const b = arity > 1 ? slots[p * 4 + 1]! : a;
    const c = arity > 2 ? slots[p * 4 + 2]! : a;
    const words = this.#words;
    const [ia, ib, ic] = [this.#varyingId(a), this.#varyingId(b), this.#varyingId(c)];
    words.addresses(this.#record, this.#packetOf(ia), this.#packetOf(ib), this.#packetOf(ic));
    words.primitive(
      ia % PACKET_VERTICES,
      ib % PACKET_VERTICES,
      ic % PACKET_VERTICES,
      slots[p * 4 + 3]!,
      KINDS[arity],
      backFacing,
      layer,
      ids[p]!,
    );
    words.corner(0, x0, y0, corners[i + 2]!, corners[i + 3]!, corners[i + 4]!, corners[i + 5]!);
    words.corner(1, x1, y1, corners[j + 2]!, corners[j + 3]!, corners[j + 4]!, corners[j + 5]!);
    words.corner(2, x2, y2, corners[k + 2]!, corners[k + 3]!, corners[k + 4]!, corners[k + 5]!);
    words.bounds(minX, minY, maxX, maxY);
    if (!this.#list.append(words.u32)) return 'oom';
    batch.mark(a);
    batch.mark(b);
    batch.mark(c);
    return 'done';
  }

  #varyingId(slot: number): number {
    return this.#draw.varyingId(slot, this.#view);
  }

  /** Address of the packet that holds a vertex's varyings. */
  #packetOf(id: number): number {
    return this.#packet + Math.floor(id / PACKET_VERTICES) * this.#draw.packetStride;
  }

  /** Sees to it that the draw has its record and the batch its packets. */
  #makeRoom(): WorkState {
    if (this.#starved) {
      // If the list is gone since then, so are the draw's record and the batch's packets with all varyings.
      this.#starved = false;
      if (this.#list.list === 0) {
        this.#record = 0;
        this.#packet = 0;
        this.#batch.clearMarks();
      }
    }
    if (this.#record === 0) {
      const record = this.#list.draw(this.#draw.record());
      if (record === undefined) return 'oom';
      this.#record = record;
    }
    if (this.#packet === 0) {
      const packet = this.#heap.alloc(this.#draw.packetBytes(this.#batch.vertices), PACKET_ALIGN);
      if (packet === undefined) return 'oom';
      this.#packet = packet;
    }
    return 'done';
  }
}

/** By the number of vertices. */
const KINDS: Record<Arity, number> = { 1: PRIMITIVE_KIND.POINT, 2: PRIMITIVE_KIND.LINE, 3: PRIMITIVE_KIND.TRIANGLE };
