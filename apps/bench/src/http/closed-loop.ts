/**
 * A closed loop of HTTP requests over a number of connections.
 *
 * It is written to cost little. Each connection has one client without a pool, one handler and one body, which it uses
 * for every request. It does not read the answers.
 */
import { performance } from 'node:perf_hooks';
import { Client, type Dispatcher } from 'undici';
import { EventNumbers } from './event-numbers.js';
import { quantile } from './latencies.js';
import type { LoadOrder, LoadReport } from './load-order.js';
import { MeasuredWindow } from './measured-window.js';
import { requestBody, type RequestBody } from './request-body.js';

/** Sends what the order says. Resolves when the last answer has arrived. */
export async function closedLoop(order: LoadOrder): Promise<LoadReport> {
  const tally = new Tally(order);
  const clients = Array.from({ length: order.connections }, () => new Client(order.url, { pipelining: 1 }));
  await Promise.all(clients.map((client, index) => new Lane(client, index, order, tally).run()));
  await Promise.all(clients.map((client) => client.close()));
  return tally.report();
}

/** What all connections saw together. */
class Tally {
  private readonly window: MeasuredWindow;
  private readonly latencies: number[] = [];
  private sent = 0;
  private differentAccepted = 0;
  private refused = 0;
  private failed = 0;
  private firstFailure: string | undefined;

  constructor(private readonly order: LoadOrder) {
    this.window = new MeasuredWindow(order);
  }

  /** Whether one more request is to be sent; counts it as sent. */
  begins(now: number): boolean {
    const isEnough = this.sent >= (this.order.eventsMax ?? Number.POSITIVE_INFINITY);
    if (isEnough || this.window.isClosed(now) || this.failed > 0) return false;
    this.sent += this.order.eventsPerRequest;
    return true;
  }

  accepted(sentAt: number, now: number, different: number): void {
    this.differentAccepted += different;
    if (this.window.counts(sentAt, now)) this.latencies.push(now - sentAt);
  }

  refuses(): void {
    this.refused += 1;
  }

  fails(reason: string): void {
    this.failed += 1;
    this.firstFailure ??= reason;
  }

  report(): LoadReport {
    const requestsPerSecond = this.window.ratePerSecond(performance.now());
    return {
      requestsPerSecond,
      eventsPerSecond: requestsPerSecond * this.order.eventsPerRequest,
      p50Ms: quantile(this.latencies, 0.5),
      p99Ms: quantile(this.latencies, 0.99),
      differentAccepted: this.differentAccepted,
      refused: this.refused,
      failed: this.failed,
      ...(this.firstFailure === undefined ? {} : { firstFailure: this.firstFailure }),
    };
  }
}

/** One connection: the handler of its requests. */
class Lane implements Dispatcher.DispatchHandler {
  private readonly body: RequestBody;
  private readonly numbers: EventNumbers;
  private readonly request: Dispatcher.DispatchOptions;
  private readonly sendNext = (): void => {
    this.send();
  };
  private ended: () => void = () => undefined;
  private sentAt = 0;
  private differentBefore = 0;
  private status = 0;
  private hasRetryAfter = false;

  constructor(
    private readonly client: Client,
    index: number,
    private readonly order: LoadOrder,
    private readonly tally: Tally,
  ) {
    const {
      connections,
      elsewhere,
      eventsPerRequest,
      firstConnection = 0,
      form = 'json',
      idPrefix,
      path,
      repeatShare,
    } = order;
    this.body = requestBody(form, idPrefix, eventsPerRequest);
    const repeats = elsewhere === undefined ? undefined : { events: elsewhere, connections };
    this.numbers = new EventNumbers(firstConnection + index, repeatShare, repeats);
    this.request = { method: 'POST', path, headers: this.body.headers };
  }

  /** Resolves when the load is over and the last request was answered. */
  async run(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.ended = resolve;
      this.send();
    });
  }

  /** The client recognises by this method which of its two interfaces it has. */
  onRequestStart(): void {
    // The time was taken before.
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, unknown>>,
  ): void {
    this.status = status;
    this.hasRetryAfter = status >= 400 && headers['retry-after'] !== undefined;
  }

  onResponseData(): void {
    // The status is enough.
  }

  onResponseEnd(): void {
    const { status, tally } = this;
    if (status >= 200 && status < 300) {
      tally.accepted(this.sentAt, performance.now(), this.numbers.different - this.differentBefore);
    } else if ((status === 429 || status === 503) && this.hasRetryAfter) {
      tally.refuses();
    } else {
      tally.fails(`status ${status}`);
    }
    // The next request waits for this method to return, because until then the client counts the last one as running.
    queueMicrotask(this.sendNext);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.tally.fails(error.message);
    this.ended();
  }

  private send(): void {
    const now = performance.now();
    if (!this.tally.begins(now)) {
      this.ended();
      return;
    }
    this.differentBefore = this.numbers.different;
    for (let position = 0; position < this.order.eventsPerRequest; position += 1) {
      this.body.write(position, this.numbers.next());
    }
    const body = this.body.bytes;
    this.sentAt = performance.now();
    this.client.dispatch({ ...this.request, body }, this);
  }
}
