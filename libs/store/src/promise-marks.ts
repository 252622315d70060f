import { randomUUID } from 'node:crypto';
import type { Queryable } from '#postgres';

const INSERT_MARKS = `
INSERT INTO sekali.promise (gateway, number, stream, seq, topic, event_id, acked_at)
SELECT $1, number, $2, seq, topic, event_id, to_timestamp(acked_at_ms / 1000.0)
FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::float8[]) AS mark (number, seq, topic, event_id, acked_at_ms)
ON CONFLICT DO NOTHING`;

const DELETE_MARKS = `
DELETE FROM sekali.promise
WHERE acked_at < now() - make_interval(secs => $1) OR (gateway = $2 AND number <= $3)`;

const AGE_SECONDS_MAX = 3_600;
const MARKS_MAX = 10_000;
const WAITING_MAX = 10_000;
const DELETE_EVERY_MS = 60_000;

/** The stream, and the bounds on keeping marks. */
export interface PromiseMarksOptions {
  /** The name of the stream that acknowledges. */
  readonly stream: string;
  /** The length of an interval, after which its mark is written. The default is 250 ms. */
  readonly writeEveryMs?: number;
  /** Marks that wait for the database, at most. The default is 10,000. */
  readonly waitingMax?: number;
  /** Called when a write has failed; it is repeated after the next interval. */
  readonly onError?: (error: unknown) => void;
}

interface Mark {
  readonly number: number;
  readonly seq: number;
  readonly topic: string;
  readonly eventId: string;
  readonly ackedAtMs: number;
}

/**
 * Marks what the brokers promised to one gateway process: the last event that they acknowledged in each quarter of a
 * second.
 *
 *   note ─▶ highest sequence of the interval ─▶ waits to be written ─▶ row of sekali.promise ─▶ deleted after an hour
 *
 * Brokers can lose what they acknowledged: with a full disk, all replicas may drop their newest messages. The stream
 * then ends before them, and shows no trace of them. Only the newest are lost that way, so one mark for each interval
 * is enough to show it.
 *
 * While the database cannot be written, marks wait in memory. If too many wait, every second one is dropped. A gateway
 * that is killed loses the marks of its last interval.
 */
export class PromiseMarks {
  private readonly gateway = randomUUID();
  private readonly waitingMax: number;
  private highestSeq = 0;
  private highest: { readonly topic: string; readonly eventId: string } | undefined;
  private waiting: Mark[] = [];
  private count = 0;
  private deletedMs = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private isStopped = false;

  constructor(
    private readonly database: Queryable,
    private readonly options: PromiseMarksOptions,
  ) {
    this.waitingMax = options.waitingMax ?? WAITING_MAX;
  }

  /** Notes that the brokers acknowledged an event under a sequence. It returns at once. */
  note(event: { readonly topic: string; readonly eventId: string }, seq: number): void {
    if (seq <= this.highestSeq) return;
    this.highestSeq = seq;
    this.highest = event;
    if (this.timer === undefined) this.writeSoon();
  }

  /**
   * Writes what is not written yet. A timer calls it, and the owner does after the last `note`.
   *
   * @throws when the database refuses the write; nothing is lost, because the next write repeats it
   */
  async flush(): Promise<void> {
    while (this.writing !== undefined) await this.writing.catch(() => undefined);
    this.mark();
    if (this.waiting.length === 0) return;
    this.writing = this.write(this.waiting);
    try {
      await this.writing;
    } finally {
      this.writing = undefined;
    }
  }

  /** Stops the timer. Call `flush` first. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Ends the interval: its highest sequence becomes a mark. */
  private mark(): void {
    if (this.highest === undefined) return;
    const { topic, eventId } = this.highest;
    this.count += 1;
    this.waiting.push({ number: this.count, seq: this.highestSeq, topic, eventId, ackedAtMs: Date.now() });
    this.highest = undefined;
    this.highestSeq = 0;
    if (this.waiting.length > this.waitingMax)
      this.waiting = this.waiting.filter((_, index, { length }) => (length - index) % 2 === 1);
  }

  private async write(marks: readonly Mark[]): Promise<void> {
    try {
      await this.database.query(INSERT_MARKS, [
        this.gateway,
        this.options.stream,
        marks.map(({ number }) => number),
        marks.map(({ seq }) => seq),
        marks.map(({ topic }) => topic),
        marks.map(({ eventId }) => eventId),
        marks.map(({ ackedAtMs }) => ackedAtMs),
      ]);
      const written = marks.at(-1)?.number ?? 0;
      this.waiting = this.waiting.filter(({ number }) => number > written);
      await this.deleteOld();
    } catch (error) {
      this.options.onError?.(error);
      this.writeSoon();
      throw error;
    }
  }

  private async deleteOld(): Promise<void> {
    if (performance.now() - this.deletedMs < DELETE_EVERY_MS) return;
    this.deletedMs = performance.now();
    await this.database.query(DELETE_MARKS, [AGE_SECONDS_MAX, this.gateway, this.count - MARKS_MAX]);
  }

  private writeSoon(): void {
    // A write that fails after `stop` must not start a timer that is never stopped.
    if (this.isStopped) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush().catch(() => undefined);
    }, this.options.writeEveryMs ?? 250);
  }
}
