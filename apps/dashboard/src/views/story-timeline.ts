/** The story of an event on a time line. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { PublishDoor, StoryActionView, StoryEntryView, StoryRepeatView } from '#contracts';
import { shortJson } from '../json-text.js';
import { outcomeMark, type Outcome } from '../outcome-mark.js';
import { comparisonOf, type Conflict, type MarkedLine } from '../payload-comparison.js';
import { hrefOf } from '../place.js';
import { bytes, count, instant, span } from '../wording.js';

const MARKS: Readonly<Record<StoryEntryView['kind'], Outcome>> = {
  published: 'in-flight',
  stored: 'stored',
  duplicate: 'duplicate',
  conflict: 'conflict',
  dead_letter: 'dead-letter',
  replay: 'in-flight',
  drop: 'dead-letter',
};
const NAMES: Readonly<Record<StoryEntryView['kind'], string>> = {
  published: 'published',
  stored: 'stored',
  duplicate: 'duplicate',
  conflict: 'conflict',
  dead_letter: 'dead letter',
  replay: 'replayed',
  drop: 'dropped',
};
const WAYS = { gateway: 'through a gateway', nats: 'straight over NATS', replay: 'as a replay' } as const;
/** What a gateway took it as. */
const DOORS: Readonly<Record<PublishDoor, string>> = {
  publish: 'by its own API',
  bulk: 'as Elasticsearch _bulk',
  otlp: 'as OTLP',
  cloudevents: 'as a CloudEvent',
  webhook: 'as a webhook',
  journal: 'as an upload of the journal',
  loki: 'as a push to Loki',
};
const BECAME = {
  stored: 'and was stored',
  duplicate: 'and was a duplicate',
  dead_letter: 'and failed again',
  in_flight: 'and is in flight',
} as const;

/** @param payload the stored payload; `undefined` where it is not known */
export function timeline(entries: readonly StoryEntryView[], payload: unknown): TemplateResult {
  const startMs = Date.parse(entries[0]?.at ?? '');
  return html`<ol class="timeline">
    ${entries.map((entry) => {
      const later = (Date.parse(entry.at) - startMs) / 1_000;
      return html`<li class=${MARKS[entry.kind]}>
        <p class="when">
          ${instant(entry.at)} ${later > 0 ? html`<span class="later">+${span(later)}</span>` : nothing}
        </p>
        <p class="what">
          ${outcomeMark(MARKS[entry.kind])} <strong>${NAMES[entry.kind]}</strong> ${detailOf(entry)}
          <span class="about">sequence ${count(entry.seq)}</span>
        </p>
        ${entry.kind === 'conflict' ? conflict(entry, payload) : nothing}
      </li>`;
    })}
  </ol>`;
}

function detailOf(entry: StoryEntryView): TemplateResult | string {
  switch (entry.kind) {
    case 'published':
      return entry.through === null ? '' : wayOf(entry.through, entry.door);
    case 'stored':
      return entry.source === null ? '' : `from ${entry.source}`;
    case 'duplicate':
      return `dropped${repeatOf(entry)}`;
    case 'conflict':
      return `with another payload${repeatOf(entry)}; the first stays`;
    case 'dead_letter':
      return html`${entry.is_replay ? 'again: ' : ''}<code>${entry.reason}</code> ${entry.detail}, after
        ${count(entry.deliveries)} deliveries;
        <a href=${hrefOf('dead-letters', { id: entry.dead_letter })}>show it</a>`;
    case 'replay':
      return `${entry.became === null ? 'but not acknowledged yet' : BECAME[entry.became]}${actor(entry)}`;
    case 'drop':
      return `for good${actor(entry)}`;
  }
}

/** A gateway of a later version may have a door without a name here. */
function wayOf(through: keyof typeof WAYS, door: PublishDoor | null): string {
  if (door === null) return WAYS[through];
  return `${WAYS[through]}, ${(DOORS as Readonly<Record<string, string>>)[door] ?? `as ${door}`}`;
}

function repeatOf({ messages_later: messages }: StoryRepeatView): string {
  return messages === null ? '' : `, ${count(messages)} ${messages === 1 ? 'message' : 'messages'} later`;
}

function actor({ by, reason }: StoryActionView): string {
  return `${by === null ? '' : `, by ${by}`}${reason === null ? '' : `: ${reason}`}`;
}

function conflict(entry: Conflict, payload: unknown): TemplateResult {
  const comparison = payload === undefined ? undefined : comparisonOf(payload, entry);
  if (comparison !== undefined)
    return html`<div class="sides">
      ${side('Stored', comparison.stored)} ${side('Sent, and not stored', comparison.sent)}
    </div>`;
  if (entry.differences === null)
    return html`<p class="about">The stored payload was dropped by age, so nothing can be compared.</p>`;
  return html`<div class="wide" tabindex="0" role="region" aria-label="Differences">
      <table>
        <thead>
          <tr>
            <th scope="col">member</th>
            <th scope="col">stored</th>
            <th scope="col">sent</th>
          </tr>
        </thead>
        <tbody>
          ${entry.differences.map(
            (one) =>
              html`<tr>
                <th scope="row"><code>${one.path === '' ? '(all of it)' : one.path}</code></th>
                <td><code>${valueOf(one.stored, one.stored_bytes)}</code></td>
                <td><code>${valueOf(one.sent, one.sent_bytes)}</code></td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${entry.more_differences ? html`<p class="about">There are more differences than these.</p>` : nothing}`;
}

function valueOf(value: unknown, size: number | undefined): string {
  if (size !== undefined) return bytes(size);
  return value === undefined ? 'nothing' : shortJson(value);
}

function side(name: string, lines: readonly MarkedLine[]): TemplateResult {
  return html`<figure>
    <figcaption>${name}</figcaption>
    <pre tabindex="0"><code>${lines.map(markedLine)}</code></pre>
  </figure>`;
}

function markedLine({ text, differs }: MarkedLine): unknown[] {
  return [differs ? html`<mark>${text}</mark>` : text, '\n'];
}
