/** The report as text: the verdict first, then its grounds. */
import Table from 'cli-table3';
import pc from 'picocolors';
import { VIOLATIONS, type Verdict } from '../checker/verdict.js';
import { formatBytes, formatCount, formatDuration, tallyRows } from './figures.js';
import { faultKindsOf, recoveryMaximaOf } from './recovery.js';
import { verdictSentence, verdictWord, type RunReport } from './run-report.js';
import type { RunDescription, Timeline } from './timeline.js';

/** Examples of each violation; verdict.json has more of them. */
const EXAMPLES_MAX = 5;

type Colours = ReturnType<typeof pc.createColors>;

/** How the text is written. */
export interface SummaryStyle {
  /** Whether to colour it, for a terminal. */
  readonly colours: boolean;
}

/** The whole text, without a line feed at its end. */
export function summaryText(report: RunReport, style: SummaryStyle): string {
  const colours = pc.createColors(style.colours);
  const { run, verdict, timeline } = report;
  return [
    verdictLines(verdict, colours),
    titled('What was sent and found', table(tallyRows(verdict.tally), colours), colours),
    unknownOutcomes(verdict),
    faultSection(timeline, colours),
    titled('Recovery', table(recoveryRows(report), colours), colours),
    runLines(run, colours),
  ].join('\n\n');
}

function verdictLines(verdict: Verdict, colours: Colours): string {
  const word = verdictWord(verdict.valid);
  const paint = { VALID: colours.green, VIOLATED: colours.red, UNKNOWN: colours.yellow }[word];
  const violations = verdict.violations.flatMap(({ name, count, examples }) => {
    const shown = examples.slice(0, EXAMPLES_MAX);
    return [
      '',
      `${colours.red(name)}, ${formatCount(count)} times: ${VIOLATIONS[name]}`,
      ...shown.map((example) => `  ${printable(example)}`),
      ...(count > shown.length ? [`  … and ${formatCount(count - shown.length)} more`] : []),
    ];
  });
  const unknowns = verdict.unknowns.map((why) => `  ${colours.yellow('unknown:')} ${printable(why)}`);
  return [`${paint(colours.bold(word))}  ${verdictSentence(verdict)}`, ...unknowns, ...violations].join('\n');
}

/** Tries of unknown outcome may have gone either way. That is not a violation, but the summary says so. */
function unknownOutcomes({ tally }: Verdict): string {
  const { unknownStored, unknownNotStored } = tally;
  const total = unknownStored + unknownNotStored;
  if (total === 0) return 'No event was of unknown outcome.';
  return (
    `${formatCount(total)} events were of unknown outcome, and may have gone either way: ` +
    `${formatCount(unknownStored)} were stored, ${formatCount(unknownNotStored)} were not.`
  );
}

function faultSection({ recoveries }: Timeline, colours: Colours): string {
  if (recoveries.length === 0) return 'No faults.';
  const head = ['fault', 'times', 'longest refusal', 'longest resume', 'never resumed', 'not applied'];
  const rows = faultKindsOf(recoveries).map((kind) => [
    kind.name,
    formatCount(kind.times),
    formatDuration(kind.longestRefusedMs),
    kind.longestResumedMs === null ? '-' : formatDuration(kind.longestResumedMs),
    formatCount(kind.notResumed),
    formatCount(kind.notApplied),
  ]);
  const problems = recoveries.flatMap(({ fault }) =>
    fault.problem === undefined ? [] : [`  ${fault.name}: ${printable(fault.problem)}`],
  );
  const shown = problems.slice(0, PROBLEMS_MAX);
  const hidden = problems.length - shown.length;
  return [
    titled('Faults', table(rows, colours, head), colours),
    ...shown,
    ...(hidden > 0 ? [`  … and ${formatCount(hidden)} more problems`] : []),
  ].join('\n');
}

const PROBLEMS_MAX = 10;

function recoveryRows({ timeline, judgeBytesMax }: RunReport): (readonly [string, string])[] {
  const { longestRefusedMs, longestResumedMs, drainMs } = recoveryMaximaOf(timeline);
  return [
    ['longest refusal', formatDuration(longestRefusedMs)],
    ['longest resume', longestResumedMs === null ? '-' : formatDuration(longestResumedMs)],
    ['time to drain', drainMs === null ? 'never drained' : formatDuration(drainMs)],
    ['peak memory of the judge', formatBytes(judgeBytesMax)],
  ];
}

function runLines(run: RunDescription, colours: Colours): string {
  const sabotage = run.sabotage === undefined ? '' : `, sabotaged on purpose: ${run.sabotage}`;
  return [
    `Seed ${run.seed}: ${run.minutes} min at ${formatCount(run.ratePerSecond)}/s, begun ${run.startedAt}${sabotage}`,
    `Again: ${colours.bold(run.command)}`,
  ].join('\n');
}

function titled(title: string, body: string, colours: Colours): string {
  return `${colours.bold(title)}\n${body}`;
}

/** An example may contain anything, and a terminal must not obey it. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => JSON.stringify(char).slice(1, -1));
}

function table(rows: readonly (readonly string[])[], colours: Colours, head: readonly string[] = []): string {
  const columns = rows[0]?.length ?? head.length;
  const drawn = new Table({
    head: head.map((name) => colours.bold(name)),
    colAligns: ['left', ...Array.from({ length: columns - 1 }, () => 'right' as const)],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString();
}
