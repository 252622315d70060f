/** One dead letter: its message, mending it in an editor, replaying or dropping it, and what was done before. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { DeadLetterActionView, DeadLetterDetail } from '#contracts';
import { confirmed } from '../confirmation.js';
import { copyButton } from '../copy-button.js';
import { ask, needsKey, type Failure } from '../gateway-client.js';
import { parseExact, printedJson } from '../json-text.js';
import { hrefOf } from '../place.js';
import { failureNote, openJson, type Host } from '../view.js';
import { bytes, clock, count, instant } from '../wording.js';
import { actOnOne, type ActionKind, type Done } from './letter-actions.js';
import { doneNote } from './letter-results.js';

const AGAIN_MS = 3_000;
const STATES: Readonly<Record<DeadLetterDetail['state'], string>> = {
  open: 'open: nothing was done, or the last replay failed again',
  replaying: 'being replayed: the consumer has not decided yet',
  stored: 'stored by its last replay',
  duplicate: 'a duplicate by its last replay',
  dropped: 'dropped for good',
};
const BECAME = {
  stored: 'stored',
  duplicate: 'a duplicate',
  dead_letter: 'failed again',
  in_flight: 'in flight',
} as const;

/** One dead letter by its id. */
export class LetterDetail {
  private id = '';
  private letter: DeadLetterDetail | undefined;
  private failed: Failure | undefined;
  private atMs = 0;
  /** What stands in the editor, once one has written in it. */
  private mended: string | undefined;
  private done: Done | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** @param changed is called after an action */
  constructor(
    private readonly host: Host,
    private readonly changed: () => void,
  ) {}

  get failure(): Failure | undefined {
    return this.failed;
  }

  open(id: string): void {
    if (id === this.id && this.timer !== undefined) return;
    this.close();
    this.id = id;
    void this.read();
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.id = '';
    this.letter = undefined;
    this.failed = undefined;
    this.mended = undefined;
    this.done = undefined;
  }

  template(): TemplateResult {
    const { letter } = this;
    if (letter === undefined)
      return this.failed === undefined
        ? html`<p class="empty">asking…</p>`
        : html`${failureNote(this.failed)}`;
    return html`${failureNote(this.failed)} ${this.done === undefined ? nothing : doneNote(this.done)}
    ${this.facts(letter)} ${this.message(letter)} ${history(letter.history)}`;
  }

  private get path(): string {
    return `/dead-letters/${encodeURIComponent(this.id)}`;
  }

  private async read(): Promise<void> {
    const { id } = this;
    clearTimeout(this.timer);
    const answer = await ask<DeadLetterDetail>(this.path);
    if (id !== this.id) return;
    this.failed = answer.kind === 'value' ? undefined : answer;
    if (answer.kind === 'value') {
      this.letter = answer.value;
      this.atMs = Date.now();
    }
    if (!needsKey(this.failed)) this.timer = setTimeout(() => void this.read(), AGAIN_MS);
    this.host.redraw();
  }

  private facts(letter: DeadLetterDetail): TemplateResult {
    const event =
      letter.event_id === null
        ? 'no id could be read'
        : html`<a href=${hrefOf('event', { topic: letter.topic, id: letter.event_id })}
            >${letter.event_id}</a
          >`;
    const rows: readonly (readonly [string, TemplateResult | string])[] = [
      ['event', html`${event}, topic ${letter.topic}`],
      ['reason', html`<code>${letter.reason}</code> ${letter.detail}`],
      ['state', html`<strong>${STATES[letter.state]}</strong>`],
      [
        'given up by',
        `the consumer ${letter.consumer}, after ${count(letter.deliveries)} ${letter.deliveries === 1 ? 'delivery' : 'deliveries'}`,
      ],
      ['published', `${instant(letter.published_at)}, sequence ${count(letter.seq)}, on ${letter.subject}`],
      ['recorded', instant(letter.recorded_at)],
    ];
    return html`<section aria-labelledby="facts-title">
      <h2 id="facts-title">${letter.id}</h2>
      <dl class="facts">
        ${rows.map(
          ([name, value]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>
      <p class="source">
        ${this.failed === undefined ? 'as of' : html`<strong>not current</strong>: of`} ${clock(this.atMs)} ·
        <a href=${this.path} target="_blank" @click=${openJson}>JSON</a>
      </p>
    </section>`;
  }

  private message(letter: DeadLetterDetail): TemplateResult {
    const { text, base64, is_cut: isCut } = letter.body;
    const isOver = letter.state === 'stored' || letter.state === 'duplicate' || letter.state === 'dropped';
    const shown = text === null ? undefined : indented(text);
    return html`<section aria-labelledby="message-title">
      <h2 id="message-title">Message</h2>
      ${
        Object.keys(letter.headers).length === 0
          ? nothing
          : html`<dl class="facts">
              ${Object.entries(letter.headers).map(
                ([name, values]) =>
                  html`<div>
                    <dt><code>${name}</code></dt>
                    <dd><code>${values.join(', ')}</code></dd>
                  </div>`,
              )}
            </dl>`
      }
      ${isCut ? html`<p class="note">The body has ${bytes(letter.body_bytes)}, and only its beginning is shown. It can be replayed as it is.</p>` : nothing}
      ${
        shown === undefined
          ? html`<p class="about">The body is not UTF-8. As base64:</p>
              <pre tabindex="0"><code>${base64}</code></pre>`
          : isOver || isCut
            ? html`<pre tabindex="0"><code>${shown}</code></pre>`
            : this.editor(shown)
      }
      <p class="source">${copyButton('Copy message', () => text ?? base64)} · ${bytes(letter.body_bytes)}</p>
      ${isOver ? nothing : this.actions(shown)}
    </section>`;
  }

  private editor(shown: string): TemplateResult {
    const write = (event: Event): void => {
      const { value } = event.currentTarget as HTMLTextAreaElement;
      this.mended = value === shown ? undefined : value;
      this.host.redraw();
    };
    return html`<label for="mended"
        >Body${this.mended === undefined ? '; change it to mend the event' : ', mended'}</label
      >
      <textarea
        id="mended"
        rows="12"
        spellcheck="false"
        .value=${this.mended ?? shown}
        @input=${write}
      ></textarea>`;
  }

  private actions(shown: string | undefined): TemplateResult {
    const { mended } = this;
    const wrong = mended === undefined ? undefined : syntaxError(mended);
    return html`${wrong === undefined ? nothing : html`<p class="note failed">What you wrote is not JSON: ${wrong}</p>`}
      <div class="actions">
        <button class="primary" ?disabled=${wrong !== undefined} @click=${() => void this.act('replay')}>
          ${mended === undefined ? 'Replay…' : 'Replay the mended event…'}
        </button>
        ${
          mended === undefined || shown === undefined
            ? nothing
            : html`<button
                @click=${() => {
                  this.mended = undefined;
                  this.host.redraw();
                }}
              >
                Undo the changes
              </button>`
        }
        <button @click=${() => void this.act('drop')}>Drop…</button>
      </div>`;
  }

  private async act(kind: ActionKind): Promise<void> {
    const { id, mended } = this;
    const isMended = kind === 'replay' && mended !== undefined;
    const reason = await confirmed({
      title:
        kind === 'drop'
          ? 'Drop 1 dead letter?'
          : isMended
            ? 'Replay 1 mended event?'
            : 'Replay 1 dead letter?',
      text:
        kind === 'drop'
          ? 'It is given up for good. Its row stays, so the audit stays exact.'
          : 'It is published again, as a message of its own with the same event id.',
      action:
        kind === 'drop' ? 'Drop 1 dead letter' : isMended ? 'Replay 1 mended event' : 'Replay 1 dead letter',
      isReasonNeeded: true,
      isDangerous: kind === 'drop',
    });
    if (reason === undefined || id !== this.id) return;
    const result = await actOnOne(kind, id, { reason, ...(isMended && { body: mended }) });
    const isLeft = ['not_replayable', 'unavailable', 'refused'].includes(result.status);
    this.done = { kind, counts: { [result.status]: 1 }, left: isLeft ? [result] : [], failure: undefined };
    if (!isLeft) this.mended = undefined;
    this.changed();
    await this.read();
  }
}

function history(actions: readonly DeadLetterActionView[]): TemplateResult | typeof nothing {
  if (actions.length === 0) return nothing;
  return html`<section aria-labelledby="history-title">
    <h2 id="history-title">What was done</h2>
    <ol class="timeline">
      ${actions.map(
        ({ kind, at, by, reason, mended, became, failure }) =>
          html`<li>
            <p class="when">${instant(at)}</p>
            <p class="what">
              <strong>${kind === 'drop' ? 'dropped' : mended ? 'replayed, mended' : 'replayed'}</strong
              >${by === null ? '' : ` by ${by}`}${reason === null ? '' : `: ${reason}`}
            </p>
            ${became === null ? nothing : html`<p class="about">It became ${BECAME[became]}${failure === null ? '' : `: ${failure.reason}, ${failure.detail}`}.</p>`}
          </li>`,
      )}
    </ol>
  </section>`;
}

/** JSON with an indentation; any other text as it is. */
function indented(text: string): string {
  try {
    return printedJson(parseExact(text));
  } catch {
    return text;
  }
}

function syntaxError(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'it cannot be read';
  }
}
