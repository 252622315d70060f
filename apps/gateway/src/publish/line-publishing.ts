import { setImmediate } from 'node:timers/promises';
import type { PublishOutcome } from '#broker';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { LineBody } from './line-body.js';
import { checkLine } from './line-check.js';
import { LineReport, type CheckedLines } from './line-report.js';
import type { Line } from './line-splitter.js';
import { publishPatiently } from './patient-publishing.js';
import type { PublishRights } from './publish-access.js';
import { withoutOthers } from './publish-permission.js';
import type { PublishRecord } from './publish-record.js';
import type { Checked } from './publish-request.js';
import { notPublishedProblem, retryAfter, WHY } from './publish-results.js';
import type { EventPublisher } from './publishing.js';
import type { RecordReader } from './record-reader.js';
import type { RequestBounds } from './request-scan.js';
import type { TopicBounds } from './topic-bounds.js';

/** Lines that are published together, at most. */
const LINES_AT_ONCE = 1_000;
/** Lines that are checked in one step. Other requests run between two steps. */
const CHECKED_AT_ONCE = 200;
const CHARS_AT_ONCE = 524_288;
/** Groups of lines that wait for the brokers, while the next one is read. */
const UNDER_WAY_MAX = 2;
/** Lines that are invalid or blank, at most, unless there are more valid ones. They cost time, and nothing is gained. */
const USELESS_MAX = 20_000;

/** What is being published, and the outcomes once they are known. */
interface UnderWay {
  readonly lines: CheckedLines;
  readonly outcomes: Promise<PublishOutcome[]>;
}

/** A piece of a request, for example a line. */
export interface Piece {
  /** Its number, from 0. */
  readonly index: number;
  /** Bytes or characters that are read to check it, about. */
  readonly size: number;
}

/** What the pieces of a request come from, see `ArrivingBody`. */
export interface PieceSource<P extends Piece> {
  /** Pieces so far. */
  readonly lines: number;
  next(linesMax: number): Promise<readonly P[] | undefined>;
  skipRest(): Promise<void>;
}

/**
 * `POST /publish` with a body of lines: each is published as soon as it has arrived. Other doors use it for bodies of
 * records of their own.
 *
 *   body ─next()─▶ check ─▶ publish, up to two groups at a time ─▶ report
 *     ▲                        │ the brokers take no more
 *     └──── not read on ◀──────┘
 *
 * Handling is always lenient: an invalid line is reported, and the others are published. When the brokers do not take a
 * line, nothing more is read, because more would fail as well. The client then sends all of it again, and the ids keep
 * what was taken from being there twice.
 */
export class LinePublishing {
  constructor(
    private readonly publisher: EventPublisher,
    private readonly record: Pick<PublishRecord, 'note'>,
    private readonly bounds: RequestBounds,
    private readonly topics: Pick<TopicBounds, 'enforce'>,
  ) {}

  /** Bytes of one event, at most. */
  get eventBytesMax(): number {
    return this.bounds.eventBytesMax;
  }

  /**
   * Publishes the lines of a request.
   *
   * @param access the topics of the key
   * @param records makes events of other objects; `undefined` where every line has to be an event
   * @returns the outcomes, once the brokers have every valid line
   * @throws ProblemError for everything else, with the results so far
   */
  async publish(
    body: LineBody,
    access: PublishRights,
    records: RecordReader | undefined,
  ): Promise<LineReport> {
    const check = (line: Line): Checked => checkLine(line, this.bounds, records);
    const report = await this.publishEach(body, access, check);
    if (report.validLines === 0) throw nothingValid(report);
    return report;
  }

  /**
   * Publishes what a request consists of.
   *
   * @param access the topics of the key
   * @param check makes an event of one piece. It never throws
   * @returns the outcomes, once the brokers have every valid piece
   * @throws ProblemError for everything else, with the results so far
   */
  async publishEach<P extends Piece>(
    body: PieceSource<P>,
    access: PublishRights,
    check: (piece: P) => Checked,
  ): Promise<LineReport> {
    const report = new LineReport();
    const underWay: UnderWay[] = [];
    const linesMax = Math.min(LINES_AT_ONCE, this.bounds.eventsMax);
    try {
      for (;;) {
        const lines = await body.next(linesMax);
        if (lines === undefined) break;
        const checked = await this.check(lines, access, check);
        if (underWay.length === UNDER_WAY_MAX) await settle(underWay, report);
        if (report.reasons.size > 0) break;
        if (isUseless(body, report)) throw useless();
        underWay.push({ lines: checked, outcomes: this.send(checked, access) });
      }
      while (underWay.length > 0) await settle(underWay, report);
    } catch (error) {
      while (underWay.length > 0) await settle(underWay, report);
      await body.skipRest();
      throw withReport(error, report);
    }
    if (report.reasons.size > 0) {
      await body.skipRest();
      throw notPublished(report);
    }
    return report;
  }

  private async check<P extends Piece>(
    lines: readonly P[],
    access: PublishRights,
    check: (piece: P) => Checked,
  ): Promise<CheckedLines> {
    const events = [];
    let chars = 0;
    for (const line of lines) {
      events.push(check(line));
      chars += line.size;
      if (events.length % CHECKED_AT_ONCE !== 0 && chars < CHARS_AT_ONCE) continue;
      chars = 0;
      await setImmediate();
    }
    if (lines.length === 0) await setImmediate();
    const covered = withoutOthers(events, access.topics);
    return {
      events: await this.topics.enforce(covered, access.keyId),
      indexes: lines.map(({ index }) => index),
    };
  }

  private async send({ events }: CheckedLines, { origin }: PublishRights): Promise<PublishOutcome[]> {
    const valid = events.filter((event) => event.valid);
    return publishPatiently(this.publisher, this.record, valid, origin);
  }
}

async function settle(underWay: UnderWay[], report: LineReport): Promise<void> {
  const first = underWay.shift();
  if (first !== undefined) report.add(first.lines, await first.outcomes);
}

function isUseless(body: PieceSource<Piece>, report: LineReport): boolean {
  const others = body.lines - report.validLines;
  return others > USELESS_MAX && others > 2 * report.validLines;
}

function useless(): ProblemError {
  const detail = 'Most lines are invalid or blank; nothing more was read. See "rejected".';
  return new ProblemError(problem('invalid-events', 422, detail));
}

function withReport(error: unknown, report: LineReport): unknown {
  if (!(error instanceof ProblemError)) return error;
  return new ProblemError({ ...error.problem, ...report.answer() }, error.headers);
}

function notPublished(report: LineReport): ProblemError {
  const reasons = [...report.reasons];
  const why = reasons.map((reason) => WHY[reason]).join('; ');
  const detail = `Not every line was published: ${why}. Send all of them again: the ids make it safe.`;
  return new ProblemError(notPublishedProblem(reasons, detail, { ...report.answer() }), retryAfter(reasons));
}

function nothingValid(report: LineReport): ProblemError {
  if (report.lines === 0)
    return new ProblemError(
      problem('invalid-body', 422, 'There is no line. Send one JSON object in each line.'),
    );
  const detail = `None of ${report.lines} lines is valid; nothing was published. See "rejected".`;
  return new ProblemError(problem('invalid-events', 422, detail, { ...report.answer() }));
}
