import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Script, runInNewContext } from 'node:vm';
import { pageData, phasesOf, rates, type Column, type PageData } from './page-data.js';
import { PAGE_SCRIPT } from './page-script.js';
import { reportPage } from './page.js';
import { timelineOf } from './recovery.js';
import { faultRecord, runReport, sampleAt } from './run-report-fixture.js';

const uplot = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist');
const assets = {
  script: readFileSync(join(uplot, 'uPlot.iife.min.js'), 'utf8'),
  style: readFileSync(join(uplot, 'uPlot.min.css'), 'utf8'),
};
const EVIL = `</script><script>alert(1)</script><b>"'&`;
const VIOLATED = {
  valid: false,
  violations: [{ name: 'lost', count: 1_000, examples: [EVIL] }],
} as const;

const page = (...verdict: Parameters<typeof runReport>): string => reportPage(runReport(...verdict), assets);

function scripts(html: string): { type: string; text: string }[] {
  return [...html.matchAll(/<script([^>]*)>(.*?)<\/script>/gs)].map(([, type = '', text = '']) => ({
    type,
    text,
  }));
}

function dataOf(html: string): PageData {
  const script = scripts(html).find(({ type }) => type.includes('application/json'));
  return JSON.parse(script?.text ?? '') as PageData;
}

describe('the page of the report', () => {
  it.each([
    [{ valid: true } as const, 'VALID'],
    [VIOLATED, 'VIOLATED'],
    [{ valid: 'unknown', unknowns: ['<i>why</i>'] } as const, 'UNKNOWN'],
  ])('has the verdict in words and in colour', (verdict, word) => {
    const html = page(verdict);
    expect(html).toContain(`<title>${word} `);
    expect(html).toContain(`<div class="verdict ${word}"`);
    expect(html).toContain(`<strong>${word}</strong>`);
    expect(html).not.toContain('<i>');
  });

  it('needs nothing but itself', () => {
    const html = page();
    expect(html).not.toMatch(/\b(?:src|href|srcset|action)\s*=\s*["']?/i);
    expect(html).not.toMatch(/@import|url\(/i);
    expect(html).not.toMatch(/<(?:link|iframe|img|object)\b/i);
    expect(scripts(html).map(({ text }) => text)).not.toContainEqual(
      expect.stringMatching(/\bimport\s*\(|\bfetch\(|XMLHttpRequest|WebSocket/),
    );
    expect(html).toContain(`content="default-src 'none';`);
  });

  it('escapes all text of the run', () => {
    const html = page(VIOLATED);
    expect(scripts(html)).toHaveLength(3);
    expect(html).not.toContain('<b>');
    expect(html).not.toContain('alert(1)</script>');
    expect(html).toContain('worker-1 &lt;b&gt;bold&lt;/b&gt; &lt;/script&gt;');
    expect(html).toContain('&lt;b&gt;&quot;&#39;&amp;');
    expect(dataOf(html).faults[0]?.detail).toBe('worker-1 <b>bold</b> </script>');
  });

  it('has every fault in a table and in the data of its charts', () => {
    const html = page();
    for (const { fault } of runReport().timeline.recoveries) expect(html).toContain(`<td>${fault.name}</td>`);
    expect(html).toContain('no worker runs');
    expect(dataOf(html).faults.map(({ name }) => name)).toEqual([
      'kill-worker',
      'pause-postgres',
      'kill-worker',
      'cut-gateway-links',
    ]);
  });

  it('has a caption and heads for every table', () => {
    const html = page(VIOLATED);
    const tables = html.split('<table>').slice(1);
    expect(tables).toHaveLength(6);
    for (const table of tables)
      expect(table).toMatch(/^\s*<caption>[^<]+<\/caption>\s*<thead><tr><th scope="col">/);
  });

  it('has scripts that can be parsed', () => {
    for (const { type, text } of scripts(page())) {
      const parse = (): unknown => (type.includes('json') ? JSON.parse(text) : new Script(text));
      expect(parse).not.toThrow();
    }
  });

  it('says so when there are too few samples for a chart', () => {
    const report = runReport();
    const html = reportPage({ ...report, timeline: { ...report.timeline, samples: [] } }, assets);
    expect(html).toContain('There are too few samples');
    expect(html).toContain('<strong>VALID</strong>');
  });
});

describe('the data of the page', () => {
  const settledRates = (...samples: (readonly [atMs: number, settled: number | null])[]): Column =>
    rates(
      samples.map(([atMs, settled]) => sampleAt(atMs, { settled })),
      ({ settled }) => settled,
    );

  it('takes a rate over the second before a sample, and has none in the first', () => {
    expect(settledRates([0, 0], [500, 100], [1_000, 300], [1_500, 300], [2_000, 350])).toEqual([
      null,
      null,
      300,
      200,
      50,
    ]);
  });

  it('shows no rate while a total is not known, and after such a gap the mean over the gap', () => {
    expect(
      settledRates([0, 0], [1_000, 500], [2_000, null], [3_000, null], [5_000, 2_500], [6_000, 3_000]),
    ).toEqual([null, 500, null, null, 500, 500]);
  });

  it('takes no rate over the moment between two samples after a stall', () => {
    // 1,400 messages within 20 ms are 70,000 per second, a rate that no system here ever had.
    const rates = settledRates(
      [0, 0],
      [500, 250],
      [1_000, 500],
      [3_000, 500],
      [3_020, 1_900],
      [3_520, 2_150],
    );
    expect(rates).toEqual([null, null, 500, 0, 693, 655]);
  });

  it('takes the longest time for a rate that a late answer of the store allows', () => {
    const samples = [
      sampleAt(0),
      // The store was asked at 500 ms and answered at 2,400 ms, so the figure may be that of 500 ms.
      sampleAt(2_400, { askedAtMs: 500, settled: 250 }),
      sampleAt(3_500, { settled: 1_750 }),
    ];
    expect(pageData({ samples, recoveries: [], loadEndedAtMs: 4_000, drainedAtMs: null }).settled).toEqual([
      null,
      104,
      500,
    ]);
  });

  it('marks the phases', () => {
    expect(phasesOf(runReport().timeline)).toEqual([
      { name: 'load', from: 0, to: 60 },
      { name: 'heal', from: 60, to: 61.5 },
      { name: 'drain', from: 61.5, to: expect.any(Number) },
    ]);
    const quiet = { samples: [sampleAt(9_000)], recoveries: [], loadEndedAtMs: 8_000, drainedAtMs: null };
    expect(phasesOf(quiet)).toEqual([
      { name: 'load', from: 0, to: 8 },
      { name: 'drain', from: 8, to: 9 },
    ]);
  });

  it('gives faults of one kind a row, and another one when they overlap', () => {
    const timeline = timelineOf({
      samples: [],
      faults: [
        faultRecord('b', 0, 10),
        faultRecord('a', 1, 4),
        faultRecord('b', 5, 15),
        faultRecord('b', 10, 20),
      ],
      acknowledgements: { longestMs: () => 0 },
      loadEndedAtMs: 20,
    });
    const { rows, faults } = pageData(timeline);
    expect(rows).toEqual(['a', 'b', 'b']);
    expect(faults.map(({ row }) => row)).toEqual([1, 0, 2, 1]);
  });
});

interface Drawn {
  readonly options: {
    readonly hooks: Record<string, ((chart: object) => void)[]>;
    readonly series: { readonly points?: { filter?: (chart: object, series: number) => number[] } }[];
    readonly axes: { readonly size: number; readonly values?: () => string[] }[];
  };
  readonly columns: unknown[][];
}

/** The width of a character in the empty page. */
const CHARACTER_WIDTH = 7;

/** Runs the page's script in an empty page, with a chart library that only records its calls. */
function runScript(
  html: string,
  clientWidth = 800,
): { charts: Drawn[]; words: string[]; places: Map<string, number>; readout: { textContent: string } } {
  const charts: Drawn[] = [];
  const words: string[] = [];
  const places = new Map<string, number>();
  const element = { clientWidth, classList: { add: () => undefined }, textContent: '' };
  const elements = new Map([['run-data', { textContent: JSON.stringify(dataOf(html)) }]]);
  for (const id of ['readout', 'faults', 'throughput', 'lag', 'memory']) elements.set(id, { ...element });
  const media = { addEventListener: () => undefined };
  const draw = (name: string | symbol, text: string, x: number): void => {
    if (name !== 'fillText') return;
    words.push(text);
    places.set(text, x);
  };
  const ctx = new Proxy(
    {},
    {
      get: (_, name) => (text: string, x: number) =>
        name === 'measureText' ? { width: text.length * CHARACTER_WIDTH } : draw(name, text, x),
      set: () => true,
    },
  );
  class Chart {
    readonly ctx = ctx;
    readonly bbox = { left: 0, top: 0, width: 620, height: 100 };
    readonly cursor = { idx: 24 };
    readonly data: unknown[][];
    constructor(options: Drawn['options'], columns: unknown[][]) {
      this.data = columns;
      charts.push({ options, columns });
      for (const hook of Object.values(options.hooks).flat()) hook(this);
    }
    valToPos(value: number): number {
      return value * 10;
    }
  }
  runInNewContext(PAGE_SCRIPT, {
    document: {
      documentElement: element,
      getElementById: (id: string) => elements.get(id) ?? null,
      createElement: () => ({ getContext: () => ctx }),
      querySelectorAll: () => [],
    },
    window: {
      devicePixelRatio: 1,
      matchMedia: () => media,
      addEventListener: () => undefined,
      getComputedStyle: () => ({ getPropertyValue: () => ' #123456' }),
    },
    uPlot: Chart,
  });
  return { charts, words, places, readout: elements.get('readout') as { textContent: string } };
}

/** The page of a run with one fault. */
function pageWithFault(name: string): string {
  const report = runReport();
  const { samples, loadEndedAtMs } = report.timeline;
  const timeline = timelineOf({
    samples,
    faults: [faultRecord(name, 10_000, 20_000)],
    acknowledgements: { longestMs: () => 0 },
    loadEndedAtMs,
  });
  return reportPage({ ...report, timeline }, assets);
}

describe('the script of the page', () => {
  it('draws the charts with all their columns', () => {
    const { charts } = runScript(page());
    expect(charts.map(({ columns }) => columns.length)).toEqual([2, 4, 2, 2]);
    expect(charts.every(({ options, columns }) => options.series.length === columns.length)).toBe(true);
  });

  it('has room for the longest name of a fault next to the plot, the same in every chart', () => {
    const name = 'black-hole-worker-postgres';
    const { charts, words } = runScript(pageWithFault(name));
    const sizes = charts.map(({ options }) => options.axes[1]?.size);
    expect(Math.min(...sizes.map(Number))).toBeGreaterThan(name.length * CHARACTER_WIDTH + 5);
    expect(new Set(sizes).size).toBe(1);
    expect(charts[0]?.options.axes[1]?.values?.()).toEqual([name]);
    expect(words).not.toContain(name);
  });

  it('has the names of faults inside the plot of a narrow page, which keeps two thirds of its width', () => {
    const name = 'black-hole-worker-postgres';
    const { charts, words } = runScript(pageWithFault(name), 400);
    expect(charts[0]?.options.axes[1]).toMatchObject({ size: 64 });
    expect(charts[0]?.options.axes[1]?.values?.()).toEqual(['']);
    expect(words).toContain(name);
  });

  it('writes the name of a phase before its line when the right edge would cut it', () => {
    // There are ten pixels per second: the healing begins at 600 of 620, and its name is 28 wide.
    expect(runScript(page()).places.get('heal')).toBe(600 - 4 - 28);
    expect(runScript(page()).places.get('load')).toBe(4);
  });

  it('writes no number of a fault over that of another', () => {
    const { samples, loadEndedAtMs } = runReport().timeline;
    const faults = [faultRecord('kill-worker', 10_000, 20_000), faultRecord('kill-broker', 11_000, 21_000)];
    const acknowledgements = { longestMs: () => 0 };
    const timeline = timelineOf({ samples, faults, acknowledgements, loadEndedAtMs });
    const { words } = runScript(reportPage({ ...runReport(), timeline }, assets));
    // The number of the first is in its row and in three charts, that of the second in its row alone.
    expect(words.filter((word) => word === '#1')).toHaveLength(4);
    expect(words.filter((word) => word === '#2')).toHaveLength(1);
  });

  it('marks the points that no line reaches, and no others', () => {
    const filter = runScript(page()).charts[1]?.options.series[1]?.points?.filter;
    const data = [[], [1, null, 3, null, 5, 6, null]];
    expect(filter?.({ data }, 1)).toEqual([0, 2]);
  });

  it('draws every fault by its number, and the phases by their names', () => {
    const { words } = runScript(page());
    expect(words).toEqual(expect.arrayContaining(['#1', '#2', '#4', 'load', 'heal']));
  });

  it('names the fault at the cursor in words', () => {
    // The 24th sample is at 12 s.
    const { readout } = runScript(page());
    expect(readout.textContent).toBe(
      '00:12 · #1 kill-worker: worker-1 <b>bold</b> </script> (for 10.0 s, refused 0.4 s, resumed in 1.0 s)',
    );
  });
});
