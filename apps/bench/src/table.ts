/** The result as tables for people: medians, spreads, ratios, the results of the targets, and processor time. */
import Table from 'cli-table3';
import {
  type Bound,
  type Group,
  keepsBound,
  median,
  ratio,
  reaches,
  type Series,
  spread,
  type Target,
} from './measurement.js';

const CHARS = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
const STYLE = { head: [], border: [], 'padding-left': 1, 'padding-right': 1 };

/** The whole result: the table of all groups, that of processor time where it was measured, and the notes. */
export function resultText(groups: readonly Group[]): string {
  const costs = groups.flatMap((group) => costRows(group));
  const notes = groups.flatMap((group) => (group.notes ?? []).map((note) => `${group.name}: ${note}`));
  return [resultTable(groups), ...(costs.length > 0 ? [costTable(costs)] : []), ...notes].join('\n');
}

/** The heads of the cells of `groupRow`. */
export const GROUP_HEAD = ['', 'sekali', 'ceiling', 'ratio', 'typical', 'ratio', 'target'] as const;

/** One table of all groups. */
export function resultTable(groups: readonly Group[]): string {
  const table = new Table({
    head: [...GROUP_HEAD],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    chars: CHARS,
    style: STYLE,
  });
  for (const group of groups) table.push(groupRow(group, '\n'));
  return table.toString();
}

/** The cells of a group. @param lineBreak between its verdicts */
export function groupRow(group: Group, lineBreak: string): string[] {
  return [
    group.what,
    figureOf(group, 'ours'),
    figureOf(group, 'ceiling'),
    ratioText(ratio(group, 'ceiling')),
    figureOf(group, 'typical'),
    ratioText(ratio(group, 'typical')),
    verdictsOf(group).join(lineBreak),
  ];
}

/** The result of each target and bound of a group: "≥ 0.85 × ceiling: reached". */
export function verdictsOf(group: Group): readonly string[] {
  return [
    ...group.targets.map((target) => targetText(group, target)),
    ...(group.bounds ?? []).map(boundText),
  ];
}

/** "1,234 events/s ±3 %": the median, and half of the distance between the rounds. */
function figureOf(group: Group, role: Series['role']): string {
  const series = group.series.find((one) => one.role === role);
  if (series === undefined) return '–';
  return `${figure(median(series.values))} ${series.unit} ±${Math.round((spread(series.values) * 100) / 2)} %`;
}

/** "0.85", or a dash without a ratio. */
function ratioText(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(2);
}

/** Rows of processor time: group, subject, program, brokers, Postgres, and the sum; in µs per event. */
export function costRows(group: Group): readonly (readonly string[])[] {
  return group.series.flatMap(({ subject, processorUs = [] }) => {
    if (processorUs.length === 0) return [];
    const parts = (['program', 'brokers', 'postgres'] as const).map((part) =>
      median(processorUs.map((round) => round[part])),
    );
    const all = median(processorUs.map(({ program, brokers, postgres }) => program + brokers + postgres));
    return [[group.what, subject, ...[...parts, all].map(figure)]];
  });
}

/** The heads of the columns of `costRows`. */
export const COST_HEAD = [
  'processor time, µs an event',
  '',
  'program',
  'brokers',
  'Postgres',
  'all',
] as const;

function costTable(rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...COST_HEAD],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right'],
    chars: CHARS,
    style: STYLE,
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

function targetText(group: Group, target: Target): string {
  const bound = target.atLeast === undefined ? `≤ ${target.atMost ?? ''}` : `≥ ${target.atLeast}`;
  const reached = reaches(group, target);
  return `${bound} × ${target.against}: ${reached === undefined ? 'not measured' : reached ? 'reached' : 'MISSED'}`;
}

function boundText(one: Bound): string {
  const { what, unit, found, atLeast, atMost } = one;
  const bound =
    atLeast === undefined ? `at most ${atMost ?? ''}` : `at least ${atLeast.toLocaleString('en')}`;
  const result = keepsBound(found, one) ? 'reached' : 'MISSED';
  return `${what}: ${figure(found)} of ${bound} ${unit}: ${result}`;
}

function figure(value: number): string {
  if (Number.isNaN(value)) return '?';
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
