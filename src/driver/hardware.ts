/**
 * Hardware: what the driver has to know of an architecture beside what its registers say. Architectures 10 to 13 have the same registers,
 * page tables and firmware interface as far as a driver uses them; 14 moves power and reset to a block of its own, which this driver
 * does not speak. After Linux `drivers/gpu/drm/panthor/panthor_hw.c`.
 */
import { GPU } from '../abi/gpu/regs.ts';
import { HardwareError } from './hardware-error.ts';
import { hex } from './log.ts';

/** What a product's name may depend on. */
interface Build {
  readonly cores: number;
  readonly rayIntersection: boolean;
}

export interface Hardware {
  readonly architecture: number;
  /** Names by product major. */
  readonly products: Readonly<Record<number, (build: Build) => string>>;
}

/** A name for builds with so many cores at least, with more of them and ray tracing another, and below both a third. */
const family =
  (few: string, least: number, some: string, many: string) =>
  ({ cores, rayIntersection }: Build): string =>
    cores >= MANY_CORES && rayIntersection ? many : cores >= least ? some : few;
const MANY_CORES = 10;
const named = (name: string) => (): string => name;

const ARCHITECTURES: readonly Hardware[] = [
  {
    architecture: 10,
    products: {
      2: named('mali-g710'),
      3: named('mali-g510'),
      4: named('mali-g310'),
      7: named('mali-g610'),
    },
  },
  {
    architecture: 11,
    products: { 2: family('mali-g615', 7, 'mali-g715', 'mali-g715-immortalis'), 3: named('mali-g615') },
  },
  {
    architecture: 12,
    products: { 0: family('mali-g620', 6, 'mali-g720', 'mali-g720-immortalis'), 1: named('mali-g620') },
  },
  {
    architecture: 13,
    products: { 0: family('mali-g625', 6, 'mali-g725', 'mali-g925-immortalis'), 1: named('mali-g625') },
  },
];

/** The hardware with this GPU_ID. Throws HardwareError for an architecture that the driver does not know. */
export function hardwareOf(gpuId: number): Hardware {
  const { archMajor } = GPU.GPU_ID.decode(gpuId);
  const found = ARCHITECTURES.find(({ architecture }) => architecture === archMajor);
  if (found) return found;
  const known = ARCHITECTURES.map(({ architecture }) => architecture).join(', ');
  throw new HardwareError(`GPU_ID ${hex(gpuId)}: architecture ${archMajor} is not supported, only ${known} are`);
}

/** `mali-g610` or the like. */
export function gpuName(gpuId: number, shaderPresent: number, gpuFeatures: number): string {
  const { productMajor } = GPU.GPU_ID.decode(gpuId);
  let cores = 0;
  for (let left = BigInt(shaderPresent); left > 0n; left >>= 1n) cores += Number(left & 1n);
  const rayIntersection = GPU.FEATURES.get(gpuFeatures, 'rayIntersection') !== 0;
  return hardwareOf(gpuId).products[productMajor]?.({ cores, rayIntersection }) ?? 'unknown-mali';
}
