import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { digestedMessageIdOf, messageIdOf, subjectOf, submissionOf } from '#contracts';
import {
  type PublishOutcome,
  StreamPublisher,
  type StreamPublisherOptions,
} from '#idempotent-consumer/jetstream';
import type { EventLedger } from './duplicate-check.js';
import { jetStreamApi } from './jetstream-api.js';
import type { EventRequest, Publication, PublicationOrigin } from './publication.js';
import { RepeatedEvents } from './repeated-events.js';

/** Where a publisher publishes, and its bounds. */
export interface PublisherOptions extends Omit<StreamPublisherOptions<EventRequest>, 'manager' | 'judge'> {
  /** First token of every subject. */
  readonly subjectPrefix: string;
  /**
   * Whether the connection's user may inspect messages of the stream. The default is true; direct producers may not.
   */
  readonly mayInspect?: boolean;
  /**
   * What the database knows of events beyond the stream. With it, duplicates are inspected (duplicate-check.ts).
   * Without it, only duplicates of other processes are, and an event whose message has left the stream is published
   * again.
   */
  readonly ledger?: EventLedger | undefined;
  /**
   * Gives the secret of the digests in message ids, `undefined` while it is not known. All publishers that have it are
   * trusted with each other's message ids. When this is left out, message ids have no digest, and a repeat with another
   * payload is a duplicate like any other.
   */
  readonly digestSecret?: (() => string | undefined) | undefined;
}

const INSPECT_MS_MAX = 2_000;

/**
 * Publishes events of producers. It is the library's publisher with what only the aggregator knows: digests in message
 * ids, the ids of other gateways, and the ledger.
 *
 * So `duplicate` is the outcome only while the event is in the stream, or when it was stored.
 */
export class Publisher {
  private readonly stream: StreamPublisher<EventRequest>;

  constructor(
    connection: NatsConnection,
    private readonly options: PublisherOptions,
  ) {
    const { mayInspect = true } = options;
    let api: Promise<JetStreamManager> | undefined;
    const manager = (): Promise<JetStreamManager> => (api ??= jetStreamApi(connection, INSPECT_MS_MAX));
    const judge = new RepeatedEvents(connection, manager, options);
    this.stream = new StreamPublisher(connection, {
      ...options,
      judge,
      manager: mayInspect ? manager : undefined,
    });
  }

  /** How many publishes have not ended yet. */
  get unfinished(): number {
    return this.stream.unfinished;
  }

  /** Publishes one event. It resolves with the outcome and never rejects. */
  async publish(event: Publication): Promise<PublishOutcome> {
    return this.stream.publish(this.requestOf(event));
  }

  /**
   * Publishes events, or none of them: when they do not all fit into the queue, nothing is sent. Each is then
   * `unavailable` with reason `busy`.
   *
   * @param origin the same for all events
   * @returns the outcomes in the order of the events; never rejects
   */
  async publishAll(
    events: readonly Publication[],
    { door, trace }: PublicationOrigin = {},
  ): Promise<PublishOutcome[]> {
    const origin = { trace, submissionOf: (id: string) => submissionOf(door, id) };
    return this.stream.publishAll(
      events.map((event) => this.requestOf(event)),
      origin,
    );
  }

  /**
   * Starts no new publish, and lets the others end.
   *
   * @param timeoutMs after this time, every publish without an answer ends as `unavailable`
   */
  stop(timeoutMs: number): void {
    this.stream.stop(timeoutMs);
  }

  private requestOf(event: Publication): EventRequest {
    const { topic, eventId, body } = event;
    const { subjectPrefix, digestSecret } = this.options;
    const secret = digestSecret?.();
    const messageId =
      digestSecret === undefined
        ? messageIdOf(topic, eventId)
        : digestedMessageIdOf(topic, eventId, body, secret ?? '');
    const subject = subjectOf(subjectPrefix, topic);
    return { event, subject, messageId, body, isUnforgeable: secret !== undefined };
  }
}
