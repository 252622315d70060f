import { describe, expect, it } from '@jest/globals';
import { ratioChart } from './chart.js';
import type { Group, Role, Unit } from './measurement.js';

function group(
  name: string,
  unit: Unit,
  figures: Partial<Record<Role, number>>,
  targets: Group['targets'],
): Group {
  const series = Object.entries(figures).map(([role, value]) => ({
    role: role as Role,
    subject: `<${role}>`,
    unit,
    values: [value],
  }));
  return { name, what: `${name} & more`, series, targets };
}

const drain = group('drain', 'events/s', { ours: 90, ceiling: 100, typical: 10 }, [
  { against: 'ceiling', atLeast: 0.85 },
]);
const flat = group('flat', 'ms', { ours: 10, ceiling: 8 }, [{ against: 'ceiling', atMost: 1.25 }]);
const fast = group('fast', 'requests/s', { ours: 700, ceiling: 100 }, []);

/** The ends of the bars as shares of the ceiling, in the order of drawing. */
function shares(svg: string): number[] {
  const ceiling = Number(/<line x1="([\d.]+)"/.exec(svg)?.[1]);
  const bars = [...svg.matchAll(/<rect x="430" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
  return bars.slice(1).map((width) => Math.round((width / (ceiling - 430)) * 100) / 100);
}

describe('the chart of the benchmark', () => {
  it('draws each bar as a share of the ceiling, longer when it is better, and cuts the longest', () => {
    expect(shares(ratioChart([drain, flat, fast]))).toStrictEqual([0.9, 0.1, 0.8, 1.5]);
  });

  it('labels each bar with its share, also a bar that is cut, and marks the targets', () => {
    const svg = ratioChart([drain, flat, fast]);
    for (const text of [
      '0.90 &lt;ours&gt;',
      '0.10 &lt;typical&gt;',
      '0.80 &lt;ours&gt;',
      '7.00 &lt;ours&gt;',
    ]) {
      expect(svg).toContain(text);
    }
    // One mark is in the legend, and each target has one.
    expect(svg.match(/fill="#c2690a"/g)).toHaveLength(3);
  });

  it('is well-formed XML', () => {
    const svg = ratioChart([drain]);
    expect(svg).toContain('drain &amp; more');
    expect(svg).not.toMatch(/NaN|undefined/);
    expect(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"')).toBe(true);
  });

  it('leaves out groups without a ceiling, and times without a target', () => {
    const memory = group('memory', 'MB', { ours: 100 }, []);
    const latency = group('latency', 'ms', { ours: 100, ceiling: 1 }, []);
    const svg = ratioChart([memory, latency, drain]);
    expect(svg).not.toMatch(/memory|latency/);
  });
});
