/**
 * What a person does, as words: `key ctrl+c`, `type hello`, `click`. One command becomes steps on the input port, with the
 * little pauses that a hand makes, since programs take two presses within a few milliseconds for one that bounced.
 *
 *     key NAME[+NAME…] [down|up]      press keys together and let them go; or only one of both
 *     type TEXT                       as on a US keyboard; \n, \t and \\ are Enter, Tab and a backslash
 *     move X Y                        the pointer, to a place on the screen: 0..1 from left to right and top to bottom
 *     moveby DX DY                    the mouse, by counts
 *     click [BUTTON [COUNT]]          left by default
 *     button BUTTON down|up
 *     scroll DX DY                    detents, to the right and down
 *     touch ID X Y                    put a finger down, or move it
 *     release ID                      lift it
 *     axis NAME VALUE                 of the game pad: x, y, rx, ry, hat0x, hat0y: -1..1; z, rz: 0..1
 *     pad BUTTON [down|up]            of the game pad: south, east, tl, start …
 */

import { KEY } from '../abi/input/keys.ts';
import { strokeOfKeysym } from '../abi/input/keysyms.ts';
import { AXES, BUTTONS, KEYS, PAD_BUTTONS } from './names.ts';
import type { InputPort } from './port.ts';

/** Something that a person does, and the nanoseconds that pass after it. */
export interface Step {
  readonly act: (port: InputPort) => void;
  readonly pause: number;
}

/** A command that nobody understands. */
export class CommandError extends Error {}

const MILLISECOND = 1e6;
/** How long a key or button is held, and how long a hand rests before it presses the next. */
const HOLD = 30 * MILLISECOND;
/** A quick typist's. */
const STROKE = 10 * MILLISECOND;
/** Characters that one command types, clicks that it makes. */
const MOST_TYPED = 4096;
const MOST_CLICKS = 100;

const step = (act: Step['act'], pause = 0): Step => ({ act, pause });

/** Throws CommandError, which says what is wrong. */
export function parseCommand(words: readonly string[]): Step[] {
  const [name, ...rest] = words;
  const parse = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name as keyof typeof COMMANDS] : undefined;
  if (!parse) throw new CommandError(`${name ?? 'nothing'} is no command: ${Object.keys(COMMANDS).join(', ')} are`);
  return parse(rest);
}

const COMMANDS = {
  key(words: string[]): Step[] {
    const [chord, how] = arity('key', words, 1, 2);
    const codes = chord!.split('+').map((name) => lookUp(KEYS, 'key', name));
    const down = codes.map((code) => step((port) => port.key(code, true), HOLD));
    const up = codes.toReversed().map((code) => step((port) => port.key(code, false), HOLD));
    return pressed(how, down, up);
  },

  type(words: string[]): Step[] {
    return strokes(words.join(' '));
  },

  move(words: string[]): Step[] {
    const [x, y] = arity('move', words, 2).map(part);
    return [step((port) => port.moveTo(x!, y!), STROKE)];
  },

  moveby(words: string[]): Step[] {
    const [dx, dy] = arity('moveby', words, 2).map(number);
    return [step((port) => port.moveBy(dx!, dy!), STROKE)];
  },

  click(words: string[]): Step[] {
    const [name = 'left', count = '1'] = arity('click', words, 0, 2);
    const code = lookUp(BUTTONS, 'button', name);
    const times = number(count);
    if (!Number.isInteger(times) || times < 1 || times > MOST_CLICKS) throw new CommandError(`${count} clicks`);
    const once = [step((port) => port.button(code, true), HOLD), step((port) => port.button(code, false), HOLD)];
    return Array.from({ length: times }, () => once).flat();
  },

  button(words: string[]): Step[] {
    const [name, how] = arity('button', words, 2);
    const code = lookUp(BUTTONS, 'button', name!);
    const only = (down: boolean) => [step((port) => port.button(code, down), HOLD)];
    return pressed(how, only(true), only(false));
  },

  scroll(words: string[]): Step[] {
    const [dx, dy] = arity('scroll', words, 2).map(number);
    return [step((port) => port.scroll(dx!, dy!), STROKE)];
  },

  touch(words: string[]): Step[] {
    const [id, x, y] = arity('touch', words, 3);
    const [finger, across, down] = [number(id!), part(x!), part(y!)];
    return [step((port) => port.touch(finger, across, down), STROKE)];
  },

  release(words: string[]): Step[] {
    const [id] = arity('release', words, 1).map(number);
    return [step((port) => port.release(id!), STROKE)];
  },

  axis(words: string[]): Step[] {
    const [name, value] = arity('axis', words, 2);
    const code = lookUp(AXES, 'axis', name!);
    const where = number(value!);
    if (Math.abs(where) > 1) throw new CommandError(`${value} is not from -1 to 1`);
    return [step((port) => port.axis(code, where), STROKE)];
  },

  pad(words: string[]): Step[] {
    const [name, how] = arity('pad', words, 1, 2);
    const code = lookUp(PAD_BUTTONS, 'button of the game pad', name!);
    const only = (down: boolean) => [step((port) => port.padButton(code, down), HOLD)];
    return pressed(how, only(true), only(false));
  },
};

function pressed(how: string | undefined, down: Step[], up: Step[]): Step[] {
  if (how === undefined) return [...down, ...up];
  if (how === 'down') return down;
  if (how === 'up') return up;
  throw new CommandError(`${how} is neither down nor up`);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '\\': '\\' };

function strokes(text: string): Step[] {
  const plain = text.replace(/\\(.?)/gs, (_, what: string) => {
    const meant = ESCAPES[what];
    if (meant === undefined) throw new CommandError(`\\${what} is none of \\n, \\t and \\\\`);
    return meant;
  });
  if (plain.length > MOST_TYPED) throw new CommandError(`more than ${MOST_TYPED} characters at once`);
  return [...plain].flatMap((character) => {
    const { key, shift } = strokeOf(character);
    const own = [step((port) => port.key(key, true), STROKE), step((port) => port.key(key, false), STROKE)];
    if (!shift) return own;
    const hold = (down: boolean) => step((port) => port.key(KEY.LEFTSHIFT, down), STROKE);
    return [hold(true), ...own, hold(false)];
  });
}

function strokeOf(character: string): { key: number; shift?: boolean | undefined } {
  if (character === '\n') return { key: KEY.ENTER };
  if (character === '\t') return { key: KEY.TAB };
  // The keysyms of printable ASCII are its codes.
  const stroke = character >= ' ' && character <= '~' ? strokeOfKeysym(character.charCodeAt(0)) : undefined;
  if (!stroke) throw new CommandError(`a US keyboard has no key for ${JSON.stringify(character)}`);
  return stroke;
}

function arity(name: string, words: string[], least: number, most = least): string[] {
  if (words.length >= least && words.length <= most) return words;
  const wanted = least === most ? `${least}` : `${least} to ${most}`;
  throw new CommandError(`${name} takes ${wanted} words, not ${words.length}`);
}

function lookUp(table: ReadonlyMap<string, number>, what: string, name: string): number {
  const code = table.get(name.toLowerCase());
  if (code === undefined) throw new CommandError(`there is no ${what} ${name}`);
  return code;
}

function number(word: string): number {
  const value = Number(word);
  if (word === '' || !Number.isFinite(value)) throw new CommandError(`${word || 'nothing'} is no number`);
  return value;
}

function part(word: string): number {
  const value = number(word);
  if (value < 0 || value > 1) throw new CommandError(`${word} is not from 0 to 1`);
  return value;
}
