/**
 * The README's chart, an SVG made from the JSON. It shows Sekali and the typical way as shares of the ceiling, and the
 * targets.
 *
 * Times are inverted, so that longer is always better. The chart has the rates, and the times whose target is a ratio.
 * Its colours are legible on light and on dark backgrounds.
 */
import { type Group, median, type Series, type Target } from './measurement.js';

const WIDTH = 960;
const LEFT = 430;
const RIGHT = 210;
const TOP = 52;
const BAR = 12;
const GAP = 3;
const GROUP_GAP = 14;
/** A bar that is longer than this share of the ceiling is cut. Its label has the true figure. */
const SHARE_MAX = 1.5;

const TEXT = '#737b85';
const COLOURS = { ours: '#2f81f7', typical: '#9aa1a9', target: '#c2690a' } as const;

/** Draws the groups in their order. */
export function ratioChart(groups: readonly Group[]): string {
  const drawn = groups.filter((group) => ceilingOf(group) !== undefined && isDrawn(group));
  let y = TOP;
  const parts = drawn.map((group) => {
    const text = drawGroup(group, y);
    y += barsOf(group).length * (BAR + GAP) + GROUP_GAP;
    return text;
  });
  const at = xOf(1).toFixed(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="${TEXT}">`,
    '<title>Speed as a share of the same thing written as plainly as possible</title>',
    ...legend(),
    `<text x="${at}" y="42" text-anchor="middle">ceiling = 1</text>`,
    `<line x1="${at}" x2="${at}" y1="46" y2="${y - 6}" stroke="${TEXT}" stroke-dasharray="3 3"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function legend(): string[] {
  const entries = [
    [COLOURS.ours, 'Sekali', 0],
    [COLOURS.typical, 'the typical way', 75],
    [COLOURS.target, 'target', 235],
  ] as const;
  return entries.map(([colour, text, offset]) => {
    const x = LEFT + offset;
    const width = text === 'target' ? 3 : 12;
    return `<rect x="${x}" y="10" width="${width}" height="12" rx="1" fill="${colour}"/><text x="${x + width + 6}" y="20">${text}</text>`;
  });
}

function drawGroup(group: Group, top: number): string {
  const ceiling = ceilingOf(group) ?? Number.NaN;
  const bars = barsOf(group).map((series, index) => drawBar(series, ceiling, top + index * (BAR + GAP)));
  const marks = group.targets
    .filter(({ against }) => against === 'ceiling')
    .map((target) => {
      const x = xOf(Math.min(shareOf(target), SHARE_MAX)) - 1.5;
      return `<rect x="${x.toFixed(1)}" y="${top - 3}" width="3" height="${BAR + 6}" rx="1" fill="${COLOURS.target}"/>`;
    });
  const label = `<text x="${LEFT - 10}" y="${top + BAR - 2}" text-anchor="end">${escape(group.what)}</text>`;
  return [label, ...bars, ...marks].join('\n');
}

function drawBar({ role, subject, unit, values }: Series, ceiling: number, y: number): string {
  const ratio = median(values) / ceiling;
  const share = isRate(unit) ? ratio : 1 / ratio;
  const end = xOf(Math.min(share, SHARE_MAX));
  const colour = role === 'ours' ? COLOURS.ours : COLOURS.typical;
  // The label stands behind the target's mark, which would otherwise cross the text.
  const textX = Math.max(end, xOf(1)) + 8;
  return [
    `<rect x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="${BAR}" rx="2" fill="${colour}"/>`,
    `<text x="${textX.toFixed(1)}" y="${y + BAR - 2}">${share.toFixed(2)} ${escape(subject)}</text>`,
  ].join('');
}

/** Alternating a ratio into a speed: what takes 1.25 times as long is 0.8 times as fast. */
function shareOf({ atLeast, atMost }: Target): number {
  return atLeast ?? 1 / (atMost ?? Number.NaN);
}

function isDrawn({ series, targets }: Group): boolean {
  return targets.some(({ against }) => against === 'ceiling') || series.every(({ unit }) => isRate(unit));
}

function isRate(unit: Series['unit']): boolean {
  return unit.endsWith('/s');
}

function barsOf(group: Group): readonly Series[] {
  return group.series.filter(({ role }) => role !== 'ceiling');
}

function ceilingOf(group: Group): number | undefined {
  const ceiling = group.series.find(({ role }) => role === 'ceiling');
  return ceiling === undefined ? undefined : median(ceiling.values);
}

function xOf(share: number): number {
  return LEFT + (share * (WIDTH - LEFT - RIGHT)) / SHARE_MAX;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
