import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { decodeEvent, messageIdOf, type RawMessage } from '#contracts';
import type { DuplicateJudge, StoredMessage } from '#idempotent-consumer/jetstream';
import { DuplicateCheck, type EventLedger } from './duplicate-check.js';
import { KnownIds } from './known-ids.js';
import type { EventRequest } from './publication.js';

/** What the judge has to know of its publisher. */
interface RepeatBounds {
  readonly stream: string;
  readonly subjectPrefix: string;
  readonly replyPrefix?: string | undefined;
  readonly ledger?: EventLedger | undefined;
  readonly digestSecret?: (() => string | undefined) | undefined;
}

const DEFAULT_REPLY_PREFIX = '_INBOX';

/**
 * Decides whether an event repeats another one: by its identity in the body, by the ledger, and by the message ids that
 * other gateways published.
 */
export class RepeatedEvents implements DuplicateJudge<EventRequest> {
  private readonly known: KnownIds | undefined;
  private readonly duplicates: DuplicateCheck;

  constructor(
    connection: NatsConnection,
    manager: () => Promise<JetStreamManager>,
    private readonly bounds: RepeatBounds,
  ) {
    const { stream, ledger, replyPrefix = DEFAULT_REPLY_PREFIX } = bounds;
    this.duplicates = new DuplicateCheck(manager, stream, ledger);
    // Without digests, a publisher knows only its own ids.
    if (bounds.digestSecret !== undefined)
      this.known = new KnownIds(connection, `${replyPrefix}.published.${stream}`);
  }

  isKnown(messageId: string): boolean {
    return this.known?.has(messageId) === true;
  }

  published(messageId: string): void {
    this.known?.add(messageId);
  }

  isSurelyKept(seq: number): boolean {
    return this.duplicates.isSurelyKept(seq);
  }

  isSame(stored: StoredMessage, { subject, messageId, body }: EventRequest): boolean {
    const ours = this.identityOf({ subject, data: Buffer.from(body), header: () => messageId });
    return ours === undefined || ours === this.identityOf(stored);
  }

  async isKept({ event }: EventRequest, seq: number, first: 'same' | 'gone'): Promise<boolean> {
    const { topic, eventId } = event;
    const sent = { topic, eventId, seq };
    return first === 'gone' ? this.duplicates.isStored(sent) : this.duplicates.isKept(sent);
  }

  private identityOf(message: RawMessage): string | undefined {
    const decoded = decodeEvent(message, this.bounds.subjectPrefix, Number.POSITIVE_INFINITY);
    if (!decoded.ok) return undefined;
    const { topic, eventId, payload } = decoded.event;
    // Where the message id has a digest, the same id with another payload is another event.
    return messageIdOf(topic, eventId) + (this.bounds.digestSecret === undefined ? '' : `\n${payload}`);
  }
}
