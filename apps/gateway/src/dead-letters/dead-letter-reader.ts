import { databaseAnswer } from '../database-answer.js';
import {
  deadLetterGroups,
  deadLetterPage,
  findDeadLetter,
  readDeadLetterId,
  TooManyTopicsError,
  type DeadLetterReference,
  type FoundDeadLetter,
  type Queryable,
} from '#store';
import type { PageReader } from '../events/event-reader.js';
import type { PageRoom, PageShare } from '../events/page-room.js';
import { requireTopic, type Access } from '../keys/access.js';
import { problem, ProblemError, type AnswerHeaders } from '../problems/problem-error.js';
import type { Answer } from '../text-answer.js';
import { nextLink, readDeadLetterQuery, type DeadLetterQuery } from './dead-letter-query.js';
import { detailView, entryView, groupView } from './dead-letter-view.js';

/** The largest size of a dead letter in a page. A detail has 4,000 characters at most. */
const ENTRY_BYTES_MAX = 16_384;
const GROUPS_BYTES_MAX = 2_097_152;
/** Bytes of a body that are shown, at most. As text and as base64 it takes about three times as many. */
const BODY_BYTES_MAX = 1_048_576;
const BODY_COPIES = 3;
const PAGE_MS_MAX = 12_000;
const ONE_MS_MAX = 3_000;

/** Answers queries about dead letters. */
export class DeadLetterReader {
  constructor(
    private readonly database: Queryable,
    private readonly room: PageRoom,
  ) {}

  /**
   * Reads one page, or the counts by reason. A key that covers only some topics gets their dead letters, and learns
   * nothing of others.
   *
   * @throws ProblemError 400 for a wrong query, 403 for a topic that the key does not cover. It is 503 when the
   *   database does not answer, or too many pages are being read
   */
  async page(queryString: string, { access, address, origin }: PageReader): Promise<Answer> {
    const query = readDeadLetterQuery(queryString, access);
    const bytes = query.isGrouped ? GROUPS_BYTES_MAX : query.limit * ENTRY_BYTES_MAX;
    const share = await this.room.take(access.keyId ?? address, bytes);
    return answerIn(share, async () => {
      const { views, next } = await this.read(query, share);
      return {
        text: JSON.stringify(views),
        headers: next === undefined ? {} : { link: nextLink(query, next, origin) },
      };
    });
  }

  /** One dead letter. Throws 404 when there is none, 403 when the key does not cover its topic. */
  async one(id: string, { access, address }: Omit<PageReader, 'origin'>): Promise<Answer> {
    const reference = referenceOf(id);
    const share = await this.room.take(access.keyId ?? address, BODY_BYTES_MAX * BODY_COPIES);
    return answerIn(share, async () => {
      const found = await this.find(reference, access, Math.floor(share.bytes / BODY_COPIES));
      return { text: JSON.stringify(detailView(found)), headers: {} };
    });
  }

  /**
   * Finds a dead letter. Throws 404 when there is none, 403 when the key does not cover its topic.
   *
   * @param bodyBytesMax bytes of the body that are read, at most
   */
  async find(reference: DeadLetterReference, access: Access, bodyBytesMax: number): Promise<FoundDeadLetter> {
    const finding = findDeadLetter(this.database, reference, bodyBytesMax);
    const found = await databaseAnswer(ONE_MS_MAX, finding);
    if (found === undefined) throw unknownDeadLetter();
    requireTopic(access, found.topic);
    return found;
  }

  private async read(
    { filter, after, limit, isGrouped }: DeadLetterQuery,
    share: PageShare,
  ): Promise<{ views: object[]; next: Parameters<typeof nextLink>[1] | undefined }> {
    if (isGrouped) {
      const { groups, next } = await readTopics(deadLetterGroups(this.database, filter, after));
      return { views: groups.map(groupView), next };
    }
    const room = Math.max(1, Math.floor(share.bytes / ENTRY_BYTES_MAX));
    const reading = deadLetterPage(this.database, filter, after, Math.min(limit, room));
    const { entries, next } = await readTopics(reading);
    return { views: entries.map(entryView), next };
  }
}

/** Reads the id of a dead letter. Throws a 404 problem for a text that names none. */
export function referenceOf(id: string): DeadLetterReference {
  const reference = readDeadLetterId(id);
  if (reference === undefined) throw unknownDeadLetter();
  return reference;
}

/** Waits for the database. Throws a 400 problem when the key covers too many topics. */
export async function readTopics<T>(reading: Promise<T>): Promise<T> {
  try {
    return await databaseAnswer(PAGE_MS_MAX, reading);
  } catch (error) {
    if (!(error instanceof TooManyTopicsError)) throw error;
    const detail = 'The key covers prefixes with too many topics: name one of them with "topic".';
    throw new ProblemError(problem('invalid-parameter', 400, detail, { parameter: 'topic' }));
  }
}

/** Keeps the room of an answer until it was sent; a failure releases it at once. */
async function answerIn(
  share: PageShare,
  read: () => Promise<{ text: string; headers: AnswerHeaders }>,
): Promise<Answer> {
  const release = (): void => {
    share.release();
  };
  try {
    const { text, headers } = await read();
    share.shrinkTo(Math.min(share.bytes, Buffer.byteLength(text)));
    return { text, headers, release };
  } catch (error) {
    release();
    throw error;
  }
}

function unknownDeadLetter(): ProblemError {
  const detail = 'No dead letter has this id. "GET /dead-letters?state=all" lists all of them.';
  return new ProblemError(problem('unknown-dead-letter', 404, detail));
}
