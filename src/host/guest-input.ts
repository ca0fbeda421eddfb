/**
 * What /sys, /dev/input and /run/udev say of an input device: its class device input0, its node event0, and what udev would
 * have found out about both.
 * Source: Linux `drivers/input/input.c` (attributes, uevent, modalias), systemd `src/udev/udev-builtin-input_id.c`,
 * `rules.d/60-input-id.rules`, `71-seat.rules.in`; who looks: libinput `src/udev-seat.c`, SDL `SDL_udev.c`.
 */
import { EV } from '../abi/input/codes.ts';
import { INPUT_MAJOR } from '../abi/input/evdev.ts';
import type { Bits } from '../input/bits.ts';
import type { InputNode } from '../machine/machine.ts';

/** How the tree is written; paths are from its root. */
export interface TreeWriter {
  file(path: string, text: string): void;
  link(path: string, target: string): void;
  placeholder(path: string, major: number, minor: number): void;
}

/** Types whose codes sysfs shows, by the names of the files and of the uevent's variables. */
const CAPABILITIES = {
  ev: EV.SYN,
  key: EV.KEY,
  rel: EV.REL,
  abs: EV.ABS,
  msc: EV.MSC,
  led: EV.LED,
  snd: EV.SND,
  ff: EV.FF,
  sw: EV.SW,
};

export function writeInputDevice({ file, link, placeholder }: TreeWriter, { path, minor, device }: InputNode): void {
  const { name, phys, id, kinds } = device.description;
  const parent = `input${device.index}`;
  const own = `sys/devices/virtual/input/${parent}`;
  const node = `${own}/${device.name}`;
  const number = `${INPUT_MAJOR}:${minor}`;
  const hex = (value: number): string => value.toString(16).padStart(4, '0');

  const codes = Object.entries(CAPABILITIES).map(([key, type]) => [key, device.codes(type)!] as const);
  const variables = codes.filter(([, bits]) => !bits.empty).map(([key, bits]) => `${key.toUpperCase()}=${words(bits)}`);
  const modalias = modaliasOf(id, codes);
  file(
    `${own}/uevent`,
    [
      `PRODUCT=${[id.bustype, id.vendor, id.product, id.version].map((each) => each.toString(16)).join('/')}`,
      `NAME="${name}"`,
      `PHYS="${phys}"`,
      `PROP=${words(device.props)}`,
      ...variables,
      `MODALIAS=${modalias}`,
      '',
    ].join('\n'),
  );
  file(`${own}/name`, `${name}\n`);
  file(`${own}/phys`, `${phys}\n`);
  file(`${own}/uniq`, '\n');
  file(`${own}/properties`, `${words(device.props)}\n`);
  file(`${own}/modalias`, `${modalias}\n`);
  file(`${own}/inhibited`, '0\n');
  for (const [key, value] of Object.entries(id)) file(`${own}/id/${key}`, `${hex(value)}\n`);
  for (const [key, bits] of codes) file(`${own}/capabilities/${key}`, `${words(bits)}\n`);
  link(`${own}/subsystem`, 'sys/class/input');
  link(`sys/class/input/${parent}`, own);

  file(`${node}/dev`, `${number}\n`);
  file(`${node}/uevent`, `MAJOR=${INPUT_MAJOR}\nMINOR=${minor}\nDEVNAME=input/${device.name}\n`);
  link(`${node}/device`, own);
  link(`${node}/subsystem`, 'sys/class/input');
  link(`sys/class/input/${device.name}`, node);
  link(`sys/dev/char/${number}`, node);
  placeholder(path.slice(1), INPUT_MAJOR, minor);

  const found = ['I:1', 'E:ID_INPUT=1', ...kinds.map((kind) => `E:ID_INPUT_${kind}=1`)];
  const seat = ['G:seat', 'Q:seat'];
  // Joysticks are for whoever sits there; other input devices a session opens for its programs.
  const access = kinds.includes('JOYSTICK') ? ['G:uaccess', 'Q:uaccess'] : [];
  file(`run/udev/data/+input:${parent}`, [...found, ...seat, 'V:1', ''].join('\n'));
  file(`run/udev/tags/seat/+input:${parent}`, '');
  const group = `E:LIBINPUT_DEVICE_GROUP=${id.bustype}/${id.vendor.toString(16)}/${id.product.toString(16)}:tyr`;
  file(`run/udev/data/c${number}`, [...found, group, ...access, 'V:1', ''].join('\n'));
  if (access.length > 0) file(`run/udev/tags/uaccess/c${number}`, '');
}

/** Words of 64 bits in hexadecimal, the highest first, without leading ones that are zero (input_print_bitmap). */
function words(bits: Bits): string {
  const { bytes } = bits;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const all = Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigUint64(i * 8, true)).reverse();
  const first = all.findIndex((word) => word !== 0n);
  return (first < 0 ? [0n] : all.slice(first)).map((word) => word.toString(16)).join(' ');
}

/** The least key that a modalias names: those of a plain keyboard go without saying (KEY_MIN_INTERESTING). */
const KEY_INTERESTING = 0x71;

function modaliasOf(id: InputNode['device']['description']['id'], codes: readonly (readonly [string, Bits])[]): string {
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(4, '0');
  const letters: Record<string, string> = {
    ev: 'e',
    key: 'k',
    rel: 'r',
    abs: 'a',
    msc: 'm',
    led: 'l',
    snd: 's',
    ff: 'f',
    sw: 'w',
  };
  const lists = codes.map(([key, bits]) => {
    const members = [...bits].filter((code) => key !== 'key' || code >= KEY_INTERESTING);
    return letters[key] + members.map((code) => `${code.toString(16).toUpperCase()},`).join('');
  });
  return `input:b${hex(id.bustype)}v${hex(id.vendor)}p${hex(id.product)}e${hex(id.version)}-${lists.join('')}`;
}
