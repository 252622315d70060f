/**
 * Offers events at a steady rate over HTTP. Each has the time just before it was sent in its payload.
 *
 * This is an open loop: a slow answer does not delay the next request, so waiting shows in the figures instead of
 * vanishing from them. A request that finds no free connection waits in the client, with its time already taken.
 */
import { performance } from 'node:perf_hooks';
import { Pool, type Dispatcher } from 'undici';
import { pause } from '#waiting';
import { EventBody } from '../http/event-body.js';
import type { OfferOrder, OfferReport } from './offer.js';

const CONNECTIONS = 64;
const TICK_MS = 1;
const HEADERS = { 'content-type': 'application/json' };

/** Offers what the order says. Resolves when the last answer has arrived. */
export async function openLoop(order: OfferOrder): Promise<OfferReport> {
  const pool = new Pool(order.url, { connections: CONNECTIONS, pipelining: 1 });
  const offered = new Offered(pool, order);
  await offered.all();
  await pool.close();
  return offered.report();
}

/** Microseconds since 1970, by a clock that only goes forward. */
function nowUs(): number {
  return (performance.timeOrigin + performance.now()) * 1_000;
}

class Offered {
  /** Bodies that no request uses at the moment. */
  private readonly idle: EventBody[] = [];
  private readonly startedAt = performance.now();
  private readonly measuredFromUs: number;
  private sent = 0;
  private accepted = 0;
  private unanswered = 0;
  private failed = 0;
  private firstFailure: string | undefined;
  private whenAnswered: (() => void) | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly order: OfferOrder,
  ) {
    this.measuredFromUs = nowUs() + order.leadInMs * 1_000;
  }

  async all(): Promise<void> {
    const { leadInMs, durationMs, ratePerSecond, eventsPerRequest } = this.order;
    const totalMs = leadInMs + durationMs;
    for (let elapsedMs = 0; elapsedMs < totalMs; elapsedMs = performance.now() - this.startedAt) {
      const due = (elapsedMs / 1_000) * ratePerSecond;
      while (this.sent + eventsPerRequest <= due) this.send();
      await pause(TICK_MS);
    }
    if (this.unanswered > 0) await new Promise<void>((resolve) => (this.whenAnswered = resolve));
  }

  report(): OfferReport {
    const { accepted, failed, measuredFromUs, firstFailure } = this;
    return { accepted, failed, measuredFromUs, ...(firstFailure === undefined ? {} : { firstFailure }) };
  }

  private send(): void {
    const { eventsPerRequest, idPrefix } = this.order;
    const form = eventsPerRequest === 1 ? 'object' : 'array';
    const body = this.idle.pop() ?? new EventBody(idPrefix, eventsPerRequest, form);
    const sentAtUs = nowUs();
    for (let position = 0; position < eventsPerRequest; position += 1) {
      body.write(position, this.sent, sentAtUs);
      this.sent += 1;
    }
    this.unanswered += 1;
    this.pool.dispatch(
      { method: 'POST', path: '/publish', headers: HEADERS, body: body.bytes },
      this.answerTo(body),
    );
  }

  private answerTo(body: EventBody): Dispatcher.DispatchHandler {
    let status = 0;
    return {
      onRequestStart: () => undefined,
      onResponseStart: (_controller, code) => {
        status = code;
      },
      onResponseData: () => undefined,
      onResponseEnd: () => {
        if (status >= 200 && status < 300) this.accepted += body.events;
        else this.fails(`status ${status}`);
        this.idle.push(body);
        this.answered();
      },
      onResponseError: (_controller, error) => {
        this.fails(error.message);
        this.answered();
      },
    };
  }

  private fails(reason: string): void {
    this.failed += 1;
    this.firstFailure ??= reason;
  }

  private answered(): void {
    this.unanswered -= 1;
    if (this.unanswered === 0) this.whenAnswered?.();
  }
}
