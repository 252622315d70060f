import type { PublishOutcome, Replay, UnavailableReason } from '#broker';
import { subjectOf, type DeadLetterBulkResult, type DeadLetterResult } from '#contracts';
import {
  beginReplays,
  deadLetterId,
  noteReplayed,
  REPLAY_HEADER,
  type Actor,
  type DeadLetterAction,
  type DeadLetterReference,
  type FoundDeadLetter,
  type Queryable,
} from '#store';
import { databaseAnswer } from '../database-answer.js';
import { requireTopic, type Access } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { isFinal, WHY } from '../publish/publish-results.js';
import type { TopicBounds } from '../publish/topic-bounds.js';
import type { ActionOrder, BulkOrder } from './action-request.js';
import type { Bulk } from './bulk.js';
import type { DeadLetterReader } from './dead-letter-reader.js';
import { replayMessage, withoutCloudEvent, type EventRules, type ReplayMessage } from './replay-message.js';

/** Publishes replays: see `BrokerLink`. */
export interface ReplayDoor {
  replay(replay: Replay): Promise<PublishOutcome>;
}

/** What replays need. */
export interface ReplayParts {
  readonly database: Queryable;
  readonly reader: Pick<DeadLetterReader, 'find'>;
  readonly broker: ReplayDoor;
  readonly topics: Pick<TopicBounds, 'enforce'>;
  readonly bulk: Bulk;
}

/** A replay that was begun: what is published, and under which action. */
type Begun = ReplayMessage & Pick<DeadLetterAction, 'actionId' | 'number'>;

const WRITE_MS_MAX = 3_000;
/** How often the state is read again because another client acted meanwhile. */
const ROUNDS_MAX = 5;

/**
 * Publishes dead letters again.
 *
 *   open ─▶ begin (a row with its number) ─▶ publish ─▶ note the sequence ─▶ the consumer decides
 *             └─another client was first ─▶ see what it did
 *   replaying, not noted ─▶ publish the same message again ─▶ note the sequence
 *   replaying, noted; stored; duplicate ─▶ nothing: the answer says so
 *
 * Promise: of one action the brokers take one message while the duplicate window lasts, because the message id is the
 * number of the action. After that, and for a replay of a replay, the inbox lets the event take effect once.
 *
 * Every consumer of the stream gets the replay. For one that had the event, it is a duplicate.
 */
export class Replays {
  constructor(
    private readonly parts: ReplayParts,
    private readonly rules: EventRules,
  ) {}

  /**
   * Replays one dead letter. Repeating the request is safe.
   *
   * @throws ProblemError 404 for an unknown one, 403 for a topic of another key, 422 when the message is not an event,
   *   409 when it was dropped or another event is being replayed. It is 503 when the brokers or the database do not
   *   answer: the same request then goes on
   */
  async one(reference: DeadLetterReference, order: ActionOrder, access: Access): Promise<DeadLetterResult> {
    return this.replay(reference, order, access, false);
  }

  /** Replays what a filter selects, or says in a dry run what would be replayed. */
  async many(order: BulkOrder, access: Access): Promise<DeadLetterBulkResult> {
    const each = { reason: order.reason, mended: undefined, force: false };
    return this.parts.bulk.run(order, async ({ reference }) =>
      this.replay(reference, each, access, order.isDryRun),
    );
  }

  private async replay(
    reference: DeadLetterReference,
    order: ActionOrder,
    access: Access,
    isDryRun: boolean,
  ): Promise<DeadLetterResult> {
    const id = deadLetterId(reference);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const letter = await this.parts.reader.find(reference, access, this.rules.eventBytesMax + 1);
      const ended = endOf(letter, order);
      if (ended !== undefined) return { id, ...ended };
      const pending = pendingReplay(letter);
      const message = pending ?? (await this.messageOf(letter, order, access));
      requireTopic(access, message.topic);
      if (pending !== undefined) this.refuseAnother(letter, pending, order);
      if (isDryRun) return { id, status: 'possible' };
      const begun = pending ?? (await this.begin(letter, message, order, access));
      if (begun !== undefined) return { id, ...(await this.publish(letter, begun)) };
    }
    const detail = 'Other clients act on it at this moment. Send it again.';
    throw new ProblemError(problem('busy', 503, detail), { 'retry-after': '1' });
  }

  private async messageOf(
    letter: FoundDeadLetter,
    { mended }: ActionOrder,
    access: Access,
  ): Promise<ReplayMessage> {
    const replayable = replayMessage(letter, mended, this.rules);
    if (!replayable.ok) throw new ProblemError(problem('not-replayable', 422, replayable.detail));
    const { topic, eventId } = replayable.message;
    const [checked] = await this.parts.topics.enforce(
      [{ valid: true, topic, eventId, body: '' }],
      access.keyId,
    );
    if (checked?.valid === false) {
      const detail = checked.errors.map(({ message }) => message).join('; ');
      throw new ProblemError(problem('not-replayable', 422, detail, { topic }));
    }
    return replayable.message;
  }

  /** Another mended event cannot take the place of one that may be published already. */
  private refuseAnother(letter: FoundDeadLetter, pending: Begun, { mended }: ActionOrder): void {
    if (mended === undefined) return;
    const asked = replayMessage(letter, mended, this.rules);
    const body = pending.body ?? letter.body;
    if (asked.ok && asked.message.topic === pending.topic && asked.message.body?.equals(body) === true)
      return;
    const detail = `Replay ${pending.number} of it was begun with another event. Replay it without one first.`;
    throw new ProblemError(problem('acted-on', 409, detail));
  }

  private async begin(
    { reference, actions }: FoundDeadLetter,
    message: ReplayMessage,
    { reason }: ActionOrder,
    { keyId, keyName }: Access,
  ): Promise<Begun | undefined> {
    const actor: Actor = { keyId, keyName, reason };
    const beginning = beginReplays(this.parts.database, actor, [{ reference, actions, ...message }]);
    const [begun] = await databaseAnswer(WRITE_MS_MAX, beginning);
    return begun === undefined ? undefined : { ...message, actionId: begun.actionId, number: actions + 1 };
  }

  private async publish(
    letter: FoundDeadLetter,
    { actionId, number, topic, body }: Begun,
  ): Promise<Omit<DeadLetterResult, 'id'>> {
    const outcome = await this.parts.broker.replay({
      subject: subjectOf(this.rules.subjectPrefix, topic),
      body: body ?? letter.body,
      messageId: `replay:${actionId}`,
      headers: {
        [REPLAY_HEADER]: [actionId],
        ...withoutReplay(body === null ? letter.headers : withoutCloudEvent(letter.headers)),
      },
    });
    if (outcome.status === 'unavailable') throw notPublished(number, outcome.reason);
    const { seq } = outcome;
    await databaseAnswer(WRITE_MS_MAX, noteReplayed(this.parts.database, [{ actionId, seq }]));
    return { status: 'published', number, seq };
  }
}

/** What there is to say of a dead letter that is not replayed; `undefined` when it is. */
function endOf(letter: FoundDeadLetter, { force }: ActionOrder): Omit<DeadLetterResult, 'id'> | undefined {
  const { state, actions: number, last } = letter;
  const seq = last?.replaySeq ?? undefined;
  const known = { number, ...(seq !== undefined && { seq }) };
  if (state === 'stored' || state === 'duplicate') return { status: state, ...known };
  if (state === 'replaying' && seq !== undefined && !force) return { status: 'in_flight', ...known };
  if (state === 'dropped' && !force) {
    const who = last?.by ?? 'a client without a key';
    const detail = `It was dropped by ${who} (${last?.reason ?? ''}). Set "force" to replay it all the same.`;
    throw new ProblemError(problem('acted-on', 409, detail));
  }
  return undefined;
}

/** The replay that was begun, and is perhaps not published. */
function pendingReplay({ state, history }: FoundDeadLetter): Begun | undefined {
  const last = history.at(-1);
  if (state !== 'replaying' || last?.replaySeq !== null) return undefined;
  const { actionId, number, topic, eventId, body } = last;
  return { actionId, number, topic: topic ?? '', eventId: eventId ?? '', body };
}

/** A dead letter may be a replay itself, of another consumer's dead letter. */
function withoutReplay(headers: FoundDeadLetter['headers']): FoundDeadLetter['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== REPLAY_HEADER));
}

function notPublished(number: number, reason: UnavailableReason): ProblemError {
  if (isFinal([reason])) {
    const detail = `Replay ${number} cannot be published: ${WHY[reason]}. Drop the dead letter, or publish a smaller event.`;
    return new ProblemError(problem('too-large', 413, detail));
  }
  const detail = `Replay ${number} was begun and is perhaps not published (${reason}). Send the request again: it goes on with the same replay.`;
  return new ProblemError(problem('not-published', 503, detail, { reason }), { 'retry-after': '3' });
}
