/** What the last audits found, and how to run one. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { AuditView, SystemView } from '#contracts';
import { copyButton } from '../copy-button.js';
import type { Reading } from '../reading.js';
import { ago, count, counted, second, span, UNKNOWN } from '../wording.js';

const COMMAND = 'npx sekali audit';

/** The panel. */
export function auditPanel(system: Reading<SystemView>): TemplateResult {
  const audits = system.value?.audits;
  const [last, ...others] = audits ?? [];
  return html`<section aria-labelledby="audit-title">
    <h2 id="audit-title">Audit</h2>
    ${
      audits === undefined
        ? nothing
        : audits === null
          ? html`<p class="note failed">${UNKNOWN} Postgres has the results, and does not answer.</p>`
          : last === undefined
            ? html`<p class="empty">No audit has been run yet.</p>`
            : result(last, system.value?.brokers?.stream.last_seq)
    }
    ${others.length === 0 ? nothing : before(others)}
    <p>
      The audit compares every sequence of the stream with the database. It reads every row, so you choose
      when and where it runs:
    </p>
    <pre tabindex="0"><code>${COMMAND}</code></pre>
    <p class="source">${copyButton('Copy command', () => COMMAND)}</p>
  </section>`;
}

function result(audit: AuditView, lastSeq: number | undefined): TemplateResult {
  const since = lastSeq === undefined ? 0 : lastSeq - audit.sequences;
  return html`<p class="verdict ${audit.verdict}"><strong>${audit.summary}</strong></p>
    <p class="about">
      ${ago(Date.parse(audit.ended_at))}, at ${second(audit.ended_at)}, within ${span(audit.seconds)}, on
      ${audit.host} as ${audit.role}.
      ${since > 0 ? html`<strong>${counted(since, 'sequence')}</strong> came after it.` : nothing}
    </p>`;
}

function before(audits: readonly AuditView[]): TemplateResult {
  return html`<details>
    <summary>${counted(audits.length, 'result')} before it</summary>
    <ol class="results">
      ${audits.map(
        (audit) =>
          html`<li>
            <span class="when">${second(audit.ended_at)}</span> ${audit.summary}
            <span class="about">${count(audit.sequences)} sequences</span>
          </li>`,
      )}
    </ol>
  </details>`;
}
