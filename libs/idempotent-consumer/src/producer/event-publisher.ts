/**
 * The port to where events are published, which two transports and a twin in memory implement.
 *
 *   publish ─▶ valid? ─no─▶ InvalidEventError
 *                └─yes─▶ tried until the budget is spent ─▶ accepted | duplicate | unknown | refused
 *
 * An outcome says no more than what is known. `accepted` and `duplicate` mean that a quorum of the brokers has the event.
 * `refused` means that no try can have stored it. After a try without an answer the outcome is `unknown`: publish the
 * event again, with the same id, which is always safe.
 */
import type { AnyEvent, EventForm, Topics, WrittenEvent } from './new-event.js';

/** Why an event was not taken. */
export type NotTakenReason =
  /** This publisher holds as many events as it may: publish again a little later. */
  | 'busy'
  /** The stream is full. */
  | 'stream_full'
  /** No broker or gateway took it within the budget. */
  | 'no_answer'
  /** The brokers or the gateway take no event of this size. */
  | 'too_large'
  /** The gateway finds that the event breaks a rule. It would be refused anywhere. */
  | 'invalid'
  /** The brokers or the gateway refuse it, and would refuse it again. */
  | 'refused'
  /** This publisher was stopped. */
  | 'stopping'
  /** It was not sent, because one before it was not taken: only where events keep their order. */
  | 'behind';

/** What became of an event. `eventId` is the id that it was given, for publishing it again. */
export type EventOutcome =
  | { readonly status: 'accepted' | 'duplicate'; readonly eventId: string; readonly seq: number }
  | { readonly status: 'unknown'; readonly eventId: string; readonly reason: NotTakenReason }
  | {
      readonly status: 'refused';
      readonly eventId: string;
      readonly reason: NotTakenReason;
      /** Whether the brokers may take it later. */
      readonly retryable: boolean;
    };

/**
 * Publishes events. It is also the token of a Nest provider:
 *
 *   { provide: EventPublisher, useFactory: () => new StreamEventPublisher({ connection, stream: 'EVENTS', source: 'shop' }) }
 *
 * Nest then stops it when the application shuts down, with its shutdown hooks enabled.
 */
export abstract class EventPublisher<T extends Topics = Topics> {
  /** @param form writes and checks the events */
  protected constructor(private readonly form: EventForm<T>) {}

  /**
   * Publishes one event.
   *
   * @returns its outcome; the brokers never make it reject
   * @throws InvalidEventError when the event breaks a rule
   */
  async publish(event: AnyEvent<T>): Promise<EventOutcome> {
    const [outcome] = await this.publishAll([event]);
    if (outcome === undefined) throw new Error('a publisher returned no outcome');
    return outcome;
  }

  /**
   * Publishes events, many of them in one round of the brokers. They have no order.
   *
   * @returns the outcomes in the order of the events; the brokers never make it reject
   * @throws InvalidEventError when one of them breaks a rule; then none is published
   */
  async publishAll(events: readonly AnyEvent<T>[]): Promise<EventOutcome[]> {
    return this.send(events.map((event) => this.form.write(event)));
  }

  /**
   * Publishes events that were written before, without an order. An event that was added to an outbox is published so.
   *
   * @returns the outcomes in the order of the events; never rejects
   */
  abstract send(events: readonly WrittenEvent[]): Promise<EventOutcome[]>;

  /**
   * Publishes events so that those of one topic are in the stream in the order given. When an event is not taken, those of its
   * topic behind it are not sent, and are refused as `behind`.
   *
   * @returns the outcomes in the order of the events; never rejects
   */
  abstract sendInOrder(events: readonly WrittenEvent[]): Promise<EventOutcome[]>;

  /**
   * Starts no new publish, and waits for those under way.
   *
   * @param timeoutMs after this time they end without an answer; the default is 5,000
   */
  abstract stop(timeoutMs?: number): Promise<void>;

  /** Nest calls it. */
  async onApplicationShutdown(): Promise<void> {
    await this.stop();
  }
}
