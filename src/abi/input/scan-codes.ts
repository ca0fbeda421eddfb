/**
 * Scan codes of XT keyboards (set 1), as VNC's extended key events tell them, and the keys that they are of.
 * Source: Linux `drivers/input/keyboard/atkbd.c`, QEMU's `keycodemapdb` (column AT set 1).
 */
import { KEY } from './keys.ts';

/** What stands for the byte 0xe0 before a code. */
export const SCAN_CODE_E0 = 0x80;

/** Up to this code Linux has numbered keys as the keyboards did, but for a few. */
const LAST_SAME = KEY.F12;

const PLAIN: Readonly<Record<number, number>> = {
  84: KEY.SYSRQ,
  85: KEY.F16,
  89: KEY.KPEQUAL,
  90: KEY.F20,
  93: KEY.F13,
  94: KEY.F14,
  95: KEY.F15,
  109: KEY.F23,
  111: KEY.F24,
  112: KEY.KATAKANAHIRAGANA,
  113: KEY.HANJA,
  114: KEY.HANGEUL,
  115: KEY.RO,
  116: KEY.F21,
  118: KEY.ZENKAKUHANKAKU,
  119: KEY.HIRAGANA,
  120: KEY.KATAKANA,
  121: KEY.HENKAN,
  123: KEY.MUHENKAN,
  125: KEY.YEN,
  126: KEY.KPCOMMA,
};

/** Codes that follow 0xe0. */
const AFTER_E0: Readonly<Record<number, number>> = {
  16: KEY.PREVIOUSSONG,
  25: KEY.NEXTSONG,
  28: KEY.KPENTER,
  29: KEY.RIGHTCTRL,
  32: KEY.MUTE,
  33: KEY.CALC,
  34: KEY.PLAYPAUSE,
  36: KEY.STOPCD,
  46: KEY.VOLUMEDOWN,
  48: KEY.VOLUMEUP,
  50: KEY.HOMEPAGE,
  53: KEY.KPSLASH,
  55: KEY.SYSRQ,
  56: KEY.RIGHTALT,
  70: KEY.PAUSE,
  71: KEY.HOME,
  72: KEY.UP,
  73: KEY.PAGEUP,
  75: KEY.LEFT,
  77: KEY.RIGHT,
  79: KEY.END,
  80: KEY.DOWN,
  81: KEY.PAGEDOWN,
  82: KEY.INSERT,
  83: KEY.DELETE,
  91: KEY.LEFTMETA,
  92: KEY.RIGHTMETA,
  93: KEY.COMPOSE,
  94: KEY.POWER,
  95: KEY.SLEEP,
  99: KEY.WAKEUP,
  101: KEY.SEARCH,
  102: KEY.BOOKMARKS,
  103: KEY.REFRESH,
  104: KEY.STOP,
  105: KEY.FORWARD,
  106: KEY.BACK,
  107: KEY.COMPUTER,
  108: KEY.MAIL,
  109: KEY.MEDIA,
  117: KEY.HELP,
};

/** KEY_* of a scan code, undefined where no key has it. */
export function keyOfScanCode(code: number): number | undefined {
  if (code & SCAN_CODE_E0) return code < 2 * SCAN_CODE_E0 ? AFTER_E0[code - SCAN_CODE_E0] : undefined;
  if (PLAIN[code] !== undefined) return PLAIN[code];
  return code >= KEY.ESC && code <= LAST_SAME ? code : undefined;
}
