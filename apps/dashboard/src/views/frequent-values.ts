/** The values that a member of payloads has most often, among what is selected. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { shortJson } from '../json-text.js';
import type { Reading } from '../reading.js';
import { failureNote, lastKnownNote, sourceLine, tableClass } from '../view.js';
import { count, counted, share } from '../wording.js';
import { hrefOfFilter, withCondition, type EventFilter } from './event-filter.js';
import { conditionOf } from './payload-members.js';

/** The answer of `GET /facets`. */
export interface Facets {
  readonly field: string;
  readonly sample_rate: number;
  readonly matched: number;
  readonly present: number;
  readonly values: readonly { readonly value: unknown; readonly count: number }[];
}

/** What is counted, and what else the view shows: see `hrefOfFilter`. */
export interface ValuesOptions {
  /** The path of the member. */
  readonly field: string;
  readonly filter: EventFilter;
  readonly others: Readonly<Record<string, string>>;
}

/** The panel. */
export function frequentValues(facets: Reading<Facets>, options: ValuesOptions): TemplateResult {
  const { field, filter, others } = options;
  const { value } = facets;
  return html`<section aria-labelledby="values-title">
    <h2 id="values-title">Frequent values of ${field}</h2>
    ${failureNote(facets.failure)}
    ${
      value === undefined
        ? nothing
        : value.values.length === 0
          ? html`<p class="empty">No inspected event has this member.</p>`
          : html`${lastKnownNote(facets)} ${table(facets, value, options)}`
    }
    ${value === undefined ? nothing : html`<p class="about">${sampleText(value)}</p>`}
    <p class="source"><a href=${hrefOfFilter(filter, others)}>Close</a></p>
    ${sourceLine(facets)}
  </section>`;
}

function sampleText({ sample_rate: rate, matched, present }: Facets): string {
  const sample =
    rate === 1 ? 'All stored events were inspected' : `${share(rate, 1)} of all stored events were inspected`;
  return `${sample}: ${counted(matched, 'event')} matched, and ${count(present)} of them have the member.`;
}

function table(facets: Reading<Facets>, found: Facets, { filter, others }: ValuesOptions): TemplateResult {
  const { field, values, present } = found;
  return html`<div class="wide" tabindex="0" role="region" aria-label="Table of values">
    <table class=${tableClass(facets)}>
      <thead>
        <tr>
          <th scope="col">value</th>
          <th scope="col" class="number">inspected events</th>
          <th scope="col" class="number">share</th>
        </tr>
      </thead>
      <tbody>
        ${values.map(({ value, count: times }) => {
          const condition = conditionOf(field, value);
          const text = html`<code>${shortJson(value)}</code>`;
          return html`<tr>
            <th scope="row">
              ${condition === undefined ? text : html`<a href=${hrefOfFilter(withCondition(filter, condition), others)}>${text}</a>`}
            </th>
            <td class="number">${count(times)}</td>
            <td class="number">${share(times, present)}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}
