import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Script, runInNewContext } from 'node:vm';
import { pageData, phasesOf, rates, type PageData } from './page-data.js';
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

describe('the page', () => {
  it.each([
    [{ valid: true } as const, 'VALID'],
    [VIOLATED, 'VIOLATED'],
    [{ valid: 'unknown', unknowns: ['<i>why</i>'] } as const, 'UNKNOWN'],
  ])('bears the verdict in words and in colour', (verdict, word) => {
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

  it('lets nothing that happened become a part of it', () => {
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

  it('has scripts that can be read', () => {
    for (const { type, text } of scripts(page())) {
      const parse = (): unknown => (type.includes('json') ? JSON.parse(text) : new Script(text));
      expect(parse).not.toThrow();
    }
  });

  it('says so where there is nothing to draw', () => {
    const report = runReport();
    const html = reportPage({ ...report, timeline: { ...report.timeline, samples: [] } }, assets);
    expect(html).toContain('Too few samples');
    expect(html).toContain('<strong>VALID</strong>');
  });
});

describe('the data of the page', () => {
  it('has rates, and gaps where a total is not known', () => {
    const samples = [
      sampleAt(0, { settled: 0 }),
      sampleAt(500, { settled: 100 }),
      sampleAt(1_000, { settled: null }),
      sampleAt(1_500, { settled: 300 }),
      sampleAt(2_000, { settled: 350 }),
      sampleAt(2_000, { settled: 350 }),
    ];
    expect(rates(samples, ({ settled }) => settled)).toEqual([null, 200, null, null, 100, null]);
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

  it('gives faults of one kind a row, and another one where they overlap', () => {
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
  readonly options: { hooks: Record<string, ((chart: object) => void)[]>; series: object[] };
  readonly columns: unknown[][];
}

/** Runs the page's script in a page of nothing, with a chart library that only notes what it is asked for. */
function runScript(html: string): { charts: Drawn[]; words: string[]; readout: { textContent: string } } {
  const charts: Drawn[] = [];
  const words: string[] = [];
  const element = { clientWidth: 800, classList: { add: () => undefined }, textContent: '' };
  const elements = new Map([['run-data', { textContent: JSON.stringify(dataOf(html)) }]]);
  for (const id of ['readout', 'faults', 'throughput', 'lag', 'memory']) elements.set(id, { ...element });
  const media = { addEventListener: () => undefined };
  const draw = (name: string | symbol, text: string): void => {
    if (name === 'fillText') words.push(text);
  };
  const ctx = new Proxy(
    {},
    {
      get: (_, name) => (text: string) => (name === 'measureText' ? { width: 1 } : draw(name, text)),
      set: () => true,
    },
  );
  class Chart {
    readonly ctx = ctx;
    readonly bbox = { left: 0, top: 0, width: 640, height: 100 };
    readonly cursor = { idx: 24 };
    constructor(options: Drawn['options'], columns: unknown[][]) {
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
  return { charts, words, readout: elements.get('readout') as { textContent: string } };
}

describe('the script of the page', () => {
  it('draws the charts with all their columns', () => {
    const { charts } = runScript(page());
    expect(charts.map(({ columns }) => columns.length)).toEqual([2, 4, 2, 2]);
    expect(charts.every(({ options, columns }) => options.series.length === columns.length)).toBe(true);
  });

  it('draws every fault by its number, and the phases by their names', () => {
    const { words } = runScript(page());
    expect(words).toEqual(expect.arrayContaining(['#1', '#2', '#4', 'load', 'heal']));
  });

  it('says in words what fault is at the cursor', () => {
    // The 24th sample is at 12 s.
    const { readout } = runScript(page());
    expect(readout.textContent).toBe(
      '00:12 · #1 kill-worker: worker-1 <b>bold</b> </script> (for 10.0 s, refused 0.4 s, resumed in 1.0 s)',
    );
  });
});
