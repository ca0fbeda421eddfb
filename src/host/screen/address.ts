/** Where a machine's screen is seen: what `tyr run` prints, and leaves in the machine's folder for `tyr screen`. */

export interface ScreenAddress {
  /** Of the page, with the token. */
  readonly link: string;
  readonly vnc: { readonly host: string; readonly port: number; readonly password: string };
  readonly title: string;
  /** The machine's process. */
  readonly pid: number;
}

/** In the machine's folder. */
export const SCREEN_FILE = 'screen.json';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Undefined where the text is no address on this host. */
export function parseAddress(text: string): ScreenAddress | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || !isObject(value.vnc)) return undefined;
  const { link, vnc, title, pid } = value;
  const { host, port, password } = vnc;
  if (typeof link !== 'string' || !/^http:\/\/127\.0\.0\.1:\d+\/[\w-]+\/$/.test(link)) return undefined;
  if (host !== '127.0.0.1' || typeof port !== 'number' || typeof password !== 'string') return undefined;
  if (typeof title !== 'string' || typeof pid !== 'number') return undefined;
  return { link, vnc: { host, port, password }, title, pid };
}
