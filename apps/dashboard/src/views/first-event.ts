/** What a page without events shows: what to type to send the first one, which then appears by itself. */
import { html, type TemplateResult } from 'lit-html';
import type { StatsView } from '#contracts';
import { copyButton } from '../copy-button.js';
import type { Reading } from '../reading.js';
import { sessionKey } from '../session.js';
import { sourceLine } from '../view.js';

/** It stays the same while one copies it. */
const OPENED_AT = `${new Date().toISOString().slice(0, 19)}Z`;

/** How the first event is sent to this gateway. */
export function firstEvent(stats: Reading<StatsView>): TemplateResult {
  const key = sessionKey() === undefined ? '' : " \\\n  -H 'authorization: Bearer '$KEY";
  const command = `curl ${location.origin}/publish -H 'content-type: application/json'${key} -d '{
  "topic": "orders.created", "event_id": "o-1", "timestamp": "${OPENED_AT}",
  "source": "checkout", "payload": { "total": 12.5 } }'`;
  return html`<section class="first" aria-labelledby="first-title">
    <h2 id="first-title">Nothing has arrived yet</h2>
    <p>Send the first event. It appears here by itself:</p>
    <pre tabindex="0"><code>${command}</code></pre>
    <p class="source">${copyButton('Copy command', () => command)}</p>
    <p>
      Send it again, and it is counted as a duplicate. <code>npx sekali simulate</code> sends 26,000 messages,
      of which 6,000 are repeats.
    </p>
    ${sourceLine(stats)}
  </section>`;
}
