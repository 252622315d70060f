/** The README's figures and the chart are those of the committed bench.json. UPDATE_README=1 writes them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ratioChart } from './chart.js';
import type { BenchDocument } from './document.js';
import { readmeSection } from './readme-section.js';

const readme = new URL('../../../README.md', import.meta.url);
const chart = new URL('../result/bench.svg', import.meta.url);
const figures = new URL('../result/bench.json', import.meta.url);
const SECTION = /<!-- bench -->\n([^]*?)<!-- \/bench -->/;

const document = JSON.parse(readFileSync(figures, 'utf8')) as BenchDocument;
const section = readmeSection(document);
const svg = ratioChart(document.groups);

if (process.env['UPDATE_README'] === '1') {
  const text = readFileSync(readme, 'utf8');
  writeFileSync(
    readme,
    text.replace(SECTION, () => `<!-- bench -->\n${section}<!-- /bench -->`),
  );
  writeFileSync(chart, svg);
}

describe('the README', () => {
  it('has the figures of the committed run', () => {
    expect(SECTION.exec(readFileSync(readme, 'utf8'))?.[1]).toBe(section);
  });

  it('shows the chart of the committed run', () => {
    expect(readFileSync(readme, 'utf8')).toContain('(apps/bench/result/bench.svg)');
    expect(readFileSync(chart, 'utf8')).toBe(svg);
  });

  it('has the row of every group, whole', () => {
    for (const { what } of document.groups) expect(section).toContain(`| ${what} |`);
    expect(section).not.toMatch(/NaN|undefined|\?/);
  });
});
