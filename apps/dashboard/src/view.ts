/** What a view is, and the parts that several views have. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { failureText, requestHeaders, type Failure } from './gateway-client.js';
import type { Reading } from './reading.js';
import { sessionKey } from './session.js';
import { ago, clock, UNKNOWN } from './wording.js';

/** One view. It is opened, drawn as often as it asks for it, and closed. */
export interface View {
  readonly title: string;
  /** The failure of its last request, where it asks for more than the figures. */
  readonly failure?: Failure | undefined;
  /** @param parameters of the address; called again when only these change */
  open(parameters: URLSearchParams): void;
  template(): TemplateResult;
  /** Is called after the template is in the page. */
  drawn?(): void;
  close(): void;
}

/** What a view gets of the page. */
export interface Host {
  /** Draws the page again, soon. */
  redraw(): void;
}

/** A figure of a reading. Where it is not current, the last known one stands below it with its time. */
export function figureOf<T>(reading: Reading<T>, read: (value: T) => string): TemplateResult {
  const { value, atMs } = reading;
  if (value === undefined || atMs === undefined) return html`<span class="figure">${UNKNOWN}</span>`;
  if (reading.isCurrent) return html`<span class="figure">${read(value)}</span>`;
  return html`<span class="figure stale">${UNKNOWN}</span
    ><span class="last-known">${read(value)} at ${clock(atMs)}</span>`;
}

/** How old a panel is, and the JSON it is drawn from. */
export function sourceLine<T>(reading: Reading<T>): TemplateResult {
  const { atMs, failure, path } = reading;
  const age =
    atMs === undefined
      ? failure === undefined
        ? 'asking…'
        : 'never answered'
      : reading.isCurrent
        ? `as of ${clock(atMs)}`
        : html`<strong>not current</strong>: last known ${ago(atMs)}, at ${clock(atMs)}`;
  return html`<p class="source">${age} · <a href=${path} target="_blank" @click=${openJson}>JSON</a></p>`;
}

/** Says that what follows is not current, or nothing. @param what it is */
export function lastKnownNote<T>(
  reading: Reading<T>,
  what: 'figures' | 'groups' = 'figures',
): TemplateResult | typeof nothing {
  const { atMs } = reading;
  return reading.isCurrent || atMs === undefined
    ? nothing
    : html`<p class="note failed">These are the last known ${what}, of ${clock(atMs)}.</p>`;
}

/** The class of a table that is drawn from a reading. */
export function tableClass<T>(reading: Reading<T>): string {
  return reading.isCurrent ? '' : 'stale';
}

/** Opens an address of the gateway. A browser sends no key by itself, so the answer is fetched with it. */
export function openJson(event: Event): void {
  const link = event.currentTarget as HTMLAnchorElement;
  if (sessionKey() === undefined) return;
  event.preventDefault();
  void fetch(link.href, { headers: requestHeaders(), cache: 'no-store' })
    .then(async (response) => response.text())
    .then((text) => {
      const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
      window.open(url, '_blank');
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    })
    .catch(() => undefined);
}

/** A failure as a paragraph, or nothing. */
export function failureNote(failure: Failure | undefined): TemplateResult | typeof nothing {
  return failure === undefined
    ? nothing
    : html`<p class="note failed" role="alert">${failureText(failure)}</p>`;
}
