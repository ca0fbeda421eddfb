/**
 * Our own firmware image, in the container of the real one.
 *
 * The virtual GPU models what the firmware does; it does not execute the microcontroller's code. So the image is small:
 * a vector and code section with an endless loop of Cortex-M7 code, a data section, and the shared section for the
 * interface. The driver loads it as it loads any other.
 */
import {
  FW_CACHE_MODE,
  FW_ENTRY,
  FW_GIT_SHA_PREFIX,
  FW_MAGIC,
  FW_SHARED_START,
  FwBuildInfo,
  FwEntry,
  FwHeader,
  FwSection,
  FwSectionFlags,
  FwVersion,
} from '../../abi/gpu/firmware.ts';
import { viewOf } from '../../abi/layout.ts';

/** A section to put into an image. */
export interface SectionSpec {
  readonly vaStart: number;
  readonly size: number;
  readonly read?: boolean;
  readonly write?: boolean;
  readonly execute?: boolean;
  readonly cacheMode?: number;
  readonly protected?: boolean;
  readonly shared?: boolean;
  readonly zero?: boolean;
  readonly data?: Uint8Array;
}

export interface ImageSpec {
  readonly sections: readonly SectionSpec[];
  readonly gitSha?: string;
  /** Interface version in the header. */
  readonly interface?: { readonly major: number; readonly minor: number; readonly patch: number };
}

/** Data start at multiples of this many bytes. */
const DATA_ALIGN = 16;

/** Builds an image in the container format, minor version 3 as current firmware has. */
export function buildImage(spec: ImageSpec): Uint8Array {
  const sectionEntry = FwEntry.size + FwSection.size;
  const infoEntry = FwEntry.size + FwBuildInfo.size;
  const info = spec.gitSha === undefined ? undefined : new TextEncoder().encode(`${FW_GIT_SHA_PREFIX}${spec.gitSha}\0`);
  const tableEnd = FwHeader.size + spec.sections.length * sectionEntry + (info ? infoEntry : 0);
  const align = (offset: number): number => Math.ceil(offset / DATA_ALIGN) * DATA_ALIGN;
  let end = align(tableEnd);
  const place = (data: Uint8Array | undefined): [number, number] => {
    if (!data?.length) return [0, 0];
    const start = end;
    end = align(start + data.length);
    return [start, start + data.length];
  };
  const infoPlace = place(info);
  const places = spec.sections.map((section) => place(section.data));
  const image = new Uint8Array(end);
  const view = viewOf(image);
  const version = viewOf(FwVersion.pack(spec.interface ?? { major: 1, minor: 1, patch: 0 })).getUint32(0, true);
  FwHeader.write(view, 0, { magic: FW_MAGIC, minor: 3, major: 0, versionHash: version, size: tableEnd });
  let at = FwHeader.size;
  for (const [i, section] of spec.sections.entries()) {
    const [dataStart, dataEnd] = places[i]!;
    const flags = viewOf(
      FwSectionFlags.pack({
        read: section.read === false ? 0 : 1,
        write: section.write ? 1 : 0,
        execute: section.execute ? 1 : 0,
        cacheMode: section.cacheMode ?? FW_CACHE_MODE.CACHED,
        protected: section.protected ? 1 : 0,
        shared: section.shared ? 1 : 0,
        zero: section.zero ? 1 : 0,
      }),
    ).getUint32(0, true);
    FwEntry.write(view, at, { type: FW_ENTRY.INTERFACE, size: sectionEntry });
    FwSection.write(view, at + FwEntry.size, {
      flags,
      vaStart: section.vaStart,
      vaEnd: section.vaStart + section.size,
      dataStart,
      dataEnd,
    });
    if (section.data) image.set(section.data, dataStart);
    at += sectionEntry;
  }
  if (info) {
    FwEntry.write(view, at, { type: FW_ENTRY.BUILD_INFO_METADATA, size: infoEntry, optional: 1 });
    FwBuildInfo.write(view, at + FwEntry.size, { metaStart: infoPlace[0], metaSize: info.length });
    image.set(info, infoPlace[0]);
  }
  return image;
}

/** Cortex-M vector table: initial stack pointer and reset vector (Thumb), then the code: `b .`. */
const STACK_TOP = 0x00801000;
const CODE = new Uint8Array(new Uint32Array([STACK_TOP, 0x9, 0xe7fee7fe]).buffer);

/** The image that the machine boots when it is given no other. */
export function tyrFirmware(): Uint8Array {
  return buildImage({
    gitSha: 'tyr 0.1.0',
    sections: [
      { vaStart: 0, size: 0x1000, execute: true, data: CODE },
      { vaStart: 0x00800000, size: 0x1000, write: true, zero: true },
      {
        vaStart: FW_SHARED_START,
        size: 0x40000,
        write: true,
        shared: true,
        zero: true,
        cacheMode: FW_CACHE_MODE.CACHED_COHERENT,
      },
    ],
  });
}
