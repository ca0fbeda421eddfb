/**
 * X's keysyms, by which plain VNC clients name keys, and the keys of a US keyboard that make them.
 * Source: X11 `keysymdef.h`; the layout is `us` of xkeyboard-config.
 */
import { KEY } from './keys.ts';

export interface Stroke {
  /** KEY_* */
  readonly key: number;
  /** Whether Shift has to be down; undefined: as it is. */
  readonly shift: boolean | undefined;
}

/** Keys with their two characters, plain and with Shift. */
const CHARACTERS: Readonly<Record<string, number>> = {
  '1!': KEY['1'],
  '2@': KEY['2'],
  '3#': KEY['3'],
  '4$': KEY['4'],
  '5%': KEY['5'],
  '6^': KEY['6'],
  '7&': KEY['7'],
  '8*': KEY['8'],
  '9(': KEY['9'],
  '0)': KEY['0'],
  '-_': KEY.MINUS,
  '=+': KEY.EQUAL,
  '[{': KEY.LEFTBRACE,
  ']}': KEY.RIGHTBRACE,
  '\\|': KEY.BACKSLASH,
  ';:': KEY.SEMICOLON,
  '\'"': KEY.APOSTROPHE,
  '`~': KEY.GRAVE,
  ',<': KEY.COMMA,
  '.>': KEY.DOT,
  '/?': KEY.SLASH,
};

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Keys that write nothing, or the same with and without Shift. */
const OTHERS: Readonly<Record<number, number>> = {
  32: KEY.SPACE,
  65032: KEY.RIGHTALT, // ISO_Level3_Shift
  65056: KEY.TAB, // ISO_Left_Tab
  65288: KEY.BACKSPACE,
  65289: KEY.TAB,
  65293: KEY.ENTER,
  65299: KEY.PAUSE,
  65300: KEY.SCROLLLOCK,
  65301: KEY.SYSRQ,
  65307: KEY.ESC,
  65360: KEY.HOME,
  65361: KEY.LEFT,
  65362: KEY.UP,
  65363: KEY.RIGHT,
  65364: KEY.DOWN,
  65365: KEY.PAGEUP,
  65366: KEY.PAGEDOWN,
  65367: KEY.END,
  65377: KEY.SYSRQ, // Print
  65379: KEY.INSERT,
  65383: KEY.COMPOSE, // Menu
  65407: KEY.NUMLOCK,
  65421: KEY.KPENTER,
  65429: KEY.KP7, // KP_Home and its neighbours: the pad without Num Lock
  65430: KEY.KP4,
  65431: KEY.KP8,
  65432: KEY.KP6,
  65433: KEY.KP2,
  65434: KEY.KP9,
  65435: KEY.KP3,
  65436: KEY.KP1,
  65437: KEY.KP5,
  65438: KEY.KP0,
  65439: KEY.KPDOT,
  65450: KEY.KPASTERISK,
  65451: KEY.KPPLUS,
  65453: KEY.KPMINUS,
  65454: KEY.KPDOT,
  65455: KEY.KPSLASH,
  65456: KEY.KP0,
  65457: KEY.KP1,
  65458: KEY.KP2,
  65459: KEY.KP3,
  65460: KEY.KP4,
  65461: KEY.KP5,
  65462: KEY.KP6,
  65463: KEY.KP7,
  65464: KEY.KP8,
  65465: KEY.KP9,
  65469: KEY.KPEQUAL,
  65470: KEY.F1,
  65471: KEY.F2,
  65472: KEY.F3,
  65473: KEY.F4,
  65474: KEY.F5,
  65475: KEY.F6,
  65476: KEY.F7,
  65477: KEY.F8,
  65478: KEY.F9,
  65479: KEY.F10,
  65480: KEY.F11,
  65481: KEY.F12,
  65505: KEY.LEFTSHIFT,
  65506: KEY.RIGHTSHIFT,
  65507: KEY.LEFTCTRL,
  65508: KEY.RIGHTCTRL,
  65509: KEY.CAPSLOCK,
  65511: KEY.LEFTMETA, // Meta_L
  65512: KEY.RIGHTMETA,
  65513: KEY.LEFTALT,
  65514: KEY.RIGHTALT,
  65515: KEY.LEFTMETA, // Super_L
  65516: KEY.RIGHTMETA,
  65535: KEY.DELETE,
};

const STROKES: ReadonlyMap<number, Stroke> = new Map([
  ...Object.entries(CHARACTERS).flatMap(([pair, key]): [number, Stroke][] => [
    [pair.charCodeAt(0), { key, shift: false }],
    [pair.charCodeAt(1), { key, shift: true }],
  ]),
  ...[...LETTERS].flatMap((letter): [number, Stroke][] => {
    const key = KEY[letter as keyof typeof KEY];
    return [
      // Caps Lock is the client's own, so letters come with the case that they are to have.
      [letter.toLowerCase().charCodeAt(0), { key, shift: false }],
      [letter.charCodeAt(0), { key, shift: true }],
    ];
  }),
  ...Object.entries(OTHERS).map(([keysym, key]): [number, Stroke] => [Number(keysym), { key, shift: undefined }]),
]);

/** How a keysym is typed; undefined: not on a US keyboard. */
export const strokeOfKeysym = (keysym: number): Stroke | undefined => STROKES.get(keysym);
