/**
 * The Mali products of architecture 10 that the virtual GPU can be: what their identification registers say.
 *
 * Sources, by product:
 * - G610: values read from an RK3588's, in Mesa 25.0 `src/panfrost/drm-shim/panfrost_noop.c`.
 * - G310: GPU_ID, L2, tiler, memory and MMU features and cores as Linux prints them on an i.MX 95 (dri-devel, 2025-02-28, "drm/panthor:
 *   Add i.MX95 support"); which of five builds that one is, CORE_FEATURES, is not among it: here it is V2, as Mesa calls 1.
 * - G710: GPU_ID, L2 and MMU features, cores as Linux 7.3 reads them on a Tensor G2 (Pixel 7).
 * - G510: nobody has published registers of one. Product, architecture and core count are those of Arm's own driver's software model
 *   (`mali_kbase_model_dummy.c`, tGRx), the L2 cache is the G610's.
 * What is not said there is the G610's: CSF_ID, and how many threads there are. Names and product numbers: Linux
 * `drivers/gpu/drm/panthor/panthor_hw.c`; Mesa knows G310 and G610 (`src/panfrost/lib/pan_props.c`; 26.2: `src/panfrost/model/pan_model.c`).
 */
import { type CommandSet, CS_10 } from './cs.ts';
import { GPU } from './regs.ts';

/** What is the same for all products of an architecture. */
export interface Architecture {
  readonly major: number;
  /** What its command streams are made of. */
  readonly commands: CommandSet;
}

const ARCH_10: Architecture = { major: 10, commands: CS_10 };

export interface GpuProduct {
  /** As Linux and Mesa write it: `Mali-G610`. */
  readonly title: string;
  readonly architecture: Architecture;
  /** GPU_ID without the architecture's major number, and the registers that go by products. */
  readonly id: Readonly<
    Record<'archMinor' | 'archRev' | 'productMajor' | 'verMajor' | 'verMinor' | 'verStatus', number>
  >;
  readonly coreVariant: number;
  readonly l2Features: number;
  /** L2 slices: one less, as the register says it. */
  readonly l2Slices: number;
  readonly shaderPresent: number;
  readonly maxThreads: number;
  readonly threadRegisters: number;
}

/** Lines of 64 bytes and so many KiB in each slice of 2 to the `ways` ways; the bus has 2 to the `bus` bits. */
const l2 = (kilobytes: number, ways: number, bus: number): number =>
  GPU.L2_FEATURES.encode({
    busWidth: bus,
    cacheSize: Math.log2(kilobytes * 1024),
    associativity: ways,
    lineSize: 6,
  });

const THREADS = { maxThreads: 2048, threadRegisters: 65536 } as const;

export const GPU_PRODUCTS = {
  g310: {
    title: 'Mali-G310',
    architecture: ARCH_10,
    id: { archMinor: 12, archRev: 7, productMajor: 4, verMajor: 0, verMinor: 0, verStatus: 1 },
    coreVariant: 1,
    l2Features: l2(128, 3, 7),
    l2Slices: 0,
    shaderPresent: 0x1,
    ...THREADS,
  },
  g510: {
    title: 'Mali-G510',
    architecture: ARCH_10,
    id: { archMinor: 10, archRev: 0, productMajor: 3, verMajor: 0, verMinor: 0, verStatus: 0 },
    coreVariant: 0,
    l2Features: l2(256, 3, 7),
    l2Slices: 3,
    shaderPresent: 0xf,
    ...THREADS,
  },
  g610: {
    title: 'Mali-G610',
    architecture: ARCH_10,
    id: { archMinor: 8, archRev: 6, productMajor: 7, verMajor: 0, verMinor: 0, verStatus: 5 },
    coreVariant: 0,
    l2Features: l2(256, 3, 7),
    l2Slices: 3,
    shaderPresent: 0x50005,
    ...THREADS,
  },
  g710: {
    title: 'Mali-G710',
    architecture: ARCH_10,
    id: { archMinor: 8, archRev: 6, productMajor: 2, verMajor: 0, verMinor: 0, verStatus: 4 },
    coreVariant: 0,
    l2Features: l2(512, 3, 8),
    l2Slices: 3,
    shaderPresent: 0x1110055,
    ...THREADS,
  },
} as const satisfies Readonly<Record<string, GpuProduct>>;

/** As `--gpu` takes it. */
export type GpuName = keyof typeof GPU_PRODUCTS;
export const GPU_NAMES = Object.keys(GPU_PRODUCTS) as readonly GpuName[];
/** The Rock 5B's. */
export const BOARD_GPU: GpuName = 'g610';

/** Its GPU_ID. */
export const gpuIdOf = ({ architecture, id }: GpuProduct): number =>
  GPU.GPU_ID.encode({ archMajor: architecture.major, ...id });

/** Core numbers are below this: what clients have storage for. */
export const coreRange = ({ shaderPresent }: GpuProduct): number => 32 - Math.clz32(shaderPresent);

/** Where Linux looks for the firmware of a GPU, beneath a folder of firmware. Source: `panthor_fw.c` (panthor_fw_load). */
export const firmwarePlace = ({ architecture, id }: GpuProduct): string =>
  `arm/mali/arch${architecture.major}.${id.archMinor}/mali_csffw.bin`;
