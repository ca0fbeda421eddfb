import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import {
  PLANE_TYPE,
  Plane,
  Sampler as SamplerDescriptor,
  TEXTURE_DIMENSION,
  Texture as TextureDescriptor,
} from '../../abi/gpu/texture-descriptors.ts';
import { AFBC_HEADER_BYTES, AFBC_PIXELS, afbcBodyBytes, afbcEncode, afbcEncodeColour } from '../../board/image/afbc.ts';
import { FlatMemory } from '../../testing/mali/shader-rig.ts';
import { PLAIN_SAMPLE } from '../../testing/mali/texture-kind.ts';
import type { Extent } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { bound } from './bound.ts';
import { OPERAND, OPERANDS_AT } from './operands.ts';
import { Sampler } from './sampler.ts';
import { Texture } from './texture.ts';

const TEXTURE_AT = 0x1100;
const SAMPLER_AT = 0x1140;
const OTHER_TEXTURE_AT = 0x1400;
const PLANE_AT = 0x1200;
const SURFACE_AT = 0x10000;
const SURFACE_BYTES = 0x4000;
const BYTES = 4;
const BODY = 64;

/** A texture of one AFBC superblock, in memory whose translations may change. */
class Scene extends FlatMemory {
  override generation = 1;
  textureAt = TEXTURE_AT;
  /** How often descriptors have been opened. */
  opened = 0;
  /** How far from its address the surface lies. */
  moved = 0;

  override extent = (va: number): Extent | undefined =>
    va < SURFACE_AT
      ? { start: PAGE_SIZE, size: SURFACE_AT - PAGE_SIZE, physical: PAGE_SIZE }
      : { start: SURFACE_AT, size: SURFACE_BYTES, physical: SURFACE_AT + this.moved };

  constructor() {
    super();
    TextureDescriptor.write(this.view, TEXTURE_AT, {
      type: DESCRIPTOR_TYPE.TEXTURE,
      dimension: TEXTURE_DIMENSION.D2,
      format: 187 << 12,
      width: 16,
      height: 16,
      swizzle: 0o3210,
      levels: 1,
      maximumLod: 0x1fff,
      sampleCount: 1,
      arraySize: 1,
      depth: 1,
      surfaces: PLANE_AT,
    });
    this.sampler(9);
    Plane.write(this.view, PLANE_AT, {
      type: DESCRIPTOR_TYPE.PLANE,
      planeType: PLANE_TYPE.AFBC,
      afbcCompressionMode: 10,
      pointer: SURFACE_AT,
      rowStride: AFBC_HEADER_BYTES,
      size: BODY + afbcBodyBytes(BYTES),
    });
    const pixels = new Uint8Array(afbcBodyBytes(BYTES));
    for (let i = 0; i < AFBC_PIXELS; i++) pixels.set([i, 0, 0, 255], i * BYTES);
    afbcEncode(pixels, BYTES, this.header, this.bytes.subarray(SURFACE_AT + BODY), BODY);
  }

  get header(): Uint8Array {
    return this.bytes.subarray(SURFACE_AT, SURFACE_AT + AFBC_HEADER_BYTES);
  }

  sampler(wrap: number): void {
    SamplerDescriptor.write(this.view, SAMPLER_AT, {
      type: DESCRIPTOR_TYPE.SAMPLER,
      wrapS: wrap,
      wrapT: wrap,
      wrapR: wrap,
      normalizedCoordinates: true,
      minifyNearest: true,
      magnifyNearest: true,
      maximumLod: 0x1fff,
      maximumAnisotropy: 1,
    });
  }

  /** As the next run binds them, of a job by a number. */
  bind(job = 0) {
    const named = {
      source: this.descriptor(TextureDescriptor, this.textureAt),
      sampler: this.descriptor(SamplerDescriptor, SAMPLER_AT),
      open: () => {
        this.opened++;
        return [new Texture(this, this.textureAt), new Sampler(this, SAMPLER_AT)] as const;
      },
    };
    return bound(this, named, PLAIN_SAMPLE, job)!;
  }
}

/** Red of the texel at (x, 0), by an emitted sampler. */
function red(binding: ReturnType<Scene['bind']>, x: number): number {
  scratch.f32.fill((x + 0.5) / 16, (OPERANDS_AT + OPERAND.x) / 4, (OPERANDS_AT + OPERAND.x) / 4 + 4);
  scratch.f32.fill(0, (OPERANDS_AT + OPERAND.y) / 4, (OPERANDS_AT + OPERAND.y) / 4 + 4);
  assert.equal(binding.run(binding.record, OPERANDS_AT, 15), 0);
  return Math.round(scratch.f32[(OPERANDS_AT + OPERAND.result) / 4]! * 255);
}

test('a binding serves the next run as long as descriptors are the same, and opens none', () => {
  const scene = new Scene();
  const binding = scene.bind();
  assert.equal(red(binding, 5), 5);
  assert.equal(scene.bind(), binding);
  assert.equal(scene.opened, 1);
  scene.sampler(8);
  assert.notEqual(scene.bind(), binding);
});

test('descriptors may come to lie elsewhere, and translations be dropped, if what they name has not moved', () => {
  const scene = new Scene();
  const binding = scene.bind();
  scene.bytes.copyWithin(OTHER_TEXTURE_AT, TEXTURE_AT, TEXTURE_AT + TextureDescriptor.size);
  scene.textureAt = OTHER_TEXTURE_AT;
  scene.generation++;
  assert.equal(scene.bind(), binding);
  scene.moved = 0x2000;
  scene.bytes.copyWithin(SURFACE_AT + scene.moved, SURFACE_AT, SURFACE_AT + BODY);
  scene.bytes.fill(77, SURFACE_AT + scene.moved + BODY, SURFACE_AT + scene.moved + BODY + afbcBodyBytes(BYTES));
  scene.generation++;
  const there = scene.bind();
  assert.notEqual(there, binding);
  assert.equal(red(there, 5), 77);
});

test('it is made anew when a texture turns up elsewhere, or headers say that bodies do', () => {
  const scene = new Scene();
  const binding = scene.bind();
  Plane.write(scene.view, PLANE_AT, { ...Plane.read(scene.view, PLANE_AT), pointer: SURFACE_AT + 0x1000 });
  assert.notEqual(scene.bind(), binding);
  Plane.write(scene.view, PLANE_AT, { ...Plane.read(scene.view, PLANE_AT), pointer: SURFACE_AT });
  const flat = scene.bind();
  assert.equal(red(flat, 7), 7);
  // One colour without a body: what lies where it would be does not count.
  afbcEncodeColour(Uint8Array.of(99, 0, 0, 255), scene.header);
  assert.equal(red(scene.bind(), 7), 99);
});

test('what a job has looked at it does not look at again; the next one does, and who is of no job', () => {
  const scene = new Scene();
  const binding = scene.bind(1);
  assert.equal(scene.bind(1), binding);
  afbcEncodeColour(Uint8Array.of(99, 0, 0, 255), scene.header);
  assert.equal(scene.bind(1), binding);
  // Translations that are dropped count at once.
  scene.generation++;
  const there = scene.bind(1);
  assert.notEqual(there, binding);
  assert.equal(red(there, 7), 99);
  afbcEncodeColour(Uint8Array.of(55, 0, 0, 255), scene.header);
  assert.equal(red(scene.bind(2), 7), 55);
  afbcEncodeColour(Uint8Array.of(44, 0, 0, 255), scene.header);
  assert.equal(red(scene.bind(), 7), 44);
});

test('another sampler takes the texture where it lies, unless it lies elsewhere by now or its headers say something else', () => {
  const scene = new Scene();
  const binding = scene.bind();
  scene.sampler(8);
  const repeated = scene.bind();
  assert.equal(repeated.laid, binding.laid);
  // Beyond the edge one clamps, the other begins anew.
  assert.deepEqual([red(binding, 18), red(repeated, 18)], [15, 2]);
  afbcEncodeColour(Uint8Array.of(99, 0, 0, 255), scene.header);
  scene.sampler(9);
  assert.equal(red(scene.bind(), 7), 99);
  Plane.write(scene.view, PLANE_AT, { ...Plane.read(scene.view, PLANE_AT), pointer: SURFACE_AT + 0x1000 });
  scene.bytes.copyWithin(SURFACE_AT + 0x1000, SURFACE_AT, SURFACE_AT + AFBC_HEADER_BYTES);
  scene.bytes.set([55, 0, 0, 255], SURFACE_AT + 0x1000 + 8);
  scene.sampler(8);
  assert.equal(red(scene.bind(), 7), 55);
});
