/**
 * The frame job: one RUN_FRAGMENT without geometry. A pre-frame shader, given as text, covers every pixel of a linear RGBA8
 * image; its uniforms are 64-bit words. The shortest way to fragment work of the whole machine, workers included.
 */
import type { CsLine } from '../../abi/gpu/cs.ts';
import { FRAGMENT_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import {
  BLEND_MODE,
  BLOCK_FORMAT,
  Blend,
  DepthStencil,
  Draw,
  FRAME_SHADER_MODE,
  FRAMEBUFFER_SIZE,
  FramebufferParameters,
  FUNC,
  RenderTarget,
  TIE_BREAK_RULE,
} from '../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE, Resource, ShaderProgram } from '../../abi/gpu/shader-descriptors.ts';
import { assemble } from '../../mali/shader/assemble.ts';
import type { Client, Sync } from './board.ts';

/** Where the job's own buffer is mapped, and what lies where in it. */
const MEMORY = 0x10000000;
const AT = {
  stream: 0,
  framebuffer: 0x1000,
  draw: 0x2000,
  depthStencil: 0x2400,
  blend: 0x2500,
  program: 0x2600,
  uniforms: 0x2700,
  resources: 0x2800,
  code: 0x3000,
  image: 0x10000,
} as const;

/** Format words: RGBA8 in the tile buffer and in memory. */
const RGBA8 = { tile: 237 << 12, internal: 1, writeback: 19 } as const;

export interface FrameJobOptions {
  readonly shader: string;
  readonly width?: number;
  readonly height?: number;
  readonly uniforms?: readonly bigint[];
  /** How often it is drawn by one submission, at most 200 times. */
  readonly repeat?: number;
  /** Where the picture is; else in the job's own buffer. */
  readonly image?: bigint;
  /** A buffer that the shader reads by handle 0. */
  readonly buffer?: { readonly address: bigint; readonly size: number };
}

export class FrameJob {
  readonly client: Client;
  readonly vm: number;
  readonly width: number;
  readonly height: number;
  readonly #buffer: number;
  readonly #size: number;
  #group: number | undefined;

  private constructor(client: Client, vm: number, buffer: number, width: number, height: number, size: number) {
    this.client = client;
    this.vm = vm;
    this.width = width;
    this.height = height;
    this.#buffer = buffer;
    this.#size = size;
  }

  /** Puts everything into memory of a VM (a new one). */
  static async make(client: Client, options: FrameJobOptions): Promise<FrameJob> {
    const {
      width = 64,
      height = 64,
      uniforms = [],
      repeat = 1,
      image = BigInt(MEMORY + AT.image),
      buffer: read,
    } = options;
    const vm = await client.createVm();
    const bytes = AT.image + Math.ceil((width * height * 4) / 4096) * 4096;
    const buffer = await client.createBuffer(bytes);
    await client.bind(vm, { handle: buffer, va: BigInt(MEMORY), size: BigInt(bytes) });
    const memory = client.memory(buffer);
    const size = client.program(
      buffer,
      [
        ['MOVE', { destination: FRAGMENT_REGISTERS.framebuffer, immediate: MEMORY + AT.framebuffer + 1 }],
        ['MOVE32', { destination: FRAGMENT_REGISTERS.boundMin, immediate: 0 }],
        ['MOVE32', { destination: FRAGMENT_REGISTERS.boundMax, immediate: (width - 1) | ((height - 1) << 16) }],
        ...Array.from({ length: repeat }, (): CsLine => ['RUN_FRAGMENT', {}]),
        ['WAIT', { waitMask: 0xff }],
      ],
      AT.stream,
    );
    FramebufferParameters.write(memory, AT.framebuffer, {
      width,
      height,
      boundMaxX: width - 1,
      boundMaxY: height - 1,
      sampleCount: 1,
      effectiveTileSize: 256,
      tieBreakRule: TIE_BREAK_RULE.MINUS_180_IN_0_OUT,
      renderTargetCount: 1,
      zInternalFormat: 1,
      preFrame0: FRAME_SHADER_MODE.ALWAYS,
      frameShaderDcds: MEMORY + AT.draw,
    });
    RenderTarget.write(memory, AT.framebuffer + FRAMEBUFFER_SIZE, {
      internalFormat: RGBA8.internal,
      writebackFormat: RGBA8.writeback,
      writebackBlockFormat: BLOCK_FORMAT.LINEAR,
      writeEnable: true,
      cleanPixelWriteEnable: true,
      swizzle: 0 | (1 << 3) | (2 << 6) | (3 << 9),
      base: Number(image),
      rowStride: width * 4,
    });
    DepthStencil.write(memory, AT.depthStencil, {
      type: DESCRIPTOR_TYPE.DEPTH_STENCIL,
      depthFunction: FUNC.ALWAYS,
      depthSource: 2,
    });
    Blend.write(memory, AT.blend, {
      enable: true,
      mode: BLEND_MODE.OPAQUE,
      colorMask: 15,
      numComps: 4,
      conversion: { memoryFormat: RGBA8.tile } as object,
    } as object);
    Draw.write(memory, AT.draw, {
      sampleMask: 0xffff,
      maximumZ: 1,
      depthStencil: MEMORY + AT.depthStencil,
      blendCount: 1,
      blend: MEMORY + AT.blend,
      shader: {
        shader: MEMORY + AT.program,
        fau: MEMORY + AT.uniforms,
        fauCount: uniforms.length,
        resources: read ? MEMORY + AT.resources + 1 : 0,
        threadStorage: 0,
        attributeOffset: 0,
      },
    });
    ShaderProgram.write(memory, AT.program, { type: DESCRIPTOR_TYPE.SHADER, stage: 2, binary: MEMORY + AT.code });
    if (read) {
      const { address, size: bytes } = read;
      Resource.write(memory, AT.resources, { address: Number(address), containsDescriptors: false, size: bytes });
    }
    for (const [i, word] of uniforms.entries()) memory.setBigUint64(AT.uniforms + i * 8, word, true);
    const code = assemble(options.shader);
    new Uint8Array(memory.buffer, memory.byteOffset + AT.code).set(new Uint8Array(code.buffer));
    return new FrameJob(client, vm, buffer, width, height, size);
  }

  /** Submits it to a queue of a group of the VM; returns the ioctl's value. */
  submit(group: number, syncs: readonly Sync[], queue = 0): Promise<number> {
    return this.client.submit(group, { queue, address: BigInt(MEMORY + AT.stream), size: this.#size, syncs });
  }

  /** Draws once, in a group that is made for all such draws, and waits; returns the wait's value. */
  async draw(seconds = 30): Promise<number> {
    const { client } = this;
    this.#group ??= await client.createGroup(this.vm);
    const done = await client.createSyncobj();
    const submitted = await this.submit(this.#group, [{ handle: done, signal: true }]);
    if (submitted !== 0) throw new Error(`submit: ${submitted}`);
    return client.wait(done, seconds);
  }

  get pixels(): Uint32Array {
    const memory = this.client.memory(this.#buffer);
    return new Uint32Array(memory.buffer, memory.byteOffset + AT.image, this.width * this.height);
  }
}
