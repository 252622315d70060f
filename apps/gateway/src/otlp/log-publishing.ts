/**
 * `POST /v1/logs`: publishes the records of a request in batches, while further ones are read.
 *
 *   body ─scan─▶ places of all records ─read─▶ batches ─publish─▶ report
 *                  │ too many, too much            │ the brokers do not take one
 *                  └▶ 413                          └▶ nothing more is published: 503
 *
 * A client must not repeat a request that was accepted in part. So a record is rejected only for what is wrong with it.
 * Trouble with the brokers is always an answer after which the client sends the whole request again. The ids keep what
 * was taken before from being there twice.
 */
import { setImmediate } from 'node:timers/promises';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { JsonBody } from '../publish/json-body.js';
import type { PublishAccess } from '../publish/publish-access.js';
import type { PublishRecord } from '../publish/publish-record.js';
import type { Checked } from '../publish/publish-request.js';
import { retryAfter, WHY } from '../publish/publish-results.js';
import type { EventPublisher } from '../publish/publishing.js';
import type { RequestBounds } from '../publish/request-scan.js';
import type { TopicBounds } from '../publish/topic-bounds.js';
import { MalformedLogsError } from './any-value.js';
import { LogBatches, type BatchSteps } from './log-batches.js';
import { LogEvents } from './log-event.js';
import type { LogGroup, LogOrigin, LogReader } from './log-record.js';
import { LogReport } from './log-report.js';

/**
 * Bytes that the events of a request may take, about. Each repeats its resource and scope, so a small request could
 * write gigabytes otherwise.
 */
const WRITTEN_BYTES_MAX = 67_108_864;

/** Publishes log records. */
export class LogPublishing {
  constructor(
    private readonly publisher: EventPublisher,
    private readonly record: Pick<PublishRecord, 'note'>,
    private readonly bounds: RequestBounds,
    private readonly topics: Pick<TopicBounds, 'enforce'>,
  ) {}

  /**
   * Publishes the records of a request.
   *
   * @param body released when it was read
   * @param reader of its bytes
   * @returns once the brokers have every record that is not rejected
   * @throws ProblemError 400, 403, 413 where nothing was published, and 503 where the brokers do not take a record
   */
  async publish(body: JsonBody, reader: LogReader, access: PublishAccess): Promise<LogReport> {
    const report = new LogReport();
    const batches = new LogBatches(report, this.stepsFor(access));
    try {
      const groups = await this.scanned(reader, body.content.length);
      const events = new LogEvents(reader, access, this.bounds.eventBytesMax);
      for (const group of groups) await addGroup(group, events, batches, report);
    } finally {
      body.release();
    }
    await batches.end();
    requireTaken(report);
    return report;
  }

  private stepsFor({ keyId, origin }: PublishAccess): BatchSteps {
    return {
      enforce: (events) => this.topics.enforce(events, keyId),
      publish: async (events) => {
        const outcomes = await this.publisher.publishAll(events, origin);
        this.record.note(events, outcomes);
        return outcomes;
      },
    };
  }

  private async scanned(reader: LogReader, bodyBytes: number): Promise<readonly LogGroup[]> {
    let records = 0;
    const scan = reader.scan(() => {
      if (++records > this.bounds.eventsMax) throw tooMany(this.bounds.eventsMax);
    });
    try {
      let step = scan.next();
      for (; step.done !== true; step = scan.next()) await setImmediate();
      requireSize(step.value, bodyBytes);
      return step.value;
    } catch (error) {
      if (!(error instanceof MalformedLogsError)) throw error;
      throw new ProblemError(problem('malformed-request', 400, error.message));
    }
  }
}

async function addGroup(
  group: LogGroup,
  events: LogEvents,
  batches: LogBatches,
  report: LogReport,
): Promise<void> {
  const shared = events.shared(group);
  const isForbidden = typeof shared !== 'string' && !events.isCovered(shared);
  if (isForbidden) report.forbidden += group.records.length;
  const refusal = isForbidden ? `the key does not cover topic ${shared.topic}` : shared;
  for (const place of group.records) {
    if (batches.hasFailed) return;
    await batches.add(typeof refusal === 'string' ? invalid(refusal) : events.event(place, refusal));
  }
}

function invalid(message: string): Checked {
  return { valid: false, errors: [{ field: 'event', message }] };
}

/** Throws a 413 when the events would be much larger than their request. */
function requireSize(groups: readonly LogGroup[], bodyBytes: number): void {
  let bytes = bodyBytes;
  for (const { resource, scope, records } of groups)
    bytes += records.length * (originBytes(resource) + originBytes(scope));
  if (bytes <= WRITTEN_BYTES_MAX) return;
  const detail = `With its resource and scope in each event, the request would be ${bytes} bytes; at most ${WRITTEN_BYTES_MAX} are taken. Nothing was published; send fewer records in a request.`;
  throw new ProblemError(problem('too-large', 413, detail));
}

function originBytes({ place, schemaUrl }: LogOrigin): number {
  return schemaUrl.length + (place === undefined ? 0 : place.end - place.start);
}

function tooMany(recordsMax: number): ProblemError {
  const detail = `More than ${recordsMax} log records; at most ${recordsMax} are taken in one request. Nothing was published.`;
  return new ProblemError(problem('too-large', 413, detail));
}

/** Throws unless the brokers have at least one record, or there was none. */
function requireTaken(report: LogReport): void {
  const { reasons, records, rejected, forbidden } = report;
  if (reasons.size > 0) {
    const why = [...reasons].map((reason) => WHY[reason]).join('; ');
    throw new ProblemError(
      problem(
        'not-published',
        503,
        `The brokers do not have every log record: ${why}. Send all of them again.`,
      ),
      retryAfter([...reasons]),
    );
  }
  if (records === 0 || rejected < records) return;
  const detail = report.explanation();
  if (forbidden === records) throw new ProblemError(problem('missing-topic', 403, detail));
  throw new ProblemError(problem('invalid-events', 400, detail));
}
