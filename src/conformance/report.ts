/** What a run came to: a table by groups, and the reports that stand beside its journal. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../host/userland/problem.ts';
import type { Expectations, Judged } from './expectations.ts';
import { html } from './html.ts';
import type { Head } from './journal.ts';
import { junit } from './junit.ts';
import type { Result } from './protocol.ts';
import { isGood, VERDICTS, type Verdict } from './suite.ts';

export type Counts = Record<Verdict, number>;

export interface Report {
  readonly head: Head;
  readonly title: string;
  readonly results: readonly Result[];
  /** Tests and subtests that were not good, or of which something else was expected. */
  readonly remarkable: readonly Judged[];
  readonly total: Counts;
  readonly groups: ReadonlyMap<string, Counts>;
  /** Tests that were not good, and all of whose failures a board has, too. */
  readonly alsoOnBoards: number;
}

const none = (): Counts => Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Counts;

export function report(head: Head, title: string, results: readonly Result[], expectations: Expectations): Report {
  const total = none();
  const groups = new Map<string, Counts>();
  const remarkable: Judged[] = [];
  let alsoOnBoards = 0;
  for (const result of results) {
    const group = groups.get(result.group) ?? none();
    groups.set(result.group, group);
    group[result.verdict]++;
    total[result.verdict]++;
    const units = expectations.judge(result);
    remarkable.push(...units.filter(({ news, entry }) => news !== undefined || entry?.kind === 'known'));
    if (!isGood(result.verdict) && units.every((unit) => isGood(unit.verdict) || isOfBoards(unit))) alsoOnBoards++;
  }
  return { head, title, results, remarkable, total, groups, alsoOnBoards };
}

const isOfBoards = ({ entry, news }: Judged): boolean => news === undefined && entry?.whose === 'hardware';

/** Writes junit.xml, index.html and summary.md into a folder. */
export function writeReports(folder: string, report: Report): void {
  writeFileSync(join(folder, 'junit.xml'), junit(report));
  writeFileSync(join(folder, 'index.html'), html(report));
  writeFileSync(join(folder, 'summary.md'), markdown(report));
}

/** Those that were not skipped. */
const ran = (counts: Counts): number => VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0) - counts.skip;

const passed = (counts: Counts): number => counts.pass + counts.warn;

const percent = (part: number, whole: number): string => (whole === 0 ? '–' : `${((part * 100) / whole).toFixed(1)} %`);

/** The share of tests that passed, of those that were not skipped, in percent. */
const share = (counts: Counts): string => percent(passed(counts), ran(counts));

/** The table, with a column for each verdict that occurs, and below it what was not good. */
export function markdown({ head, title, total, groups, remarkable, results, alsoOnBoards }: Report): string {
  const shown = VERDICTS.filter((verdict) => total[verdict] > 0);
  const row = (name: string, counts: Counts) =>
    `| ${[name, ...shown.map((verdict) => counts[verdict] || ''), share(counts)].join(' | ')} |`;
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  const lines = [
    `${title}, Mesa ${head.mesa}${head.gpu === undefined ? '' : ` on ${head.gpu}`}, engine ${head.engine}: ${results.length} tests, ${Math.round(seconds / 60)} minutes of them running.`,
    '',
    `| group | ${shown.join(' | ')} | passed of those run |`,
    `|---|${shown.map(() => '---:|').join('')}---:|`,
    row('**all**', total),
    ...[...groups]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .filter(([, counts]) => shown.some((v) => v !== 'skip' && counts[v] > 0))
      .map(([name, counts]) => row(name, counts)),
  ];
  if (alsoOnBoards > 0) {
    const others = ran(total) - alsoOnBoards;
    const of = `of the other ${others}, ${passed(total)} passed: ${percent(passed(total), others)}`;
    lines.push('', `Of the ${ran(total)} that ran, ${alsoOnBoards} fail on a board as well; ${of}.`);
  }
  const skipped = [...groups.values()].filter((counts) => shown.every((v) => v === 'skip' || counts[v] === 0)).length;
  if (skipped > 0)
    lines.push('', `${skipped} more groups were skipped whole: they need what this GPU's Mesa does not offer.`);
  if (remarkable.length > 0) {
    lines.push('', '| test | verdict | whose | reason |', '|---|---|---|---|');
    for (const { name, verdict, entry, news } of remarkable) {
      const own = entry === undefined ? ['–', `new: ${news}`] : [entry.whose, entry.reason];
      lines.push(`| ${name.replaceAll('|', '\\|')} | ${verdict} | ${own.join(' | ')} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/**
 * Puts a table into a page, between the lines `<!-- tyr conformance NAME -->` and `<!-- end -->`. Throws Problem where the page has
 * no such lines.
 */
export function putIntoPage(file: string, name: string, text: string): void {
  const page = readFileSync(file, 'utf8');
  const open = `<!-- tyr conformance ${name} -->\n`;
  const from = page.indexOf(open);
  const to = page.indexOf('<!-- end -->', from);
  if (from < 0 || to < 0)
    throw new Problem(`${file} has no lines ${open.trim()} and <!-- end --> to put the table between`);
  writeFileSync(file, `${page.slice(0, from)}${open}\n${text}\n${page.slice(to)}`);
}

/** A line a kind for the end of a run. */
export function closing({ total, remarkable }: Report): string {
  const counts = VERDICTS.filter((verdict) => total[verdict] > 0).map((verdict) => `${total[verdict]} ${verdict}`);
  const news = remarkable.filter((judged) => judged.news !== undefined);
  const lines = news.map(({ name, verdict, news: what, result, entry }) => {
    const expected = entry === undefined ? '' : ` (expected: ${entry.verdict})`;
    const why = result.log?.[0] ?? result.note ?? '';
    return `new ${what}: ${name}: ${verdict}${expected}${why ? `: ${why}` : ''}`;
  });
  return [
    ...lines,
    `${counts.join(', ') || 'nothing ran'}; ${share(total)} of those run passed; ${news.length} not as expected`,
  ].join('\n');
}
