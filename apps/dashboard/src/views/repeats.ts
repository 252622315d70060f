/** Which sources send most again. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { RepeatingSourceView, RepeatsView } from '#contracts';
import { outcomeMark } from '../outcome-mark.js';
import { hrefOf } from '../place.js';
import type { Reading } from '../reading.js';
import { failureNote, lastKnownNote, sourceLine, tableClass } from '../view.js';
import { count, counted, second, share } from '../wording.js';

/** The panel. */
export function repeatsPanel(repeats: Reading<RepeatsView>): TemplateResult {
  const { value } = repeats;
  return html`<section aria-labelledby="sources-title">
    <h2 id="sources-title">What repeats most</h2>
    ${failureNote(repeats.failure)}
    ${
      value === undefined
        ? nothing
        : value.since === null
          ? html`<p class="empty">The store has dropped no repeat.</p>`
          : html`${lastKnownNote(repeats)} ${table(repeats, value)}
              <p class="about">
                Of the newest ${counted(value.inspected, 'repeat')} that the store dropped, since
                ${second(value.since)}. What the brokers dropped is not among them.
              </p>`
    }
    ${sourceLine(repeats)}
  </section>`;
}

function table(repeats: Reading<RepeatsView>, { sources, inspected }: RepeatsView): TemplateResult {
  return html`<div class="wide" tabindex="0" role="region" aria-label="Table of sources">
    <table class=${tableClass(repeats)}>
      <thead>
        <tr>
          <th scope="col">source</th>
          <th scope="col">topic</th>
          <th scope="col" class="number">${outcomeMark('duplicate')} repeats</th>
          <th scope="col" class="number">share</th>
          <th scope="col" class="number">${outcomeMark('conflict')} conflicts</th>
          <th scope="col">last (UTC)</th>
        </tr>
      </thead>
      <tbody>
        ${sources.map((source) => row(source, inspected))}
      </tbody>
    </table>
  </div>`;
}

function row(found: RepeatingSourceView, inspected: number): TemplateResult {
  const { source, topic, repeats, conflicts } = found;
  return html`<tr>
    <th scope="row">
      ${source === null ? 'dropped by age' : html`<a href=${hrefOf('explore', { topic, source })}>${source}</a>`}
    </th>
    <td>${topic}</td>
    <td class="number">${count(repeats)}</td>
    <td class="number">${share(repeats, inspected)}</td>
    <td class="number">${count(conflicts)}</td>
    <td class="time">${second(found.last_at).replace(' UTC', '')}</td>
  </tr>`;
}
