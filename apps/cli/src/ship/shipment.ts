/**
 * Ships one file: reads lines, sends them in batches, several at a time, and remembers how far it got.
 *
 * A line is never skipped: reading stops at the first batch that is given up, and the bookmark stays before it.
 */
import { types } from 'node:util';
import { errorLine } from '../command-error.js';
import type { InFlight } from '../in-flight.js';
import type { OutgoingEvent, Producer, RefusedEvent } from '../producer.js';
import { type Bookmark, FinishedPrefix, type Mark } from './bookmark.js';
import { lineEvent, type LineOrigin } from './line-event.js';
import { FILE_START } from './line-splitter.js';
import { type LineGroup, readLines } from './log-file.js';

/** What to ship, and how. */
export interface ShipmentPlan {
  readonly path: string;
  readonly origin: Omit<LineOrigin, 'modified'>;
  readonly batch: number;
  readonly follow: boolean;
  readonly takeLastLine: boolean;
  /** Begin where an interrupted run ended. */
  readonly resume: boolean;
  readonly bookmark: Bookmark;
  readonly signal: AbortSignal;
  readonly onNotice: (text: string) => void;
  /** Receives how many more bytes of the file are accepted. */
  readonly onBytes: (bytes: number) => void;
}

/** The outcome of a file. */
export interface ShipmentResult {
  readonly path: string;
  readonly topic: string;
  lines: number;
  accepted: number;
  duplicates: number;
  resends: number;
  missing: number;
  refused: number;
  /** Lines of which only the beginning was kept. */
  truncated: number;
  /** Lines in which bytes were replaced. */
  replaced: number;
  /** Bytes after the last newline that were not sent. */
  heldBackBytes: number;
  /** The line at which an interrupted run had ended; 0 from the beginning. */
  resumedAfterLine: number;
  /** The first refusals. */
  readonly refusals: RefusedEvent[];
  /** Why reading ended before the end of the file. */
  failure: string | undefined;
}

const BATCH_BYTES_MAX = 4_194_304;
const REFUSALS_MAX = 10;
const BOOKMARK_EVERY_MS = 1_000;

/** One file on its way. `run` may be called once. */
export class Shipment {
  readonly result: ShipmentResult;
  private readonly shipped = new FinishedPrefix<Mark>();
  private events: OutgoingEvent[] = [];
  private bytes = 0;
  private end: Mark | undefined;
  private reportedBytes = 0;
  private markedAt = Date.now();
  private marking: Promise<void> = Promise.resolve();
  private bookmarkWorks = true;

  constructor(
    private readonly plan: ShipmentPlan,
    private readonly producer: Producer,
    private readonly inFlight: InFlight,
  ) {
    this.result = {
      path: plan.path,
      topic: plan.origin.topic,
      lines: 0,
      accepted: 0,
      duplicates: 0,
      resends: 0,
      missing: 0,
      refused: 0,
      truncated: 0,
      replaced: 0,
      heldBackBytes: 0,
      resumedAfterLine: 0,
      refusals: [],
      failure: undefined,
    };
  }

  /** Reads and sends. When it resolves, the last batches may still be on their way: drain `inFlight`, then `close`. */
  async run(): Promise<void> {
    const { plan, result } = this;
    const from = plan.resume ? await plan.bookmark.find() : undefined;
    if (from) {
      result.resumedAfterLine = from.line;
      plan.onNotice(
        `${plan.path}: continuing after line ${from.line}, where the last run ended (--no-resume begins at the beginning)`,
      );
      this.reportBytes(from.offset);
    }
    const groups = readLines({
      ...plan,
      from: from ?? FILE_START,
      onHeldBack: (bytes) => {
        result.heldBackBytes = bytes;
      },
    });
    try {
      for await (const group of groups) {
        await this.take(group);
        if (plan.signal.aborted || result.missing > 0) break;
      }
      if (!plan.signal.aborted && result.missing === 0) await this.dispatch();
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      result.failure = errorLine(error);
    }
  }

  /** Writes or removes the bookmark. */
  async close(): Promise<void> {
    await this.marking;
    const { result, plan } = this;
    const complete =
      !plan.follow && !plan.signal.aborted && result.missing === 0 && result.failure === undefined;
    if (complete) await plan.bookmark.remove();
    else await this.mark();
  }

  private async take({ lines, modified, identity }: LineGroup): Promise<void> {
    for (const line of lines) {
      const event = lineEvent(line, { ...this.plan.origin, modified });
      this.result.lines++;
      if (line.truncatedBytes > 0) this.result.truncated++;
      if ('encoding' in event.payload) this.result.replaced++;
      this.events.push(event);
      this.bytes += line.bytes.length;
      this.end = { offset: line.offset, line: line.line, digest: line.digest, ...identity };
      if (this.events.length >= this.plan.batch || this.bytes >= BATCH_BYTES_MAX) await this.dispatch();
      if (this.plan.signal.aborted || this.result.missing > 0) return;
    }
    // There are no more lines for now, so the present ones are sent without waiting for a full batch.
    if (lines.length === 0) await this.dispatch();
  }

  private async dispatch(): Promise<void> {
    const { events, end, result } = this;
    if (events.length === 0 || !end) return;
    this.events = [];
    this.bytes = 0;
    const finished = this.shipped.begin(end);
    await this.inFlight.start(async () => {
      const outcome = await this.producer.send(events);
      result.accepted += outcome.accepted;
      result.duplicates += outcome.duplicates;
      result.resends += outcome.resends;
      result.missing += outcome.missing;
      result.refused += outcome.refused.length;
      result.refusals.push(...outcome.refused.slice(0, REFUSALS_MAX - result.refusals.length));
      if (outcome.missing > 0) return;
      finished();
      if (this.shipped.end) this.reportBytes(this.shipped.end.offset);
      if (Date.now() - this.markedAt >= BOOKMARK_EVERY_MS) {
        this.markedAt = Date.now();
        this.marking = this.marking.then(() => this.mark());
      }
    });
  }

  /** An offset that is smaller than the last belongs to a new file under the same path. */
  private reportBytes(offset: number): void {
    this.plan.onBytes(offset >= this.reportedBytes ? offset - this.reportedBytes : offset);
    this.reportedBytes = offset;
  }

  private async mark(): Promise<void> {
    const { end } = this.shipped;
    if (!end || !this.bookmarkWorks) return;
    try {
      await this.plan.bookmark.set(end);
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      this.bookmarkWorks = false;
      this.plan.onNotice(
        `cannot remember how far ${this.plan.path} is (${errorLine(error)}): name a directory with --state`,
      );
    }
  }
}

function isFileSystemError(error: unknown): boolean {
  return types.isNativeError(error) && 'syscall' in error;
}
