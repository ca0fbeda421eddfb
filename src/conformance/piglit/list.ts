/** piglit's own test lists: tests/PROFILE.xml.gz, tests/PROFILE.meta.xml for several of them (framework/profile.py). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { SaxesParser } from 'saxes';
import { type Literal, parseLiteral } from './literal.ts';

/** A test of a list, with its options as the list has them. */
export interface Listed {
  readonly type: string;
  /** Groups and test, with @ between them. */
  readonly name: string;
  readonly options: Readonly<Record<string, Literal>>;
}

const unzip = promisify(gunzip);

/** All tests of the profiles. Throws an Error where a list is not what it should be. */
export async function readProfiles(folder: string, profiles: readonly string[]): Promise<Listed[]> {
  const listed = await Promise.all(
    profiles.map(async (name) => parseList((await unzip(await readFile(join(folder, `${name}.xml.gz`)))).toString())),
  );
  return listed.flat();
}

export function parseList(xml: string): Listed[] {
  const tests: Listed[] = [];
  let options: Record<string, Literal> = {};
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw new Error(`piglit's list cannot be read: ${error.message}`);
  });
  parser.on('opentag', ({ name, attributes }) => {
    if (name === 'Test') {
      options = {};
      tests.push({ type: String(attributes.type), name: String(attributes.name), options });
    } else if (name === 'option') {
      options[String(attributes.name)] = parseLiteral(String(attributes.value));
    }
  });
  parser.write(xml).close();
  return tests;
}
