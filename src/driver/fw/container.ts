/**
 * The container that `mali_csffw.bin` comes in: a header, a table of entries, and the data that they point to.
 *
 * The image is somebody else's file: every offset is checked before use, and what is wrong is told with the entry where
 * it was found. Nothing here touches the GPU. After Linux `drivers/gpu/drm/tyr/fw/parser.rs`, `panthor/panthor_fw.c`.
 */
import {
  FW_CACHE_MODE,
  FW_ENTRY,
  FW_GIT_SHA_PREFIX,
  FW_MAGIC,
  FW_MAJOR_MAX,
  FW_SECTION_FLAGS_KNOWN,
  FW_SHARED_START,
  FwBuildInfo,
  FwEntry,
  FwHeader,
  FwSection,
  FwSectionFlags,
  FwVersion,
} from '../../abi/gpu/firmware.ts';
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { viewOf } from '../../abi/layout.ts';
import { HardwareError } from '../hardware-error.ts';
import { hex } from '../log.ts';

/** Memory that the firmware wants at a fixed place of the microcontroller's address space. */
export interface FirmwareSection {
  readonly name: string;
  readonly vaStart: number;
  readonly vaEnd: number;
  readonly write: boolean;
  readonly execute: boolean;
  readonly cached: boolean;
  /** The driver reads and writes it too. */
  readonly shared: boolean;
  /** What `data` does not fill is cleared, at every load. */
  readonly zero: boolean;
  readonly data: Uint8Array;
}

export interface FirmwareImage {
  /** Of the container. */
  readonly version: { readonly major: number; readonly minor: number };
  /** Interface version that the image announces in its header. */
  readonly interface: { readonly major: number; readonly minor: number; readonly patch: number };
  readonly sections: readonly FirmwareSection[];
  /** The section with the interface. */
  readonly shared: FirmwareSection;
  readonly gitSha: string | undefined;
  /** What is odd but no reason to refuse the image. */
  readonly warnings: readonly string[];
}

/** Why an image is refused: `section` names the part, the message the reason. */
export class FirmwareError extends HardwareError {
  readonly section: string;

  constructor(section: string, reason: string) {
    super(`firmware ${section}: ${reason}`);
    this.name = 'FirmwareError';
    this.section = section;
  }
}

/** Takes an image apart. Throws FirmwareError. Data are views of `image`. */
export function parseFirmware(image: Uint8Array): FirmwareImage {
  const view = viewOf(image);
  const refuse = (section: string, reason: string): never => {
    throw new FirmwareError(section, reason);
  };
  if (image.length < FwHeader.size) refuse('header', `image of ${image.length} bytes is too small, truncated?`);
  const header = FwHeader.read(view, 0);
  if (header.magic !== FW_MAGIC) refuse('header', `invalid magic ${hex(header.magic)}, expected ${hex(FW_MAGIC)}`);
  if (header.major > FW_MAJOR_MAX)
    refuse('header', `container version ${header.major}.${header.minor} is not supported, expected ${FW_MAJOR_MAX}.x`);
  if (header.size > image.length)
    refuse('header', `entry table ends at ${hex(header.size)} of ${hex(image.length)} bytes, image is truncated`);

  const sections: FirmwareSection[] = [];
  const warnings: string[] = [];
  let gitSha: string | undefined;
  let index = 0;
  for (let at = FwHeader.size; at < header.size; index++) {
    const where = `entry ${index} at ${hex(at)}`;
    if (at + FwEntry.size > header.size) refuse(where, 'cut off by the end of the entry table');
    const entry = FwEntry.read(view, at);
    if (entry.size % 4 !== 0) refuse(where, `size ${entry.size} is not a multiple of 4`);
    if (entry.size < FwEntry.size) refuse(where, `size ${entry.size} is smaller than its own header`);
    if (at + entry.size > header.size) refuse(where, `${entry.size} bytes reach beyond the entry table`);
    const body = image.subarray(at + FwEntry.size, at + entry.size);
    if (entry.type === FW_ENTRY.INTERFACE) {
      const section = parseSection(image, body, where, warnings);
      if (section) sections.push(section);
    } else if (entry.type === FW_ENTRY.BUILD_INFO_METADATA) {
      gitSha = parseBuildInfo(image, body, where, warnings) ?? gitSha;
    } else if (!IGNORED.has(entry.type) && entry.optional === 0) {
      refuse(where, `unsupported entry type ${entry.type} that is not optional`);
    }
    at += entry.size;
  }
  for (const [i, section] of sections.entries()) {
    const other = sections.find((s, j) => j > i && s.vaStart < section.vaEnd && section.vaStart < s.vaEnd);
    if (other) refuse(`section ${other.name}`, `overlaps section ${section.name}`);
  }
  const shared = sections.find((section) => section.vaStart === FW_SHARED_START);
  if (!shared) throw new FirmwareError(`section ${hex(FW_SHARED_START)}`, 'shared interface region not found');
  const version = new DataView(new ArrayBuffer(4));
  version.setUint32(0, header.versionHash, true);
  return {
    version: { major: header.major, minor: header.minor },
    interface: FwVersion.read(version, 0),
    sections,
    shared,
    gitSha,
    warnings,
  };
}

/** Entries that concern tools, not the driver. */
const IGNORED: ReadonlySet<number> = new Set([
  FW_ENTRY.CONFIG,
  FW_ENTRY.FUTF_TEST,
  FW_ENTRY.TRACE_BUFFER,
  FW_ENTRY.TIMELINE_METADATA,
]);

function parseSection(
  image: Uint8Array,
  body: Uint8Array,
  where: string,
  warnings: string[],
): FirmwareSection | undefined {
  if (body.length < FwSection.size) throw new FirmwareError(where, 'interface entry is cut off');
  const { flags: word, vaStart, vaEnd, dataStart, dataEnd } = FwSection.read(viewOf(body), 0);
  const label = new TextDecoder('latin1').decode(body.subarray(FwSection.size)).replace(/\0.*$/s, '').trim();
  const range = `${hex(vaStart, 8)}-${hex(vaEnd, 8)}`;
  const name = /^[\x20-\x7e]+$/.test(label) ? `${label} (${range})` : range;
  const refuse = (reason: string): never => {
    throw new FirmwareError(`section ${name}`, reason);
  };
  if (dataEnd < dataStart) refuse(`corrupted, data end ${hex(dataEnd)} < start ${hex(dataStart)}`);
  if (vaEnd < vaStart) refuse('corrupted, it ends before it starts');
  if (dataEnd > image.length) refuse(`data end at ${hex(dataEnd)} of ${hex(image.length)} bytes, image is truncated`);
  if (vaStart % PAGE_SIZE !== 0 || vaEnd % PAGE_SIZE !== 0) refuse('addresses are not page aligned');
  const flags = FwSectionFlags.read(viewOf(body), 0);
  const unknown = word & ~FW_SECTION_FLAGS_KNOWN;
  if (unknown !== 0) refuse(`unsupported flags ${hex(unknown >>> 0)}`);
  if (flags.protected) {
    warnings.push(`Firmware protected mode entry is not supported, ignoring section ${name}`);
    return undefined;
  }
  if (vaStart === FW_SHARED_START && !flags.shared) refuse('the interface must be shared');
  if (dataEnd - dataStart > vaEnd - vaStart) refuse('data exceed the section');
  if (vaEnd === vaStart) return undefined;
  return {
    name,
    vaStart,
    vaEnd,
    write: flags.write === 1,
    execute: flags.execute === 1,
    cached: flags.cacheMode === FW_CACHE_MODE.CACHED,
    shared: flags.shared === 1,
    zero: flags.zero === 1,
    data: image.subarray(dataStart, dataEnd),
  };
}

function parseBuildInfo(image: Uint8Array, body: Uint8Array, where: string, warnings: string[]): string | undefined {
  if (body.length < FwBuildInfo.size) throw new FirmwareError(where, 'build info entry is cut off');
  const { metaStart, metaSize } = FwBuildInfo.read(viewOf(body), 0);
  if (metaStart + metaSize > image.length || metaSize <= FW_GIT_SHA_PREFIX.length) {
    warnings.push('Firmware build info corrupt');
    return undefined;
  }
  const text = new TextDecoder('latin1').decode(image.subarray(metaStart, metaStart + metaSize));
  if (!text.startsWith(FW_GIT_SHA_PREFIX)) return undefined;
  if (!text.endsWith('\0')) {
    warnings.push("Firmware's git sha is not NULL terminated");
    return undefined;
  }
  return text.slice(FW_GIT_SHA_PREFIX.length, -1).trimEnd();
}
