/** What an action did, listed. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { hrefOf } from '../place.js';
import { count } from '../wording.js';
import { MEANINGS, type Done } from './letter-actions.js';

/** What was done, and what is left. */
export function doneNote({ kind, counts, left, failure }: Done): TemplateResult {
  const rows = Object.entries(counts);
  return html`<div class="note ${failure === undefined && left.length === 0 ? '' : 'failed'}" role="status">
    <p>
      <strong>${kind === 'replay' ? 'Replay' : 'Drop'}:</strong>
      ${rows.length === 0 ? 'nothing was to be done.' : rows.map(([status, number], index) => `${index === 0 ? '' : ', '}${count(number)} ${MEANINGS[status] ?? status}`)}
    </p>
    ${failure === undefined ? nothing : html`<p>It ended before its end: ${failure} What was done stays done, and repeating it is safe.</p>`}
    ${
      left.length === 0
        ? nothing
        : html`<ul>
            ${left.map(({ id, status, detail }) => html`<li><a href=${hrefOf('dead-letters', { id })}>${id}</a>: ${MEANINGS[status]}. ${detail ?? ''}</li>`)}
          </ul>`
    }
  </div>`;
}
