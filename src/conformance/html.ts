/** One page with everything of a run: the table, and each test that was not good with its output and its pictures. */
import { escapeText } from './escape.ts';
import type { Judged } from './expectations.ts';
import type { Report } from './report.ts';
import { VERDICTS } from './suite.ts';

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } details { margin: .4rem 0; border-left: 3px solid #bbb; padding-left: .7rem }
details.news { border-color: #c22 } pre { overflow: auto; background: #f5f5f5; padding: .6rem; max-height: 24rem }
figure { display: inline-block; margin: .4rem } img { image-rendering: pixelated; min-width: 8rem; border: 1px solid #ddd }
figcaption { font-size: 13px } input { width: 100%; padding: .4rem; font: inherit }
`;

const SCRIPT = `
const box = document.querySelector('input');
box.addEventListener('input', () => {
  for (const one of document.querySelectorAll('details')) one.hidden = !one.textContent.toLowerCase().includes(box.value.toLowerCase());
});
`;

export function html(report: Report): string {
  const { head, title, total, groups, remarkable } = report;
  const shown = VERDICTS.filter((verdict) => total[verdict] > 0);
  const cells = (kind: string, texts: (string | number)[]) =>
    `<tr>${texts.map((text) => `<${kind}>${escapeText(String(text))}</${kind}>`).join('')}</tr>`;
  const rows = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, counts]) => cells('td', [name, ...shown.map((verdict) => counts[verdict] || '')]));
  const gpu = head.gpu === undefined ? '' : `, ${head.gpu}`;
  const name = `${title} on Mesa ${head.mesa}${gpu}, engine ${head.engine}`;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escapeText(name)}</title><style>${STYLE}</style>
<h1>${escapeText(name)}</h1>
<table>${cells('th', ['group', ...shown])}${cells('th', ['all', ...shown.map((verdict) => total[verdict])])}${rows.join('\n')}</table>
<h2>Not good, or not as expected: ${remarkable.length}</h2>
<input placeholder="show those that contain …">
${remarkable.map(details).join('\n')}
<script>${SCRIPT}</script>
</html>
`;
}

function details({ name, verdict, entry, news, result }: Judged): string {
  const heading = `${name}: ${verdict}${news === undefined ? '' : `, new ${news}`}`;
  const known = entry ? `<p>Known, ${entry.whose}: ${escapeText(entry.reason)}</p>` : '';
  const note = result.note ? `<p>${escapeText(result.note)}</p>` : '';
  const text = (lines: string) => (lines.trim() ? `<pre>${escapeText(lines)}</pre>` : '');
  const pictures = (result.pictures ?? []).map(
    (picture) =>
      `<figure><img alt="" src="data:image/png;base64,${picture.png}"><figcaption>${escapeText(picture.name)}</figcaption></figure>`,
  );
  return `<details${news === undefined ? '' : ' class="news"'}><summary>${escapeText(heading)}</summary>${known}${note}${pictures.join('')}${text((result.log ?? []).join('\n'))}${text(result.output ?? '')}</details>`;
}
