import { setImmediate as breathe } from 'node:timers/promises';
import { doorOf, EVENT_BYTES_MAX, isDigested, MESSAGE_ID_HEADER } from '#contracts';
import { SUBMISSION_HEADER } from '#idempotent-consumer/jetstream';
import { eventStory, REPLAY_HEADER, type EventStory, type Queryable, type StoryPosition } from '#store';
import type { BrokerLink } from '../broker-link.js';
import { databaseAnswer } from '../database-answer.js';
import { requireIdentity, unknownEvent, type PageReader } from '../events/event-reader.js';
import type { EventIdentity } from '../events/event-text.js';
import type { PageRoom, PageShare } from '../events/page-room.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { Answer } from '../text-answer.js';
import { readCursor, writeCursor } from './story-cursor.js';
import { entryText, type EventOrigin } from './story-text.js';

const ENTRIES_MAX = 100;
/** Bytes of a page, besides the stored payload. */
const PAGE_BYTES_MAX = 1_048_576;
const ANSWER_MS_MAX = 5_000;
const PARAMETERS = ['event_id', 'limit', 'cursor'];

/** The query of a story. */
interface StoryQuery {
  readonly after: StoryPosition | undefined;
  readonly limit: number;
}

/** Answers what happened to one event. */
export class StoryReader {
  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<BrokerLink, 'message'>,
    private readonly room: PageRoom,
  ) {}

  /**
   * Reads a page of the story of an event, oldest first.
   *
   * @param identity `undefined` where the URL names none
   * @throws ProblemError 400 for a wrong query, 403 for a topic that the key does not cover, 404 when nothing is known
   *   of the event, 503 when the database does not answer
   */
  async story(
    identity: EventIdentity | undefined,
    queryString: string,
    { access, address, origin }: PageReader,
  ): Promise<Answer> {
    const named = requireIdentity(identity, access);
    const query = readQuery(queryString);
    const share = await this.room.take(access.keyId ?? address, PAGE_BYTES_MAX + EVENT_BYTES_MAX);
    const release = (): void => {
      share.release();
    };
    try {
      const story = await this.read(named, query, share);
      const text = await this.textOf(named, story);
      share.shrinkTo(Math.min(share.bytes, Buffer.byteLength(text)));
      const headers = story.next === undefined ? {} : { link: linkTo(named, query, story.next, origin) };
      return { text, headers, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  private async read(
    identity: EventIdentity,
    { after, limit }: StoryQuery,
    share: PageShare,
  ): Promise<EventStory> {
    const bounds = { entries: limit, bytes: Math.max(0, share.bytes - EVENT_BYTES_MAX) };
    const story = await databaseAnswer(ANSWER_MS_MAX, eventStory(this.database, identity, after, bounds));
    if (story.stored === undefined && story.entries.length === 0 && after === undefined)
      throw unknownEvent(
        'Nothing is known of an event with this topic and id; one just published may take a moment.',
      );
    return story;
  }

  private async textOf({ topic, eventId }: EventIdentity, { stored, entries }: EventStory): Promise<string> {
    const first = entries.find(({ kind }) => kind === 'published');
    const origin = first === undefined ? null : await this.originOf({ topic, eventId }, first);
    const texts: string[] = [];
    for (const entry of entries) {
      texts.push(entryText(entry, stored?.payload ?? null, origin));
      // A large conflict takes some milliseconds to compare, and a page may have many.
      if (entry.kind === 'conflict') await breathe();
    }
    const head = JSON.stringify({ topic, event_id: eventId, state: stateOf(stored) });
    return `${head.slice(0, -1)},"entries":[${texts.join(',')}]}`;
  }

  /** The brokers may no longer have the message, or another one under its sequence. */
  private async originOf(
    { topic, eventId }: EventIdentity,
    { seq, at }: { readonly seq: number; readonly at: string },
  ): Promise<EventOrigin | null> {
    const message = await this.broker.message(seq).catch(() => undefined);
    if (message?.publishedAt.getTime() !== Date.parse(at)) return null;
    if (message.header(REPLAY_HEADER) !== undefined) return { through: 'replay' };
    // Only a gateway writes such an id, so only then the door is believed.
    if (!isDigested(message.header(MESSAGE_ID_HEADER) ?? '', topic, eventId)) return { through: 'nats' };
    return { through: 'gateway', door: doorOf(message.header(SUBMISSION_HEADER)) };
  }
}

function stateOf(stored: EventStory['stored']): 'stored' | 'payload_dropped' | 'not_stored' {
  if (stored === undefined) return 'not_stored';
  return stored.payload === null ? 'payload_dropped' : 'stored';
}

function readQuery(queryString: string): StoryQuery {
  const parameters = new URLSearchParams(queryString);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name))
      throw wrong(name, `"${name.slice(0, 64)}" is not a parameter; there are ${PARAMETERS.join(', ')}.`);
    if (parameters.getAll(name).length > 1) throw wrong(name, `"${name}" is given more than once.`);
  }
  const limit = parameters.get('limit') ?? String(ENTRIES_MAX);
  if (!/^0*[1-9]\d*$/.test(limit)) throw wrong('limit', '"limit" must be a positive integer.');
  const cursor = parameters.get('cursor');
  return {
    after: cursor === null ? undefined : readCursor(cursor),
    limit: Math.min(Number(limit), ENTRIES_MAX),
  };
}

function linkTo(
  { topic, eventId }: EventIdentity,
  { limit }: StoryQuery,
  next: StoryPosition,
  origin: string,
): string {
  const parameters = new URLSearchParams({
    event_id: eventId,
    limit: String(limit),
    cursor: writeCursor(next),
  });
  return `<${origin}/events/${topic}/story?${parameters.toString()}>; rel="next"`;
}

function wrong(parameter: string, detail: string): ProblemError {
  return new ProblemError(problem('invalid-parameter', 400, detail, { parameter: parameter.slice(0, 64) }));
}
