import type { NatsConnection } from '@nats-io/nats-core';
import { openApi } from '../jetstream/jetstream-api.js';
import type { PublishOutcome, PublishRequest } from '../jetstream/publishing/publish-job.js';
import { StreamPublisher } from '../jetstream/publishing/stream-publisher.js';
import { activeTrace } from '../traces/span-context.js';
import {
  EventForm,
  type EventFormOptions,
  messageIdOf,
  type Topics,
  type WrittenEvent,
} from './new-event.js';
import { type EventOutcome, EventPublisher } from './event-publisher.js';

/** Where events are published, and the bounds. `connection`, `stream` and `source` are required. */
export interface StreamEventPublisherOptions<T extends Topics = Topics> extends EventFormOptions<T> {
  /** The connection to the brokers. It stays open when the publisher stops. */
  readonly connection: NatsConnection;
  /** The name of the stream. */
  readonly stream: string;
  /** The tokens before the topic in every subject, without a dot at the end. The default is `events`. */
  readonly subjectPrefix?: string;
  /** How long one event may take, in milliseconds, with all tries. The default is 15,000. */
  readonly budgetMs?: number;
  /** Events that wait for the brokers' answer at a time. The default is 1,024. */
  readonly inFlightMax?: number;
  /** Events in the queue, beyond those in flight. More are refused as `busy`. The default is 10,000. */
  readonly waitingMax?: number;
  /** Bytes of all events that are held. The default is 64 MiB. */
  readonly heldBytesMax?: number;
  /**
   * Whether the user may read messages of the stream. A repeat after a lost answer is then inspected: it is `accepted` when
   * this very call stored it. The default is false, and such an event is a `duplicate`.
   */
  readonly mayInspect?: boolean;
  /** First tokens of the reply subjects. The default is that of the client. */
  readonly replyPrefix?: string;
  /** The API prefix of JetStream in the connection's account. The default is `$JS.API`. */
  readonly apiPrefix?: string;
}

const SUBJECT_PREFIX = 'events';
const BUDGET_MS = 15_000;
const IN_FLIGHT_MAX = 1_024;
const WAITING_MAX = 10_000;
const STOP_MS_MAX = 5_000;
const INSPECT_MS_MAX = 2_000;

/**
 * Publishes events to a stream of JetStream. Events that come together share an atomic batch, so the stream should allow
 * these (`allow_atomic`).
 */
export class StreamEventPublisher<T extends Topics = Topics> extends EventPublisher<T> {
  private readonly publisher: StreamPublisher;
  private readonly subjectPrefix: string;

  constructor(options: StreamEventPublisherOptions<T>) {
    super(new EventForm(options));
    const { connection, stream, subjectPrefix = SUBJECT_PREFIX, mayInspect = false, apiPrefix } = options;
    const { budgetMs = BUDGET_MS, inFlightMax = IN_FLIGHT_MAX, waitingMax = WAITING_MAX } = options;
    let api: ReturnType<typeof openApi> | undefined;
    const manager = (): ReturnType<typeof openApi> =>
      (api ??= openApi(connection, apiPrefix, INSPECT_MS_MAX));
    this.subjectPrefix = subjectPrefix;
    this.publisher = new StreamPublisher(connection, {
      ...{ stream, budgetMs, inFlightMax, waitingMax },
      ...{ heldBytesMax: options.heldBytesMax, replyPrefix: options.replyPrefix },
      manager: mayInspect ? manager : undefined,
    });
  }

  override async send(events: readonly WrittenEvent[]): Promise<EventOutcome[]> {
    const requests = events.map((event) => this.requestOf(event));
    const outcomes = await this.publisher.publishAll(requests, { trace: activeTrace() });
    return outcomes.map((outcome, index) => outcomeOf(events[index]?.eventId ?? '', outcome));
  }

  override async sendInOrder(events: readonly WrittenEvent[]): Promise<EventOutcome[]> {
    const requests = events.map((event) => this.requestOf(event));
    const outcomes = await this.publisher.publishInOrder(requests, activeTrace());
    return outcomes.map((outcome, index) => outcomeOf(events[index]?.eventId ?? '', outcome));
  }

  override async stop(timeoutMs = STOP_MS_MAX): Promise<void> {
    this.publisher.stop(timeoutMs);
    await this.publisher.ended();
  }

  private requestOf(event: WrittenEvent): PublishRequest {
    const { topic, body, trace } = event;
    return { subject: `${this.subjectPrefix}.${topic}`, messageId: messageIdOf(event), body, trace };
  }
}

function outcomeOf(eventId: string, outcome: PublishOutcome | 'behind'): EventOutcome {
  if (outcome === 'behind') return { status: 'refused', eventId, reason: outcome, retryable: true };
  if (outcome.status !== 'unavailable') return { status: outcome.status, eventId, seq: outcome.seq };
  const { reason, retryable, mayBeStored = false } = outcome;
  return mayBeStored
    ? { status: 'unknown', eventId, reason }
    : { status: 'refused', eventId, reason, retryable };
}
