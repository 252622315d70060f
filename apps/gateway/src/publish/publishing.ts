import { setImmediate } from 'node:timers/promises';
import type { Publication, PublishOutcome, UnavailableReason } from '#broker';
import type { PublishResponse, PublishResult } from '#contracts';
import { problem, ProblemError, type AnswerHeaders } from '../problems/problem-error.js';
import type { JsonBody } from './json-body.js';
import type { PublishRights, RequestOrigin } from './publish-access.js';
import { restrictToTopics } from './publish-permission.js';
import type { PublishRecord } from './publish-record.js';
import { checkCandidate, type Checked } from './publish-request.js';
import { invalidResult, notPublishedProblem, publishedResult, retryAfter, WHY } from './publish-results.js';
import { scanRequest, type RequestBounds } from './request-scan.js';
import type { TopicBounds } from './topic-bounds.js';

/** Publishes events to the brokers: see `Publisher`. */
export interface EventPublisher {
  publishAll(events: readonly Publication[], origin: RequestOrigin): Promise<PublishOutcome[]>;
}

/** Reads one element of a request, see `checkCandidate`. */
export type EventCheck = typeof checkCandidate;

const PREFERENCE_APPLIED = { 'preference-applied': 'handling=lenient' };
/** Events and characters that are validated in one step. Other requests run between two steps. */
const EVENTS_AT_ONCE = 200;
const CHARS_AT_ONCE = 524_288;
/** Invalid events of a request that list every error. Others list only the first: 30 KB can contain 10,000 of them. */
const EXPLAINED_MAX = 100;

/**
 * `POST /publish`: validates everything, then publishes, then reports the outcome of each event.
 *
 * No event of a request is published before all are valid, and before there is room for all. A request with lenient
 * handling has its valid events published and the others reported. A request without a single valid event is still
 * refused, because nothing was published.
 */
export class Publishing {
  private lastLarge: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly publisher: EventPublisher,
    private readonly record: Pick<PublishRecord, 'note'>,
    private readonly bounds: RequestBounds,
    private readonly topics: Pick<TopicBounds, 'enforce'>,
  ) {}

  /**
   * Publishes the events of a request.
   *
   * @param request released as soon as its events were read
   * @param lenient whether valid events are published although others are not
   * @param access the topics of the key, and how the events came
   * @param check reads one element of the request
   * @returns once the brokers have all of them
   * @throws ProblemError for everything else, with the results where something was tried
   */
  async publish(
    request: JsonBody,
    lenient: boolean,
    access: PublishRights,
    check: EventCheck = checkCandidate,
  ): Promise<{ body: PublishResponse; headers: AnswerHeaders }> {
    const headers = lenient ? PREFERENCE_APPLIED : {};
    const covered = restrictToTopics(await this.check(request, check), access.topics, lenient);
    const checked = await this.topics.enforce(covered, access.keyId);
    const valid = checked.filter((event) => event.valid);
    if (valid.length === 0 || (valid.length < checked.length && !lenient)) throw refused(checked, headers);
    const outcomes = await this.publisher.publishAll(valid, access.origin);
    this.record.note(valid, outcomes);
    const body = answer(checked, outcomes);
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'unavailable' ? [outcome.reason] : []));
    if (reasons.length > 0) throw notPublished(body, reasons, headers);
    return { body, headers };
  }

  /** Large requests are checked one after the other. Parsed at the same time, they would take many times their size. */
  private async check(request: JsonBody, check: EventCheck): Promise<Checked[]> {
    try {
      if (!request.isLarge) return await this.checkNow(request, check);
      const turn = this.lastLarge.then(() => this.checkNow(request, check));
      this.lastLarge = turn.catch(() => undefined);
      return await turn;
    } finally {
      request.release();
    }
  }

  private async checkNow(request: JsonBody, check: EventCheck): Promise<Checked[]> {
    const text = request.decode();
    const scan = scanRequest(text, this.bounds);
    let step = scan.next();
    for (; step.done !== true; step = scan.next()) await setImmediate();
    request.makeRoomForAnswer(step.value.length);
    const checked: Checked[] = [];
    let [pausedAt, invalid] = [0, 0];
    for (const [index, candidate] of step.value.entries()) {
      const event = check(candidate, text, index, this.bounds.eventBytesMax);
      if (!event.valid) invalid += 1;
      checked.push(
        event.valid || invalid <= EXPLAINED_MAX ? event : { ...event, errors: event.errors.slice(0, 1) },
      );
      if (checked.length % EVENTS_AT_ONCE !== 0 && candidate.end - pausedAt < CHARS_AT_ONCE) continue;
      pausedAt = candidate.end;
      await setImmediate();
    }
    return checked;
  }
}

function answer(checked: readonly Checked[], outcomes: readonly PublishOutcome[]): PublishResponse {
  const results: PublishResult[] = [];
  const rejected: PublishResult[] = [];
  let [accepted, duplicates, published] = [0, 0, 0];
  for (const [index, event] of checked.entries()) {
    const outcome = event.valid ? outcomes[published++] : undefined;
    if (!event.valid || outcome === undefined) {
      const result = invalidResult(event, index);
      results.push(result);
      rejected.push(result);
      continue;
    }
    results.push(publishedResult(event, index, outcome));
    if (outcome.status !== 'unavailable') accepted += 1;
    if (outcome.status === 'duplicate') duplicates += 1;
  }
  return { accepted, duplicates, rejected, results };
}

function refused(checked: readonly Checked[], headers: AnswerHeaders): ProblemError {
  const rejected = checked.flatMap((event, index) => (event.valid ? [] : [invalidResult(event, index)]));
  const detail = `${rejected.length} of ${checked.length} events are invalid; nothing was published. See "rejected".`;
  return new ProblemError(
    problem('invalid-events', 422, detail, { accepted: 0, duplicates: 0, rejected }),
    headers,
  );
}

function notPublished(
  body: PublishResponse,
  reasons: readonly UnavailableReason[],
  headers: AnswerHeaders,
): ProblemError {
  const why = [...new Set(reasons)].map((reason) => WHY[reason]).join('; ');
  const detail = `${reasons.length} of ${body.results.length} events were not published: ${why}. The ids make it safe.`;
  return new ProblemError(notPublishedProblem(reasons, detail, { ...body }), {
    ...headers,
    ...retryAfter(reasons),
  });
}
