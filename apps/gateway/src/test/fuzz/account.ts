import type { Pool } from 'pg';
import type { PublishResult } from '#contracts';

/** An event as its producer means it. */
export interface SentEvent {
  readonly topic: unknown;
  readonly event_id: unknown;
  readonly source: unknown;
  /** Its value, with members in order of name. */
  readonly payload: string;
}

interface StoredRow {
  readonly seq: number;
  readonly topic: string;
  readonly event_id: string;
  readonly source: string | null;
  readonly payload: string | null;
}

const STORED = `
SELECT key.seq::float8 AS seq, key.topic, key.event_id, event.source, event.payload::text AS payload
FROM sekali.event_key key LEFT JOIN sekali.event event ON event.stream_id = key.stream_id AND event.seq = key.seq`;
const OTHERS = `
SELECT seq::float8 AS seq, 'duplicate' AS kind FROM sekali.duplicate
UNION ALL SELECT seq::float8, 'dead letter' FROM sekali.dead_letter`;

const TOPIC = /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,15}$/;
const TEXT = /^\P{Cc}{1,256}$/u;
const FAULTS_MAX = 20;

/**
 * Records what was sent and how the system answered. At the end it checks that the database contains exactly that.
 *
 * It shares no rule with the code under test: events are read with JSON.parse, and compared by value.
 */
export class Account {
  /** What a `202` or a PubAck acknowledged, by sequence. */
  private readonly acknowledged = new Map<
    number,
    { readonly event: SentEvent | undefined; readonly mustBeStored: boolean }
  >();
  /** What was sent without reading the answer, by identity. */
  private readonly unread = new Map<string, SentEvent[]>();
  private readonly duplicates: string[] = [];
  readonly faults: string[] = [];

  /** Records the results of an answer to `POST /publish`. */
  results(body: string, results: readonly PublishResult[], covered: (topic: string) => boolean): void {
    const sent = eventsIn(body);
    for (const { index, status, seq, topic = '', event_id: id } of results) {
      if (status !== 'accepted' && status !== 'duplicate') continue;
      const event = sent[index];
      if (event?.topic !== topic || event.event_id !== id || seq === undefined) {
        this.fault(
          `result ${index} names what was not sent: ${JSON.stringify({ topic, id, seq })} of ${body.slice(0, 500)}`,
        );
        continue;
      }
      if (!covered(topic)) this.fault(`accepted for a key that does not cover ${topic}`);
      if (status === 'duplicate') this.duplicates.push(identity(topic, id ?? ''));
      else this.acknowledged.set(seq, { event, mustBeStored: true });
    }
  }

  /** Records a message that the stream has. @param mustBeStored whether it is certainly an event */
  message(
    seq: number,
    topic: string,
    messageId: string | undefined,
    body: string,
    mustBeStored: boolean,
  ): void {
    this.acknowledged.set(seq, { event: messageEvent(topic, messageId, body), mustBeStored });
  }

  /** Records events that were sent, perhaps in part, without reading the answer. They may be stored. */
  unanswered(body: string): void {
    for (const event of eventsIn(body)) this.mayBeStored(event);
  }

  /** Records a message that the stream may have, under an unknown sequence. */
  unansweredMessage(topic: string, messageId: string | undefined, body: string): void {
    const event = messageEvent(topic, messageId, body);
    if (event !== undefined) this.mayBeStored(event);
  }

  private mayBeStored(event: SentEvent): void {
    if (typeof event.topic !== 'string' || typeof event.event_id !== 'string') return;
    const name = identity(event.topic, event.event_id);
    this.unread.set(name, [...(this.unread.get(name) ?? []), event]);
  }

  /** Notes a fault; the first ones are kept. */
  fault(text: string): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push(text.toWellFormed());
  }

  /**
   * Compares with the database.
   *
   * @param lastSeq of the stream
   * @returns how many sequences ended in which way
   */
  async check(pool: Pool, lastSeq: number): Promise<Record<string, number>> {
    const { rows: stored } = await pool.query<StoredRow>(STORED);
    const { rows: others } = await pool.query<{ seq: number; kind: string }>(OTHERS);
    const ends = new Map<number, string>(others.map(({ seq, kind }) => [seq, kind]));
    for (const row of stored) {
      if (ends.has(row.seq)) this.fault(`sequence ${row.seq} is stored and ${ends.get(row.seq) ?? ''}`);
      ends.set(row.seq, 'stored');
      this.checkRow(row);
    }
    if (ends.size !== stored.length + others.length) this.fault('a sequence has two ends');
    const counts: Record<string, number> = { stored: 0, duplicate: 0, 'dead letter': 0 };
    for (let seq = 1; seq <= lastSeq; seq++) {
      const end = ends.get(seq);
      if (end === undefined) this.fault(`sequence ${seq} has no end`);
      else counts[end] = (counts[end] ?? 0) + 1;
      if (end === 'dead letter' && this.acknowledged.get(seq)?.mustBeStored === true)
        this.fault(`sequence ${seq} was accepted as an event and is a dead letter`);
    }
    if (ends.size !== lastSeq) this.fault(`${ends.size} sequences have an end, ${lastSeq} there are`);
    const identities = new Set(stored.map((row) => identity(row.topic, row.event_id)));
    for (const one of this.duplicates) if (!identities.has(one)) this.fault(`a duplicate of nothing: ${one}`);
    return counts;
  }

  private checkRow(row: StoredRow): void {
    if (!TOPIC.test(row.topic) || !TEXT.test(row.event_id) || !TEXT.test(row.source ?? '')) {
      this.fault(`a row that breaks the rules: ${JSON.stringify(row).slice(0, 500)}`);
    }
    const known = this.acknowledged.get(row.seq);
    // A refused event has no sequence and is in neither map. A row of it has no sender.
    const sent =
      known === undefined ? (this.unread.get(identity(row.topic, row.event_id)) ?? []) : [known.event];
    const payload = canonical(row.payload ?? '');
    const isSame = sent.some(
      (event) =>
        event?.topic === row.topic &&
        event.event_id === row.event_id &&
        event.source === row.source &&
        event.payload === payload,
    );
    if (!isSame) this.fault(`a row without a sender: ${JSON.stringify({ row, sent }).slice(0, 1_000)}`);
  }
}

function messageEvent(topic: string, messageId: string | undefined, body: string): SentEvent | undefined {
  const [event] = eventsIn(body);
  if (event === undefined) return undefined;
  const id = messageId?.startsWith(`${topic}:`) === true ? messageId.slice(topic.length + 1) : undefined;
  return { ...event, topic: event.topic ?? topic, event_id: event.event_id ?? id };
}

/** The events of a body, read as JSON; none when it is not JSON. */
function eventsIn(body: string): SentEvent[] {
  const value = parse(body);
  const list = Array.isArray(value)
    ? value
    : isObject(value) && Array.isArray(value['events'])
      ? value['events']
      : [value];
  return (list as unknown[]).map((event) => {
    const { topic, event_id, source, payload } = isObject(event) ? event : {};
    return { topic, event_id, source, payload: JSON.stringify(sorted(payload)) };
  });
}

function canonical(text: string): string {
  return JSON.stringify(sorted(parse(text)));
}

/** Sorts members by name, because Postgres has its own order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const entries = Object.keys(value)
    .sort()
    .map((name) => [name, sorted(value[name])] as const);
  return entries;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function identity(topic: string, eventId: string): string {
  return `${topic} ${eventId}`;
}
