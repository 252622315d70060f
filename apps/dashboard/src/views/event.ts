/** The view One event: its payload, and everything that happened to it. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { EventView as StoredEvent, StoryEntryView, StoryView } from '#contracts';
import { ask, needsKey, nextPage, type Answer, type Failure } from '../gateway-client.js';
import { printedJson } from '../json-text.js';
import { go, hrefOf } from '../place.js';
import { copyButton } from '../copy-button.js';
import { failureNote, openJson, type Host, type View } from '../view.js';
import { clock, count, counted, instant } from '../wording.js';
import { timeline } from './story-timeline.js';

/** The answer of `GET /events/{topic}/{event_id}`. */
type EventDetail = StoredEvent & { readonly duplicates_dropped: number };

const STATES: Readonly<Record<StoryView['state'], string>> = {
  stored: 'stored',
  payload_dropped: 'stored; the payload was dropped by age',
  not_stored: 'not stored',
};
/** A story is followed, because a replay or a repeat may come while one reads. */
const AGAIN_MS = 5_000;

/** One event by topic and id. */
export class EventView implements View {
  readonly title = 'One event';
  private topic = '';
  private id = '';
  private event: Answer<EventDetail> | undefined;
  private story: Answer<StoryView> | undefined;
  private entries: readonly StoryEntryView[] = [];
  private next: string | undefined;
  private atMs = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly host: Host) {}

  get failure(): Failure | undefined {
    return this.story?.kind === 'value' ? undefined : this.story;
  }

  open(parameters: URLSearchParams): void {
    const [topic, id] = [parameters.get('topic') ?? '', parameters.get('id') ?? ''];
    if (topic === this.topic && id === this.id && this.timer !== undefined) return;
    this.close();
    this.topic = topic;
    this.id = id;
    if (topic !== '' && id !== '') void this.read();
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.event = undefined;
    this.story = undefined;
    this.entries = [];
  }

  template(): TemplateResult {
    return html`${this.form()} ${this.topic === '' || this.id === '' ? nothing : this.found()}`;
  }

  private address(suffix = ''): string {
    return `/events/${encodeURIComponent(this.topic)}${suffix}?${new URLSearchParams({ event_id: this.id }).toString()}`;
  }

  private async read(): Promise<void> {
    const asked = `${this.topic} ${this.id}`;
    const [event, story] = await Promise.all([
      ask<EventDetail>(this.address()),
      ask<StoryView>(this.address('/story')),
    ]);
    if (asked !== `${this.topic} ${this.id}`) return;
    if (event.kind === 'value' || this.event?.kind !== 'value') this.event = event;
    // What is known stays, with its time.
    if (story.kind === 'value') {
      this.atMs = Date.now();
      this.entries = story.value.entries;
      this.next = nextPage(story.headers);
    }
    this.story = story;
    if (!needsKey(this.failure)) this.timer = setTimeout(() => void this.read(), AGAIN_MS);
    this.host.redraw();
  }

  private async readNext(): Promise<void> {
    if (this.next === undefined) return;
    clearTimeout(this.timer);
    const page = await ask<StoryView>(this.next);
    if (page.kind !== 'value') this.story = page;
    else {
      this.entries = [...this.entries, ...page.value.entries];
      this.next = nextPage(page.headers);
    }
    this.host.redraw();
  }

  private form(): TemplateResult {
    const submit = (event: SubmitEvent): void => {
      event.preventDefault();
      const { elements } = event.currentTarget as HTMLFormElement;
      const value = (name: string): string => (elements.namedItem(name) as HTMLInputElement).value.trim();
      go(hrefOf('event', { topic: value('topic'), id: value('id') }));
    };
    return html`<form class="search" role="search" aria-label="One event" @submit=${submit}>
      <label
        >Topic
        <input
          name="topic"
          .value=${this.topic}
          required
          autocomplete="off"
          spellcheck="false"
          placeholder="orders.created"
      /></label>
      <label
        >Event id
        <input name="id" .value=${this.id} required autocomplete="off" spellcheck="false" placeholder="o-1"
      /></label>
      <button type="submit">Show</button>
    </form>`;
  }

  private found(): TemplateResult {
    const { story, event } = this;
    if (story === undefined) return html`<p class="empty">asking…</p>`;
    if (story.kind === 'problem' && story.problem.status === 404)
      return html`<p class="empty">
        No message with this topic and id has been settled. It may be in flight, or have been dropped by the
        brokers as a repeat.
      </p>`;
    const payload = event?.kind === 'value' ? event.value : undefined;
    return html`
      <section aria-labelledby="story-title">
        <h2 id="story-title">What happened</h2>
        ${failureNote(this.failure)} ${this.summary(payload)} ${timeline(this.entries, payload?.payload)}
        ${this.next === undefined ? nothing : html`<p><button @click=${() => void this.readNext()}>Show what follows</button></p>`}
        <p class="source">
          ${this.failure === undefined ? `as of ${clock(this.atMs)}` : `not current: of ${clock(this.atMs)}`}
          ·
          <a href=${this.address('/story')} target="_blank" @click=${openJson}>JSON</a>
        </p>
      </section>
      ${this.payload(payload)}
    `;
  }

  private summary(event: EventDetail | undefined): TemplateResult | typeof nothing {
    if (this.story?.kind !== 'value') return nothing;
    const repeats = this.entries.filter(({ kind }) => kind === 'duplicate' || kind === 'conflict').length;
    return html`<p>
      This event is <strong>${STATES[this.story.value.state]}</strong>.
      ${event === undefined ? nothing : html`Its source is <b>${event.source}</b>, and its own time ${instant(event.timestamp)}.`}
      ${repeats === 0 ? 'No repeat of it reached the store.' : `${counted(repeats, 'repeat')} of it reached the store.`}
    </p>`;
  }

  private payload(event: EventDetail | undefined): TemplateResult | typeof nothing {
    if (event === undefined)
      return this.event?.kind === 'problem' && this.event.problem.status !== 404
        ? failureNote(this.event)
        : nothing;
    const text = printedJson(event.payload);
    return html`<section aria-labelledby="payload-title">
      <h2 id="payload-title">Payload</h2>
      <pre tabindex="0"><code>${text}</code></pre>
      <p class="source">
        ${copyButton('Copy payload', () => text)} · sequence ${count(event.seq)} ·
        <a href=${this.address()} target="_blank" @click=${openJson}>JSON</a>
      </p>
    </section>`;
  }
}
