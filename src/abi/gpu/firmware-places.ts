/**
 * Where the arch 10.8 firmware puts its interface in the shared section. A host learns it from the control blocks; the
 * virtual firmware uses the same places, so that what is written about one holds for the other.
 *
 * Control blocks lie at the section's start, input blocks from 0x2000, output blocks from 0x6000; there are eight groups of
 * eight streams. Source: the initial data of the shared section of `mali_csffw.bin` (arch10.8).
 */
import { CsControl, FW_SHARED_START } from './firmware.ts';

export const INTERFACE_VERSION = { major: 1, minor: 1, patch: 0 } as const;
export const GROUPS = 8;
export const STREAMS = 8;

export const GROUP_STRIDE = 0xa0;
export const STREAM_STRIDE = CsControl.size;
export const GLB_INPUT = FW_SHARED_START + 0x2000;
export const GLB_OUTPUT = FW_SHARED_START + 0x6000;
export const CSG_INPUT = FW_SHARED_START + 0x3000;
export const CSG_INPUT_STRIDE = 0x80;
export const CSG_OUTPUT = FW_SHARED_START + 0x7000;
export const CSG_OUTPUT_STRIDE = 0x40;
export const CS_INPUT = FW_SHARED_START + 0x3400;
export const CS_INPUT_STRIDE = 0x80;
export const CS_OUTPUT = FW_SHARED_START + 0x7200;
export const CS_OUTPUT_STRIDE = 0x100;
/** Bytes of the shared section that the interface takes. */
export const INTERFACE_SIZE = CS_OUTPUT + GROUPS * STREAMS * CS_OUTPUT_STRIDE - FW_SHARED_START;
