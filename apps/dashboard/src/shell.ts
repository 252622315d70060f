/** What surrounds every view: the navigation, the state of the parts, and signing in. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { needsKey, type Failure } from './gateway-client.js';
import { hrefOf, VIEWS, type ViewName } from './place.js';
import type { Reading } from './reading.js';
import { keepKey, sessionKey } from './session.js';
import { failureNote } from './view.js';
import { clock } from './wording.js';

/** The answer of `GET /health`. */
export interface Health {
  readonly status: 'ok' | 'degraded';
  readonly uptime_seconds: number;
  readonly components: Readonly<
    Record<string, { readonly status: 'ok' | 'degraded' | 'failed'; readonly detail?: string }>
  >;
  readonly unstored?: { readonly oldest_seconds: number; readonly expires_in_seconds: number };
}

/** The names of the views, as one reads them. */
export const VIEW_NAMES: Readonly<Record<ViewName, string>> = {
  now: 'Now',
  explore: 'Explore',
  event: 'One event',
  'dead-letters': 'Dead letters',
  topics: 'Topics',
  system: 'System',
};

/** The names of the parts of `/health`, for people. */
export const PART_NAMES: Readonly<Record<string, string>> = {
  broker: 'The connection to the brokers',
  brokers: 'The brokers',
  stream: 'The stream',
  consumer: 'The workers',
  database: 'Postgres',
  schema: 'The schema',
};

/** The whole page around a view. */
export function shell(
  view: ViewName,
  title: string,
  health: Reading<Health>,
  content: TemplateResult,
): TemplateResult {
  return html`
    <button class="skip" @click=${toContent}>To the content</button>
    <nav aria-label="Views">
      <p class="brand"><a href=${hrefOf('now')}>Sekali</a></p>
      <ul>
        ${VIEWS.map(
          (name) =>
            html`<li>
              <a href=${hrefOf(name)} aria-current=${name === view ? 'page' : nothing}>${VIEW_NAMES[name]}</a>
            </li>`,
        )}
      </ul>
      <ul class="elsewhere">
        <li><a href="/docs">HTTP reference</a></li>
        ${sessionKey() === undefined ? nothing : html`<li><button class="plain" @click=${signOut}>Sign out</button></li>`}
      </ul>
    </nav>
    <main id="main">
      <div class="banners" role="status">${banners(health)}</div>
      <h1 tabindex="-1">${title}</h1>
      ${content}
    </main>
  `;
}

function banners(health: Reading<Health>): TemplateResult | typeof nothing {
  const { value, failure, atMs } = health;
  if (failure !== undefined && !health.isCurrent) {
    const last = atMs === undefined ? nothing : html` It last answered at ${clock(atMs)}.`;
    return html`<p class="banner failed">
      <strong>The gateway</strong> does not answer.${last} What is shown is not current.
    </p>`;
  }
  if (value === undefined || !health.isCurrent) return nothing;
  const parts = Object.entries(value.components).filter(([, part]) => part.status !== 'ok');
  return html`${parts.map(
    ([name, part]) =>
      html`<p class="banner ${part.status}">
        <strong>${PART_NAMES[name] ?? name}</strong> ${part.status === 'failed' ? 'failed' : 'is degraded'}:
        ${part.detail ?? 'no detail'}.
      </p>`,
  )}`;
}

/** Asks for a key, where the gateway needs one. @param failure of the last request */
export function signIn(failure: Failure | undefined): TemplateResult {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const { value } = (event.currentTarget as HTMLFormElement).elements.namedItem('key') as HTMLInputElement;
    keepKey(value.trim());
    location.reload();
  };
  const wasRefused = sessionKey() !== undefined && needsKey(failure);
  return html`<section class="sign-in">
    <p>
      This gateway asks for a key. One with the scope <code>read</code> shows figures and events;
      <code>admin</code> shows dead letters, and may act on them.
    </p>
    <form @submit=${submit}>
      <label for="key">Key</label>
      <input
        id="key"
        name="key"
        type="password"
        autocomplete="off"
        spellcheck="false"
        placeholder="sekali_…"
        required
      />
      <button type="submit" class="primary">Sign in</button>
    </form>
    ${wasRefused ? failureNote(failure) : nothing}
    <p class="about">
      The key is kept for this tab alone, and is gone when you close it.
      <code>npx sekali keys create</code> makes one.
    </p>
  </section>`;
}

function signOut(): void {
  keepKey(undefined);
  location.reload();
}

function toContent(): void {
  document.querySelector<HTMLElement>('main h1')?.focus();
}
