/**
 * The event that a producer publishes, its rules, and its form on the wire.
 *
 * The form is `{"topic", "event_id", "timestamp", "source", "payload"}`. The text is written once, so every try to publish
 * it sends the same bytes. Its id is chosen here where the caller has none, before the first try.
 */
import { randomUUID } from 'node:crypto';
import type { TraceContext } from '../trace-context.js';
import { isInstant } from './instant.js';
import { InvalidEventError } from './invalid-event-error.js';
import { payloadFlaw } from './payload-bounds.js';

/** The payloads of each topic. The default permits every topic, with any JSON object. */
export type Topics = Readonly<Record<string, unknown>>;

/** An event to publish. */
export interface NewEvent<T extends Topics = Topics, N extends keyof T & string = keyof T & string> {
  /** 1 to 16 tokens of letters, digits, `_` and `-`, joined by dots. */
  readonly topic: N;
  /** A JSON object. */
  readonly payload: T[N];
  /**
   * 1 to 256 characters that identify the event within its topic. Give one where a caller may repeat its call. The
   * default is a random UUID that grows with time.
   */
  readonly id?: string;
  /** When it happened, as a `Date` or in ISO 8601 with a zone or `Z`. The default is now. */
  readonly timestamp?: Date | string;
  /** What it comes from: 1 to 256 characters. The default is the source of the publisher. */
  readonly source?: string;
}

/** An event of one of the topics. */
export type AnyEvent<T extends Topics> = { [N in keyof T & string]: NewEvent<T, N> }[keyof T & string];

/** Checks a payload and returns what is published: a schema of zod, for example. */
export interface PayloadSchema<P> {
  parse(value: unknown): P;
}

/** How events are written. */
export interface EventFormOptions<T extends Topics> {
  /** What the events come from, such as the name of the service. */
  readonly source: string;
  /** The schema of each topic's payload. With it, an event of any other topic is invalid. */
  readonly schemas?: { readonly [N in keyof T]: PayloadSchema<T[N]> };
  /** The largest event, in bytes. The default is 262,144, as gateways and workers have it. */
  readonly eventBytesMax?: number;
}

/** An event in its form on the wire. */
export interface WrittenEvent {
  readonly topic: string;
  readonly eventId: string;
  /** The JSON text. */
  readonly body: string;
  /** The trace that it belongs to. The default is that of the span in which it is sent. */
  readonly trace?: TraceContext;
}

const EVENT_BYTES_MAX = 262_144;
const TOPIC = /^[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,15}$/;
// White space at an end would be lost in a header, and the id of another event would be left.
// eslint-disable-next-line no-control-regex -- finding control characters is the purpose
const NAME = /^(?!\s)[^\u0000-\u001f\u007f-\u009f]{1,256}(?<!\s)$/;
const ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/;

/** Writes events in their form on the wire. */
export class EventForm<T extends Topics> {
  constructor(private readonly options: EventFormOptions<T>) {}

  /** @throws InvalidEventError with what is wrong */
  write(event: AnyEvent<T>): WrittenEvent {
    const { topic, id: eventId = timeOrderedId(), timestamp = new Date() } = event;
    const { source: ourSource, eventBytesMax = EVENT_BYTES_MAX } = this.options;
    const source = event.source ?? ourSource;
    const invalid = (what: string): never => {
      throw new InvalidEventError(`event ${eventId} of topic ${topic}: ${what}`);
    };
    if (!TOPIC.test(topic))
      invalid('topic must be 1 to 16 tokens of 1 to 64 letters, digits, _ and -, joined by dots');
    if (!NAME.test(eventId))
      invalid('id must be 1 to 256 characters, without control characters, and without a blank at an end');
    if (!NAME.test(source)) invalid('source must be 1 to 256 characters, without control characters');
    const time = typeof timestamp === 'string' ? timestamp : isoText(timestamp);
    if (!isInstant(time))
      invalid(
        'timestamp must be a valid Date, or an ISO 8601 instant with a zone or Z, such as 2026-11-22T10:00:00Z',
      );
    const payload = this.payloadOf(event, invalid);
    const others = JSON.stringify({ topic, event_id: eventId, timestamp: time, source });
    const body = `${others.slice(0, -1)},"payload":${payload}}`;
    if (ESCAPE.test(body))
      invalid('payload must not have \\u0000 or half of a surrogate pair: Postgres cannot store them');
    const bytes = Buffer.byteLength(body);
    if (bytes > eventBytesMax)
      invalid(`the event has ${bytes} bytes, and at most ${eventBytesMax} are allowed`);
    return { topic, eventId, body };
  }

  /** @returns the payload as JSON text */
  private payloadOf({ topic, payload }: AnyEvent<T>, invalid: (what: string) => never): string {
    const { schemas } = this.options;
    let parsed: unknown = payload;
    if (schemas !== undefined) {
      // A name that every object inherits is not a topic.
      const schema = Object.hasOwn(schemas, topic) ? schemas[topic] : undefined;
      if (schema === undefined) return invalid(`there is no schema for this topic: add one to schemas`);
      try {
        parsed = schema.parse(payload);
      } catch (error) {
        return invalid(
          `payload does not fit its schema: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
    let text: string;
    try {
      // `undefined` has no JSON text, and neither has what a `toJSON` makes it.
      const written: unknown = JSON.stringify(parsed);
      text = typeof written === 'string' ? written : '';
    } catch (error) {
      // A cycle, a bigint, or so deep that the stack does not suffice.
      return invalid(`payload must be JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (!text.startsWith('{')) return invalid('payload must be a JSON object');
    const flaw = payloadFlaw(text);
    return flaw === undefined ? text : invalid(flaw);
  }
}

function isoText(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

/** The message id of an event, by which the brokers recognise a repeat. */
export function messageIdOf({ topic, eventId }: Pick<WrittenEvent, 'topic' | 'eventId'>): string {
  return `${topic}:${eventId}`;
}

/**
 * A UUID of version 7 (RFC 9562): 48 bits of time in milliseconds, then random bits. Ids that grow with time keep the
 * index of an inbox small in memory.
 */
function timeOrderedId(now = Date.now()): string {
  const time = now.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
