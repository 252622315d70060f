/** The list of dead letters, and actions on the selected or on all that match. Rows change only when one asks for it. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { DeadLetterView } from '#contracts';
import { confirmed } from '../confirmation.js';
import { ask, nextPage, type Failure } from '../gateway-client.js';
import { hrefOf } from '../place.js';
import { failureNote, openJson, type Host } from '../view.js';
import { clock, count, counted, instant, second } from '../wording.js';
import {
  actOnEach,
  actOnMatching,
  countMatching,
  gatewayTime,
  type ActionKind,
  type Done,
} from './letter-actions.js';
import { doneNote } from './letter-results.js';
import { without, type LetterFilter } from './letter-filter.js';

const PAGE = 50;
const VERBS = { replay: 'Replay', drop: 'Drop' } as const;
const WHAT = {
  replay: 'Each message is published again, as a message of its own with the same event id.',
  drop: 'They are given up for good. Their rows stay, so the audit stays exact.',
} as const;
/** The states of dead letters that leave something to do. */
const UNFINISHED: ReadonlySet<string> = new Set(['open', 'replaying']);

/** Dead letters of one filter. */
export class LetterList {
  private filter: LetterFilter = {};
  private letters: readonly DeadLetterView[] = [];
  private next: string | undefined;
  private failure: Failure | undefined;
  private atMs: number | undefined;
  private selected = new Set<string>();
  private doing: string | undefined;
  private done: Done | undefined;
  private isOpen = false;

  /** @param changed is called after an action */
  constructor(
    private readonly host: Host,
    private readonly changed: () => void,
  ) {}

  open(filter: LetterFilter): void {
    const isSame = this.isOpen && JSON.stringify(filter) === JSON.stringify(this.filter);
    this.isOpen = true;
    this.filter = filter;
    if (isSame) return;
    this.done = undefined;
    this.letters = [];
    this.atMs = undefined;
    this.selected = new Set();
    void this.read();
  }

  close(): void {
    this.isOpen = false;
  }

  template(): TemplateResult {
    const { letters, atMs } = this;
    return html`<section aria-labelledby="letters-title">
      <h2 id="letters-title">Newest first</h2>
      ${failureNote(this.failure)} ${this.done === undefined ? nothing : doneNote(this.done)}
      ${letters.length === 0 ? (atMs === undefined ? nothing : html`<p class="empty">The list is empty.</p>`) : html`${this.actions()} ${this.table()}`}
      <p class="source">
        ${atMs === undefined ? 'asking…' : `read at ${clock(atMs)}`} ·
        <button class="plain" @click=${() => void this.read()}>Read again</button> ·
        <a href=${this.address()} target="_blank" @click=${openJson}>JSON</a>
      </p>
      ${this.next === undefined ? nothing : html`<p><button @click=${() => void this.readNext()}>Show more</button></p>`}
    </section>`;
  }

  private address(): string {
    return `/dead-letters?${new URLSearchParams({ ...this.filter, limit: String(PAGE) }).toString()}`;
  }

  private async read(): Promise<void> {
    const path = this.address();
    const answer = await ask<readonly DeadLetterView[]>(path);
    if (path !== this.address()) return;
    this.failure = answer.kind === 'value' ? undefined : answer;
    if (answer.kind === 'value') {
      this.letters = answer.value;
      this.next = nextPage(answer.headers);
      this.atMs = Date.now();
      const ids = new Set(this.letters.map(({ id }) => id));
      this.selected = new Set([...this.selected].filter((id) => ids.has(id)));
    }
    this.host.redraw();
  }

  private async readNext(): Promise<void> {
    if (this.next === undefined) return;
    const answer = await ask<readonly DeadLetterView[]>(this.next);
    this.failure = answer.kind === 'value' ? undefined : answer;
    if (answer.kind === 'value') {
      this.letters = [...this.letters, ...answer.value];
      this.next = nextPage(answer.headers);
    }
    this.host.redraw();
  }

  private actions(): TemplateResult {
    const { selected, doing } = this;
    const { state } = this.filter;
    const isOver = state !== undefined && state !== 'all' && !UNFINISHED.has(state);
    if (isOver) return html`<p class="about">Nothing is left to do about these.</p>`;
    const button = (kind: ActionKind, isAll: boolean): TemplateResult => {
      const some = selected.size === 0 ? 'selected…' : `${count(selected.size)} selected…`;
      const which = isAll ? 'all that match…' : some;
      return html`<button
        ?disabled=${doing !== undefined || (!isAll && selected.size === 0)}
        @click=${() => void (isAll ? this.actOnAll(kind) : this.actOnSelected(kind))}
      >
        ${VERBS[kind]} ${which}
      </button>`;
    };
    return html`<div class="actions">
      ${button('replay', false)} ${button('drop', false)} ${button('replay', true)} ${button('drop', true)}
      <span role="status">${doing ?? ''}</span>
    </div>`;
  }

  private table(): TemplateResult {
    const selectable = this.letters.filter(({ state }) => UNFINISHED.has(state));
    const areAll = selectable.length > 0 && selectable.every(({ id }) => this.selected.has(id));
    const choose = (): void => {
      this.selected = new Set(areAll ? [] : selectable.map(({ id }) => id));
      this.host.redraw();
    };
    return html`<div class="wide" tabindex="0" role="region" aria-label="Table of dead letters">
      <table>
        <thead>
          <tr>
            <th scope="col">
              <input
                type="checkbox"
                aria-label="Select all that are shown"
                .checked=${areAll}
                @change=${choose}
              />
            </th>
            <th scope="col">event</th>
            <th scope="col">reason</th>
            <th scope="col">state</th>
            <th scope="col">recorded</th>
          </tr>
        </thead>
        <tbody>
          ${repeat(
            this.letters,
            ({ id }) => id,
            (letter) => this.row(letter),
          )}
        </tbody>
      </table>
    </div>`;
  }

  private row(letter: DeadLetterView): TemplateResult {
    const { id, topic, event_id: eventId, reason, detail, state, recorded_at: at } = letter;
    const name = eventId ?? '(no id)';
    const choose = (): void => {
      if (!this.selected.delete(id)) this.selected.add(id);
      this.host.redraw();
    };
    return html`<tr>
      <td>
        <input
          type="checkbox"
          aria-label=${`Select ${name}`}
          ?disabled=${!UNFINISHED.has(state)}
          .checked=${this.selected.has(id)}
          @change=${choose}
        />
      </td>
      <th scope="row">
        <a href=${hrefOf('dead-letters', { ...this.filter, id })}>${name}</a
        ><span class="detail">${topic}</span>
      </th>
      <td><code>${reason}</code><span class="detail">${detail}</span></td>
      <td>${state}</td>
      <td class="time" title=${instant(at)}>${second(at)}</td>
    </tr>`;
  }

  private async actOnSelected(kind: ActionKind): Promise<void> {
    const ids = [...this.selected];
    const what = counted(ids.length, 'dead letter');
    const reason = await confirmed({
      title: `${VERBS[kind]} ${what}?`,
      text: WHAT[kind],
      action: `${VERBS[kind]} ${what}`,
      isReasonNeeded: true,
      isDangerous: kind === 'drop',
    });
    if (reason === undefined) return;
    await this.run(async () => actOnEach(kind, ids, reason, (done) => this.say(`${done} of ${ids.length}…`)));
    this.selected = new Set();
  }

  private async actOnAll(kind: ActionKind): Promise<void> {
    const filter = without(this.filter, 'state');
    this.say('counting…');
    // What comes later is not acted on, so the number that is named stays true.
    const bounded = { ...filter, until: await gatewayTime() };
    const counting = await countMatching(kind, bounded, (done) => this.say(`counting: ${done}…`));
    this.say(undefined);
    const possible = counting.counts['possible'] ?? 0;
    if (counting.failure !== undefined || possible === 0) {
      this.done = counting;
      this.host.redraw();
      return;
    }
    const what = counted(possible, 'dead letter');
    const reason = await confirmed({
      title: `${VERBS[kind]} all ${what} that match?`,
      text: html`${describe(filter)} ${WHAT[kind]} ${notPossible(counting)}`,
      action: `${VERBS[kind]} ${what}`,
      isReasonNeeded: true,
      isDangerous: kind === 'drop',
    });
    if (reason === undefined) return;
    await this.run(async () =>
      actOnMatching(kind, bounded, reason, (done) => this.say(`${done} of ${possible}…`)),
    );
  }

  private async run(act: () => Promise<Done>): Promise<void> {
    this.say('beginning…');
    this.done = await act();
    this.say(undefined);
    this.changed();
    await this.read();
  }

  private say(words: string | undefined): void {
    this.doing = words;
    this.host.redraw();
  }
}

function describe(filter: Readonly<Record<string, string>>): string {
  const parts = Object.entries(filter).map(([name, value]) => `${name} ${value}`);
  return parts.length === 0 ? 'That is every dead letter that is open.' : `They match ${parts.join(', ')}.`;
}

function notPossible({ counts }: Done): string {
  const number = counts['not_replayable'] ?? 0;
  return number === 0 ? '' : `Another ${counted(number, 'message')} cannot be replayed before being mended.`;
}
