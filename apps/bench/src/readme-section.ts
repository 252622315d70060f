/**
 * What the READMEs say about a run: its machine, every group, and processor time. It is Markdown, made from bench.json.
 */
import type { BenchDocument } from './document.js';
import type { Group } from './measurement.js';
import { GROUPS, type GroupName } from './options.js';
import { FULL } from './sizes.js';
import { COST_HEAD, costRows, GROUP_HEAD, groupRow, verdictsOf } from './table.js';

const GIB = 1024 ** 3;
const NOTHING = new Set(['', '–']);

/** Groups in the root's README: one event and many over HTTP, and a backlog without and with repeats. */
export const SUMMARY_GROUPS = ['http-single', 'http-batch-1000', 'drain', 'drain-duplicates'] as const;

const TITLES: Readonly<Record<GroupName, string>> = {
  http: 'HTTP',
  drain: 'Draining a backlog',
  'end-to-end': 'From the request to the committed row',
  query: 'Queries',
  flat: 'Draining next to stored keys',
  memory: 'Memory',
  durability: 'Durability',
};

/** The four rows for the root's README, with the machine that they were measured on. */
export function readmeSummary(document: BenchDocument): string {
  const rows = SUMMARY_GROUPS.map((name) => {
    const group = document.groups.find((one) => one.name === name);
    if (group === undefined) throw new Error(`the committed run has no group ${name}`);
    const [what = '', ours = '', , ofCeiling = '', , ofTypical = ''] = groupRow(group, '');
    return [what, ours, `${ofCeiling} ×`, `${ofTypical} ×`];
  });
  return [
    ...markdownTable(['', 'Sekali', 'of the ceiling', 'of the typical way'], rows),
    '',
    whereAndWhen(document),
    '',
  ].join('\n');
}

/** All tables, for the benchmark's own README. Each group of `--only` that was measured has a part. */
export function readmeSection(document: BenchDocument): string {
  const parts = GROUPS.map((name) => ({
    name,
    groups: document.groups.filter((group) => isOf(group, name)),
  }));
  return [
    whereAndWhen(document),
    '',
    ...parts.flatMap(({ name, groups }) => (groups.length === 0 ? [] : part(TITLES[name], groups))),
  ].join('\n');
}

/** What stands below one heading: the figures, the bounds and notes, and processor time where it was measured. */
function part(title: string, groups: readonly Group[]): string[] {
  const costs = groups.flatMap(measuredCosts);
  const remarks = groups.flatMap((group) => [
    ...boundsOf(group).map((verdict) => `- ${verdict}`),
    ...(group.notes ?? []).map((note) => `- ${group.what}: ${note}`),
  ]);
  return [
    `### ${title}`,
    '',
    ...markdownTable(GROUP_HEAD, groups.map(figureRow)),
    '',
    ...(remarks.length === 0 ? [] : [...remarks, '']),
    ...(costs.length === 0 ? [] : [...markdownTable(COST_HEAD, costs), '']),
  ];
}

/** A group's row. Its bounds have long names, so they stand below the table. */
function figureRow(group: Group): string[] {
  return groupRow({ ...group, bounds: [] }, '<br>');
}

function boundsOf(group: Group): readonly string[] {
  return verdictsOf({ ...group, targets: [] });
}

function isOf({ name }: Group, part: GroupName): boolean {
  return name === part || name.startsWith(`${part}-`);
}

function whereAndWhen({ startedAt, machine, sizes }: BenchDocument): string {
  const { cpu, cores, memoryBytes, node } = machine;
  const place = `${cpu}, ${cores} cores, ${Math.round(memoryBytes / GIB)} GiB, Node ${node}`;
  const text = `Measured on ${startedAt.slice(0, 10)} (${place}); medians of ${sizes.rounds} rounds, ± half of what lies between the lowest and the highest.`;
  return sizes.backlog < FULL.backlog
    ? `${text} **A small run: it shows what is measured, its figures mean nothing.**`
    : text;
}

/** The default durability is in two groups; its cost is shown once. */
function measuredCosts(group: Group): readonly (readonly string[])[] {
  return group.name.startsWith('durability') ? costRows(group).slice(0, 1) : costRows(group);
}

/** Leaves out the columns that are empty in every row. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const kept = head.map((_, column) => rows.some((row) => !NOTHING.has(row[column] ?? '')));
  const line = (cells: readonly string[]): string => `| ${cells.filter((_, n) => kept[n]).join(' | ')} |`;
  return [line(head), line(head.map((_, n) => (n === 0 ? '---' : '---:'))), ...rows.map(line)];
}
