/** The parts of the page that are words and tables. They have everything that the charts show. */
import { VIOLATIONS, type Verdict } from '../checker/verdict.js';
import { formatBytes, formatCount, formatDuration, formatMoment, tallyRows } from './figures.js';
import { escapeHtml, tableMarkup } from './markup.js';
import type { PageData } from './page-data.js';
import { faultKindsOf, recoveryMaximaOf, tookHold } from './recovery.js';
import { verdictSentence, verdictWord, type RunReport } from './run-report.js';
import type { Recovery, RunDescription, Timeline } from './timeline.js';

/** Rows of the table of the samples over time. */
const MOMENTS_MAX = 60;
/** Seconds shown before and after a fault in a close view. */
const AROUND_FAULT_S = 15;

/** The verdict in words and colour, and why it is unknown. */
export function verdictMarkup(verdict: Verdict): string {
  const word = verdictWord(verdict.valid);
  const unknowns = verdict.unknowns.map((why) => `<li>${escapeHtml(why)}</li>`).join('');
  return [
    `<div class="verdict ${word}" role="region" aria-label="Verdict">`,
    `<p><strong>${word}</strong> ${escapeHtml(verdictSentence(verdict))}</p>`,
    unknowns === '' ? '' : `<ul>${unknowns}</ul>`,
    '</div>',
  ].join('\n');
}

/** The parameters of the run, and how to run it again. */
export function runMarkup(run: RunDescription): string {
  const facts: [string, string][] = [
    ['Begun', escapeHtml(run.startedAt)],
    ['Seed', String(run.seed)],
    ['Load', `${run.minutes} min at ${formatCount(run.ratePerSecond)} messages per second`],
    ['System', run.target === 'own' ? 'started for this run' : 'was already running'],
    ['Faults', run.faults.length === 0 ? 'none' : escapeHtml(run.faults.join(', '))],
    ...(run.sabotage === undefined ? [] : [['Sabotage', escapeHtml(run.sabotage)] as [string, string]]),
    ['Again', `<code>${escapeHtml(run.command)}</code>`],
  ];
  return `<dl class="run">${facts.map(([name, fact]) => `<dt>${name}</dt><dd>${fact}</dd>`).join('\n')}</dl>`;
}

/** The tally, and how the system recovered as a whole. */
export function tallyMarkup({ verdict, timeline, judgeBytesMax }: RunReport): string {
  const { longestRefusedMs, longestResumedMs, notResumed, drainMs } = recoveryMaximaOf(timeline);
  return [
    tableMarkup('What was sent and found', ['count', 'figure'], tallyRows(verdict.tally)),
    tableMarkup(
      'Recovery',
      ['measure', 'figure'],
      [
        ['longest refusal', formatDuration(longestRefusedMs)],
        ['longest resume', durationOrNever(longestResumedMs, '–')],
        ['faults after which nothing was seen settled', formatCount(notResumed)],
        ['time to drain after the load', durationOrNever(drainMs, 'never drained')],
        ['peak memory of the judge', formatBytes(judgeBytesMax)],
      ],
    ),
  ].join('\n');
}

/** Every violation with its examples. */
export function violationsMarkup({ violations }: Verdict): string {
  if (violations.length === 0) return '<p>None.</p>';
  const rows = violations.map(({ name, count }) => [name, VIOLATIONS[name], formatCount(count)]);
  const examples = violations.map(
    ({ name, count, examples }) =>
      `<details open><summary>${escapeHtml(name)}: ${examples.length} of ${formatCount(count)}</summary><ul>` +
      examples.map((example) => `<li class="example">${escapeHtml(example)}</li>`).join('\n') +
      '</ul></details>',
  );
  return [tableMarkup('Violations', ['name', 'what it means', 'count'], rows), ...examples].join('\n');
}

/** The faults by kind, and each of them. */
export function faultsMarkup({ recoveries }: Timeline): string {
  if (recoveries.length === 0) return '<p>None.</p>';
  const kinds = faultKindsOf(recoveries).map((kind) => [
    kind.name,
    formatCount(kind.times),
    formatDuration(kind.longestRefusedMs),
    durationOrNever(kind.longestResumedMs, '–'),
    formatCount(kind.notResumed),
    formatCount(kind.notApplied),
  ]);
  const kindHead = ['fault', 'times', 'longest refusal', 'longest resume', 'never resumed', 'not applied'];
  return [
    tableMarkup('Faults by kind', kindHead, kinds),
    '<div class="wide faults" role="region" tabindex="0" aria-label="Every fault"><table>',
    '<caption>Every fault, in the order of their starts</caption>',
    `<thead><tr>${FAULT_HEAD.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead>`,
    `<tbody>${recoveries.map(faultRow).join('\n')}</tbody>`,
    '</table></div>',
  ].join('\n');
}

const FAULT_HEAD = ['#', 'fault', 'detail', 'start', 'duration', 'refused', 'resumed', 'problem'];

function faultRow({ fault, refusedMs, resumedMs }: Recovery, index: number): string {
  const from = fault.startedAtMs / 1_000 - AROUND_FAULT_S;
  const to = fault.healedAtMs / 1_000 + AROUND_FAULT_S;
  const start = formatMoment(fault.startedAtMs);
  const button = `<button type="button" class="live" data-from="${from}" data-to="${to}" aria-label="Show fault ${index + 1} in the charts">show</button>`;
  const cells = [
    escapeHtml(fault.name),
    escapeHtml(fault.detail),
    `${start} ${button}`,
    formatDuration(fault.healedAtMs - fault.startedAtMs),
    formatDuration(refusedMs),
    durationOrNever(resumedMs, tookHold(fault) ? 'never' : '–'),
    escapeHtml(fault.problem ?? ''),
  ];
  return `<tr><th scope="row">${index + 1}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}

/** The content of the charts, as a table of some of its moments. */
export function momentsMarkup(data: PageData): string {
  const step = Math.max(1, Math.ceil(data.at.length / MOMENTS_MAX));
  const rows = data.at.flatMap((at, index) => {
    if (index % step !== 0) return [];
    const columns = [data.sent, data.acknowledged, data.settled, data.lag, data.memoryMiB];
    const figures = columns.map((column) => {
      const figure = column[index];
      return figure === undefined || figure === null ? '–' : formatCount(figure);
    });
    return [[formatMoment(at * 1_000), ...figures]];
  });
  const head = ['time', 'sent/s', 'acknowledged/s', 'settled/s', 'lag', 'memory of the judge, MiB'];
  const table = tableMarkup('Samples over time', head, rows);
  return `<details><summary>These charts as a table</summary>${table}</details>`;
}

function durationOrNever(ms: number | null, never: string): string {
  return ms === null ? never : formatDuration(ms);
}
