/** JUnit XML as CI servers read it: a suite for each group; what was expected to fail counts as skipped, with its reason. */
import { escapeText } from './escape.ts';
import type { Judged } from './expectations.ts';
import type { Result } from './protocol.ts';
import type { Report } from './report.ts';

export function junit({ head, results, remarkable }: Report): string {
  const judged = Map.groupBy(remarkable, ({ result }) => result.name);
  const groups = Map.groupBy(results, ({ group }) => group);
  const suites = [...groups].map(([group, own]) => {
    const cases = own.map((result) => testcase(result, judged.get(result.name) ?? []));
    const count = (kind: string) => cases.filter((text) => text.includes(`<${kind}`)).length;
    const numbers = `tests="${own.length}" failures="${count('failure')}" skipped="${count('skipped')}"`;
    return `<testsuite name="${escapeText(group)}" ${numbers}>\n${cases.join('\n')}\n</testsuite>`;
  });
  const name = escapeText(`${head.suite}, Mesa ${head.mesa}`);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${name}">\n${suites.join('\n')}\n</testsuites>\n`;
}

function testcase(result: Result, judged: readonly Judged[]): string {
  const { name, group, seconds, verdict, note, output = '', log = [] } = result;
  const short = name.startsWith(`${group}@`) ? name.slice(group.length + 1) : name;
  const open = `<testcase classname="${escapeText(group)}" name="${escapeText(short)}" time="${seconds}"`;
  const news = judged.filter((one) => one.news !== undefined);
  if (news.length > 0) {
    const what = news.map((one) => `${one.name}: ${one.verdict}, a new ${one.news}`).join('; ');
    const details = escapeText([what, ...log, output].join('\n'));
    return `${open}><failure message="${escapeText(what)}" type="${verdict}">${details}</failure></testcase>`;
  }
  const [known] = judged;
  if (known?.entry)
    return `${open}><skipped message="${escapeText(`${verdict}, known: ${known.entry.reason}`)}"/></testcase>`;
  return verdict === 'skip' ? `${open}><skipped message="${escapeText(note ?? '')}"/></testcase>` : `${open}/>`;
}
