/**
 * The script of the page: it draws the charts with uPlot, and the faults and the phases into them.
 *
 * Its functions are turned into text one by one. So they may use nothing but each other, their arguments, and what
 * every browser has. The compiler removes the types.
 */
import type { Canvas, Chart, ChartMaker, Line, Page, PageDocument, PageWindow } from './page-elements.js';
import type { PageData, PageFault } from './page-data.js';

const FUNCTIONS = [
  drawPage,
  redraw,
  showSpan,
  chartOptions,
  axes,
  xAxis,
  leftAxis,
  axisFont,
  lonePoints,
  lineSeries,
  faultsChart,
  linesChart,
  inPlot,
  drawBands,
  drawFaultRows,
  drawPhases,
  readOut,
  faultText,
  colour,
  clock,
  grouped,
];

/** The text of the script; it expects uPlot and the data in the page. */
export const PAGE_SCRIPT = [
  "'use strict';",
  ...FUNCTIONS.map(String),
  'drawPage(document, window, uPlot);',
].join('\n\n');

function drawPage(document: PageDocument, window: PageWindow, maker: ChartMaker): void {
  const data = JSON.parse(document.getElementById('run-data')?.textContent ?? '{}') as PageData;
  if (data.at.length < 2) return;
  document.documentElement.classList.add('live');
  const page: Page = { document, window, maker, data, charts: [] };
  redraw(page);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => redraw(page));
  let width = document.documentElement.clientWidth;
  window.addEventListener('resize', () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    redraw(page);
  });
  for (const button of document.querySelectorAll('button[data-from]')) {
    button.addEventListener('click', () => {
      showSpan(page, Number(button.dataset['from']), Number(button.dataset['to']));
    });
  }
}

function redraw(page: Page): void {
  for (const chart of page.charts) chart.destroy();
  const charts = [
    faultsChart(page),
    linesChart(page, 'throughput', 260, [
      { label: 'acknowledged', colour: '--acknowledged', column: 'acknowledged', unit: '/s' },
      { label: 'settled', colour: '--settled', column: 'settled', unit: '/s' },
      // This line comes last, so that its dashes are visible on the line of acknowledged messages.
      { label: 'sent', colour: '--sent', column: 'sent', dash: [4, 4], unit: '/s' },
    ]),
    linesChart(page, 'lag', 180, [{ label: 'lag', colour: '--lag', column: 'lag', unit: '' }]),
    linesChart(page, 'memory', 140, [
      { label: 'judge', colour: '--memory', column: 'memoryMiB', unit: ' MiB' },
    ]),
  ];
  page.charts = charts.filter((chart) => chart !== undefined);
}

function showSpan(page: Page, from: number, to: number): void {
  const last = page.data.at[page.data.at.length - 1] ?? 0;
  const limits = { min: Math.max(0, from), max: Math.max(from + 1, Math.min(to, last)) };
  for (const chart of page.charts) chart.setScale('x', limits);
  page.document.getElementById('readout')?.scrollIntoView({ block: 'center' });
}

/** What all charts have in common: their time, their cursor, and the faults and phases. */
function chartOptions(page: Page, width: number, height: number): Record<string, unknown> {
  return {
    width,
    height,
    // The label of the rightmost moment needs half its width.
    padding: [18, 24, 0, 0],
    cursor: { sync: { key: 'run', scales: ['x', null] }, drag: { x: true, y: false }, y: false },
    hooks: {
      draw: [(chart: Chart) => drawPhases(page, chart)],
      setCursor: [(chart: Chart) => readOut(page, chart)],
    },
  };
}

function xAxis(page: Page): object {
  return {
    font: axisFont(),
    stroke: colour(page, '--quiet'),
    grid: { stroke: colour(page, '--grid'), width: 1 },
    ticks: { stroke: colour(page, '--line'), width: 1 },
    size: 32,
    incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400],
    values: (_: Chart, splits: number[]) => splits.map(clock),
  };
}

/** Both axes. The left one has the same width in every chart, so that the same moments are above each other. */
function axes(page: Page, width: number, yAxis: object): object[] {
  const left = {
    font: axisFont(),
    stroke: colour(page, '--quiet'),
    grid: { stroke: colour(page, '--grid'), width: 1 },
    ticks: { show: false },
    size: leftAxis(page, width).size,
  };
  return [xAxis(page), { ...left, ...yAxis }];
}

/**
 * The width of the left axis: enough for the longest name of a fault, and for large figures.
 *
 * Names that would take more than a third of a narrow page are inside the plot instead.
 */
function leftAxis(page: Page, width: number): { readonly size: number; readonly holdsNames: boolean } {
  const canvas = page.document.createElement('canvas').getContext('2d');
  canvas.font = axisFont();
  const widest = Math.max(0, ...page.data.rows.map((name) => canvas.measureText(name).width));
  // The chart library keeps 5 pixels between a name and the plot.
  const needed = Math.max(64, Math.ceil(widest) + 16);
  const holdsNames = needed <= width / 3;
  return { size: holdsNames ? needed : 64, holdsNames };
}

/** The font of the axes, which is also measured. */
function axisFont(): string {
  return '12px system-ui, sans-serif';
}

/** The points that no line reaches, because both neighbours are gaps. Every other point is part of a line. */
function lonePoints(chart: Chart, series: number): number[] {
  const column = chart.data[series] ?? [];
  const isKnown = (index: number): boolean => typeof column[index] === 'number';
  return column.flatMap((_, index) =>
    isKnown(index) && !isKnown(index - 1) && !isKnown(index + 1) ? [index] : [],
  );
}

function lineSeries(page: Page, line: Line): object {
  return {
    label: line.label,
    stroke: colour(page, line.colour),
    width: 1.5,
    dash: line.dash,
    spanGaps: false,
    points: { show: false, filter: lonePoints, size: 4, fill: colour(page, line.colour) },
    value: (_: Chart, figure: number | null) => (figure === null ? '–' : grouped(figure) + line.unit),
  };
}

function linesChart(page: Page, id: string, height: number, lines: Line[]): Chart | undefined {
  const target = page.document.getElementById(id);
  if (target === null) return undefined;
  const width = target.clientWidth;
  const options = chartOptions(page, width, height);
  const hooks = options['hooks'] as Record<string, unknown>;
  hooks['drawClear'] = [(chart: Chart) => drawBands(page, chart)];
  const columns = lines.map((line) => page.data[line.column]);
  const time = { label: 'time', value: (_: Chart, at: number | null) => (at === null ? '–' : clock(at)) };
  return new page.maker(
    {
      ...options,
      scales: {
        x: { time: false },
        y: { range: (_: Chart, __: number, max: number | null) => [0, Math.max(1, (max ?? 0) * 1.2)] },
      },
      axes: axes(page, width, { values: (_: Chart, splits: number[]) => splits.map(grouped) }),
      series: [time, ...lines.map((line) => lineSeries(page, line))],
    },
    [page.data.at, ...columns],
    target,
  );
}

/** A row for each kind of fault. The column of figures is empty, because a separate function draws the faults. */
function faultsChart(page: Page): Chart | undefined {
  const target = page.document.getElementById('faults');
  if (target === null) return undefined;
  const width = target.clientWidth;
  const { rows, at } = page.data;
  const { holdsNames } = leftAxis(page, width);
  const options = chartOptions(page, width, rows.length * (holdsNames ? 24 : 40) + 50);
  const hooks = options['hooks'] as Record<string, unknown>;
  // This is drawn after the grid, whose lines would cut the faults into pieces.
  hooks['draw'] = [
    (chart: Chart) => drawFaultRows(page, chart, holdsNames),
    (chart: Chart) => drawPhases(page, chart),
  ];
  const names = {
    splits: () => rows.map((_, row) => rows.length - row - 0.5),
    values: () => rows.map((name, row) => (!holdsNames || rows[row - 1] === name ? '' : name)),
    grid: { show: false },
  };
  return new page.maker(
    {
      ...options,
      legend: { show: false },
      scales: { x: { time: false }, y: { range: () => [0, rows.length] } },
      axes: axes(page, width, names),
      series: [{}, { show: true, points: { show: false } }],
    },
    [at, at.map(() => null)],
    target,
  );
}

/** Draws only inside the plot, and leaves the canvas as it was. */
function inPlot(page: Page, chart: Chart, draw: (canvas: Canvas, scale: number) => void): void {
  const { ctx, bbox } = chart;
  const scale = page.window.devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  // The names of the phases are above the plot.
  ctx.rect(bbox.left, bbox.top - 18 * scale, bbox.width, bbox.height + 18 * scale);
  ctx.clip();
  ctx.font = String(Math.round(11 * scale)) + 'px system-ui, sans-serif';
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  draw(ctx, scale);
  ctx.restore();
}

function drawBands(page: Page, chart: Chart): void {
  inPlot(page, chart, (canvas, scale) => {
    const { top, height } = chart.bbox;
    let freeFrom = -Infinity;
    for (const fault of page.data.faults) {
      const x = chart.valToPos(fault.from, 'x', true);
      const width = Math.max(scale, chart.valToPos(fault.to, 'x', true) - x);
      canvas.fillStyle = colour(page, '--fault');
      canvas.globalAlpha = fault.held ? 0.14 : 0.04;
      canvas.fillRect(x, top, width, height);
      const label = '#' + String(fault.number);
      canvas.globalAlpha = 1;
      const labelWidth = canvas.measureText(label).width;
      // Faults that overlap would write their numbers over each other.
      if (labelWidth >= width || x < freeFrom) continue;
      canvas.fillText(label, x, top + 8 * scale);
      freeFrom = x + labelWidth + 4 * scale;
    }
  });
}

/** A bar for each fault in its row. If the axis has no room for the names, each is above the bars of its row. */
function drawFaultRows(page: Page, chart: Chart, isAxisNamed: boolean): void {
  inPlot(page, chart, (canvas, scale) => {
    const { left, top, height } = chart.bbox;
    const rowHeight = height / page.data.rows.length;
    const nameHeight = isAxisNamed ? 0 : 16 * scale;
    const barHeight = rowHeight - nameHeight - 6 * scale;
    for (const fault of page.data.faults) {
      const x = chart.valToPos(fault.from, 'x', true);
      const width = Math.max(2 * scale, chart.valToPos(fault.to, 'x', true) - x);
      const y = top + fault.row * rowHeight + nameHeight + 3 * scale;
      canvas.fillStyle = canvas.strokeStyle = colour(page, '--fault');
      canvas.lineWidth = scale;
      canvas.globalAlpha = fault.held ? 0.45 : 0;
      canvas.fillRect(x, y, width, barHeight);
      canvas.globalAlpha = 1;
      canvas.strokeRect(x, y, width, barHeight);
      const label = '#' + String(fault.number);
      canvas.fillStyle = colour(page, '--text');
      const labelWidth = canvas.measureText(label).width;
      if (labelWidth < width) canvas.fillText(label, x + (width - labelWidth) / 2, y + barHeight / 2);
    }
    if (isAxisNamed) return;
    canvas.fillStyle = colour(page, '--text');
    page.data.rows.forEach((name, row) => {
      if (page.data.rows[row - 1] === name) return;
      canvas.fillText(name, left + 4 * scale, top + row * rowHeight + nameHeight / 2 + 3 * scale);
    });
  });
}

function drawPhases(page: Page, chart: Chart): void {
  inPlot(page, chart, (canvas, scale) => {
    const { left, top, width, height } = chart.bbox;
    canvas.fillStyle = canvas.strokeStyle = colour(page, '--phase');
    canvas.lineWidth = scale;
    canvas.setLineDash([3 * scale, 3 * scale]);
    let freeFrom = -Infinity;
    for (const phase of page.data.phases) {
      const x = Math.round(chart.valToPos(phase.from, 'x', true));
      canvas.beginPath();
      canvas.moveTo(x, top - 16 * scale);
      canvas.lineTo(x, top + height);
      canvas.stroke();
      const nameWidth = canvas.measureText(phase.name).width;
      const isCut = x + 4 * scale + nameWidth > left + width;
      const from = isCut ? x - 4 * scale - nameWidth : x + 4 * scale;
      // A name that would run into the one before is left out, because the buttons have it.
      if (from < freeFrom) continue;
      canvas.fillText(phase.name, from, top - 9 * scale);
      freeFrom = from + nameWidth + 4 * scale;
    }
  });
}

/** Names the faults at the cursor in words. */
function readOut(page: Page, chart: Chart): void {
  const index = chart.cursor.idx;
  const at = index === null || index === undefined ? undefined : page.data.at[index];
  const readout = page.document.getElementById('readout');
  if (at === undefined || readout === null) return;
  const faults = page.data.faults.filter(({ from, to }) => from - 0.25 <= at && at <= to + 0.25);
  readout.textContent =
    clock(at) + ' · ' + (faults.length === 0 ? 'no fault' : faults.map(faultText).join(' · '));
}

function faultText(fault: PageFault): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(1) + ' s';
  const start = '#' + String(fault.number) + ' ' + fault.name + ': ' + fault.detail;
  if (!fault.held) return start + ' (not applied)';
  const resumed = fault.resumedMs === null ? 'never resumed' : 'resumed in ' + seconds(fault.resumedMs);
  const held = seconds((fault.to - fault.from) * 1000);
  return start + ' (for ' + held + ', refused ' + seconds(fault.refusedMs) + ', ' + resumed + ')';
}

function colour(page: Page, name: string): string {
  return page.window.getComputedStyle(page.document.documentElement).getPropertyValue(name).trim();
}

function clock(at: number): string {
  const pad = (part: number): string => String(Math.floor(part)).padStart(2, '0');
  return (at >= 3600 ? String(Math.floor(at / 3600)) + ':' : '') + pad((at % 3600) / 60) + ':' + pad(at % 60);
}

function grouped(figure: number): string {
  return figure.toLocaleString('en');
}
