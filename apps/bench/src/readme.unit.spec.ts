/** Checks that the READMEs and the chart have the figures of the committed runs. UPDATE_README=1 writes them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ratioChart } from './chart.js';
import type { BenchDocument } from './document.js';
import type { Group } from './measurement.js';
import { verdictsOf } from './table.js';
import { latestGroups, readmeSection, readmeSummary } from './readme-section.js';

const ofRoot = new URL('../../../README.md', import.meta.url);
const ofBench = new URL('../README.md', import.meta.url);
const chart = new URL('../result/bench.svg', import.meta.url);
const results = new URL('../result/', import.meta.url);
const SECTION = /<!-- bench -->\n([^]*?)<!-- \/bench -->/;

const runs = readdirSync(results)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, results), 'utf8')) as BenchDocument);
const groups = latestGroups(runs);
const summary = readmeSummary(runs);
const section = readmeSection(runs);
const svg = ratioChart(groups);

function update(file: URL, text: string): void {
  const before = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    before.replace(SECTION, () => `<!-- bench -->\n${text}<!-- /bench -->`),
  );
}

if (process.env['UPDATE_README'] === '1') {
  update(ofRoot, summary);
  update(ofBench, section);
  writeFileSync(chart, svg);
}

describe('the README of the benchmark', () => {
  const text = readFileSync(ofBench, 'utf8');

  it('has the figures of the committed runs', () => {
    expect(SECTION.exec(text)?.[1]).toBe(section);
  });

  it('shows the chart of the committed runs', () => {
    expect(text).toContain('(result/bench.svg)');
    expect(readFileSync(chart, 'utf8')).toBe(svg);
  });

  it('has the whole row of every group, and the result of each target and bound', () => {
    for (const group of groups) {
      expect(section).toContain(`| ${group.what} |`);
      for (const verdict of verdictsOf(group)) expect(section).toContain(verdict);
    }
    // The path of a request may have a question mark of its own.
    expect(section).not.toMatch(/NaN|undefined|(?<!\S)\?/);
  });
});

describe('the groups of several runs', () => {
  const [whole] = runs as [BenchDocument, ...BenchDocument[]];
  const [first, second] = whole.groups as [Group, Group, ...Group[]];
  const groupsOf = (startedAt: string, measured: readonly Group[]): BenchDocument => ({
    ...whole,
    startedAt,
    groups: measured,
  });

  it('are each from the newest run that has it, in any order of the runs', () => {
    const newer = { ...first, series: [] };
    const ofBoth = [
      groupsOf('2026-11-02T00:00:00.000Z', [newer]),
      groupsOf('2026-11-01T00:00:00.000Z', [first, second]),
    ];
    expect(latestGroups(ofBoth)).toStrictEqual([newer, second]);
    expect(latestGroups(ofBoth.toReversed())).toStrictEqual([newer, second]);
  });

  it('say when each was measured', () => {
    const text = readmeSection([
      groupsOf('2026-11-01T00:00:00.000Z', [first]),
      groupsOf('2026-11-02T00:00:00.000Z', [second]),
    ]);
    expect(text.match(/^Measured on 2026-11-0[12] /gm)).toHaveLength(2);
  });
});

describe('the README of the root', () => {
  const text = readFileSync(ofRoot, 'utf8');

  it('has four rows of the committed runs', () => {
    expect(SECTION.exec(text)?.[1]).toBe(summary);
    expect(
      summary.match(/^\| [^|]+ \| [\d,]+ (?:requests|events)\/s ±\d+ % \| [\d.]+ × \| [\d.]+ × \|$/gm),
    ).toHaveLength(4);
    expect(summary).not.toMatch(/NaN|undefined|\?/);
  });

  it('shows the chart of the committed runs', () => {
    expect(text).toContain('(apps/bench/result/bench.svg)');
  });
});
