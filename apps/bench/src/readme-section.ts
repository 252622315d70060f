/** What the README says of a run: where it was measured, every group, and processor time. Markdown, from bench.json. */
import type { BenchDocument } from './document.js';
import type { Group } from './measurement.js';
import { FULL } from './sizes.js';
import { COST_HEAD, costRows, GROUP_HEAD, groupRow } from './table.js';

const GIB = 1024 ** 3;

/** Makes the text between the README's marks. */
export function readmeSection(document: BenchDocument): string {
  return [
    whereAndWhen(document),
    '',
    ...markdownTable(
      GROUP_HEAD,
      document.groups.map((group) => groupRow(group, '<br>')),
    ),
    '',
    ...markdownTable(COST_HEAD, document.groups.flatMap(measuredCosts)),
    '',
    ...document.groups.flatMap(({ what, notes = [] }) => notes.map((note) => `- ${what}: ${note}`)),
    '',
  ].join('\n');
}

function whereAndWhen({ startedAt, machine, sizes }: BenchDocument): string {
  const { cpu, cores, memoryBytes, node } = machine;
  const place = `${cpu}, ${cores} cores, ${Math.round(memoryBytes / GIB)} GiB, Node ${node}`;
  const text = `Measured on ${startedAt.slice(0, 10)} (${place}); medians of ${sizes.rounds} rounds, ± half of what lies between the lowest and the highest.`;
  return sizes.backlog < FULL.backlog
    ? `${text} **A small run: it shows what is measured, its figures mean nothing.**`
    : text;
}

/** The default durability is in two groups; its cost is told once. */
function measuredCosts(group: Group): readonly (readonly string[])[] {
  return group.name.startsWith('durability') ? costRows(group).slice(0, 1) : costRows(group);
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)];
}
