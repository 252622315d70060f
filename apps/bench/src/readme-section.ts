/**
 * What the READMEs say about the committed runs: the machine, every group, and processor time. It is Markdown.
 *
 * A whole run takes an hour, so a run of some groups may be committed next to it. Each group is shown from the newest run
 * that has it.
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
  publisher: 'A publisher',
  outbox: 'An outbox',
  durability: 'Durability',
};

/** A group, and the run that measured it. */
interface MeasuredGroup {
  readonly group: Group;
  readonly run: BenchDocument;
}

/** The groups of all runs, each from the newest run that has it. What a group says of itself tells it from others. */
export function latestGroups(runs: readonly BenchDocument[]): readonly Group[] {
  return latest(runs).map(({ group }) => group);
}

function latest(runs: readonly BenchDocument[]): readonly MeasuredGroup[] {
  const ofWhat = new Map<string, MeasuredGroup>();
  for (const run of runs.toSorted((one, other) => one.startedAt.localeCompare(other.startedAt))) {
    for (const group of run.groups) ofWhat.set(group.what, { group, run });
  }
  return [...ofWhat.values()];
}

/** The four rows for the root's README, with the machine that they were measured on. */
export function readmeSummary(runs: readonly BenchDocument[]): string {
  const measured = latest(runs);
  const shown = SUMMARY_GROUPS.map((name) => {
    const one = measured.find(({ group }) => group.name === name);
    if (one === undefined) throw new Error(`no committed run has the group ${name}`);
    return one;
  });
  const rows = shown.map(({ group }) => {
    const [what = '', ours = '', , ofCeiling = '', , ofTypical = ''] = groupRow(group, '');
    return [what, ours, `${ofCeiling} ×`, `${ofTypical} ×`];
  });
  return [
    ...markdownTable(['', 'Sekali', 'of the ceiling', 'of the typical way'], rows),
    '',
    ...placesOf(shown),
  ].join('\n');
}

/** All tables, for the benchmark's own README. Each group of `--only` that was measured has a part. */
export function readmeSection(runs: readonly BenchDocument[]): string {
  const measured = latest(runs);
  return GROUPS.flatMap((name) => {
    const groups = measured.filter(({ group }) => isOf(group, name));
    return groups.length === 0 ? [] : part(TITLES[name], groups);
  }).join('\n');
}

/** What stands below one heading: the figures, the bounds and notes, and processor time where it was measured. */
function part(title: string, measured: readonly MeasuredGroup[]): string[] {
  const groups = measured.map(({ group }) => group);
  const costs = groups.flatMap(measuredCosts);
  const remarks = groups.flatMap((group) => [
    ...boundsOf(group).map((verdict) => `- ${verdict}`),
    ...(group.notes ?? []).map((note) => `- ${group.what}: ${note}`),
  ]);
  return [
    `### ${title}`,
    '',
    ...placesOf(measured),
    ...markdownTable(GROUP_HEAD, groups.map(figureRow)),
    '',
    ...(remarks.length === 0 ? [] : [...remarks, '']),
    ...(costs.length === 0 ? [] : [...markdownTable(COST_HEAD, costs), '']),
  ];
}

/** Where and when these were measured, each line once. */
function placesOf(measured: readonly MeasuredGroup[]): string[] {
  return [...new Set(measured.map(({ run }) => whereAndWhen(run)))].flatMap((line) => [line, '']);
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
