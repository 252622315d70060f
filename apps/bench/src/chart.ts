/** The README's chart: for each group how far Sekali and today's way reach, as a share of the ceiling. SVG, from the JSON. */
import { type Group, median } from './measurement.js';

const WIDTH = 760;
const LEFT = 250;
const BAR = 13;
const GAP = 4;
const GROUP_GAP = 18;
const TOP = 44;
const RIGHT = 60;
/** A bar that is longer than this share of the ceiling is cut, and says by its figure how long it is. */
const SHARE_MAX = 1.5;

/** Draws the groups that have a ceiling and are rates. Legible on light and on dark ground. */
export function ratioChart(groups: readonly Group[]): string {
  const drawn = groups.filter((group) => ceilingOf(group) !== undefined && isRate(group));
  let y = TOP;
  const parts = drawn.map((group) => {
    const text = drawGroup(group, y);
    y += group.series.filter(({ role }) => role !== 'ceiling').length * (BAR + GAP) + GROUP_GAP;
    return text;
  });
  const at = xOf(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 6}" width="${WIDTH}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#808790">`,
    '<title>Rates as a share of the same thing written as plainly as possible</title>',
    `<text x="${at}" y="18" text-anchor="middle">ceiling = 1</text>`,
    `<line x1="${at}" x2="${at}" y1="26" y2="${y - 6}" stroke="#808790" stroke-dasharray="3 3"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function drawGroup(group: Group, top: number): string {
  const ceiling = ceilingOf(group) ?? Number.NaN;
  const bars = group.series.filter(({ role }) => role !== 'ceiling');
  const lines = bars.map(({ role, subject, values }, index) => {
    const share = median(values) / ceiling;
    const y = top + index * (BAR + GAP);
    const end = xOf(Math.min(share, SHARE_MAX));
    const colour = role === 'ours' ? '#2f81f7' : '#a0a7b0';
    return [
      `<rect x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="${BAR}" rx="2" fill="${colour}"/>`,
      `<text x="${(end + 5).toFixed(1)}" y="${y + BAR - 2}">${share.toFixed(2)} ${escape(subject)}</text>`,
    ].join('');
  });
  return [
    `<text x="${LEFT - 10}" y="${top + BAR - 2}" text-anchor="end">${escape(group.what)}</text>`,
    ...lines,
  ].join('\n');
}

function isRate(group: Group): boolean {
  return group.series.every(({ unit }) => unit.endsWith('/s'));
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
