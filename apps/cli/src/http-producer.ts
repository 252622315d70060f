import type { PublishResponse, PublishResult, StatsView } from '#contracts';
import { pause } from '#waiting';
import { CommandError, errorLine } from './command-error.js';
import {
  type OutgoingEvent,
  type Producer,
  type ProducerPatience,
  resendDelayMs,
  SendLedger,
  type SendOutcome,
} from './producer.js';

/** Longer than the gateway's own budget for reaching the brokers. */
const ANSWER_MS_MAX = 45_000;
const RETRY_AFTER_MS_MIN = 100;
const RETRY_AFTER_MS_MAX = 30_000;
const PROBE_MS_MAX = 5_000;

/** The result of one request. */
type Attempt =
  | {
      readonly kind: 'answered';
      readonly body: Partial<PublishResponse>;
      readonly retryAfterMs: number | undefined;
    }
  | { readonly kind: 'unanswered'; readonly retryAfterMs: number | undefined }
  | { readonly kind: 'too_large' };

/**
 * A producer over HTTP that sends events to the gateway until it has them.
 *
 *   send ─▶ POST /publish ─202─────────────────▶ accepted, duplicate, refused: done
 *              ▲    ├─503, 429─ what it names as unavailable ─┐
 *              │    └─no answer, 5xx─ everything ─────────────┤
 *              └──── wait (Retry-After) ◀──── time left ──────┘── no time left ─▶ missing
 *
 * A repeat is always safe, because an id is stored once. An answer that a repeat cannot change (wrong route, malformed
 * request) is an error of ours or of the address, and it is thrown.
 */
export class HttpProducer implements Producer {
  private readonly url: URL;

  /**
   * @param apiKey sent to a gateway that asks for one
   * @throws `CommandError` (2) when the address is not an HTTP URL
   */
  constructor(
    gateway: string,
    private readonly patience: ProducerPatience,
    private readonly apiKey?: string,
  ) {
    this.url = gatewayUrl(gateway, '/publish');
  }

  async send(events: readonly OutgoingEvent[]): Promise<SendOutcome> {
    const ledger = new SendLedger();
    const missing = await this.sendInto(ledger, events, Date.now() + this.patience.giveUpMs);
    return ledger.outcome(missing);
  }

  /** Connections close themselves when they have been idle for a while. */
  async close(): Promise<void> {
    return Promise.resolve();
  }

  /** @returns how many are missing when the time is over */
  private async sendInto(
    ledger: SendLedger,
    events: readonly OutgoingEvent[],
    deadline: number,
  ): Promise<number> {
    let left = events;
    for (let tries = 1; ; tries++) {
      const attempt = await this.attempt(left);
      if (attempt.kind === 'too_large') return this.divide(ledger, left, deadline);
      if (attempt.kind === 'answered') left = takeResults(ledger, left, attempt.body.results ?? []);
      if (left.length === 0) return 0;
      await pause(
        Math.min(resendDelayMs(tries, attempt.retryAfterMs), deadline - Date.now()),
        this.patience.signal,
      );
      if (this.patience.signal.aborted || Date.now() >= deadline) return left.length;
      ledger.resends += left.length;
    }
  }

  private async divide(
    ledger: SendLedger,
    events: readonly OutgoingEvent[],
    deadline: number,
  ): Promise<number> {
    if (events.length === 1) {
      ledger.refused.push({
        eventId: events[0]?.event_id ?? '',
        reason: 'the gateway takes no request of this size',
      });
      return 0;
    }
    const half = Math.ceil(events.length / 2);
    const first = await this.sendInto(ledger, events.slice(0, half), deadline);
    return first + (await this.sendInto(ledger, events.slice(half), deadline));
  }

  private async attempt(events: readonly OutgoingEvent[]): Promise<Attempt> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.url, {
        method: 'POST',
        // The request is lenient, because one line that the gateway refuses must not delay its neighbours.
        headers: {
          'content-type': 'application/json',
          prefer: 'handling=lenient',
          ...authorization(this.apiKey),
        },
        body: JSON.stringify(events.map(wireEvent)),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      text = await response.text();
    } catch {
      return { kind: 'unanswered', retryAfterMs: undefined };
    }
    return readAttempt(response, text, this.url);
  }
}

/** Asks the gateway for its figures. Throws `CommandError` (2) when it does not answer with them. */
export async function fetchStats(gateway: string, apiKey?: string): Promise<StatsView> {
  const url = gatewayUrl(gateway, '/stats');
  try {
    const headers = authorization(apiKey);
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(PROBE_MS_MAX) });
    const body = (await response.json()) as (Partial<StatsView> & { readonly detail?: unknown }) | null;
    if (response.ok && typeof body?.unique_processed === 'number') return body as StatsView;
    if (isKeyRefusal(response.status)) throw keyError(url, response.status, body?.detail);
    if (response.status === 503 && typeof body?.detail === 'string') {
      throw new CommandError(`${url.href} has no figures at this moment: ${body.detail}`);
    }
    throw new CommandError(
      `${url.href} answered ${response.status} and no figures: is that a gateway of sekali?`,
    );
  } catch (error) {
    throw unreachable(gateway, error);
  }
}

/** Makes sure that a gateway answers. Throws `CommandError` (2) when none does. */
export async function probeGateway(gateway: string): Promise<void> {
  const url = gatewayUrl(gateway, '/health/live');
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_MS_MAX) });
    await response.arrayBuffer();
    if (response.status === 404)
      throw new CommandError(`${url.href} answered 404: is that a gateway of sekali?`);
  } catch (error) {
    throw unreachable(gateway, error);
  }
}

/** The error (2) for a gateway that does not answer. */
export function unreachable(gateway: string, error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  return new CommandError(
    `no gateway answers at ${gateway} (${errorLine(error)}): start the system with "npm start", or name its gateway with --gateway`,
    2,
    { cause: error },
  );
}

/** The header with the key, for a gateway that asks for one. */
export function authorization(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}

/** Whether a gateway refuses the key, or the lack of one. */
export function isKeyRefusal(status: number): boolean {
  return status === 401 || status === 403;
}

/** The error (2) for such a refusal, with what to do about it. */
export function keyError(url: URL, status: number, detail: unknown): CommandError {
  const why = typeof detail === 'string' ? `: ${detail}` : '';
  const remedy = 'create a key with "sekali keys create" and name its file with --api-key-file';
  return new CommandError(`${url.href} answered ${status}${why} (${remedy})`);
}

/** The URL of a route. Throws `CommandError` (2) when the address is not an HTTP URL. */
export function gatewayUrl(gateway: string, path: string): URL {
  const base = URL.canParse(gateway) ? new URL(gateway) : undefined;
  if (!base || !/^https?:$/.test(base.protocol)) {
    throw new CommandError(`the gateway must be an http URL such as http://127.0.0.1:8080, not "${gateway}"`);
  }
  return new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base);
}

function readAttempt(response: Response, text: string, url: URL): Attempt {
  const retryAfterMs = readRetryAfter(response.headers.get('retry-after'));
  if (response.status === 413) return { kind: 'too_large' };
  const body = parseObject(text);
  const hasResults = Array.isArray(body?.['results']);
  if (body && hasResults) return { kind: 'answered', body, retryAfterMs };
  const worthRepeating = response.status === 408 || response.status === 429 || response.status >= 500;
  if (worthRepeating) return { kind: 'unanswered', retryAfterMs };
  if (isKeyRefusal(response.status)) throw keyError(url, response.status, body?.['detail']);
  const detail = typeof body?.['detail'] === 'string' ? `: ${body['detail']}` : '';
  throw new CommandError(`${url.href} answered ${response.status}${detail}`, 1);
}

/** @returns the events that are still to be sent */
function takeResults(
  ledger: SendLedger,
  events: readonly OutgoingEvent[],
  results: readonly PublishResult[],
): OutgoingEvent[] {
  // An event that the answer does not name has not been accepted.
  const left = new Map(events.entries());
  for (const result of results) {
    const event = left.get(result.index);
    if (!event || result.status === 'unavailable') continue;
    left.delete(result.index);
    if (result.status === 'invalid') {
      const reason = (result.errors ?? []).map((error) => error.message).join('; ');
      ledger.refused.push({ eventId: event.event_id, reason: reason === '' ? 'invalid' : reason });
      continue;
    }
    ledger.accepted++;
    if (result.status === 'duplicate') ledger.duplicates++;
  }
  return [...left.values()];
}

function wireEvent(event: OutgoingEvent): Omit<OutgoingEvent, 'messageIdSuffix'> {
  const { topic, event_id, timestamp, source, payload } = event;
  return { topic, event_id, timestamp, source, payload };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds or a date, as HTTP allows, cut to what a person would wait. */
export function readRetryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, RETRY_AFTER_MS_MIN), RETRY_AFTER_MS_MAX);
}
