/** The view Topics: what came of each, how much comes, and what repeats most. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { RepeatsView, TopicActivity, TopicStatsView } from '#contracts';
import type { Failure } from '../gateway-client.js';
import { outcomeMark } from '../outcome-mark.js';
import { hrefOf } from '../place.js';
import { Reading } from '../reading.js';
import { failureNote, lastKnownNote, sourceLine, tableClass, type Host, type View } from '../view.js';
import { count, counted, lastSettled, rate, share, UNKNOWN } from '../wording.js';
import { repeatsPanel } from './repeats.js';
import { TopicRates } from './topic-rates.js';

type Order = 'name' | 'rate' | 'stored' | 'repeats' | 'conflicts' | 'dead-letters' | 'last';

const TOPICS_MS = 5_000;
const REPEATS_MS = 10_000;
const ORDERS: Readonly<Record<Order, string>> = {
  name: 'name',
  rate: 'rate',
  stored: 'stored',
  repeats: 'share of repeats',
  conflicts: 'conflicts',
  'dead-letters': 'dead letters',
  last: 'last message',
};

/** All topics that the first page of figures has. */
export class TopicsView implements View {
  readonly title = 'Topics';
  private order: Order = 'stored';
  private readonly rates = new TopicRates();
  private readonly topics: Reading<TopicStatsView>;
  private readonly repeats: Reading<RepeatsView>;

  constructor(host: Host) {
    const onChange = (): void => host.redraw();
    this.topics = new Reading({ path: () => '/stats/topics', intervalMs: TOPICS_MS, onChange });
    this.repeats = new Reading({ path: () => '/stats/repeats', intervalMs: REPEATS_MS, onChange });
  }

  get failure(): Failure | undefined {
    return this.topics.failure;
  }

  open(parameters: URLSearchParams): void {
    const order = parameters.get('order') as Order | null;
    this.order = order !== null && order in ORDERS ? order : 'stored';
    this.topics.start();
    this.repeats.start();
  }

  close(): void {
    this.topics.stop();
    this.repeats.stop();
  }

  template(): TemplateResult {
    const { topics } = this;
    const { value, atMs } = topics;
    if (value !== undefined && atMs !== undefined) this.rates.add(value.per_topic, atMs);
    return html`<section aria-label="Topics">
        ${failureNote(topics.failure)} ${value === undefined ? nothing : this.table(value)}
        ${sourceLine(topics)}
      </section>
      ${repeatsPanel(this.repeats)}`;
  }

  private table(value: TopicStatsView): TemplateResult {
    const topics = Object.entries(value.per_topic);
    if (topics.length === 0)
      return html`<p class="empty">
        No topic has an event yet. The view <a href=${hrefOf('now')}>Now</a> shows how to send one.
      </p>`;
    topics.sort(([a, one], [b, two]) => this.rank(b, two) - this.rank(a, one) || (a < b ? -1 : 1));
    return html`<p class="orders">
        Ordered by
        ${Object.entries(ORDERS).map(
          ([order, name]) =>
            html` <a
              href=${hrefOf('topics', { order })}
              aria-current=${order === this.order ? 'true' : nothing}
              >${name}</a
            >`,
        )}
      </p>
      ${lastKnownNote(this.topics)}
      <div class="wide" tabindex="0" role="region" aria-label="Table of topics">
        <table class=${tableClass(this.topics)}>
          <thead>
            <tr>
              <th scope="col">topic</th>
              <th scope="col" class="number">rate</th>
              <th scope="col" class="number">${outcomeMark('stored')} stored</th>
              <th scope="col" class="number">${outcomeMark('duplicate')} repeats</th>
              <th scope="col" class="number">share</th>
              <th scope="col" class="number">${outcomeMark('conflict')} conflicts</th>
              <th scope="col" class="number">${outcomeMark('dead-letter')} dead letters</th>
              <th scope="col">last message (UTC)</th>
            </tr>
          </thead>
          <tbody>
            ${topics.map(([name, topic]) => this.row(name, topic))}
          </tbody>
        </table>
      </div>
      <p class="about">
        ${
          value.more_topics
            ? `These are the first ${counted(topics.length, 'topic')} by name. /stats/topics has the others.`
            : counted(topics.length, 'topic')
        }.
        The rate is of all messages, over half a minute.
      </p>`;
  }

  /** What comes first has the largest number. */
  private rank(name: string, topic: TopicActivity): number {
    switch (this.order) {
      case 'name':
        return 0;
      case 'rate':
        return this.rates.of(name) ?? 0;
      case 'stored':
        return topic.unique_processed;
      case 'repeats':
        return repeatShare(topic);
      case 'conflicts':
        return topic.conflicts;
      case 'dead-letters':
        return topic.dead_letters;
      case 'last':
        return Date.parse(topic.last_settled?.start ?? '') || 0;
    }
  }

  private row(name: string, topic: TopicActivity): TemplateResult {
    const { unique_processed: stored, duplicate_dropped: repeats, conflicts, dead_letters: dead } = topic;
    const perSecond = this.topics.isCurrent ? this.rates.of(name) : undefined;
    return html`<tr>
      <th scope="row">
        ${name.startsWith('(') ? name : html`<a href=${hrefOf('explore', { topic: name })}>${name}</a>`}
      </th>
      <td class="number">${perSecond === undefined ? UNKNOWN : rate(perSecond)}</td>
      <td class="number">${count(stored)}</td>
      <td class="number">${count(repeats)}</td>
      <td class="number">${stored + repeats === 0 ? UNKNOWN : share(repeats, stored + repeats)}</td>
      <td class="number">${count(conflicts)}</td>
      <td class="number">
        ${dead === 0 ? '0' : html`<a href=${hrefOf('dead-letters', { topic: name })}>${count(dead)}</a>`}
      </td>
      <td class="time">${lastSettled(topic.last_settled)}</td>
    </tr>`;
  }
}

function repeatShare({ unique_processed: stored, duplicate_dropped: repeats }: TopicActivity): number {
  return stored + repeats === 0 ? 0 : repeats / (stored + repeats);
}
