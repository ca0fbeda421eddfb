/**
 * Descriptors that shader cores read: programs, the resource tables and what they hold, thread and workgroup storage.
 *
 * A descriptor's first four bits are its type. Positions are (32-bit word, bit).
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml`, `src/panfrost/lib/pan_desc.c`, `src/panfrost/util/pan_ir.h`.
 */
import { namePixelFormat } from '../formats.ts';
import { address, bool, layout, minusOne, named, shown, sint, uint, word } from '../layout.ts';

export const DESCRIPTOR_TYPE = {
  /** Nothing: reads as zero. Mesa from 25.1 on writes such ones for Vulkan's nullDescriptor. */
  NULL: 0,
  SAMPLER: 1,
  TEXTURE: 2,
  ATTRIBUTE: 5,
  DEPTH_STENCIL: 7,
  SHADER: 8,
  BUFFER: 9,
  PLANE: 10,
} as const;

export const SHADER_STAGE = { COMPUTE: 1, FRAGMENT: 2, VERTEX: 3 } as const;
/** What 16-bit (DX11: no) and 32-bit float arithmetic does with subnormal numbers. */
export const FLUSH_TO_ZERO = { PRESERVE: 0, DX11: 1, ALWAYS: 2, ABRUPT: 3 } as const;
export const REGISTER_ALLOCATION = { R64: 0, R32: 2 } as const;

export const ShaderProgram = layout(
  'Shader Program',
  32,
  {
    type: named(uint(word(0), 4), DESCRIPTOR_TYPE),
    stage: named(uint(word(0, 4), 4), SHADER_STAGE),
    /** Fragment: coverage mask in the order of GL (1) or DX (0). */
    fragmentCoverageGl: bool(word(0, 8)),
    /** Vertex: threads of a warp that are used, 16 >> n. */
    vertexWarpLimit: uint(word(0, 8), 2),
    suppressNan: bool(word(0, 16)),
    flushToZero: named(uint(word(0, 17), 2), FLUSH_TO_ZERO),
    suppressInf: bool(word(0, 19)),
    requiresHelperThreads: bool(word(0, 28)),
    containsJumpEx: bool(word(0, 29)),
    registerAllocation: named(uint(word(0, 30), 2), REGISTER_ALLOCATION),
    /** Bit n: r(48 + n) is set before the program starts. */
    preload: uint(word(1), 16),
    /** Address of the first instruction. */
    binary: address(word(2)),
  },
  32,
);

/** One entry of the table of resource tables. */
export const Resource = layout(
  'Resource',
  16,
  {
    address: uint(word(0), 48),
    /** False: the entry is itself a buffer of `size` bytes. */
    containsDescriptors: bool(word(1, 24)),
    /** Bytes. */
    size: address(word(2)),
  },
  16,
);

/** A resource table pointer holds the number of its entries in its low six bits. */
export const RESOURCE_COUNT_MASK = 0x3f;
/** Descriptors in a table lie this far apart. */
export const DESCRIPTOR_STRIDE = 32;

/** A shader names a descriptor by a handle: table in the upper bits, index in the lower. */
export const ResourceHandle = layout('Resource Handle', 4, { index: uint(0, 24), table: uint(24, 8) });
export const resourceHandle = (table: number, index: number): number => table * 2 ** 24 + index;
export const handleTable = (handle: number): number => handle >>> 24;
export const handleIndex = (handle: number): number => handle & 0xffffff;
/** Four-bit table fields of instructions name tables 0…11 and 60…63. */
export const unfoldTable = (field: number): number => (field < 12 ? field : field + 48);
export const foldTable = (table: number): number => (table < 12 ? table : table - 48);
/** The table whose entry 0 is the vertex buffer that the hardware itself allocates. */
export const VERTEX_PACKET_TABLE = 61;
/** The table whose entries are the tables themselves, as buffers: for loads of descriptors. Source: Mesa 25.0.7 `panvk_vX_nir_lower_descriptors.c`. */
export const TABLES_TABLE = 62;

export const BUFFER_TYPE = { SIMPLE: 1, TILER_HEAP: 2, STRUCTURE: 3, VERTEX_PACKET: 4 } as const;

export const BufferDescriptor = layout(
  'Buffer',
  32,
  {
    type: named(uint(word(0), 4), DESCRIPTOR_TYPE),
    bufferType: named(uint(word(0, 4), 4), BUFFER_TYPE),
    /** Bytes. */
    size: uint(word(1), 32),
    address: address(word(2)),
    /** Structure: bytes of one element. */
    stride: uint(word(4), 32),
  },
  32,
);

export const ATTRIBUTE_TYPE = {
  LINEAR: 1,
  POT_DIVISOR: 2,
  NPOT_DIVISOR: 3,
  PRIMITIVE_INDEX: 5,
  VERTEX_PACKET: 6,
} as const;
export const ATTRIBUTE_FREQUENCY = { VERTEX: 0, INSTANCE: 1 } as const;

export const AttributeDescriptor = layout(
  'Attribute',
  32,
  {
    type: named(uint(word(0), 4), DESCRIPTOR_TYPE),
    attributeType: named(uint(word(0, 4), 4), ATTRIBUTE_TYPE),
    /** Adds the draw's attribute offset to the index. */
    offsetEnable: bool(word(0, 8)),
    /** Pixel format: see formats. */
    format: shown(uint(word(0, 10), 22), namePixelFormat),
    /** Table and index of the buffer descriptor. */
    table: uint(word(1), 6),
    frequency: named(uint(word(1, 6), 2), ATTRIBUTE_FREQUENCY),
    divisorR: uint(word(1, 24), 5),
    divisorE: uint(word(1, 29), 1),
    /** Bytes from the start of an element. */
    offset: sint(word(2), 32),
    bufferIndex: uint(word(3), 32),
    stride: uint(word(4), 32),
    /** Vertex packet: bytes of one vertex's varyings, and of a whole packet in units of 64. */
    attributeStride: uint(word(4), 16),
    packetStride: uint(word(4, 16), 16),
    divisorD: uint(word(5), 32),
  },
  32,
);

/** Vertices that share one packet: their positions (16 bytes each) first, then their varyings. */
export const PACKET_VERTICES = 64;
export const PACKET_POSITION_STRIDE = 16;
export const PACKET_VARYINGS_OFFSET = PACKET_VERTICES * PACKET_POSITION_STRIDE;
/** Packet strides are given in units of this many bytes. */
export const PACKET_STRIDE_UNIT = 64;

export const ADDRESS_MODE = { FLAT: 0, PACKED: 1 } as const;

export const LocalStorage = layout(
  'Local Storage',
  32,
  {
    /** A thread has 16 << n bytes. */
    tlsSize: uint(word(0), 5),
    wlsInstancesLog2: uint(word(1), 5),
    wlsSizeBase: uint(word(1, 5), 2),
    /** 0: no workgroup storage; else 2^(n - 1) bytes. */
    wlsSizeScale: uint(word(1, 8), 5),
    /** Packed mode keeps the address shifted right by eight. */
    tlsBase: uint(word(2), 48),
    tlsAddressMode: named(uint(word(3, 28), 4), ADDRESS_MODE),
    wlsBase: address(word(4)),
  },
  64,
);
export const TLS_MIN_SIZE = 16;
export const TLS_PACKED_SHIFT = 8;

/** Workgroup size as RUN_COMPUTE takes it. */
export const ComputeSizeWorkgroup = layout('Compute size workgroup', 4, {
  x: minusOne(0, 10),
  y: minusOne(10, 10),
  z: minusOne(20, 10),
  allowMerging: bool(31),
});

/** A FAU register pair of the command stream: address of the words, and how many 64-bit words there are. */
export const FauPointer = layout('FAU pointer', 8, { address: uint(0, 48), count: uint(56, 8) }, 8);

/** Which texels LD_TILE and ST_TILE touch. x and y of CURRENT mean the thread's own pixel. */
export const PixelIndices = layout('Pixel Indices', 4, {
  sample: uint(0, 8),
  renderTarget: uint(8, 8),
  x: uint(16, 8),
  y: uint(24, 8),
});
export const PIXEL_CURRENT = 0xff;
/** What LD_TILE.z_stencil takes for a render target. Source: Mesa 26 `src/panfrost/compiler/pan_nir.h` (pan_nir_tile_location_sample). */
export const PIXEL_DEPTH = 0xff;
export const PIXEL_STENCIL = 0xfe;
