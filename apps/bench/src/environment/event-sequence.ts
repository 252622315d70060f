/**
 * The events of a backlog: which there are, in which order, and which of them are repeats.
 *
 * All of it follows from the plan alone, so a backlog is the same in every run. The number of different events among
 * its first messages can be computed. An event is 300 bytes of JSON; its topic is one of ten.
 */
import { createHash } from 'node:crypto';

/** Bytes of an event. */
export const EVENT_BYTES = 300;

/** The ten topics. */
export const TOPICS = [
  'orders.created',
  'orders.paid',
  'orders.shipped',
  'orders.returned',
  'users.joined',
  'users.left',
  'stock.counted',
  'stock.moved',
  'devices.seen',
  'devices.lost',
] as const;

/**
 * Form of the ids. `ordered` ones are UUIDs of version 7, which grow with time, like those of the event in the design.
 * `random` ones are of version 4 and the hardest for an index, because each falls on another page of it.
 */
export type IdForm = 'ordered' | 'random';

/** The parameters of a backlog. */
export interface BacklogPlan {
  readonly messages: number;
  /** Share of messages that repeat an earlier event, from 0 to below 1. */
  readonly duplicateShare: number;
  /** `ordered` when left out. */
  readonly ids?: IdForm | undefined;
  /**
   * Repeats are of this many events with random ids that were stored long ago, each with equal probability. When it is
   * left out, they are of earlier events of the backlog.
   */
  readonly storedKeys?: number | undefined;
}

/** One message of a backlog. */
export interface PlannedMessage {
  /** Counted from 0. */
  readonly index: number;
  /** Number of the event, from 0 in order of first appearance; of a stored one, its number from 1. */
  readonly event: number;
  readonly isRepeat: boolean;
}

/** An event as it is published. */
export interface PlannedEvent {
  readonly topic: string;
  readonly eventId: string;
  /** The JSON text. */
  readonly body: string;
}

/** The time of the first event. Each of the others is a millisecond later than the one before. */
const FIRST_EVENT_MS = Date.UTC(2026, 10, 22, 10);
const FIELDS = { topic: 1, customer: 2, amount: 3, repeat: 4, earlier: 5, id: 6 } as const;
const UINT32 = 2 ** 32;

/** The messages of a plan, in order. A repeat is of any event before it, each with equal probability. */
export function* plannedMessages(plan: BacklogPlan): Generator<PlannedMessage, void> {
  const { messages, duplicateShare, storedKeys } = plan;
  let events = 0;
  for (let index = 0; index < messages; index += 1) {
    const isRepeat = events > 0 && draw(index, FIELDS.repeat) / UINT32 < duplicateShare;
    const earlier = draw(index, FIELDS.earlier);
    const repeated = storedKeys === undefined ? earlier % events : 1 + (earlier % storedKeys);
    const event = isRepeat ? repeated : events++;
    yield { index, event, isRepeat };
  }
}

/** How many different events are among the first `messages` of a plan. */
export function eventsAmong(plan: BacklogPlan, messages: number): number {
  let events = 0;
  for (const { isRepeat } of plannedMessages({ ...plan, messages })) events += isRepeat ? 0 : 1;
  return events;
}

/** The event of a message. */
export function eventOf({ event, isRepeat }: PlannedMessage, { ids, storedKeys }: BacklogPlan): PlannedEvent {
  return isRepeat && storedKeys !== undefined ? storedEvent(event) : plannedEvent(event, ids);
}

/**
 * The event with a number among those with random ids that were stored long ago. stored-keys.ts computes the same in
 * SQL: topic, id, and the bytes of the payload.
 */
export function storedEvent(number: number): PlannedEvent {
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  const topic = TOPICS[parseInt(md5(String(number)).slice(0, 7), 16) % TOPICS.length] as string;
  const eventId = md5(`id${number}`).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  const timestamp = new Date(FIRST_EVENT_MS).toISOString();
  const payload =
    `{"number":${number},"customer":"c-${number % 100_000}","cents":${number % 999_983},` +
    `"currency":"EUR","note":"${'benchmark '.repeat(8)}"}`;
  const body = `{"topic":"${topic}","event_id":"${eventId}","timestamp":"${timestamp}","source":"checkout","payload":${payload}}`;
  return { topic, eventId, body };
}

/** The event with a number. It is the same at every call. */
export function plannedEvent(event: number, ids: IdForm = 'ordered'): PlannedEvent {
  const topic = TOPICS[draw(event, FIELDS.topic) % TOPICS.length] as string;
  const atMs = FIRST_EVENT_MS + event;
  const eventId = eventIdOf(event, atMs, ids);
  const customer = draw(event, FIELDS.customer) % 100_000;
  const cents = draw(event, FIELDS.amount) % 1_000_000;
  const head =
    `{"topic":"${topic}","event_id":"${eventId}","timestamp":"${new Date(atMs).toISOString()}",` +
    `"source":"checkout","payload":{"number":${event},"customer":"c-${customer}","cents":${cents},` +
    `"currency":"EUR","note":"`;
  const tail = '"}}';
  return { topic, eventId, body: head.padEnd(EVENT_BYTES - tail.length, 'benchmark ') + tail };
}

function eventIdOf(event: number, atMs: number, ids: IdForm): string {
  const random = [0, 1, 2, 3].map((part) => hex(draw(event, FIELDS.id + part), 8)).join('');
  const [first, version] = ids === 'ordered' ? [hex(atMs, 12), '7'] : [random.slice(20), '4'];
  return [
    first.slice(0, 8),
    first.slice(8),
    version + random.slice(0, 3),
    `8${random.slice(3, 6)}`,
    random.slice(6, 18),
  ].join('-');
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** A number from 0 to 2³² − 1 that looks random and follows from its arguments (the last step of MurmurHash3). */
function draw(index: number, field: number): number {
  let mixed = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(field, 0x85ebca77);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
