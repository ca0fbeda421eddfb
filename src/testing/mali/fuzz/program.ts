/**
 * Random shaders for the fuzzer (fuzz.ts), from a seed: the same seed gives the same shader and the same inputs for good.
 *
 * Programs branch forward as they like, and backward only behind a counter that all loops share and nothing else writes, so
 * they end. Before the end all lanes that are left wait at a barrier.
 */

import { foldTable, VERTEX_PACKET_TABLE } from '../../../abi/gpu/shader-descriptors.ts';
import {
  FAU_PAGE,
  FLOW,
  SOURCE_KIND,
  SOURCE_KIND_SHIFT,
  SPECIAL_FIRST,
  SPECIALS,
  setField,
} from '../../../abi/isa/encoding.ts';
import { INSTRUCTIONS, type InstructionSpec } from '../../../abi/isa/instructions.ts';
import { assembleLine } from '../../../mali/shader/assemble.ts';
import { decode } from '../../../mali/shader/decode.ts';
import { Random } from '../random.ts';
import { imageStatement, tileStatement } from './image.ts';
import {
  ADDRESSES,
  DISTANCE,
  type FuzzStage,
  HANDLES,
  INDICES,
  type Input,
  input,
  isFragment,
  RANGES,
  ROUNDS,
  STAGED_WORDS,
  UNIFORM_ADDRESS,
  UNIFORM_HANDLES,
} from './input.ts';
import { instruction, modelled, valid } from './instruction.ts';
import { listEpilogue, listPrologue } from './list.ts';
import { ATTRIBUTE_COUNT, ATTRIBUTE_TABLE, BUFFER_COUNT } from './memory.ts';
import { poolOf } from './pool.ts';
import { textureInstructions } from './tex.ts';
import { threadsEffect, threadsEpilogue, threadsPrologue } from './threads.ts';
import type { Kind } from './values.ts';

export interface Shader {
  readonly code: Uint32Array;
  readonly flushToZero: number;
  readonly inputs: readonly Input[];
}

const ARITHMETIC = modelled(INSTRUCTIONS.filter(({ dest }) => dest));
const MEMORY = modelled(
  INSTRUCTIONS.filter(({ base }) => /^(LOAD|STORE|ATOM|LD_BUFFER|LEA_BUFFER|LEA_BUF$)/.test(base)),
);
const LOADS = MEMORY.filter(({ base }) => !/^(STORE|ATOM)/.test(base));
const VARYINGS = modelled(INSTRUCTIONS.filter(({ base }) => /^(LD_VAR_BUF|LD_VAR_BUF_IMM|ATEST|ZS_EMIT)$/.test(base)));
const ATTRIBUTES = modelled(INSTRUCTIONS.filter(({ base }) => /^LD_ATTR/.test(base)));
const BLENDS = INSTRUCTIONS.filter(({ name }) => name === 'BLEND');
const named = (name: string): InstructionSpec => INSTRUCTIONS.find((spec) => spec.name === name)!;
const BRANCH = named('BRANCHZ');
const INDIRECT = named('BRANCHZI');
const ELEMENT = named('LEA_BUF_IMM');
const DISCARD = named('DISCARD.f32');

/** The instruction that ends a program, and the barrier before it, at which the fuzzer looks at the lanes that are left. */
const EPILOGUE = ['BARRIER.slot7.wait', 'NOP.end'];

class Writer {
  readonly code: Uint32Array[] = [];
  readonly #random: Random;
  readonly #fragment: boolean;
  /** Instructions that write memory may stand in the program. */
  readonly #stores: boolean;
  /** Which quads share a warp is not said: what a warp takes from one of its lanes has to be the same in all. */
  readonly #list: boolean;
  /** A list of threads: they leave something in places of their own alone (threads.ts). */
  readonly #threads: boolean;
  /** Branches whose target is still to come. */
  readonly #open: number[] = [];

  constructor(random: Random, stage: FuzzStage) {
    this.#random = random;
    this.#fragment = isFragment(stage);
    this.#list = stage === 'list';
    this.#threads = stage === 'vertex' || stage === 'compute';
    // A list whose lanes leave nothing in memory is run quad by quad.
    this.#stores = !this.#threads && (!this.#list || random.chance(30));
  }

  lines(lines: readonly string[]): void {
    for (const line of lines) this.#line(line);
  }

  statements(count: number, depth: number): void {
    for (let n = 0; n < count; n++) {
      while (this.#open.length > 0 && this.#random.chance(25)) this.#close(this.#open.pop()!);
      this.#statement(depth);
    }
  }

  finish(epilogue: readonly string[]): Uint32Array {
    for (const at of this.#open) this.#close(at);
    this.lines(epilogue);
    const words = new Uint32Array(this.code.length * 2);
    for (const [n, pair] of this.code.entries()) words.set(pair, n * 2);
    return words;
  }

  #statement(depth: number): void {
    const random = this.#random;
    const choice = random.below(1000);
    if (this.#threads && random.chance(40)) this.lines(threadsEffect(random));
    else if (this.#fragment && random.chance(20)) this.#varying();
    else if (random.chance(this.#fragment ? 20 : 4)) this.#texture();
    else if (random.chance(3)) this.code.push(...imageStatement(random, this.#stores));
    else if (choice < 830) this.#one(random.pick(ARITHMETIC));
    else if (choice < 885) this.#memory();
    else if (choice < 910) this.#attribute();
    else if (choice < 925) this.#one(DISCARD);
    else if (choice < 930) this.code.push(assembleLine(EPILOGUE[0]!));
    else if (choice < 940) this.#indirect();
    else if (choice < 945) this.#line(`MOV.i32 r${random.pick(ADDRESSES) + random.below(2)}, u${random.below(64)}`);
    else if (choice < 970) this.#branch();
    else if (depth > 2) this.#one(random.pick(ARITHMETIC));
    else if (choice < 985) this.#loop(depth);
    else this.#launder();
  }

  /** Singles become bits, but for NaNs. */
  #launder(): void {
    const random = this.#random;
    const [first, count] = RANGES.bits;
    const from = `r${RANGES.single[0] + random.below(RANGES.single[1])}`;
    this.#line(`CSEL.f32.eq r${first + random.below(count)}, ${from}, ${from}, ${from}, u${random.below(64)}`);
  }

  #line(text: string): void {
    this.code.push(assembleLine(text));
  }

  #one(spec: InstructionSpec): void {
    const words = instruction(this.#random, spec);
    if (words) this.code.push(words);
  }

  #texture(): void {
    this.code.push(...textureInstructions(this.#random));
  }

  /** Mostly through an address that is good. */
  #memory(): void {
    const words = instruction(
      this.#random,
      this.#random.chance(10) ? ELEMENT : this.#random.pick(this.#stores ? MEMORY : LOADS),
    );
    if (!words) return;
    const { spec } = decode(words[0]!, words[1]!);
    if (spec.sources[0]!.size === 64 && this.#random.chance(90)) {
      const shared = this.#random.chance(15);
      const uniform = (SOURCE_KIND.UNIFORM << SOURCE_KIND_SHIFT) | UNIFORM_ADDRESS;
      setField(words, { bit: spec.sources[0]!.bit, width: 8 }, shared ? uniform : this.#random.pick(ADDRESSES));
      if (shared) setField(words, FAU_PAGE, 0);
    }
    if (spec.base === 'LEA_BUF_IMM') this.#element(words, spec);
    else if (/BUF/.test(spec.base) && this.#random.chance(80)) {
      setField(words, { bit: spec.sources[0]!.bit, width: 8 }, this.#random.pick(ADDRESSES));
      // Handle 0: the buffer.
      setField(words, { bit: spec.sources[1]!.bit, width: 8 }, SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT);
    }
    this.code.push(words);
  }

  /** Mostly an element of the output buffer, or of one that there is. */
  #element(words: Uint32Array, spec: InstructionSpec): void {
    const random = this.#random;
    if (random.chance(80)) setField(words, { bit: spec.sources[0]!.bit, width: 8 }, random.pick(INDICES));
    const [table, index] = [spec.immediates[0]!, spec.immediates[1]!];
    const output = random.chance(60);
    setField(
      words,
      table,
      output ? foldTable(VERTEX_PACKET_TABLE) : random.chance(90) ? ATTRIBUTE_TABLE : random.below(16),
    );
    setField(words, index, output ? (random.chance(95) ? 0 : 1) : ATTRIBUTE_COUNT + random.below(BUFFER_COUNT + 1));
  }

  /** Mostly of an attribute that there is, and of a small number. */
  #attribute(): void {
    const random = this.#random;
    const spec = random.pick(ATTRIBUTES);
    const words = instruction(random, spec);
    if (!words) return;
    const [vertex, instance, handle] = spec.sources;
    for (const source of [vertex!, instance!]) {
      if (random.chance(85)) setField(words, { bit: source.bit, width: 8 }, random.pick(INDICES));
    }
    const index = random.below(ATTRIBUTE_COUNT);
    if (handle) {
      const uniform = (SOURCE_KIND.UNIFORM << SOURCE_KIND_SHIFT) | (UNIFORM_HANDLES + (index % HANDLES));
      if (random.chance(80)) setField(words, { bit: handle.bit, width: 8 }, uniform);
      setField(words, FAU_PAGE, 0);
    } else if (random.chance(95)) {
      for (const field of spec.immediates) setField(words, field, field.name === 'table' ? ATTRIBUTE_TABLE : index);
    }
    if (!valid(words, spec)) return;
    const { modifiers } = decode(words[0]!, words[1]!);
    const kind: Kind = modifiers.regfmt === 'f16' ? 'half' : /^(f32|auto)$/.test(modifiers.regfmt!) ? 'single' : 'bits';
    const [first, count] = RANGES[kind];
    setField(words, spec.staging[0]!.base, first + random.below(count - STAGED_WORDS));
    if (valid(words, spec)) this.code.push(words);
  }

  /** Mostly at an offset that is in the record. */
  #varying(): void {
    if (this.#random.chance(25)) {
      this.#blend();
      return;
    }
    if (this.#random.chance(12)) {
      this.code.push(...tileStatement(this.#random));
      return;
    }
    if (this.#random.chance(15)) {
      this.#special();
      return;
    }
    if (this.#random.chance(25)) {
      this.#byDescriptor();
      return;
    }
    const words = instruction(this.#random, this.#random.pick(VARYINGS));
    if (!words) return;
    const offset = decode(words[0]!, words[1]!).spec.sources[1];
    if (offset && this.#random.chance(80)) {
      setField(words, { bit: offset.bit, width: 8 }, SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT);
    }
    this.code.push(words);
  }

  /** A varying that an attribute's descriptor says where to find. */
  #byDescriptor(): void {
    const random = this.#random;
    const flat = random.chance(30);
    const format = random.pick(flat ? ['f32', 'auto', 's32', 'u32', 'f16', 'u16'] : ['f32', 'f32', 'auto', 'f16']);
    const [to, registers] = RANGES[format === 'f16' ? 'half' : /^[su]/.test(format) ? 'bits' : 'single'];
    const [from, count] = RANGES.bits;
    const size = 1 + random.below(STAGED_WORDS);
    const first = to + random.below(registers - STAGED_WORDS);
    const names = Array.from({ length: STAGED_WORDS }, (_, n) => `r${first + n}`).join(':');
    const handle = random.chance(30);
    const where = handle
      ? `u${UNIFORM_HANDLES + random.below(HANDLES)}`
      : `table:${ATTRIBUTE_TABLE}, index:${random.below(ATTRIBUTE_COUNT + 1)}`;
    const immediate = handle ? '' : '_IMM';
    const vector = `${format}${size > 1 ? `.v${size}` : ''}`;
    if (flat) {
      this.#line(`LD_VAR_FLAT${immediate}.slot0.${vector} @${names}, ${where}`);
      return;
    }
    const sample = random.chance(80) ? 'center' : random.pick(['centroid', 'sample', 'explicit']);
    const update = random.pick(['store', 'store', 'clobber', 'retrieve']);
    const source = `r${from + random.below(count)}`;
    this.#line(`LD_VAR${immediate}.slot0.${vector}.${sample}.${update} @${names}, ${source}, ${where}`);
  }

  /** Depth, 1/w or a point coordinate, mostly at the pixels' centres. */
  #special(): void {
    const random = this.#random;
    const sample = random.chance(80) ? 'center' : random.pick(['centroid', 'sample', 'explicit']);
    const [to, number] = RANGES.single;
    const [from, count] = RANGES.bits;
    const registers = `@r${to + random.below(number)}, r${from + random.below(count)}`;
    this.#line(`LD_VAR_SPECIAL.f32.${sample}.clobber.slot0 ${registers}, index:${random.pick([0, 1, 2, 2, 3, 3])}`);
  }

  /** A colour to one of the draw's targets, which ends the lanes, leads them on, or neither. */
  #blend(): void {
    const random = this.#random;
    const [spec] = BLENDS as [InstructionSpec];
    const words = instruction(random, spec);
    if (!words) return;
    const { modifiers } = decode(words[0]!, words[1]!);
    const kind: Kind = modifiers.regfmt === 'f32' ? 'single' : modifiers.regfmt === 'f16' ? 'half' : 'bits';
    const [first, count] = RANGES[kind];
    setField(words, spec.staging[0]!.base, first + random.below(count - STAGED_WORDS));
    if (this.#list || random.chance(90)) {
      const place = SPECIALS[0]!.indexOf('blend_descriptor_0') + random.below(3);
      const byte = (SOURCE_KIND.SPECIAL << SOURCE_KIND_SHIFT) | (SPECIAL_FIRST + 2 * place);
      setField(words, { bit: spec.sources[0]!.bit, width: 8 }, byte);
      setField(words, FAU_PAGE, 0);
    }
    setField(words, spec.immediates[0]!, random.chance(70) ? 0 : 1 + random.below(2));
    if (random.chance(80)) setField(words, FLOW, 0);
    if (!valid(words, spec)) return;
    this.code.push(words);
    for (let n = 0; n < 2; n++) this.#one(random.pick(ARITHMETIC));
  }

  #branch(): void {
    const words = instruction(this.#random, BRANCH);
    if (!words) return;
    this.#open.push(this.code.length);
    this.code.push(words);
  }

  #close(at: number): void {
    setField(this.code[at]!, BRANCH.immediates[0]!, this.code.length - at - 1);
  }

  /** Up to three instructions forward, each lane by its own distance. */
  #indirect(): void {
    const words = instruction(this.#random, INDIRECT);
    if (!words) return;
    setField(words, { bit: INDIRECT.sources[1]!.bit, width: 8 }, DISTANCE);
    setField(words, INDIRECT.modifiers.find(({ name }) => name === 'absolute')!, 0);
    this.code.push(words);
    // Now and then nothing else leads to the next ones.
    if (this.#random.chance(40)) this.#line('BRANCHZ.eq 0x0, offset:3');
    for (let n = 0; n < 4; n++) this.#one(this.#random.pick(ARITHMETIC));
    while (this.#open.length > 0 && this.#random.chance(50)) this.#close(this.#open.pop()!);
  }

  #loop(depth: number): void {
    const top = this.code.length;
    this.statements(1 + this.#random.below(6), depth + 1);
    // Branches within these two would miss the count.
    this.#line(`RSHIFT_OR.i32 r${ROUNDS}, r${ROUNDS}, 0x1000000.b33, 0x0`);
    this.#line(`BRANCHZ r${ROUNDS}, offset:${top - this.code.length - 1}`);
  }
}

const INPUTS = 3;

export function shaderOf(seed: number): Shader {
  const random = new Random(seed);
  const pool = poolOf(seed);
  const stage: FuzzStage = random.chance(55)
    ? undefined
    : random.pick(['list', 'list', 'warp', 'warp', 'vertex', 'compute'] as const);
  const writer = new Writer(random, stage);
  const threads = stage === 'vertex' || stage === 'compute';
  if (stage === 'list') writer.lines(listPrologue(random));
  else if (threads) writer.lines(threadsPrologue(random, stage));
  writer.statements(4 + random.below(24), 0);
  const epilogue = stage === 'list' ? listEpilogue(random) : threads ? threadsEpilogue(random) : EPILOGUE;
  return {
    code: writer.finish(epilogue),
    flushToZero: random.chance(60) ? 0 : 1 + random.below(3),
    inputs: Array.from({ length: INPUTS }, () => input(random, pool, stage)),
  };
}
