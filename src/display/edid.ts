/** The EDID of the monitor that is plugged into the board: a made-up one, with the modes that the display offers. */
import {
  dummyDescriptor,
  EDID_ESTABLISHED,
  EDID_FEATURES,
  EDID_HEADER,
  EDID_INPUT_HDMI_8BIT,
  EDID_NO_STANDARD,
  EDID_SRGB,
  EdidBlock,
  edidManufacturer,
  nameDescriptor,
  timingDescriptor,
} from '../abi/display/edid.ts';
import type { Timing } from '../abi/display/timings.ts';

const MONITOR = 'Tyr Display';
const DOTS_PER_MM = 96 / 25.4;

/** Size of the picture in millimetres at 96 dots per inch. */
export function physicalSize([preferred]: readonly Timing[]): { widthMm: number; heightMm: number } {
  const mm = (pixels = 0): number => Math.round(pixels / DOTS_PER_MM);
  return { widthMm: mm(preferred?.horizontal[0]), heightMm: mm(preferred?.vertical[0]) };
}

/** One block of 128 bytes. The preferred timing is the first of `timings`. */
export function makeEdid(timings: readonly Timing[]): Uint8Array {
  const { widthMm, heightMm } = physicalSize(timings);
  const established = [0, 0, 0];
  const detailed: Timing[] = [];
  for (const [i, timing] of timings.entries()) {
    const name = `${timing.horizontal[0]}x${timing.vertical[0]}`;
    const known = i > 0 ? EDID_ESTABLISHED[name as keyof typeof EDID_ESTABLISHED] : undefined;
    if (known) established[known[0]]! |= known[1];
    else detailed.push(timing);
  }
  const descriptors = detailed.slice(0, 3).map((timing) => timingDescriptor(timing, widthMm, heightMm));
  descriptors.push(nameDescriptor(MONITOR));
  while (descriptors.length < 4) descriptors.push(dummyDescriptor());
  const edid = EdidBlock.pack({
    header: EDID_HEADER,
    manufacturer: edidManufacturer('TYR'),
    product: 1,
    serial: 1,
    week: 1,
    year: 2026 - 1990,
    version: 1,
    revision: 4,
    input: EDID_INPUT_HDMI_8BIT,
    width: Math.round(widthMm / 10),
    height: Math.round(heightMm / 10),
    gamma: 220 - 100,
    features: EDID_FEATURES,
    chromaticity: EDID_SRGB,
    established,
    standard: Array.from({ length: 16 }, () => EDID_NO_STANDARD),
    descriptors,
  });
  const checksum = (256 - (edid.reduce((sum, byte) => sum + byte, 0) % 256)) % 256;
  EdidBlock.write(new DataView(edid.buffer), 0, { checksum });
  return edid;
}
