/** One event of a list: a line, and its payload once one opens it. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { EventView } from '#contracts';
import { copyButton } from '../copy-button.js';
import { printedJson, shortJson } from '../json-text.js';
import { hrefOf } from '../place.js';
import { count, instant } from '../wording.js';
import { hrefOfFilter, withCondition, type EventFilter } from './event-filter.js';
import { payloadMembers } from './payload-members.js';

const AROUND_MS = 60_000;
const LINE_LENGTH_MAX = 300;

/** How a row is shown. */
export interface RowOptions {
  readonly isOpen: boolean;
  /** What the list is filtered by. */
  readonly filter: EventFilter;
  /** What else the view shows, see `hrefOfFilter`. */
  readonly others: Readonly<Record<string, string>>;
  /** Is called when one opens or closes the row. */
  readonly toggle: () => void;
}

/** The row of an event. */
export function eventRow(event: EventView, options: RowOptions): TemplateResult {
  return html`<li class="event">
    <button class="line" aria-expanded=${options.isOpen} @click=${options.toggle}>
      <span class="time">${instant(event.stored_at)}</span>
      <span class="topic">${event.topic}</span>
      <code>${shortJson(event.payload).slice(0, LINE_LENGTH_MAX)}</code>
    </button>
    ${options.isOpen ? detail(event, options) : nothing}
  </li>`;
}

function detail(event: EventView, options: RowOptions): TemplateResult {
  const { topic, event_id: id, source, timestamp } = event;
  const text = printedJson(event.payload);
  const ms = Date.parse(timestamp);
  const around = {
    source,
    since: new Date(ms - AROUND_MS).toISOString(),
    until: new Date(ms + AROUND_MS).toISOString(),
  };
  const story = hrefOf('event', { topic, id });
  return html`<div class="opened">
    <dl class="facts">
      <div>
        <dt>event</dt>
        <dd>${id}, topic ${topic}</dd>
      </div>
      <div>
        <dt>source</dt>
        <dd>${source}</dd>
      </div>
      <div>
        <dt>its own time</dt>
        <dd>${instant(timestamp)}</dd>
      </div>
      <div>
        <dt>published</dt>
        <dd>${instant(event.published_at)}, sequence ${count(event.seq)}</dd>
      </div>
      <div>
        <dt>stored</dt>
        <dd>${instant(event.stored_at)}</dd>
      </div>
    </dl>
    <pre tabindex="0"><code>${text}</code></pre>
    ${members(event, options)}
    <p class="source">
      <a href=${story}>What happened to it</a> ·
      <a href=${hrefOf('explore', around)}>a minute before and after, of this source</a> ·
      ${copyButton('Copy payload', () => text)} ·
      ${copyButton('Copy link', () => new URL(story, location.href).href)}
    </p>
  </div>`;
}

function members(event: EventView, { filter, others }: RowOptions): TemplateResult | typeof nothing {
  const all = payloadMembers(event.payload);
  if (all.length === 0) return nothing;
  return html`<details>
    <summary>Search by a member</summary>
    <dl class="facts">
      ${all.map(
        ({ path, value }) =>
          html`<div>
            <dt>
              <a href=${hrefOfFilter(filter, { ...others, field: path })}>${path.slice('payload.'.length)}</a>
            </dt>
            <dd>
              <a href=${hrefOfFilter(withCondition(filter, `${path}:${value}`), others)}
                ><code>${value}</code></a
              >
            </dd>
          </div>`,
      )}
    </dl>
    <p class="about">A name leads to its frequent values, and a value to the events that have it.</p>
  </details>`;
}
