/** The result as a table for people: medians, spreads, ratios, and whether each target was reached. */
import Table from 'cli-table3';
import {
  type Bound,
  type Group,
  median,
  ratio,
  reaches,
  type Series,
  spread,
  type Target,
} from './measurement.js';

const HEAD = ['', 'sekali', 'ceiling', 'ratio', 'today', 'ratio', 'target'];

/** One table of all groups. */
export function resultTable(groups: readonly Group[]): string {
  const table = new Table({
    head: HEAD,
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'left'],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
  });
  for (const group of groups) {
    table.push([
      group.what,
      figureOf(group, 'ours'),
      figureOf(group, 'ceiling'),
      ratioText(ratio(group, 'ceiling')),
      figureOf(group, 'today'),
      ratioText(ratio(group, 'today')),
      [
        ...group.targets.map((target) => targetText(group, target)),
        ...(group.bounds ?? []).map(boundText),
      ].join('\n'),
    ]);
  }
  return table.toString();
}

/** "≥ 0.85 × ceiling: reached". */
export function targetText(group: Group, target: Target): string {
  const bound = target.atLeast === undefined ? `≤ ${target.atMost ?? ''}` : `≥ ${target.atLeast}`;
  const reached = reaches(group, target);
  return `${bound} × ${target.against}: ${reached === undefined ? 'not measured' : reached ? 'reached' : 'MISSED'}`;
}

/** "p99: 81 of at most 150 ms: reached". */
export function boundText({ what, unit, found, atMost }: Bound): string {
  return `${what}: ${figure(found)} of at most ${atMost} ${unit}: ${found <= atMost ? 'reached' : 'MISSED'}`;
}

function figureOf(group: Group, role: Series['role']): string {
  const series = group.series.find((one) => one.role === role);
  if (series === undefined) return '–';
  return `${figure(median(series.values))} ${series.unit} ±${Math.round((spread(series.values) * 100) / 2)} %`;
}

function figure(value: number): string {
  if (Number.isNaN(value)) return '?';
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function ratioText(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(2);
}
