/** A chart of rates by outcome over time, drawn by uPlot in the colours of the style sheet. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { OUTCOME_NAMES, type Outcome } from './outcome-mark.js';

/** Times in seconds since 1970, and one row of values for each outcome. */
export interface ChartData {
  readonly times: readonly number[];
  readonly values: Readonly<Record<Exclude<Outcome, 'in-flight'>, readonly (number | null)[]>>;
}

const OUTCOMES = ['stored', 'duplicate', 'conflict', 'dead-letter'] as const;
/** Lines differ by their dashes as well as by their colour. */
const DASHES: Readonly<Record<(typeof OUTCOMES)[number], number[]>> = {
  stored: [],
  duplicate: [8, 4],
  conflict: [2, 3],
  'dead-letter': [10, 3, 2, 3],
};
const HEIGHT = 216;
/** A chart of more than this has days at its axis. */
const LONG_SECONDS = 43_200;
const SHORT = '{HH}:{mm}:{ss}';
const LONG = '{MM}-{DD} {HH}:{mm}';

/** One chart in an element. It follows the element's width, and the theme. */
export class Chart {
  private plot: uPlot | undefined;
  private readonly resized: ResizeObserver;
  private readonly theme = matchMedia('(prefers-color-scheme: dark)');
  private data: ChartData | undefined;

  /**
   * @param unit what a value of the axis is, for example `/s`
   * @param isStepped whether a value holds for a whole step, rather than for a moment
   */
  constructor(
    private readonly element: HTMLElement,
    private readonly unit: string,
    private readonly isStepped = false,
  ) {
    this.resized = new ResizeObserver(() => {
      this.plot?.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    this.resized.observe(element);
    this.theme.addEventListener('change', this.drawAgain);
  }

  show(data: ChartData): void {
    this.data = data;
    const rows = [
      [...data.times],
      ...OUTCOMES.map((outcome) => [...data.values[outcome]]),
    ] as uPlot.AlignedData;
    if (this.plot === undefined) this.plot = new uPlot(this.options(), rows, this.element);
    else this.plot.setData(rows);
  }

  close(): void {
    this.resized.disconnect();
    this.theme.removeEventListener('change', this.drawAgain);
    this.plot?.destroy();
  }

  private readonly drawAgain = (): void => {
    this.plot?.destroy();
    this.plot = undefined;
    if (this.data !== undefined) this.show(this.data);
  };

  private options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    const paths = this.isStepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
    const axis = {
      stroke: colour('quiet'),
      grid: { stroke: colour('grid'), width: 1 },
      ticks: { stroke: colour('grid'), width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const { times = [] } = this.data ?? {};
    const isLong = (times.at(-1) ?? 0) - (times[0] ?? 0) > LONG_SECONDS;
    return {
      width: this.element.clientWidth,
      height: HEIGHT,
      // The page speaks of times in UTC.
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC'),
      padding: [8, 24, 0, 0],
      cursor: { drag: { x: false, y: false } },
      legend: { show: false },
      scales: { y: { range: (_plot, _min, max) => [0, Math.max(4, max * 1.1)] } },
      axes: [
        {
          ...axis,
          values: [[1, isLong ? LONG : SHORT, null, null, null, null, null, null, 1]],
          space: isLong ? 120 : 80,
        },
        {
          ...axis,
          size: 64,
          values: (_plot, ticks) => ticks.map((tick) => `${tick.toLocaleString('en')}${this.unit}`),
        },
      ],
      series: [
        {},
        ...OUTCOMES.map((outcome) => ({
          label: OUTCOME_NAMES[outcome],
          stroke: colour(outcome),
          width: 2,
          dash: DASHES[outcome],
          points: { show: false },
          ...(paths !== undefined && { paths }),
        })),
      ],
    };
  }
}
