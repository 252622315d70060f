import {
  EventForm,
  type EventFormOptions,
  messageIdOf,
  type Topics,
  type WrittenEvent,
} from '../producer/new-event.js';
import { type EventOutcome, EventPublisher, type NotTakenReason } from '../producer/event-publisher.js';

/** An event that a `MemoryEventPublisher` took. */
export interface PublishedEvent {
  readonly seq: number;
  readonly topic: string;
  readonly id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: unknown;
}

/** Options of a `MemoryEventPublisher`. */
export interface MemoryEventPublisherOptions<T extends Topics = Topics> extends Partial<EventFormOptions<T>> {
  /**
   * Decides which event is not taken, for tests of what a program does then. It is called with the topic and the id.
   * `no_answer` stands for an event that may have been stored; it is not.
   */
  readonly refuse?: (topic: string, id: string) => NotTakenReason | undefined;
}

const SOURCE = 'test';
const FOR_GOOD: ReadonlySet<NotTakenReason> = new Set(['too_large', 'invalid', 'refused']);

/** A publisher without servers, for tests of a program that publishes. `published` has what it took. */
export class MemoryEventPublisher<T extends Topics = Topics> extends EventPublisher<T> {
  private readonly taken: PublishedEvent[] = [];
  private readonly seqs = new Map<string, number>();
  private isStopped = false;

  constructor(private readonly options: MemoryEventPublisherOptions<T> = {}) {
    super(new EventForm({ source: SOURCE, ...options }));
  }

  /** The events that were taken, in order. */
  get published(): readonly PublishedEvent[] {
    return this.taken;
  }

  override async send(events: readonly WrittenEvent[]): Promise<EventOutcome[]> {
    return Promise.resolve(events.map((event) => this.take(event)));
  }

  override async sendInOrder(events: readonly WrittenEvent[]): Promise<EventOutcome[]> {
    const stopped = new Set<string>();
    const outcomes = events.map((event) => {
      if (stopped.has(event.topic)) return notTaken(event, 'behind', false);
      const outcome = this.take(event);
      if (outcome.status === 'unknown' || outcome.status === 'refused') stopped.add(event.topic);
      return outcome;
    });
    return Promise.resolve(outcomes);
  }

  override async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.resolve();
  }

  private take(event: WrittenEvent): EventOutcome {
    const { topic, eventId, body } = event;
    const reason = this.isStopped ? 'stopping' : this.options.refuse?.(topic, eventId);
    if (reason !== undefined) return notTaken(event, reason, reason === 'no_answer');
    const messageId = messageIdOf(event);
    const known = this.seqs.get(messageId);
    if (known !== undefined) return { status: 'duplicate', eventId, seq: known };
    const seq = this.taken.length + 1;
    this.seqs.set(messageId, seq);
    const { timestamp, source, payload } = JSON.parse(body) as Omit<PublishedEvent, 'seq' | 'topic' | 'id'>;
    this.taken.push({ seq, topic, id: eventId, timestamp, source, payload });
    return { status: 'accepted', eventId, seq };
  }
}

function notTaken({ eventId }: WrittenEvent, reason: NotTakenReason, mayBeStored: boolean): EventOutcome {
  if (mayBeStored) return { status: 'unknown', eventId, reason };
  return { status: 'refused', eventId, reason, retryable: !FOR_GOOD.has(reason) };
}
