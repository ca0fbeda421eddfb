/**
 * RFB, the protocol of VNC: message numbers, encodings and message layouts, all big-endian.
 * Source: RFC 6143; the community's `rfbproto` (github.com/rfbproto/rfbproto) for Tight, QEMU's extended key event
 * and extended mouse buttons.
 */

/** Versions that are spoken, by what a client answers; any other 3.x counts as 3.3. */
export const RFB_VERSION = 'RFB 003.008\n';
export const RFB_VERSIONS: Readonly<Record<string, 7 | 8>> = { 'RFB 003.007\n': 7, 'RFB 003.008\n': 8 };

export const RFB_SECURITY = { NONE: 1, VNC: 2 } as const;
export const RFB_RESULT = { OK: 0, FAILED: 1 } as const;
/** Bytes of the challenge of security type VNC, and of its answer. */
export const RFB_CHALLENGE = 16;
/** Characters of a password that count. */
export const RFB_PASSWORD = 8;

/** What a client says. */
export const RFB_CLIENT = {
  SET_PIXEL_FORMAT: 0,
  SET_ENCODINGS: 2,
  UPDATE_REQUEST: 3,
  KEY: 4,
  POINTER: 5,
  CUT_TEXT: 6,
  QEMU: 255,
} as const;
/** Submessages of QEMU. */
export const RFB_QEMU = { EXTENDED_KEY: 0 } as const;

/** What the server says. */
export const RFB_SERVER = { UPDATE: 0 } as const;

export const RFB_ENCODING = {
  RAW: 0,
  TIGHT: 7,
  DESKTOP_SIZE: -223,
  QEMU_EXTENDED_KEY: -258,
  EXTENDED_MOUSE_BUTTONS: -316,
} as const;

/** Bits of a pointer event's buttons. Bit 7 says that a second byte follows, where the client was told of it. */
export const RFB_BUTTON = {
  LEFT: 0x01,
  MIDDLE: 0x02,
  RIGHT: 0x04,
  WHEEL_UP: 0x08,
  WHEEL_DOWN: 0x10,
  WHEEL_LEFT: 0x20,
  WHEEL_RIGHT: 0x40,
  EXTENDED: 0x80,
  /** Of the second byte, as bits 8 and 9. */
  BACK: 0x100,
  FORWARD: 0x200,
} as const;

/**
 * Tight's first byte: streams to begin anew in the low four bits, then how the rectangle is compressed. FILTER: a byte that
 * names the filter follows. Lengths are of up to three bytes, seven bits in the first two of them.
 */
export const TIGHT = {
  RESET_STREAM_0: 0x01,
  FILTER: 0x40,
  FILL: 0x80,
  FILTER_COPY: 0,
  FILTER_PALETTE: 1,
  /** Data below this many bytes is sent as it is. */
  PLAIN: 12,
  /** Pixels of the widest rectangle that every client takes. */
  MAX_WIDTH: 2048,
} as const;

type FieldKind = 'u8' | 's8' | 'u16' | 'u32' | 's32';
const SIZES = { u8: 1, s8: 1, u16: 2, u32: 4, s32: 4 } as const;

export interface RfbRecord<F extends Record<string, FieldKind>> {
  /** In bytes. */
  readonly size: number;
  /** Throws RangeError where bytes are missing. */
  read(bytes: Uint8Array, at?: number): { [K in keyof F]: number };
  /** Fields that are left out are 0. */
  pack(values: { [K in keyof F]?: number }): Uint8Array<ArrayBuffer>;
}

/** Fields one after another, without gaps. Names that begin with `pad` are padding. */
function record<const F extends Record<string, FieldKind>>(fields: F): RfbRecord<F> {
  const members = Object.entries(fields) as [keyof F & string, FieldKind][];
  const size = members.reduce((sum, [, kind]) => sum + SIZES[kind], 0);
  return {
    size,
    read(bytes, at = 0) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
      const values: Record<string, number> = {};
      let offset = 0;
      for (const [name, kind] of members) {
        values[name] = {
          u8: () => view.getUint8(offset),
          s8: () => view.getInt8(offset),
          u16: () => view.getUint16(offset),
          u32: () => view.getUint32(offset),
          s32: () => view.getInt32(offset),
        }[kind]();
        offset += SIZES[kind];
      }
      return values as { [K in keyof F]: number };
    },
    pack(values) {
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      let offset = 0;
      for (const [name, kind] of members) {
        const value = values[name] ?? 0;
        if (SIZES[kind] === 1) view.setUint8(offset, value);
        else if (SIZES[kind] === 2) view.setUint16(offset, value);
        else view.setUint32(offset, value);
        offset += SIZES[kind];
      }
      return bytes;
    },
  };
}

export const RfbPixelFormat = record({
  bitsPerPixel: 'u8',
  depth: 'u8',
  bigEndian: 'u8',
  trueColour: 'u8',
  redMax: 'u16',
  greenMax: 'u16',
  blueMax: 'u16',
  redShift: 'u8',
  greenShift: 'u8',
  blueShift: 'u8',
  pad0: 'u8',
  pad1: 'u16',
});
export type RfbPixelFormatValues = ReturnType<(typeof RfbPixelFormat)['read']>;

/** ServerInit is this size, a pixel format, and a name with its length before it. */
export const RfbSize = record({ width: 'u16', height: 'u16' });
export const RfbLength = record({ length: 'u32' });

// Client messages, without their first byte.
export const RfbSetPixelFormat = record({ pad0: 'u8', pad1: 'u16' });
export const RfbSetEncodings = record({ pad0: 'u8', count: 'u16' });
export const RfbEncoding = record({ encoding: 's32' });
export const RfbUpdateRequest = record({ incremental: 'u8', x: 'u16', y: 'u16', width: 'u16', height: 'u16' });
export const RfbKey = record({ down: 'u8', pad0: 'u16', keysym: 'u32' });
export const RfbPointer = record({ buttons: 'u8', x: 'u16', y: 'u16' });
export const RfbCutText = record({ pad0: 'u8', pad1: 'u16', length: 's32' });
/** After the submessage's byte. `scanCode`: of XT's set 1, where 0xe0 before a code is told by bit 7. */
export const RfbExtendedKey = record({ down: 'u16', keysym: 'u32', scanCode: 'u32' });

// Server messages.
export const RfbUpdate = record({ type: 'u8', pad0: 'u8', rectangles: 'u16' });
export const RfbRectangle = record({ x: 'u16', y: 'u16', width: 'u16', height: 'u16', encoding: 's32' });
