/**
 * Ships one file: reads lines, sends their events in batches, several at a time, and remembers how far it got.
 *
 * A line is never skipped: reading stops at the first batch that is given up, and the bookmark stays before it.
 */
import { types } from 'node:util';
import { errorLine } from '../command-error.js';
import type { InFlight } from '../in-flight.js';
import type { OutgoingEvent, Producer, SendOutcome } from '../producer.js';
import type { Bookmark, Mark, PathRecord } from './bookmark.js';
import { type AssembledEvent, EventAssembler, type ReadingRules } from './event-assembler.js';
import { FinishedPrefix } from './finished-prefix.js';
import { isDated, type LineOrigin } from './line-event.js';
import { SlowPatternError } from './line-formats/line-pattern.js';
import type { LineGroup, LineSource } from './line-source.js';
import type { LinePosition } from './line-splitter.js';
import { LogReader } from './log-reader.js';
import { REFUSALS_MAX, type ShipmentResult } from './shipment-result.js';
import { gzipSource, isGzip, standardInputSource } from './unseekable-source.js';

/** What to ship, and how. */
export interface ShipmentPlan {
  /** `undefined` for standard input. */
  readonly path: string | undefined;
  readonly origin: LineOrigin;
  readonly rules: ReadingRules;
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
  /** After how many milliseconds without a new line one that may go on counts as finished. */
  readonly quietMs?: number;
}

/** Everything up to these places was shipped. */
interface Progress {
  readonly marks: ReadonlyMap<object, Mark>;
  readonly bytes: number;
}

const BATCH_BYTES_MAX = 4_194_304;
const BOOKMARK_EVERY_MS = 1_000;
/** A stack trace is written at once. */
const EVENT_QUIET_MS = 2_000;

/** One file on its way. `run` may be called once. */
export class Shipment {
  readonly result: ShipmentResult;
  private readonly shipped = new FinishedPrefix<Progress>();
  private readonly assemblers = new Map<object, EventAssembler>();
  private readonly ends = new Map<object, LinePosition>();
  private marks: ReadonlyMap<object, Mark> = new Map();
  private source: LineSource | undefined;
  private record: PathRecord | undefined;
  private events: OutgoingEvent[] = [];
  private bytes = 0;
  private bytesTotal = 0;
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
      ...{ path: plan.path ?? '-', topic: plan.origin.topic, refusals: [], failure: undefined },
      ...{ lines: 0, events: 0, accepted: 0, duplicates: 0, resends: 0, missing: 0, refused: 0 },
      ...{ undated: 0, truncated: 0, replaced: 0, heldBackBytes: 0, heldBackLines: 0, resumedAfterLine: 0 },
    };
  }

  /** Reads and sends. When it resolves, the last batches may still be on their way: drain `inFlight`, then `close`. */
  async run(): Promise<void> {
    const { plan, result } = this;
    try {
      this.source = await this.openSource();
      for await (const group of this.source.groups()) {
        this.noteResumption();
        await this.take(group);
        if (plan.signal.aborted || result.missing > 0) break;
      }
      if (!plan.signal.aborted && result.missing === 0) await this.dispatch();
    } catch (error) {
      result.failure = failureOf(error);
    }
    result.heldBackBytes = this.source?.heldBackBytes ?? 0;
    for (const assembler of this.assemblers.values()) result.heldBackLines += assembler.openLines;
  }

  /** Writes or removes the bookmark. */
  async close(): Promise<void> {
    await this.marking;
    const { result, plan } = this;
    const isComplete =
      !plan.follow && !plan.signal.aborted && result.missing === 0 && result.failure === undefined;
    const { end } = this.shipped;
    const record = end ? this.source?.recordOf(end.marks) : this.record;
    const isSalted = record?.marks.some(({ salt }) => salt !== '') ?? false;
    if (isComplete && !isSalted) await plan.bookmark.remove();
    else if (record) await this.write({ ...record, isFinished: isComplete });
    await this.source?.close();
  }

  private async openSource(): Promise<LineSource> {
    const { plan } = this;
    if (plan.path === undefined) return standardInputSource(plan.signal);
    if (!plan.follow && (await isGzip(plan.path))) return gzipSource(plan.path, plan.signal);
    this.record = await plan.bookmark.find();
    return new LogReader({ ...plan, path: plan.path, record: this.record });
  }

  private noteResumption(): void {
    const { result, source } = this;
    if (!source?.resumedAt || result.resumedAfterLine > 0) return;
    result.resumedAfterLine = source.resumedAt.line;
    this.bytesTotal += source.resumedAt.offset;
    this.reportBytes(this.bytesTotal);
  }

  private async take(group: LineGroup): Promise<void> {
    const assembler = this.assemblerOf(group.file);
    for (const event of assembled(assembler, group)) {
      await this.add(event, group.file);
      if (this.plan.signal.aborted || this.result.missing > 0) return;
    }
    this.result.lines += group.lines.length;
    if (group.hasEnded) this.assemblers.delete(group.file);
    if (group.lines.length > 0) return;
    await this.finishQuiet();
    // There are no more lines for now, so the present events are sent without waiting for a full batch.
    await this.dispatch();
  }

  private assemblerOf(file: object): EventAssembler {
    const known = this.assemblers.get(file);
    if (known) return known;
    const assembler = new EventAssembler(this.plan.rules, this.plan.origin);
    this.assemblers.set(file, assembler);
    return assembler;
  }

  private async finishQuiet(): Promise<void> {
    const { follow, path, quietMs = EVENT_QUIET_MS } = this.plan;
    if (!follow && path !== undefined) return;
    for (const [file, assembler] of this.assemblers) {
      const event = assembler.quietMs >= quietMs ? assembler.finish() : undefined;
      if (event) await this.add(event, file);
    }
  }

  private async add(event: AssembledEvent, file: object): Promise<void> {
    const { result } = this;
    const { payload } = event.event;
    result.events++;
    if (!isDated(event.event) && this.plan.rules.format !== 'plain') result.undated++;
    if ('truncated_bytes' in payload) result.truncated++;
    if ('encoding' in payload) result.replaced++;
    this.events.push(event.event);
    this.bytes += event.bytes;
    this.ends.set(file, event.end);
    if (this.events.length >= this.plan.batch || this.bytes >= BATCH_BYTES_MAX) await this.dispatch();
  }

  private async dispatch(): Promise<void> {
    const { events, result } = this;
    if (events.length === 0) return;
    const finished = this.shipped.begin(this.progressAtEnd());
    this.events = [];
    this.bytes = 0;
    await this.inFlight.start(async () => {
      const outcome = await this.producer.send(events);
      addOutcome(result, outcome);
      if (outcome.missing > 0) return;
      finished();
      this.reportBytes(this.shipped.end?.bytes ?? 0);
      if (Date.now() - this.markedAt >= BOOKMARK_EVERY_MS) {
        this.markedAt = Date.now();
        this.marking = this.marking.then(() => this.mark());
      }
    });
  }

  private progressAtEnd(): Progress {
    const marks = new Map(this.marks);
    for (const [file, end] of this.ends) {
      const mark = this.source?.markAt(file, end);
      // An older mark only costs that some lines are sent again.
      if (mark) marks.set(file, mark);
    }
    this.ends.clear();
    this.marks = marks;
    this.bytesTotal += this.bytes;
    return { marks, bytes: this.bytesTotal };
  }

  private reportBytes(bytes: number): void {
    if (bytes > this.reportedBytes) this.plan.onBytes(bytes - this.reportedBytes);
    this.reportedBytes = Math.max(bytes, this.reportedBytes);
  }

  private async mark(): Promise<void> {
    const { end } = this.shipped;
    const record = end && this.source?.recordOf(end.marks);
    if (record) await this.write(record);
  }

  private async write(record: PathRecord): Promise<void> {
    if (!this.bookmarkWorks) return;
    try {
      await this.plan.bookmark.set(record);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.bookmarkWorks = false;
      this.plan.onNotice(
        `cannot remember how far ${this.result.path} is (${errorLine(error)}): name a directory with --state`,
      );
    }
  }
}

function* assembled(
  assembler: EventAssembler,
  { lines, modified, hasEnded }: LineGroup,
): Generator<AssembledEvent> {
  yield* assembler.push(lines, modified);
  const last = hasEnded ? assembler.finish() : undefined;
  if (last) yield last;
}

function addOutcome(result: ShipmentResult, outcome: SendOutcome): void {
  result.accepted += outcome.accepted;
  result.duplicates += outcome.duplicates;
  result.resends += outcome.resends;
  result.missing += outcome.missing;
  result.refused += outcome.refused.length;
  result.refusals.push(...outcome.refused.slice(0, REFUSALS_MAX - result.refusals.length));
}

/** What to say of an error that ends reading. Throws an error that is none of these. */
function failureOf(error: unknown): string {
  if (error instanceof SlowPatternError || isSystemError(error)) return errorLine(error);
  throw error;
}

/** Whether the file system or zlib has failed. */
function isSystemError(error: unknown): boolean {
  if (!types.isNativeError(error)) return false;
  return 'syscall' in error || String((error as NodeJS.ErrnoException).code).startsWith('Z_');
}
