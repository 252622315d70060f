/**
 * Waits until workers have decided on published events, for the clients that ask for it with `Prefer: wait`.
 *
 *   published ─▶ waiting ─tick: one query for all clients─▶ settled ─▶ answer with the outcome of each event
 *                  ▲  │ not yet
 *                  └──┘        the time is up, the client has gone, or the gateway stops ─▶ what is known so far
 *
 * Three designs were compared. With LISTEN and NOTIFY, every transaction of a worker would pay, because a commit that
 * notifies takes a lock of the whole server. Outcomes that workers publish would have every message's headers parsed,
 * and those of a worker that crashes after its commit would be missing. So this gateway asks Postgres. While no client
 * waits, that costs nothing at all. While some do, one query is under way at a time, it asks for a bounded number of
 * events, and then nothing is asked for three times as long as it took, up to half a second. So it takes less than one
 * of the pool's connections.
 *
 * While Postgres does not answer, nothing is known, and the time of each client runs out.
 */
import type { SentEvent, SettledOutcome } from '#store';
import { pause } from '#waiting';

/** Finds what was decided on events, in their order; `undefined` for those in flight. */
export type OutcomeQuery = (events: readonly SentEvent[]) => Promise<(SettledOutcome | undefined)[]>;

/** How many events may be waited for at a time. */
export interface WatchBounds {
  readonly eventsMax: number;
  /** Of one client: a key, else an address. */
  readonly eventsPerClientMax: number;
  /** Events of one query. */
  readonly askedAtOnceMax: number;
  readonly tickMs: number;
}

const BOUNDS: WatchBounds = {
  eventsMax: 20_000,
  eventsPerClientMax: 10_000,
  askedAtOnceMax: 1_000,
  tickMs: 10,
};
/** How long an event is left alone after it was asked for: doubled each time, up to the second value. */
const AGAIN_MS_MIN = 10;
const AGAIN_MS_MAX = 320;
/** The pause after a query that took longer than a tick: a multiple of its time, up to a bound. */
const REST = 3;
/** A database that hung for seconds and is back must not be left alone for longer. */
const REST_MS_MAX = 500;

/** One event of one request. */
interface Waiting {
  readonly event: SentEvent;
  readonly index: number;
  readonly request: WaitingRequest;
  againMs: number;
  dueAtMs: number;
}

/** What is known of the events of one request. */
class WaitingRequest {
  readonly outcomes: (SettledOutcome | undefined)[];
  private left: number;
  private readonly end = new AbortController();

  constructor(count: number) {
    this.outcomes = new Array<SettledOutcome | undefined>(count).fill(undefined);
    this.left = count;
  }

  get isEnded(): boolean {
    return this.end.signal.aborted;
  }

  settle(index: number, outcome: SettledOutcome): void {
    this.outcomes[index] = outcome;
    this.left -= 1;
    if (this.left === 0) this.stop();
  }

  stop(): void {
    this.end.abort();
  }

  async whenEnded(msMax: number): Promise<void> {
    await pause(msMax, this.end.signal);
    this.stop();
  }
}

/** Watches for the outcomes of published events. */
export class OutcomeWatch {
  private waiting: Waiting[] = [];
  private readonly requests = new Set<WaitingRequest>();
  private held = 0;
  private readonly clients = new Map<string, number>();
  private isAsking = false;

  /** @param closing ends every wait when it aborts */
  constructor(
    private readonly find: OutcomeQuery,
    private readonly closing: AbortSignal,
    private readonly bounds: WatchBounds = BOUNDS,
  ) {
    closing.addEventListener('abort', () => {
      for (const request of this.requests) request.stop();
    });
  }

  /**
   * Waits for the outcomes of the events of one request.
   *
   * @param client whose bound counts
   * @param msMax how long, in milliseconds
   * @param gone aborts when the client has gone
   * @returns one value for each event, `undefined` for those in flight when the time is up. It is `undefined` at once
   *   when too many events are being waited for
   */
  async outcomes(
    events: readonly SentEvent[],
    client: string,
    msMax: number,
    gone: AbortSignal,
  ): Promise<readonly (SettledOutcome | undefined)[] | undefined> {
    const count = events.length;
    if (count === 0) return [];
    if (this.closing.aborted || gone.aborted || !this.hold(client, count)) return undefined;
    const request = new WaitingRequest(count);
    const stop = (): void => request.stop();
    gone.addEventListener('abort', stop);
    this.requests.add(request);
    const dueAtMs = performance.now();
    for (const [index, event] of events.entries())
      this.waiting.push({ event, index, request, againMs: AGAIN_MS_MIN, dueAtMs });
    if (!this.isAsking) void this.askAll();
    await request.whenEnded(msMax);
    gone.removeEventListener('abort', stop);
    this.requests.delete(request);
    this.hold(client, -count);
    return request.outcomes;
  }

  /** Takes room for more events, or returns it. @returns whether there was room */
  private hold(client: string, more: number): boolean {
    const { eventsMax, eventsPerClientMax } = this.bounds;
    const ofClient = (this.clients.get(client) ?? 0) + more;
    if (more > 0 && (this.held + more > eventsMax || ofClient > eventsPerClientMax)) return false;
    this.held += more;
    if (ofClient > 0) this.clients.set(client, ofClient);
    else this.clients.delete(client);
    return true;
  }

  private async askAll(): Promise<void> {
    this.isAsking = true;
    let restMs = this.bounds.tickMs;
    for (;;) {
      await pause(restMs);
      this.waiting = this.waiting.filter(({ request }) => !request.isEnded);
      if (this.waiting.length === 0) break;
      const beganMs = performance.now();
      const due = this.due(beganMs);
      if (due.length > 0) await this.ask(due);
      const tookMs = performance.now() - beganMs;
      restMs = Math.max(this.bounds.tickMs, Math.min(REST * tookMs, REST_MS_MAX));
    }
    this.isAsking = false;
  }

  /** Those that were asked for least recently come first, so that events that hang hold up no others. */
  private due(nowMs: number): Waiting[] {
    return this.waiting
      .filter(({ dueAtMs }) => dueAtMs <= nowMs)
      .sort((a, b) => a.dueAtMs - b.dueAtMs)
      .slice(0, this.bounds.askedAtOnceMax);
  }

  private async ask(due: readonly Waiting[]): Promise<void> {
    // A database that does not answer has decided on nothing that is known here. The next query may reach it.
    const outcomes = await this.find(due.map(({ event }) => event)).catch(() => []);
    const nowMs = performance.now();
    const settled = new Set<Waiting>();
    for (const [at, one] of due.entries()) {
      const outcome = outcomes[at];
      if (outcome === undefined) {
        one.dueAtMs = nowMs + one.againMs;
        one.againMs = Math.min(2 * one.againMs, AGAIN_MS_MAX);
      } else {
        settled.add(one);
        one.request.settle(one.index, outcome);
      }
    }
    if (settled.size > 0) this.waiting = this.waiting.filter((one) => !settled.has(one));
  }
}
