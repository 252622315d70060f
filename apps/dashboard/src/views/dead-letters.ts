/** The view Dead letters: grouped by what failed, listed, and one by one. The address says which. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { DeadLetterGroupView } from '#contracts';
import { nextPage, type Failure } from '../gateway-client.js';
import { outcomeMark } from '../outcome-mark.js';
import { go, hrefOf } from '../place.js';
import { Reading } from '../reading.js';
import { failureNote, lastKnownNote, sourceLine, tableClass, type Host, type View } from '../view.js';
import { count, instant, second } from '../wording.js';
import { LetterDetail } from './letter-detail.js';
import { filterIn, without, type LetterFilter } from './letter-filter.js';
import { LetterList } from './letter-list.js';

const GROUPS_MS = 5_000;
/** Dead letters that are open, and what one may do about them. */
export class DeadLettersView implements View {
  readonly title = 'Dead letters';
  private readonly groups: Reading<readonly DeadLetterGroupView[]>;
  private readonly list: LetterList;
  private readonly detail: LetterDetail;
  private filter: LetterFilter = {};
  private id: string | undefined;

  constructor(host: Host) {
    this.groups = new Reading({
      path: () =>
        `/dead-letters?${new URLSearchParams({ ...this.groupFilter(), group: 'reason' }).toString()}`,
      intervalMs: GROUPS_MS,
      onChange: () => host.redraw(),
    });
    const changed = (): void => this.groups.refresh();
    this.list = new LetterList(host, changed);
    this.detail = new LetterDetail(host, changed);
  }

  get failure(): Failure | undefined {
    return this.id === undefined ? this.groups.failure : this.detail.failure;
  }

  open(parameters: URLSearchParams): void {
    const before = JSON.stringify(this.groupFilter());
    this.filter = filterIn(parameters);
    this.id = parameters.get('id') ?? undefined;
    if (before !== JSON.stringify(this.groupFilter())) this.groups.restart();
    if (this.id === undefined) {
      this.detail.close();
      this.groups.start();
      this.list.open(this.filter);
    } else {
      this.groups.stop();
      this.list.close();
      this.detail.open(this.id);
    }
  }

  close(): void {
    this.groups.stop();
    this.list.close();
    this.detail.close();
  }

  template(): TemplateResult {
    if (this.id !== undefined)
      return html`<p><a href=${hrefOf('dead-letters', this.filter)}>All dead letters</a></p>
        ${this.detail.template()}`;
    return html`${this.form()} ${this.overview()} ${this.list.template()}`;
  }

  /** The groups are those of all fingerprints, so that one can go from one to another. */
  private groupFilter(): LetterFilter {
    return without(this.filter, 'fingerprint');
  }

  private form(): TemplateResult {
    const submit = (event: SubmitEvent): void => {
      event.preventDefault();
      const { elements } = event.currentTarget as HTMLFormElement;
      const value = (name: string): string => (elements.namedItem(name) as HTMLInputElement).value.trim();
      go(hrefOf('dead-letters', { topic: value('topic'), reason: value('reason'), state: value('state') }));
    };
    const { topic = '', reason = '', state = '' } = this.filter;
    return html`<form class="search" role="search" aria-label="Dead letters" @submit=${submit}>
      <label
        >Topic <input name="topic" .value=${topic} autocomplete="off" spellcheck="false" placeholder="all"
      /></label>
      <label
        >Reason <input name="reason" .value=${reason} autocomplete="off" spellcheck="false" placeholder="all"
      /></label>
      <label
        >State
        <select name="state">
          <option value="" ?selected=${state === ''}>open and replaying</option>
          ${['open', 'replaying', 'stored', 'duplicate', 'dropped', 'all'].map(
            (one) => html`<option value=${one} ?selected=${state === one}>${one}</option>`,
          )}
        </select>
      </label>
      <button type="submit">Show</button>
    </form>`;
  }

  private overview(): TemplateResult {
    const { groups } = this;
    const { value } = groups;
    return html`<section aria-labelledby="groups-title">
      <h2 id="groups-title">By what failed</h2>
      ${failureNote(groups.failure)} ${lastKnownNote(groups, 'groups')}
      ${value === undefined ? nothing : value.length === 0 ? this.none() : this.table(value)}
      ${
        groups.headers !== undefined && nextPage(groups.headers) !== undefined
          ? html`<p class="note">
              These counts are of the newest dead letters alone. A topic or a reason makes them whole.
            </p>`
          : nothing
      }
      ${sourceLine(groups)}
    </section>`;
  }

  private none(): TemplateResult {
    const isFiltered = Object.keys(this.filter).length > 0;
    return html`<p class="empty">
      ${isFiltered ? 'No dead letter is selected.' : 'There are no open dead letters. A message that is not an event, or that a consumer gave up, appears here with its reason.'}
    </p>`;
  }

  private table(groups: readonly DeadLetterGroupView[]): TemplateResult {
    return html`<div class="wide" tabindex="0" role="region" aria-label="Table of groups">
      <table class=${tableClass(this.groups)}>
        <thead>
          <tr>
            <th scope="col">reason</th>
            <th scope="col" class="number">count</th>
            <th scope="col">topic</th>
            <th scope="col">first</th>
            <th scope="col">last</th>
          </tr>
        </thead>
        <tbody>
          ${groups.map((group) => this.row(group))}
        </tbody>
      </table>
    </div>`;
  }

  private row(group: DeadLetterGroupView): TemplateResult {
    const { fingerprint, reason, message, topic, more_topics: more } = group;
    const isChosen = fingerprint === this.filter.fingerprint;
    const href = hrefOf(
      'dead-letters',
      isChosen ? this.groupFilter() : { ...this.groupFilter(), fingerprint },
    );
    return html`<tr class=${isChosen ? 'chosen' : ''}>
      <th scope="row">
        ${outcomeMark('dead-letter')}
        <a href=${href} aria-current=${isChosen ? 'true' : nothing}>${reason}</a>
        <span class="detail">${message}</span>
      </th>
      <td class="number">${count(group.count)}</td>
      <td>${topic}${more ? ' and others' : ''}</td>
      <td class="time" title=${instant(group.first_at)}>${second(group.first_at)}</td>
      <td class="time" title=${instant(group.last_at)}>${second(group.last_at)}</td>
    </tr>`;
  }
}
