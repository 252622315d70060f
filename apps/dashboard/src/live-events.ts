/**
 * Events as they are stored, over server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * The browser's own `EventSource` cannot send a key, so the body is read as a stream. After an interruption it goes on
 * behind the last event, by `Last-Event-ID`: none is missed.
 *
 *   connecting ─▶ open ─▶ interrupted ─pause─▶ connecting      close() ends it
 *
 * A hidden tab holds no connection, because a browser has only six of them for one address. It goes on when it is seen
 * again.
 */
import type { EventView } from '#contracts';
import { requestHeaders } from './gateway-client.js';
import { parseExact } from './json-text.js';

/** Who listens. */
export interface LiveListener {
  readonly onEvent: (event: EventView) => void;
  /** @param state `waiting` while the store does not answer; `refused` is the last one */
  readonly onState: (state: LiveState) => void;
}

/** The state of the connection. */
export type LiveState = 'connecting' | 'open' | 'waiting' | 'interrupted' | 'refused';

const PAUSE_MS = 1_000;
/** The gateway sends a sign of life every 15 s. */
const SILENT_MS_MAX = 45_000;

/** One stream of events. */
export class LiveEvents {
  private readonly closing = new AbortController();
  private lastId: string | undefined;

  /** @param cursor the place behind which it begins; `undefined` is now */
  constructor(
    private readonly path: string,
    private readonly listener: LiveListener,
    cursor: string | undefined,
  ) {
    this.lastId = cursor;
    void this.follow();
  }

  close(): void {
    this.closing.abort();
  }

  private async follow(): Promise<void> {
    const { signal } = this.closing;
    const isClosed = (): boolean => signal.aborted;
    while (!isClosed()) {
      await untilVisible();
      if (isClosed()) return;
      this.listener.onState('connecting');
      await this.readOnce(signal).catch(() => undefined);
      if (isClosed()) return;
      this.listener.onState('interrupted');
      await new Promise((resolve) => setTimeout(() => resolve(undefined), PAUSE_MS));
    }
  }

  private async readOnce(closing: AbortSignal): Promise<void> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENT_MS_MAX);
    const hide = (): void => {
      if (document.hidden) silence.abort();
    };
    document.addEventListener('visibilitychange', hide);
    try {
      const response = await fetch(this.path, {
        headers: {
          ...requestHeaders(),
          accept: 'text/event-stream',
          ...(this.lastId !== undefined && { 'last-event-id': this.lastId }),
        },
        cache: 'no-store',
        signal: AbortSignal.any([closing, silence.signal]),
      });
      if (response.status >= 400 && response.status < 500 && response.status !== 429) {
        this.listener.onState('refused');
        this.close();
      }
      if (!response.ok || response.body === null) return;
      this.listener.onState('open');
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENT_MS_MAX);
        const messages = (rest + value).split('\n\n');
        rest = messages.pop() ?? '';
        for (const message of messages) this.take(message);
      }
    } finally {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', hide);
    }
  }

  private take(message: string): void {
    const fields = new Map<string, string>();
    for (const line of message.split('\n')) {
      const at = line.indexOf(':');
      // A line that begins with a colon is a sign of life.
      if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).replace(/^ /, ''));
    }
    const id = fields.get('id');
    const name = fields.get('event');
    if (name === 'waiting') this.listener.onState('waiting');
    // A position is sent as a sign of life as well, also while the store does not answer.
    else if (name === 'event' || name === 'resumed') this.listener.onState('open');
    if (name === 'event') this.listener.onEvent(parseExact(fields.get('data') ?? 'null') as EventView);
    if (id !== undefined) this.lastId = id;
  }
}

/** Resolves when somebody sees the tab. */
export async function untilVisible(): Promise<void> {
  while (document.hidden)
    await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
}
