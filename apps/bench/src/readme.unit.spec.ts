/** Checks that the READMEs and the chart have the figures of the committed bench.json. UPDATE_README=1 writes them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ratioChart } from './chart.js';
import type { BenchDocument } from './document.js';
import { verdictsOf } from './table.js';
import { readmeSection, readmeSummary } from './readme-section.js';

const ofRoot = new URL('../../../README.md', import.meta.url);
const ofBench = new URL('../README.md', import.meta.url);
const chart = new URL('../result/bench.svg', import.meta.url);
const figures = new URL('../result/bench.json', import.meta.url);
const SECTION = /<!-- bench -->\n([^]*?)<!-- \/bench -->/;

const document = JSON.parse(readFileSync(figures, 'utf8')) as BenchDocument;
const summary = readmeSummary(document);
const section = readmeSection(document);
const svg = ratioChart(document.groups);

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

  it('has the figures of the committed run', () => {
    expect(SECTION.exec(text)?.[1]).toBe(section);
  });

  it('shows the chart of the committed run', () => {
    expect(text).toContain('(result/bench.svg)');
    expect(readFileSync(chart, 'utf8')).toBe(svg);
  });

  it('has the whole row of every group, and the result of each target and bound', () => {
    for (const group of document.groups) {
      expect(section).toContain(`| ${group.what} |`);
      for (const verdict of verdictsOf(group)) expect(section).toContain(verdict);
    }
    expect(section).not.toMatch(/NaN|undefined|\?/);
  });
});

describe('the README of the root', () => {
  const text = readFileSync(ofRoot, 'utf8');

  it('has four rows of the committed run', () => {
    expect(SECTION.exec(text)?.[1]).toBe(summary);
    expect(
      summary.match(/^\| [^|]+ \| [\d,]+ (?:requests|events)\/s ±\d+ % \| [\d.]+ × \| [\d.]+ × \|$/gm),
    ).toHaveLength(4);
    expect(summary).not.toMatch(/NaN|undefined|\?/);
  });

  it('shows the chart of the committed run', () => {
    expect(text).toContain('(apps/bench/result/bench.svg)');
  });
});
