import { setTimeout as pause } from 'node:timers/promises';
import { type EventOutcome, EventPublisher, type NotTakenReason } from './event-publisher.js';
import { commonTrace } from '../jetstream/publishing/send-span.js';
import type { TraceContext } from '../trace-context.js';
import { activeTrace } from '../traces/span-context.js';
import { GatewayRequest, type GatewayAnswer } from './gateway-request.js';
import { EventForm, type EventFormOptions, type Topics, type WrittenEvent } from './new-event.js';

/** Which gateway takes the events, and the bounds. `url` and `source` are required. */
export interface HttpEventPublisherOptions<T extends Topics = Topics> extends EventFormOptions<T> {
  /** The address of a gateway, such as `https://events.example.org`. */
  readonly url: string;
  /** A key with the scope `publish`, where the gateway requires one. */
  readonly apiKey?: string;
  /** How long one event may take, in milliseconds, with all tries. The default is 20,000. */
  readonly budgetMs?: number;
  /** Requests at a time. The default is 8. */
  readonly requestsMax?: number;
  /** Events that are held. More are refused as `busy`. The default is 10,000. */
  readonly heldMax?: number;
}

const BUDGET_MS = 20_000;
const REQUESTS_MAX = 8;
const HELD_MAX = 10_000;
const EVENTS_MAX = 1_000;
const BYTES_MAX = 1_048_576;
const STOP_MS_MAX = 5_000;
const FIRST_DELAY_MS = 100;
const DELAY_MS_MAX = 2_000;
/** A request with less time would only leave open what became of its events. */
const REQUEST_MS_MIN = 10;

/** An event on its way. */
interface Sending {
  readonly event: WrittenEvent;
  readonly trace: TraceContext | undefined;
  readonly deadline: number;
  outcome?: EventOutcome;
  /** Whether a request without an answer may have stored it. */
  mayBeStored: boolean;
}

/**
 * Publishes events by `POST /publish` of a gateway, for programs that may not reach the brokers.
 *
 *   events ─▶ requests ─▶ an outcome for each event ─not taken─▶ sent again, until the budget is spent
 *
 * A gateway gives each event of a request an outcome of its own, so only those that it did not take are sent again. It
 * keeps no order within a request. To keep one, a request has one event of each topic. That takes as many requests as the
 * largest topic has events.
 *
 * A request has the trace that all of its events belong to, and none where they differ.
 */
export class HttpEventPublisher<T extends Topics = Topics> extends EventPublisher<T> {
  private readonly gateway: GatewayRequest;
  private readonly underway = new Set<AbortController>();
  private isEnded = false;
  /** Those that wait for a turn. They get it, or hear that none comes in time. */
  private readonly turns = new Set<(isTurn: boolean) => void>();
  private readonly waiting: (() => void)[] = [];
  private requests = 0;
  private held = 0;
  private isStopping = false;

  /** @throws TypeError when `url` is not an address */
  constructor(private readonly options: HttpEventPublisherOptions<T>) {
    super(new EventForm(options));
    this.gateway = new GatewayRequest(options.url, options.apiKey);
  }

  override async send(events: readonly WrittenEvent[]): Promise<EventOutcome[]> {
    return this.hold(events, async (all) => {
      await this.sendAll(all);
    });
  }

  override async sendInOrder(events: readonly WrittenEvent[]): Promise<EventOutcome[]> {
    return this.hold(events, async (all) => {
      const topics = new Map<string, Sending[]>();
      for (const one of all) {
        const others = topics.get(one.event.topic);
        if (others === undefined) topics.set(one.event.topic, [one]);
        else others.push(one);
      }
      let rest = [...topics.values()];
      for (let at = 0; rest.length > 0; at += 1) {
        await this.sendAll(rest.flatMap((topic) => topic.slice(at, at + 1)));
        for (const topic of rest) {
          const outcome = topic[at]?.outcome;
          if (outcome?.status === 'accepted' || outcome?.status === 'duplicate') continue;
          for (const one of topic.slice(at + 1)) one.outcome = notSent(one.event, 'behind');
        }
        rest = rest.filter((topic) => topic.length > at + 1 && topic[at + 1]?.outcome === undefined);
      }
    });
  }

  override async stop(timeoutMs = STOP_MS_MAX): Promise<void> {
    this.isStopping = true;
    if (this.held === 0) return;
    const timer = setTimeout(() => {
      this.isEnded = true;
      for (const request of this.underway) request.abort();
    }, timeoutMs);
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    clearTimeout(timer);
  }

  private async hold(
    events: readonly WrittenEvent[],
    work: (all: readonly Sending[]) => Promise<void>,
  ): Promise<EventOutcome[]> {
    const { heldMax = HELD_MAX, budgetMs = BUDGET_MS } = this.options;
    if (this.isStopping) return events.map((event) => notSent(event, 'stopping'));
    if (this.held + events.length > heldMax) return events.map((event) => notSent(event, 'busy'));
    this.held += events.length;
    const deadline = performance.now() + budgetMs;
    const active = activeTrace();
    const all = events.map((event): Sending => {
      return { event, deadline, trace: event.trace ?? active, mayBeStored: false };
    });
    try {
      await work(all);
    } finally {
      this.held -= events.length;
      if (this.held === 0) for (const resolve of this.waiting.splice(0)) resolve();
    }
    return all.map(({ event, outcome }) => outcome ?? notSent(event, 'stopping'));
  }

  /** Sends events without an order, until each has an outcome. */
  private async sendAll(all: readonly Sending[]): Promise<void> {
    const pieces: Sending[][] = [];
    let bytes = Number.POSITIVE_INFINITY;
    for (const one of all) {
      const { length } = one.event.body;
      const piece = pieces.at(-1);
      if (piece === undefined || piece.length >= EVENTS_MAX || bytes + length > BYTES_MAX) {
        pieces.push([one]);
        bytes = length;
      } else {
        piece.push(one);
        bytes += length;
      }
    }
    await Promise.all(pieces.map((piece) => this.sendPiece(piece)));
  }

  private async sendPiece(piece: readonly Sending[]): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    for (;;) {
      const open = piece.filter(({ outcome }) => outcome === undefined);
      const [first] = open;
      if (first === undefined) return;
      const answer = await this.request(open, first.deadline);
      if (answer === undefined) {
        const reason = this.isEnded ? 'stopping' : 'no_answer';
        for (const one of open) one.outcome = notTaken(one, reason);
        return;
      }
      if (open.length > 1 && isOfSome(answer)) {
        await Promise.all(open.map((one) => this.sendPiece([one])));
        return;
      }
      note(open, answer);
      if (open.every(({ outcome }) => outcome !== undefined)) return;
      const pauseMs = Math.max(answer.retryAfterMs ?? 0, delayMs * (0.5 + Math.random() / 2));
      await this.interruptibly(Math.min(pauseMs, first.deadline - performance.now()), ({ signal }) =>
        pause(pauseMs, undefined, { signal }).catch(() => undefined),
      );
      delayMs = Math.min(DELAY_MS_MAX, delayMs * 2);
    }
  }

  /** Sends a request when there is room for it. @returns `undefined` when it was not sent before the deadline, or the end */
  private async request(events: readonly Sending[], deadline: number): Promise<GatewayAnswer | undefined> {
    if (!(await this.turn(deadline))) return undefined;
    try {
      const leftMs = deadline - performance.now();
      if (leftMs < REQUEST_MS_MIN || this.isEnded) return undefined;
      const bodies = events.map(({ event }) => event.body);
      const trace = commonTrace(events);
      return await this.interruptibly(leftMs, ({ signal }) => this.gateway.publish(bodies, signal, trace));
    } finally {
      // The turn passes to the next one, so that no other request takes it meanwhile.
      const [next] = this.turns;
      if (next === undefined) this.requests -= 1;
      else next(true);
    }
  }

  private async turn(deadline: number): Promise<boolean> {
    const leftMs = deadline - performance.now();
    if (leftMs < REQUEST_MS_MIN || this.isEnded) return false;
    const { requestsMax = REQUESTS_MAX } = this.options;
    if (this.requests < requestsMax) {
      this.requests += 1;
      return true;
    }
    return this.interruptibly(leftMs, async ({ signal }) => {
      return new Promise<boolean>((resolve) => {
        const end = (isTurn: boolean): void => {
          this.turns.delete(end);
          resolve(isTurn);
        };
        this.turns.add(end);
        signal.addEventListener('abort', () => {
          end(false);
        });
      });
    });
  }

  /** Does work that ends after some milliseconds, or when this publisher ends. */
  private async interruptibly<R>(
    ms: number,
    work: (interruption: AbortController) => Promise<R>,
  ): Promise<R> {
    const interruption = new AbortController();
    const timer = setTimeout(() => {
      interruption.abort();
    }, ms);
    this.underway.add(interruption);
    try {
      return await work(interruption);
    } finally {
      clearTimeout(timer);
      this.underway.delete(interruption);
    }
  }
}

/** Whether a refusal may be meant for some of the events only, and does not say for which. */
function isOfSome({ status, results }: GatewayAnswer): boolean {
  return status === 413 || (status === 422 && (results?.size ?? 0) === 0);
}

/** Notes what an answer says of each event. An event without an outcome is sent again. */
function note(events: readonly Sending[], { status, results, isRefused }: GatewayAnswer): void {
  for (const [index, one] of events.entries()) {
    const result = results?.get(index);
    const { event } = one;
    const { eventId } = event;
    if ((result?.status === 'accepted' || result?.status === 'duplicate') && result.seq !== undefined)
      one.outcome = { status: result.status, eventId, seq: result.seq };
    else if (result?.status === 'invalid')
      one.outcome = notTaken(one, result.isOfTopic ? 'refused' : 'invalid', false);
    else if (status === 413) one.outcome = notTaken(one, 'too_large', false);
    else if (status === 422 && result === undefined) one.outcome = notTaken(one, 'invalid', false);
    else if (isRefused && result === undefined) one.outcome = notTaken(one, 'refused', false);
    // A gateway that is too busy has read nothing. Any other answer may hide that the brokers have the event.
    else if (result !== undefined || status !== 429) one.mayBeStored = true;
  }
}

function notSent({ eventId }: WrittenEvent, reason: NotTakenReason): EventOutcome {
  return { status: 'refused', eventId, reason, retryable: true };
}

function notTaken({ event, mayBeStored }: Sending, reason: NotTakenReason, retryable = true): EventOutcome {
  const { eventId } = event;
  return mayBeStored
    ? { status: 'unknown', eventId, reason }
    : { status: 'refused', eventId, reason, retryable };
}
