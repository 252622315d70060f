/** The view Topics: what came of each, and which repeats most. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { StatsView, TopicStats } from '#contracts';
import { outcomeMark } from '../outcome-mark.js';
import { hrefOf } from '../place.js';
import type { Reading } from '../reading.js';
import { failureNote, sourceLine, type View } from '../view.js';
import { clock, count, counted, share, UNKNOWN } from '../wording.js';

type Order = 'name' | 'stored' | 'repeats' | 'conflicts' | 'dead-letters';

const ORDERS: Readonly<Record<Order, string>> = {
  name: 'name',
  stored: 'stored',
  repeats: 'share of repeats',
  conflicts: 'conflicts',
  'dead-letters': 'dead letters',
};
const BY: Readonly<Record<Order, (topic: TopicStats) => number>> = {
  name: () => 0,
  stored: (topic) => topic.unique_processed,
  repeats: (topic) => repeatShare(topic),
  conflicts: (topic) => topic.conflicts,
  'dead-letters': (topic) => topic.dead_letters,
};

/** All topics that the first page of figures has. */
export class TopicsView implements View {
  readonly title = 'Topics';
  private order: Order = 'stored';

  constructor(private readonly stats: Reading<StatsView>) {}

  open(parameters: URLSearchParams): void {
    const order = parameters.get('order') as Order | null;
    this.order = order !== null && order in ORDERS ? order : 'stored';
    this.stats.start();
  }

  close(): void {
    this.stats.stop();
  }

  template(): TemplateResult {
    const { stats } = this;
    const { value } = stats;
    return html`<section aria-label="Topics">
      ${failureNote(stats.failure)} ${value === undefined ? nothing : this.table(value)} ${sourceLine(stats)}
    </section>`;
  }

  private table(value: StatsView): TemplateResult {
    const topics = Object.entries(value.per_topic);
    if (topics.length === 0)
      return html`<p class="empty">
        No topic has an event yet. The view <a href=${hrefOf('now')}>Now</a> shows how to send one.
      </p>`;
    const by = BY[this.order];
    topics.sort(([a, one], [b, two]) => by(two) - by(one) || (a < b ? -1 : 1));
    const isCurrent = this.stats.isCurrent;
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
      ${
        isCurrent || this.stats.atMs === undefined
          ? nothing
          : html`<p class="note failed">These are the last known figures, of ${clock(this.stats.atMs)}.</p>`
      }
      <div class="wide" tabindex="0" role="region" aria-label="Table of topics">
        <table class=${isCurrent ? '' : 'stale'}>
          <thead>
            <tr>
              <th scope="col">topic</th>
              <th scope="col" class="number">${outcomeMark('stored')} stored</th>
              <th scope="col" class="number">${outcomeMark('duplicate')} repeats</th>
              <th scope="col" class="number">share</th>
              <th scope="col" class="number">${outcomeMark('conflict')} conflicts</th>
              <th scope="col" class="number">${outcomeMark('dead-letter')} dead letters</th>
            </tr>
          </thead>
          <tbody>
            ${topics.map(([name, topic]) => row(name, topic))}
          </tbody>
        </table>
      </div>
      <p class="about">
        ${
          value.more_topics
            ? `These are the first ${counted(topics.length, 'topic')} by name. /stats/topics has the others.`
            : counted(topics.length, 'topic')
        }
      </p>`;
  }
}

function row(name: string, topic: TopicStats): TemplateResult {
  const { unique_processed: stored, duplicate_dropped: repeats, conflicts, dead_letters: dead } = topic;
  return html`<tr>
    <th scope="row">
      ${name.startsWith('(') ? name : html`<a href=${hrefOf('explore', { topic: name })}>${name}</a>`}
    </th>
    <td class="number">${count(stored)}</td>
    <td class="number">${count(repeats)}</td>
    <td class="number">${stored + repeats === 0 ? UNKNOWN : share(repeats, stored + repeats)}</td>
    <td class="number">${count(conflicts)}</td>
    <td class="number">
      ${dead === 0 ? '0' : html`<a href=${hrefOf('dead-letters', { topic: name })}>${count(dead)}</a>`}
    </td>
  </tr>`;
}

function repeatShare({ unique_processed: stored, duplicate_dropped: repeats }: TopicStats): number {
  return stored + repeats === 0 ? 0 : repeats / (stored + repeats);
}
