/**
 * Values in piglit's test lists: they are Python literals (framework/test/base.py reads them with ast.literal_eval), of which
 * the lists use strings, numbers, True and False, lists and sets.
 */
export type Literal = string | number | boolean | undefined | Literal[];

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };

/** Throws an Error for what is no such literal. */
export function parseLiteral(text: string): Literal {
  let at = 0;
  const fail = (): never => {
    throw new Error(`piglit's list has a value that cannot be read: ${text}`);
  };
  const blanks = () => {
    while (text[at] === ' ') at++;
  };
  const quoted = (quote: string): string => {
    let value = '';
    for (at++; text[at] !== quote; at++) {
      if (at >= text.length) fail();
      if (text[at] === '\\') {
        at++;
        value += ESCAPES[text[at]!] ?? text[at];
      } else value += text[at];
    }
    at++;
    return value;
  };
  const items = (close: string): Literal[] => {
    const list: Literal[] = [];
    at++;
    for (blanks(); text[at] !== close; blanks()) {
      list.push(value());
      blanks();
      if (text[at] === ',') at++;
      else if (text[at] !== close) fail();
    }
    at++;
    return list;
  };
  const value = (): Literal => {
    blanks();
    const first = text[at];
    if (first === "'" || first === '"') return quoted(first);
    if (first === '[') return items(']');
    if (first === '{') return items('}');
    const word = /^(True|False|None|set\(\)|-?\d+(\.\d+)?)/.exec(text.slice(at))?.[0] ?? fail();
    at += word.length;
    if (word === 'None') return undefined;
    if (word === 'set()') return [];
    return word === 'True' || word === 'False' ? word === 'True' : Number(word);
  };
  const whole = value();
  blanks();
  return at === text.length ? whole : fail();
}
