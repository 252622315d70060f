import { escapeHtml, escapeJson } from './markup.js';
import { pageData, type PageData, type PagePhase } from './page-data.js';
import { PAGE_SCRIPT } from './page-script.js';
import { PAGE_STYLE } from './page-style.js';
import {
  faultsMarkup,
  momentsMarkup,
  runMarkup,
  tallyMarkup,
  verdictMarkup,
  violationsMarkup,
} from './page-tables.js';
import { verdictWord, type RunReport } from './run-report.js';

/** The text of the chart library, uPlot. */
export interface ChartAssets {
  readonly script: string;
  readonly style: string;
}

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/**
 * The whole report as one page that needs nothing else: no network, no other file.
 *
 * Everything that comes from the run is escaped for its place, and the page's own policy forbids it to load anything.
 * Without its script the page still has every figure in a table.
 */
export function reportPage(report: RunReport, assets: ChartAssets): string {
  const data = pageData(report.timeline);
  const title = `${verdictWord(report.verdict.valid)} · sekali chaos, seed ${report.run.seed}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escapeHtml(title)}</title>
<style>${assets.style}</style>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>Sekali under faults</h1>
${verdictMarkup(report.verdict)}
${runMarkup(report.run)}
</header>
<main>
<h2>Over time</h2>
${chartsMarkup(data)}
<h2>What was sent and found</h2>
${tallyMarkup(report)}
<h2>Violations</h2>
${violationsMarkup(report.verdict)}
<h2>Faults</h2>
${faultsMarkup(report.timeline)}
</main>
<script type="application/json" id="run-data">${escapeJson(data)}</script>
<script>${inlineScript(assets.script)}</script>
<script>${inlineScript(PAGE_SCRIPT)}</script>
</body>
</html>
`;
}

function chartsMarkup(data: PageData): string {
  if (data.at.length < 2) return '<p>There are too few samples for a chart.</p>';
  const end = Math.max(data.at.at(-1) ?? 0, ...data.phases.map(({ to }) => to));
  const spans = [spanButton('whole run', 0, end), ...data.phases.map(phaseButton)];
  return [
    `<div class="spans live" role="group" aria-label="Part of the run to show">Show ${spans.join(' ')}</div>`,
    data.faults.length === 0
      ? ''
      : chartMarkup('faults', 'Faults', 'a row for each kind; numbers as in the table'),
    '<p class="readout live" id="readout">Point at a chart to read it. Drag to zoom in, double-click for the whole run.</p>',
    chartMarkup(
      'throughput',
      'Throughput',
      'messages per second, each point over a second or longer; faults shaded',
    ),
    chartMarkup('lag', 'Lag', 'messages in the stream that the store has not settled'),
    chartMarkup('memory', 'Memory of the judge', 'resident, in MiB'),
    momentsMarkup(data),
  ].join('\n');
}

function phaseButton({ name, from, to }: PagePhase): string {
  return spanButton(name, from, to);
}

function spanButton(name: string, from: number, to: number): string {
  return `<button type="button" data-from="${from}" data-to="${to}">${name}</button>`;
}

function chartMarkup(name: string, title: string, what: string): string {
  return `<figure class="live"><figcaption>${title} <small>${what}</small></figcaption>
<div class="chart" id="${name}" role="img" aria-label="${title} over time; the same figures are in a table below"></div></figure>`;
}

/** A script inside a page ends at the first end tag, even in a string. */
function inlineScript(text: string): string {
  return text.replace(/<(?=\/script|!--)/gi, '\\x3c');
}
