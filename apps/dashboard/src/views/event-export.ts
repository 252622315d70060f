/**
 * Links to all events that match a filter, as a file.
 *
 * A browser writes what it loads from a link to the disk. It sends no key of its own, so with a key the page loads the
 * file itself and holds it in memory: that has a bound.
 */
import { html, type TemplateResult } from 'lit-html';
import { requestHeaders } from '../gateway-client.js';
import { sessionKey } from '../session.js';
import { bytes } from '../wording.js';
import { queryOf, type EventFilter } from './event-filter.js';

const BYTES_MAX = 268_435_456;
const SAY_EVERY_MS = 500;
const FORMATS = { ndjson: 'NDJSON', csv: 'CSV' } as const;

/** The links, and what becomes of a file that is being loaded. */
export function exportLinks(filter: EventFilter): TemplateResult {
  const link = ([format, name]: [string, string]): TemplateResult =>
    html` <a
      href="/events/export?${queryOf(filter, { format })}"
      download="events.${format}"
      @click=${exportWithKey}
      >${name}</a
    >`;
  return html`<p class="source">
    All that match, as a file: ${Object.entries(FORMATS).map(link)}
    <span class="said" role="status"></span>
  </p>`;
}

function exportWithKey(event: MouseEvent): void {
  if (sessionKey() === undefined) return;
  event.preventDefault();
  const link = event.currentTarget as HTMLAnchorElement;
  const status = link.parentElement?.querySelector('.said');
  const say = (text: string): void => {
    if (status) status.textContent = text;
  };
  say('asking…');
  load(link.href, say).then(
    (file) => {
      const url = URL.createObjectURL(file);
      const saving = Object.assign(document.createElement('a'), { href: url, download: link.download });
      saving.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      say(`${bytes(file.size)} loaded`);
    },
    (error: unknown) =>
      say(error instanceof TooLarge ? error.message : 'The gateway did not send all of it.'),
  );
}

class TooLarge extends Error {}

/** Loads a file. An answer that is not whole is cut off, and rejects. */
async function load(address: string, say: (text: string) => void): Promise<Blob> {
  const response = await fetch(address, { headers: requestHeaders(), cache: 'no-store' });
  if (!response.ok || response.body === null) throw new Error(String(response.status));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  let saidMs = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts, { type: response.headers.get('content-type') ?? '' });
    parts.push(value);
    size += value.byteLength;
    if (size > BYTES_MAX) {
      await reader.cancel();
      throw new TooLarge(`It is larger than ${bytes(BYTES_MAX)}: load it with curl and the key.`);
    }
    if (Date.now() - saidMs < SAY_EVERY_MS) continue;
    saidMs = Date.now();
    say(`${bytes(size)} so far…`);
  }
}
