/** The view Now: the equation that balances, rates, lag, and what needs attention. */
import { html, type TemplateResult } from 'lit-html';
import type { StatsView } from '#contracts';
import { Chart } from '../chart.js';
import { hrefOf } from '../place.js';
import type { Reading } from '../reading.js';
import { failureNote, figureOf, sourceLine, type View } from '../view.js';
import { count, rate, span, UNKNOWN } from '../wording.js';
import { outcomeMark } from '../outcome-mark.js';
import { equation } from './equation.js';
import { firstEvent } from './first-event.js';
import { RateSamples } from './rate-samples.js';

/** What is true now. */
export class NowView implements View {
  readonly title = 'Now';
  private readonly samples = new RateSamples();
  private chart: Chart | undefined;

  constructor(private readonly stats: Reading<StatsView>) {}

  open(): void {
    this.stats.start();
  }

  close(): void {
    this.stats.stop();
    this.chart?.close();
    this.chart = undefined;
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
    const data = this.samples.chart;
    if (element === null) {
      this.chart?.close();
      this.chart = undefined;
    } else if (data !== undefined) {
      this.chart ??= new Chart(element, '/s');
      this.chart.show(data);
    }
  }

  private rates(): TemplateResult {
    const { newest } = this.samples;
    const isCurrent = this.stats.isCurrent;
    const shown = (value: number | null | undefined): string =>
      isCurrent && typeof value === 'number' ? rate(value) : UNKNOWN;
    return html`<section aria-labelledby="rates-title">
      <h2 id="rates-title">Rates</h2>
      <ul class="legend">
        <li>${outcomeMark('stored')} stored <b>${shown(newest?.stored)}</b></li>
        <li>${outcomeMark('duplicate')} duplicates <b>${shown(newest?.duplicate)}</b></li>
        <li>${outcomeMark('conflict')} conflicts <b>${shown(newest?.conflict)}</b></li>
        <li>${outcomeMark('dead-letter')} dead letters <b>${shown(newest?.deadLetter)}</b></li>
      </ul>
      <div id="rates" class="chart" aria-hidden="true"></div>
      <p class="source">
        ${this.samples.chart === undefined ? 'The chart begins with the next figures.' : 'Since this page was opened; times in UTC.'}
      </p>
    </section>`;
  }

  private delays(): TemplateResult {
    const { stats } = this;
    return html`<section aria-labelledby="delays-title">
      <h2 id="delays-title">Delay</h2>
      <dl class="figures">
        <div>
          <dt>lag</dt>
          <dd>${figureOf(stats, ({ lag_seconds: lag }) => span(lag))}</dd>
          <dd class="about">age of the oldest message in flight</dd>
        </div>
      </dl>
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
