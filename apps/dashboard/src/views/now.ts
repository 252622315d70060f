/** The view Now: the equation that balances, rates, lag, and what needs attention. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { EventView, StatsView } from '#contracts';
import { Chart } from '../chart.js';
import { hrefOf } from '../place.js';
import { Reading } from '../reading.js';
import { failureNote, figureOf, sourceLine, type Host, type View } from '../view.js';
import { count, counted, rate, second, span, UNKNOWN } from '../wording.js';
import { outcomeMark } from '../outcome-mark.js';
import { equation } from './equation.js';
import { firstEvent } from './first-event.js';
import { histogramChart, type Histogram } from './histogram.js';
import { latencyOf, type Latency } from './latency.js';
import { RateSamples } from './rate-samples.js';

const LATENCY_MS = 5_000;
const HOUR_MS = 10_000;
const CONFLICTS_APART = 'Duplicates are here without conflicts, which have a line of their own.';

/** What is true now. */
export class NowView implements View {
  readonly title = 'Now';
  private readonly samples = new RateSamples();
  private chart: Chart | undefined;

  private readonly newest: Reading<readonly EventView[]>;
  private readonly hour: Reading<Histogram>;
  private isHour = false;

  constructor(
    private readonly stats: Reading<StatsView>,
    host: Host,
  ) {
    const onChange = (): void => host.redraw();
    const path = (): string => '/events?order=desc&limit=100';
    this.newest = new Reading({ path, intervalMs: LATENCY_MS, onChange });
    this.hour = new Reading({ path: () => '/histogram', intervalMs: HOUR_MS, onChange });
  }

  /** @param parameters `rates=hour` shows the last hour, else what came since the page was opened */
  open(parameters: URLSearchParams): void {
    const isHour = parameters.get('rates') === 'hour';
    if (isHour !== this.isHour) this.closeChart();
    this.isHour = isHour;
    this.stats.start();
    this.newest.start();
    if (isHour) this.hour.start();
    else this.hour.stop();
  }

  close(): void {
    this.stats.stop();
    this.newest.stop();
    this.hour.stop();
    this.closeChart();
  }

  template(): TemplateResult {
    const { stats } = this;
    if (stats.value !== undefined && stats.atMs !== undefined) this.samples.add(stats.value, stats.atMs);
    if (stats.value?.received === 0 && stats.isCurrent) return firstEvent(stats);
    return html`
      <section aria-label="What was received, and what became of it">
        ${equation(stats)} ${failureNote(stats.failure)} ${sourceLine(stats)}
      </section>
      ${this.rates()} ${this.delays()} ${this.duplicates()}
    `;
  }

  drawn(): void {
    const element = document.querySelector<HTMLElement>('#rates');
    const { value: hour } = this.hour;
    const data = !this.isHour ? this.samples.chart : hour && histogramChart(hour);
    if (element === null) this.closeChart();
    else if (data !== undefined) {
      this.chart ??= new Chart(element, this.isHour ? '' : '/s', this.isHour);
      this.chart.show(data);
    }
  }

  private closeChart(): void {
    this.chart?.close();
    this.chart = undefined;
  }

  private rates(): TemplateResult {
    const { newest } = this.samples;
    const isCurrent = this.stats.isCurrent;
    const shown = (value: number | null | undefined): string =>
      isCurrent && typeof value === 'number' ? rate(value) : UNKNOWN;
    const link = (name: string, isHour: boolean): TemplateResult =>
      html`<a
        href=${hrefOf('now', isHour ? { rates: 'hour' } : {})}
        aria-current=${isHour === this.isHour ? 'true' : nothing}
        >${name}</a
      >`;
    return html`<section aria-labelledby="rates-title">
      <h2 id="rates-title">Rates</h2>
      <ul class="legend">
        <li>${outcomeMark('stored')} stored <b>${shown(newest?.stored)}</b></li>
        <li>${outcomeMark('duplicate')} duplicates <b>${shown(newest?.duplicate)}</b></li>
        <li>${outcomeMark('conflict')} conflicts <b>${shown(newest?.conflict)}</b></li>
        <li>${outcomeMark('dead-letter')} dead letters <b>${shown(newest?.deadLetter)}</b></li>
      </ul>
      <div id="rates" class="chart" aria-hidden="true"></div>
      <p class="orders">${link('since the page was opened', false)} ${link('the last hour', true)}</p>
      ${this.chartSource()}
    </section>`;
  }

  private chartSource(): TemplateResult {
    if (this.isHour)
      return html`${failureNote(this.hour.failure)}
        <p class="about">
          Messages a minute, by when they were settled; times in UTC. The newest is not over.
          ${CONFLICTS_APART}
        </p>
        ${sourceLine(this.hour)}`;
    return html`<p class="about">
      ${this.samples.chart === undefined ? 'The chart begins with the next figures.' : 'Messages a second; times in UTC.'}
      ${CONFLICTS_APART}
    </p>`;
  }

  private delays(): TemplateResult {
    const { stats, newest } = this;
    const quantile =
      (read: (latency: Latency) => number) =>
      (events: readonly EventView[]): string => {
        const latency = latencyOf(events);
        return latency === undefined ? UNKNOWN : span(read(latency));
      };
    return html`<section aria-labelledby="delays-title">
      <h2 id="delays-title">Delays</h2>
      <dl class="figures">
        <div>
          <dt>lag</dt>
          <dd>${figureOf(stats, ({ lag_seconds: lag }) => span(lag))}</dd>
          <dd class="about">age of the oldest message in flight</dd>
        </div>
        <div>
          <dt>published to stored, p50</dt>
          <dd>
            ${figureOf(
              newest,
              quantile(({ p50 }) => p50),
            )}
          </dd>
          <dd class="about">
            of the newest ${counted(newest.value?.length ?? 0, 'event')}${lastStored(newest.value?.[0])}
          </dd>
        </div>
        <div>
          <dt>published to stored, p99</dt>
          <dd>
            ${figureOf(
              newest,
              quantile(({ p99 }) => p99),
            )}
          </dd>
          <dd class="about">of the same events</dd>
        </div>
      </dl>
      ${failureNote(newest.failure)} ${sourceLine(newest)}
    </section>`;
  }

  private duplicates(): TemplateResult {
    const { stats } = this;
    return html`<section aria-labelledby="repeats-title">
      <h2 id="repeats-title">Where repeats were stopped</h2>
      <dl class="figures">
        <div>
          <dt>${outcomeMark('duplicate')} at the brokers</dt>
          <dd>${figureOf(stats, ({ duplicates }) => count(duplicates.broker))}</dd>
          <dd class="about">by the duplicate window, as the gateways saw it</dd>
        </div>
        <div>
          <dt>${outcomeMark('duplicate')} in the store</dt>
          <dd>${figureOf(stats, ({ duplicates }) => count(duplicates.store))}</dd>
          <dd class="about">by the unique constraint</dd>
        </div>
        <div>
          <dt>${outcomeMark('conflict')} conflicts among these</dt>
          <dd>${figureOf(stats, ({ conflicts }) => count(conflicts))}</dd>
          <dd class="about">same id, another payload</dd>
        </div>
        <div>
          <dt>redeliveries</dt>
          <dd>${figureOf(stats, ({ redelivered }) => count(redelivered))}</dd>
          <dd class="about">of settled messages; they change no count</dd>
        </div>
      </dl>
      <p><a href=${hrefOf('topics')}>Which topics repeat</a></p>
    </section>`;
  }
}

/** The newest events may be of long ago. */
function lastStored(newest: EventView | undefined): string {
  return newest === undefined ? '' : `, the last of them stored at ${second(newest.stored_at)}`;
}
