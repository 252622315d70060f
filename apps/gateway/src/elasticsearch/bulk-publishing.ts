/**
 * `POST /_bulk`: documents are published while they arrive, and each gets its item in the answer.
 *
 *   body ─next()─▶ pair lines, check ─▶ publish, up to two groups at a time ─▶ answer
 *                                          │ the brokers take no more
 *                                          └─▶ the rest is read, and refused item by item with 429
 *
 * Designs:
 * 1. Reading the whole body first, as Elasticsearch does: a broken action would refuse everything before anything is
 *    published. But ten megabytes would be held as text, as documents and as events at the same time.
 * 2. The line publishing of `POST /publish`: it answers 503 when the brokers take no more. An old rsyslog does not read
 *    the status, and loses its batch. The JavaScript client sends all of it again at once, and then gives up.
 * 3. This one: the kit's body of lines with its room and its pace, and an outcome for each item. It was chosen because a
 *    429 in a 200 is what all of these clients wait for and send again, and that item alone.
 */
import { setImmediate } from 'node:timers/promises';
import type { PublishOutcome, UnavailableReason } from '#broker';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { LineBody } from '../publish/line-body.js';
import type { Line } from '../publish/line-splitter.js';
import { publishPatiently } from '../publish/patient-publishing.js';
import type { PublishRights } from '../publish/publish-access.js';
import { withoutOthers } from '../publish/publish-permission.js';
import type { PublishRecord } from '../publish/publish-record.js';
import type { Checked } from '../publish/publish-request.js';
import type { EventPublisher } from '../publish/publishing.js';
import type { RecordFields } from '../publish/record-defaults.js';
import type { RequestBounds } from '../publish/request-scan.js';
import type { TopicBounds } from '../publish/topic-bounds.js';
import { ANSWER_BYTES_MAX, BulkAnswer } from './bulk-answer.js';
import { BulkItems, type BulkItem } from './bulk-items.js';
import { DocumentReader } from './document-reader.js';

/** Lines that are taken together, at most. Two of them are an item. */
const LINES_AT_ONCE = 2_000;
/** Items that are checked in one step. Other requests run between two steps. */
const CHECKED_AT_ONCE = 200;
const CHARS_AT_ONCE = 524_288;
/** Groups of items that wait for the brokers, while the next one is read. */
const UNDER_WAY_MAX = 2;
const BLANK_LINES_MAX = 20_000;
/** Reasons that hold for every event. After one of them, nothing more of a request is tried. */
const FOR_ALL: readonly UnavailableReason[] = ['busy', 'stream_full', 'no_answer', 'stopping'];

type ValidEvent = Extract<Checked, { valid: true }>;

/** A bulk request. */
export interface BulkRequest {
  readonly body: LineBody;
  /** The index in the address. */
  readonly index: string | undefined;
  readonly access: PublishRights;
  /** What the key and the headers say for documents that do not say it themselves. */
  readonly fields: RecordFields;
}

/** Items that were checked, in the order of their actions. */
interface CheckedItems {
  readonly items: readonly BulkItem[];
  /** Items whose topic the key does not cover. */
  readonly forbidden: ReadonlySet<BulkItem>;
}

/** What is being published, and the outcomes of its valid events once they are known. */
interface UnderWay extends CheckedItems {
  readonly outcomes: Promise<PublishOutcome[]>;
}

/** Publishes bulk requests. */
export class BulkPublishing {
  constructor(
    private readonly publisher: EventPublisher,
    private readonly record: Pick<PublishRecord, 'note'>,
    private readonly bounds: RequestBounds,
    private readonly topics: Pick<TopicBounds, 'enforce'>,
  ) {}

  /**
   * Publishes the documents of a request.
   *
   * @returns the answer as JSON in pieces, once each document has its outcome
   * @throws ProblemError where the request as a whole cannot be read on: 400, 408, 413, or 503 without room
   */
  async publish(request: BulkRequest): Promise<readonly Buffer[]> {
    const answer = new BulkAnswer();
    const underWay: UnderWay[] = [];
    try {
      await this.readAll(request, answer, underWay);
    } catch (error) {
      while (underWay.length > 0) await settle(underWay, answer);
      await request.body.skipRest();
      throw error;
    }
    if (answer.items === 0) throw nothingThere();
    return answer.end();
  }

  private async readAll(request: BulkRequest, answer: BulkAnswer, underWay: UnderWay[]): Promise<void> {
    const { body, index, access, fields } = request;
    const reader = new BulkItems(new DocumentReader(fields, this.bounds), index);
    const linesMax = Math.min(LINES_AT_ONCE, this.bounds.eventsMax);
    for (;;) {
      const lines = await body.next(linesMax);
      const last = lines === undefined ? reader.end() : undefined;
      const items = lines === undefined ? [last ?? []].flat() : await itemsOf(lines, reader);
      const checked = await this.check(items, access);
      if (underWay.length === UNDER_WAY_MAX) await settle(underWay, answer);
      underWay.push({ ...checked, outcomes: this.send(checked, answer, access) });
      if (lines === undefined) break;
      if (body.lines > BLANK_LINES_MAX && answer.items === 0) throw nothingThere();
      if (answer.bytes > ANSWER_BYTES_MAX) throw tooMany(answer);
      await body.makeRoomForAnswer(answer.bytes);
    }
    while (underWay.length > 0) await settle(underWay, answer);
  }

  private async check(items: readonly BulkItem[], access: BulkRequest['access']): Promise<CheckedItems> {
    const events = items.map(({ event }) => event);
    const covered = withoutOthers(events, access.topics);
    const bounded = await this.topics.enforce(covered, access.keyId);
    const checked = items.map((item, at) => ({ ...item, event: bounded[at] ?? item.event }));
    return { items: checked, forbidden: new Set(checked.filter((_, at) => covered[at] !== events[at])) };
  }

  private async send(
    { items }: CheckedItems,
    answer: BulkAnswer,
    { origin }: PublishRights,
  ): Promise<PublishOutcome[]> {
    const valid = items.flatMap(({ event }): ValidEvent[] => (event.valid ? [event] : []));
    const reason = FOR_ALL.find((one) => answer.reasons.has(one));
    if (reason !== undefined) return valid.map(() => ({ status: 'unavailable', reason, retryable: true }));
    return publishPatiently(this.publisher, this.record, valid, origin);
  }
}

/** Pairs some lines. Other requests run meanwhile. */
async function itemsOf(lines: readonly Line[], reader: BulkItems): Promise<BulkItem[]> {
  const items: BulkItem[] = [];
  let chars = 0;
  for (const line of lines) {
    const item = reader.next(line);
    chars += line.text.length;
    if (item === undefined) continue;
    items.push(item);
    if (items.length % CHECKED_AT_ONCE !== 0 && chars < CHARS_AT_ONCE) continue;
    chars = 0;
    await setImmediate();
  }
  if (lines.length === 0) await setImmediate();
  return items;
}

async function settle(underWay: UnderWay[], answer: BulkAnswer): Promise<void> {
  const first = underWay.shift();
  if (first === undefined) return;
  const outcomes = await first.outcomes;
  let published = 0;
  answer.add(
    first.items.map((item) => ({
      item,
      isForbidden: first.forbidden.has(item),
      outcome: item.event.valid ? outcomes[published++] : undefined,
    })),
  );
}

function nothingThere(): ProblemError {
  const detail = 'There is no action. Send pairs of lines: an action, and its document.';
  return new ProblemError(problem('invalid-body', 400, detail));
}

function tooMany({ items }: BulkAnswer): ProblemError {
  const detail = `The answer would be longer than ${ANSWER_BYTES_MAX} bytes; ${items} documents were read, and the rest was not. Send fewer at once: the ids make it safe to send these again.`;
  return new ProblemError(problem('too-large', 413, detail));
}
