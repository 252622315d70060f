/** The view Explore: how much came when, and the events themselves, newest first, live or paused. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { EventView } from '#contracts';
import { Chart } from '../chart.js';
import { isTransient, type Failure } from '../gateway-client.js';
import { outcomeMark } from '../outcome-mark.js';
import { Reading } from '../reading.js';
import { failureNote, figureOf, openJson, sourceLine, type Host, type View } from '../view.js';
import { clock, count, counted, instant, span } from '../wording.js';
import { exportLinks } from './event-export.js';
import { eventFilterIn, hrefOfFilter, queryOf, type EventFilter } from './event-filter.js';
import { eventForm } from './event-form.js';
import { EventList } from './event-list.js';
import { eventRow } from './event-row.js';
import { keyOf } from './event-rows.js';
import { frequentValues, type Facets } from './frequent-values.js';
import { histogramChart, type Histogram } from './histogram.js';

const HISTOGRAM_MS = 10_000;
const FACETS_MS = 30_000;
/** The spans of time of the histogram, with steps of which a chart has room for all. */
const WINDOWS = {
  hour: { name: 'hour', seconds: 3_600, step: '1m' },
  day: { name: 'day', seconds: 86_400, step: '15m' },
  week: { name: 'week', seconds: 604_800, step: '1h' },
  month: { name: '30 days', seconds: 2_592_000, step: '6h' },
} as const;
type Window = keyof typeof WINDOWS;

function windowIn(parameters: URLSearchParams): Window {
  const window = parameters.get('window') ?? 'hour';
  return window in WINDOWS ? (window as Window) : 'hour';
}

/** The window in an address, which has none for an hour. */
function parameterOf(window: Window): Readonly<Record<string, string>> {
  return window === 'hour' ? {} : { window };
}

/** Stored events by a filter. */
export class ExploreView implements View {
  readonly title = 'Explore';
  private filter: EventFilter = { where: [] };
  private list: EventList | undefined;
  private opened: string | undefined;
  private chart: Chart | undefined;
  private readonly histogram: Reading<Histogram>;
  private readonly facets: Reading<Facets>;
  private window: Window = 'hour';
  /** The member whose frequent values are shown. */
  private field: string | undefined;

  constructor(private readonly host: Host) {
    const onChange = (): void => host.redraw();
    this.histogram = new Reading({
      path: () => `/histogram?${this.histogramQuery()}`,
      intervalMs: HISTOGRAM_MS,
      onChange,
    });
    this.facets = new Reading({
      path: () => `/facets?${queryOf(this.filter, { field: this.field ?? '' })}`,
      intervalMs: FACETS_MS,
      onChange,
    });
  }

  get failure(): Failure | undefined {
    return this.list?.failure ?? this.histogram.failure;
  }

  /** @param parameters the filter, `window` of the histogram, and `field` whose frequent values are shown */
  open(parameters: URLSearchParams): void {
    const filter = eventFilterIn(parameters);
    const isSame = this.list !== undefined && JSON.stringify(filter) === JSON.stringify(this.filter);
    if (!isSame) {
      this.close();
      this.filter = filter;
      this.list = new EventList(filter, () => this.host.redraw());
    }
    this.showCounts(windowIn(parameters), isSame);
    this.showField(parameters.get('field') ?? undefined, isSame);
  }

  private showCounts(window: Window, isSame: boolean): void {
    if (isSame && window === this.window) return;
    this.closeChart();
    this.window = window;
    this.histogram.restart();
    this.histogram.start();
  }

  private showField(field: string | undefined, isSame: boolean): void {
    if (isSame && field === this.field) return;
    this.field = field;
    this.facets.stop();
    this.facets.restart();
    if (field !== undefined) this.facets.start();
  }

  close(): void {
    this.list?.close();
    this.list = undefined;
    this.opened = undefined;
    this.histogram.stop();
    this.facets.stop();
    this.closeChart();
  }

  private closeChart(): void {
    this.chart?.close();
    this.chart = undefined;
  }

  template(): TemplateResult {
    const { field, filter } = this;
    return html`${eventForm(filter, parameterOf(this.window))} ${this.counts()}
    ${field === undefined ? nothing : frequentValues(this.facets, { field, filter, others: parameterOf(this.window) })}
    ${this.events()}`;
  }

  drawn(): void {
    const element = document.querySelector<HTMLElement>('#histogram');
    const { value } = this.histogram;
    if (element === null || value === undefined) return;
    this.chart ??= new Chart(element, '', true);
    this.chart.show(histogramChart(value));
  }

  /** Events have other times of their own, so the histogram follows the topic alone. */
  private histogramQuery(): string {
    const { topic } = this.filter;
    const { seconds, step } = WINDOWS[this.window];
    const since = new Date(Date.now() - seconds * 1_000).toISOString();
    return new URLSearchParams({ ...(topic !== undefined && { topic }), since, step }).toString();
  }

  private counts(): TemplateResult {
    const { histogram } = this;
    return html`<section aria-labelledby="histogram-title">
      <h2 id="histogram-title">
        The last
        ${WINDOWS[this.window].name}${this.filter.topic === undefined ? '' : ` of ${this.filter.topic}`}
      </h2>
      ${failureNote(histogram.failure)}
      <ul class="legend">
        <li>
          ${outcomeMark('stored')} stored <b>${figureOf(histogram, ({ totals }) => count(totals.stored))}</b>
        </li>
        <li>
          ${outcomeMark('duplicate')} duplicates in the store
          <b>${figureOf(histogram, ({ totals }) => count(totals.duplicates - totals.conflicts))}</b>
        </li>
        <li>
          ${outcomeMark('conflict')} conflicts
          <b>${figureOf(histogram, ({ totals }) => count(totals.conflicts))}</b>
        </li>
        <li>
          ${outcomeMark('dead-letter')} dead letters
          <b>${figureOf(histogram, ({ totals }) => count(totals.dead_letters))}</b>
        </li>
      </ul>
      <div id="histogram" class="chart" aria-hidden="true"></div>
      <p class="about">
        Messages by when they were settled, in steps of ${span(histogram.value?.step_seconds ?? 60)}; times in
        UTC. The newest is not over. The topic selects them, and no other filter.
      </p>
      <p class="orders">${Object.keys(WINDOWS).map((window) => this.windowLink(window as Window))}</p>
      ${sourceLine(histogram)}
    </section>`;
  }

  private windowLink(window: Window): TemplateResult {
    const others = {
      ...parameterOf(window),
      ...(this.field !== undefined && { field: this.field }),
    };
    return html` <a
      href=${hrefOfFilter(this.filter, others)}
      aria-current=${window === this.window ? 'true' : nothing}
      >the last ${WINDOWS[window].name}</a
    >`;
  }

  private events(): TemplateResult | typeof nothing {
    const { list } = this;
    if (list === undefined) return nothing;
    return html`<section aria-labelledby="events-title">
      <h2 id="events-title">Newest first</h2>
      ${failureNote(list.failure)} ${live(list, this.stateOf(list))}
      <ol class="events">
        ${repeat(list.events, keyOf, (event) =>
          eventRow(event, {
            isOpen: this.opened === keyOf(event),
            filter: this.filter,
            others: parameterOf(this.window),
            toggle: () => this.toggle(event),
          }),
        )}
      </ol>
      ${walk(list)}
      <p class="source">
        ${list.atMs === undefined ? 'asking…' : `as of ${clock(list.atMs)}`} ·
        <a href=${list.path} target="_blank" @click=${openJson}>JSON</a>
      </p>
      ${exportLinks(this.filter)}
    </section>`;
  }

  /** An open stream says late that the store is away, because the gateway reads seldom where nothing comes. */
  private stateOf({ liveState }: EventList): keyof typeof STATES | undefined {
    const { failure } = this.histogram;
    return liveState === 'open' && failure !== undefined && isTransient(failure) ? 'doubtful' : liveState;
  }

  private toggle(event: EventView): void {
    const key = keyOf(event);
    this.opened = this.opened === key ? undefined : key;
    // A row that one reads does not move.
    if (this.opened !== undefined) this.list?.pause();
    this.host.redraw();
  }
}

const STATES = {
  connecting: 'connecting…',
  open: 'live: what is stored appears by itself',
  waiting: 'Postgres does not answer; it goes on by itself',
  interrupted: 'interrupted; it goes on by itself',
  doubtful: 'perhaps not live, because figures cannot be read; it goes on by itself',
  refused: 'the gateway refuses to go on; load the page again',
} as const;

function live(list: EventList, state: keyof typeof STATES | undefined): TemplateResult {
  const { isPaused, waitingCount } = list;
  return html`<div class="actions">
    ${
      isPaused
        ? html`<button class="primary" @click=${() => list.resume()}>
              ${waitingCount === 0 ? 'Go on' : `Show ${counted(waitingCount, 'new event')}, and go on`}
            </button>
            <span role="status"
              >paused;
              ${waitingCount === 0 ? 'nothing came meanwhile' : `${counted(waitingCount, 'event')} came meanwhile`}</span
            >`
        : html`<button @click=${() => list.pause()}>Pause</button>
            <span class="about" role="status">${state === undefined ? '' : STATES[state]}</span>`
    }
  </div>`;
}

function walk(list: EventList): TemplateResult | typeof nothing {
  const { walk: found, older, events, atMs } = list;
  const rows = found?.rows === undefined ? '' : `${counted(found.rows, 'row')} were looked through`;
  const note =
    found === undefined || found.isComplete
      ? nothing
      : html`<p class="note">
          This is not all of it: ${rows}${found.time === undefined ? '' : `, back to ${instant(found.time)}`}.
          There may be older ones.
        </p>`;
  const isEmpty = events.length === 0 && atMs !== undefined && older === undefined;
  return html`${note}
  ${isEmpty ? html`<p class="empty">No stored event is selected. What is stored from now on appears by itself.</p>` : nothing}
  ${older === undefined ? nothing : html`<p><button @click=${() => void list.readOlder()}>Show older ones</button></p>`}`;
}
