/** Draws and framebuffers: what RUN_IDVS, RUN_FULLSCREEN and RUN_FRAGMENT find behind their registers. */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import {
  FRAGMENT_REGISTERS as FRAGMENT,
  FULLSCREEN_REGISTERS as FULLSCREEN,
  fauOf,
  IDVS_REGISTERS as IDVS,
  pairOf,
} from '../../abi/gpu/cs-registers.ts';
import {
  BLEND_MODE,
  BLOCK_FORMAT,
  Blend,
  BlendFunction,
  DcdFlags0,
  DcdFlags1,
  DcdFlags2,
  DepthStencil,
  Draw,
  FRAME_SHADER_MODE,
  FRAMEBUFFER_SIZE,
  FramebufferParameters,
  FramebufferPointer,
  INDEX_TYPE,
  PrimitiveFlags,
  PrimitiveSize,
  RenderTarget,
  Scissor,
  TilerContext,
  TilerHeapDescriptor,
  ZsCrcExtension,
} from '../../abi/gpu/raster-descriptors.ts';
import { ShaderProgram } from '../../abi/gpu/shader-descriptors.ts';
import { float, viewOf } from '../../abi/layout.ts';
import { hex, type Page } from './page.ts';
import { type Programs, printResources, printStorage, printUniforms } from './shader.ts';

/** Blend descriptors' count, in the low bits of their address. */
const BLEND_COUNT = 16;
const FRAME_SHADERS = 3;
const HIGH = 2 ** 32;

function tilerContext(page: Page, address: number): void {
  if (address === 0) return;
  page.at('tiler context', TilerContext, address, ({ heap }) => {
    if (heap !== 0) page.at('tiler heap', TilerHeapDescriptor, heap);
  });
}

/** `program`: address of the fragment shader's program descriptor, beside which blend shaders lie. */
function blends(page: Page, address: number, count: number, program: number, programs: Programs): void {
  for (let i = 0; i < count; i++) {
    page.at(
      `blend ${i}`,
      Blend,
      address + i * Blend.size,
      ({ rgb, alpha, mode, shaderPc }) => {
        if (mode !== BLEND_MODE.SHADER) {
          page.words('rgb', BlendFunction, [rgb]);
          page.words('alpha', BlendFunction, [alpha]);
          return;
        }
        const data = page.bytes(program, ShaderProgram.size);
        const { binary } = data ? ShaderProgram.read(viewOf(data), 0) : { binary: 0 };
        programs.code(page, binary - (binary % HIGH) + shaderPc);
      },
      ({ mode }) =>
        (name) =>
          /^(rgb|alpha|internal.*)$/.test(name) || name === (mode === BLEND_MODE.SHADER ? 'conversion' : 'shaderPc'),
    );
  }
}

const asFloat = (word: number): number => {
  const view = viewOf(new Uint8Array(4));
  view.setUint32(0, word, true);
  return float(0).read(view, 0);
};

/** A draw. */
export function printIdvs(
  page: Page,
  registers: Uint32Array,
  operands: CsOperands<'RUN_IDVS'>,
  programs: Programs,
): void {
  const pair = (index: number): number => pairOf(registers, index);
  const word = (index: number): number => registers[index]!;
  const flags = page.words('primitive', PrimitiveFlags, [(word(IDVS.primitiveFlags) | operands.flagsOverride) >>> 0]);
  page.line(
    `${word(IDVS.indexCount)} indices from ${word(IDVS.indexOffset)}, ${word(IDVS.instanceCount)} instances from ${word(IDVS.instanceOffset)}, vertex offset ${word(IDVS.vertexOffset) | 0}`,
  );
  if (flags.indexType !== INDEX_TYPE.NONE)
    page.line(`indices at ${hex(pair(IDVS.indices))}, ${word(IDVS.indexArraySize)} bytes`);
  page.line(
    `attribute offset ${word(IDVS.globalAttributeOffset)}, ${word(IDVS.varyingAllocation)} bytes of varyings a vertex`,
  );
  page.words('primitive size', PrimitiveSize, [word(IDVS.primitiveSize), word(IDVS.primitiveSize + 1)]);
  page.words('scissor', Scissor, [word(IDVS.scissor), word(IDVS.scissor + 1)]);
  page.line(`depth clamp ${asFloat(word(IDVS.lowDepthClamp))} to ${asFloat(word(IDVS.highDepthClamp))}`);
  page.words('flags 0', DcdFlags0, [word(IDVS.dcdFlags0)]);
  page.words('flags 1', DcdFlags1, [word(IDVS.dcdFlags1)]);
  page.words('flags 2', DcdFlags2, [word(IDVS.dcdFlags2)]);
  if (pair(IDVS.occlusion) !== 0) page.line(`occlusion query at ${hex(pair(IDVS.occlusion))}`);
  tilerContext(page, pair(IDVS.tilerContext));
  if (pair(IDVS.depthStencil) !== 0) page.at('depth/stencil', DepthStencil, pair(IDVS.depthStencil));
  const count = pair(IDVS.blend) % BLEND_COUNT;
  blends(page, pair(IDVS.blend) - count, count, pair(IDVS.fragmentSpd), programs);
  const stage = (title: string, srt: number, fau: number, spd: number, tsd: number): void => {
    if (pair(spd) === 0) return;
    page.under(`${title} shader:`, () => {
      const uniforms = fauOf(registers, fau);
      programs.print(page, title, pair(spd));
      printUniforms(page, title, uniforms.address, uniforms.count);
      printResources(page, title, pair(srt));
      printStorage(page, title, pair(tsd));
    });
  };
  const { varyingSrtSelect, varyingFauSelect, varyingTsdSelect, fragmentSrtSelect, fragmentTsdSelect } = operands;
  stage('position', IDVS.positionSrt, IDVS.positionFau, IDVS.positionSpd, IDVS.positionTsd);
  if (flags.secondaryShader) {
    stage(
      'varying',
      varyingSrtSelect ? IDVS.varyingSrt : IDVS.positionSrt,
      varyingFauSelect ? IDVS.varyingFau : IDVS.positionFau,
      IDVS.varyingSpd,
      varyingTsdSelect ? IDVS.varyingTsd : IDVS.positionTsd,
    );
  }
  stage(
    'fragment',
    fragmentSrtSelect ? IDVS.fragmentSrt : IDVS.positionSrt,
    IDVS.fragmentFau,
    IDVS.fragmentSpd,
    fragmentTsdSelect ? IDVS.fragmentTsd : IDVS.positionTsd,
  );
}

/** A draw descriptor in memory. */
function printDraw(page: Page, title: string, address: number, programs: Programs): void {
  page.at(
    title,
    Draw,
    address,
    ({ depthStencil, blend, blendCount, shader }) => {
      if (depthStencil !== 0) page.at('depth/stencil', DepthStencil, depthStencil);
      blends(page, blend, blendCount, shader.shader, programs);
      programs.print(page, 'shader', shader.shader);
      printUniforms(page, 'shader', shader.fau, shader.fauCount);
      printResources(page, 'shader', shader.resources);
      printStorage(page, 'shader', shader.threadStorage);
    },
    () => (name) => /^flags\d$/.test(name),
  );
}

export function printFullscreen(
  page: Page,
  registers: Uint32Array,
  dcd: number,
  flagsOverride: number,
  programs: Programs,
): void {
  page.words('primitive', PrimitiveFlags, [(registers[FULLSCREEN.primitiveFlags]! | flagsOverride) >>> 0]);
  page.words('scissor', Scissor, [registers[FULLSCREEN.scissor]!, registers[FULLSCREEN.scissor + 1]!]);
  tilerContext(page, pairOf(registers, FULLSCREEN.tilerContext));
  printDraw(page, 'draw', dcd, programs);
}

export function printTiling(page: Page, registers: Uint32Array): void {
  tilerContext(page, pairOf(registers, IDVS.tilerContext));
}

/** A framebuffer. */
export function printFragment(page: Page, registers: Uint32Array, programs: Programs): void {
  const { pointer, zsCrcExtensionPresent } = page.words('framebuffer', FramebufferPointer, [
    registers[FRAGMENT.framebuffer]!,
    registers[FRAGMENT.framebuffer + 1]!,
  ]);
  const corner = (word: number): string => `${word & 0xffff}, ${word >>> 16}`;
  page.line(`from ${corner(registers[FRAGMENT.boundMin]!)} to ${corner(registers[FRAGMENT.boundMax]!)}`);
  page.at('framebuffer parameters', FramebufferParameters, pointer, (parameters) => {
    tilerContext(page, parameters.tiler);
    const modes = [parameters.preFrame0, parameters.preFrame1, parameters.postFrame];
    for (let i = 0; i < FRAME_SHADERS; i++) {
      if (modes[i] !== FRAME_SHADER_MODE.NEVER)
        printDraw(page, `frame shader ${i}`, parameters.frameShaderDcds + i * Draw.size, programs);
    }
    let at = pointer + FRAMEBUFFER_SIZE;
    if (zsCrcExtensionPresent) {
      page.at('depth/stencil surfaces', ZsCrcExtension, at);
      at += ZsCrcExtension.size;
    }
    for (let i = 0; i < parameters.renderTargetCount; i++) {
      page.at(`render target ${i}`, RenderTarget, at + i * RenderTarget.size, undefined, ({ writebackBlockFormat }) => {
        const afbc = writebackBlockFormat === BLOCK_FORMAT.AFBC || writebackBlockFormat === BLOCK_FORMAT.AFBC_TILED;
        return (name) => (afbc ? name === 'surfaceStride' : name.startsWith('afbc'));
      });
    }
  });
}
