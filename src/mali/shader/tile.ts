/**
 * The back end of fragment shaders: ATEST, ZS_EMIT, BLEND, and the tile buffer's loads and stores.
 *
 * What they do is the fragment stage's (contract.ts); here their registers are read and written. BLEND with a blend shader
 * in its descriptor does nothing but let the program go on, which then calls the shader; by fixed function it ends the
 * thread or skips the call.
 * Source: Mesa 25.0.7 `src/panfrost/compiler/valhall/{ISA.xml,va_pack.c}` (va_lower_blend).
 */
import { FLOW_END, INSTRUCTION_SIZE } from '../../abi/isa/encoding.ts';
import type { Compilers, Exec } from './compile.ts';
import { type BlendRequest, LANES, type TileRequest } from './contract.ts';
import type { Instruction } from './decode.ts';
import { copyLanes, floats, rawBits } from './operand.ts';
import { fragmentStage } from './varying.ts';
import { channelCount, registerFormat, Vectors, vectorReader, vectorWriter } from './vector.ts';

/** The blend descriptor's mode: words 2's lowest two bits. 0 is a blend shader. */
const BLEND_MODE_MASK = 3;

function alphaTest(i: Instruction): Exec {
  const coverage = rawBits(i.sources[0]!, i.page);
  const alpha = floats(i.sources[1]!, i.page);
  const { register } = i.staging[0]!;
  const out = new Int32Array(LANES);
  return (w) => {
    fragmentStage(w, i).alphaTest(w, w.mask, coverage(w), alpha(w), out);
    copyLanes(w.ri[register]!, out, w.mask);
  };
}

function emitDepthStencil(i: Instruction): Exec {
  const depth = floats(i.sources[0]!, i.page);
  const stencil = rawBits(i.sources[1]!, i.page);
  const coverage = rawBits(i.sources[2]!, i.page);
  const { register } = i.staging[0]!;
  const out = new Int32Array(LANES);
  const { z, stencil: s } = i.modifiers;
  return (w) => {
    fragmentStage(w, i).emitDepthStencil(
      w,
      w.mask,
      coverage(w),
      z ? depth(w) : undefined,
      s ? stencil(w) : undefined,
      out,
    );
    copyLanes(w.ri[register]!, out, w.mask);
  };
}

function blend(i: Instruction): Exec {
  const low = rawBits(i.sources[0]!, i.page, 0);
  const high = rawBits(i.sources[0]!, i.page, 1);
  const coverage = rawBits(i.sources[1]!, i.page);
  const format = registerFormat(i.modifiers.regfmt!);
  const channels = channelCount(i.modifiers.vecsize!);
  const read = vectorReader(i, i.staging[0]!.register, format, channels);
  const colour = new Vectors();
  const skip = i.immediates.target! * INSTRUCTION_SIZE;
  const ends = i.flow === FLOW_END;
  const request: BlendRequest = {
    descriptorLow: 0,
    descriptorHigh: 0,
    coverage: new Int32Array(LANES),
    colour,
    type: format.type,
    bits: format.bits,
    channels,
  };
  return (w) => {
    const stage = fragmentStage(w, i);
    const lane = 31 - Math.clz32(w.mask);
    request.descriptorLow = low(w)[lane]! >>> 0;
    request.descriptorHigh = high(w)[lane]! >>> 0;
    if ((request.descriptorLow & BLEND_MODE_MASK) === 0) {
      w.ignoreFlow = true;
      return;
    }
    request.coverage = coverage(w);
    read(w, colour);
    stage.blend(w, w.mask, request);
    if (!ends && skip) {
      w.taken = w.mask;
      w.target = w.pc + INSTRUCTION_SIZE + skip;
    }
  };
}

function tileAccess(i: Instruction, store: boolean): Exec {
  const indices = rawBits(i.sources[0]!, i.page);
  const coverage = rawBits(i.sources[1]!, i.page);
  const conversion = rawBits(i.sources[2]!, i.page);
  const format = registerFormat(i.modifiers.regfmt!);
  const channels = channelCount(i.modifiers.vecsize!);
  const { register } = i.staging[0]!;
  const values = new Vectors();
  const read = vectorReader(i, register, format, channels);
  const write = vectorWriter(i, register, format, channels);
  const request: TileRequest = {
    indices: new Int32Array(LANES),
    coverage: new Int32Array(LANES),
    conversion: new Int32Array(LANES),
    values,
    type: format.type,
    bits: format.bits,
    channels,
    depthStencil: !store && i.modifiers.z_stencil === 'z_stencil',
  };
  return (w) => {
    const stage = fragmentStage(w, i);
    request.indices = indices(w);
    request.coverage = coverage(w);
    request.conversion = conversion(w);
    if (store) {
      read(w, values);
      stage.storeTile(w, w.mask, request);
    } else {
      stage.loadTile(w, w.mask, request);
      write(w, values);
    }
  };
}

export const TILE: Compilers = {
  ATEST: alphaTest,
  ZS_EMIT: emitDepthStencil,
  LD_TILE: (i) => tileAccess(i, false),
  ST_TILE: (i) => tileAccess(i, true),
};

/** BLEND decides where the program goes on, so it is no plain instruction. */
export const compileBlend = blend;
