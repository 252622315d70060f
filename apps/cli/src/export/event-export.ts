/**
 * Exports stored events to a folder, a file for each topic and day.
 *
 *   days ─▶ topics of each day ─▶ those without a closed file, counted ─▶ a snapshot each ─▶ a file each
 *
 * Two sources were considered. A gateway's export is chosen by the events' own times, to which no day ever ends, and it
 * would pass each event through one more program. So the database is read: one partition at a time, in the order of an
 * index. Each file has a snapshot of its own, a transaction that is as long as the file takes. Retention waits for it.
 */
import type { Pool } from 'pg';
import {
  countTopicDay,
  storedDays,
  topicsStoredOn,
  withTopicDay,
  type StoredDay,
  type StoredEvent,
  type TopicDay,
} from '#store';
import { Progress } from '../progress.js';
import { Interrupted } from '../up/interruption.js';
import type { Exported } from './report.js';
import { TopicDayFile } from './topic-day-file.js';

/** Which events to export. What is left out does not restrict. */
export interface Selection {
  /** A topic or a pattern, see `matchesTopic`. */
  readonly topic?: string | undefined;
  /** The first day, such as `2026-11-22`, in UTC. */
  readonly since?: string | undefined;
  /** The day behind the last one. */
  readonly until?: string | undefined;
}

/** A file that is to be written. */
interface Planned {
  readonly topicDay: TopicDay;
  readonly file: TopicDayFile;
  /** As many as there were when it was planned. */
  readonly events: number;
}

/** One export. */
export class EventExport {
  private readonly sum = { files: 0, events: 0, bytes: 0, present: 0 };
  private read = 0;
  private readonly kept: string[] = [];
  private readonly openDays = new Set<string>();

  constructor(
    /** It needs one connection. */
    private readonly pool: Pool,
    private readonly folder: string,
    private readonly selection: Selection,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * Writes the files that are missing.
   *
   * @returns what was done, also when the signal interrupted it
   * @throws CommandError (2) when a file cannot be read or written; or the error of Postgres
   */
  async run(): Promise<Exported> {
    let isInterrupted = false;
    try {
      await this.write(await this.plan());
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      isInterrupted = true;
    }
    return { ...this.sum, kept: this.kept, openDays: [...this.openDays], isInterrupted };
  }

  private async plan(): Promise<Planned[]> {
    const { since = '', until } = this.selection;
    const days = (await storedDays(this.pool)).filter(
      ({ day }) => day >= since && (until === undefined || day < until),
    );
    const progress = new Progress('inspecting', days.length, 'days');
    const planned: Planned[] = [];
    try {
      for (const [index, day] of days.entries()) {
        for await (const one of this.plannedOf(day)) planned.push(one);
        progress.update(index + 1);
      }
      return planned;
    } finally {
      progress.stop();
    }
  }

  private async *plannedOf(day: StoredDay): AsyncGenerator<Planned> {
    for (const topic of await topicsStoredOn(this.pool, day.day, this.selection.topic)) {
      this.signal.throwIfAborted();
      const topicDay = { ...day, topic };
      const file = new TopicDayFile(this.folder, topicDay);
      if ((await file.find()).state === 'closed') this.sum.present++;
      else {
        const events = await countTopicDay(this.pool, topicDay);
        if (events > 0) yield { topicDay, file, events };
      }
    }
  }

  private async write(planned: readonly Planned[]): Promise<void> {
    const total = planned.reduce((sum, { events }) => sum + events, 0);
    const progress = new Progress('exporting', total, 'events');
    try {
      for (const one of planned) await this.writeOne(one, progress);
    } finally {
      progress.stop();
    }
  }

  private async writeOne({ topicDay, file }: Planned, progress: Progress): Promise<void> {
    // It may be there by now, of a topic that this file system takes for the same.
    const before = await file.find();
    const result = await withTopicDay(this.pool, topicDay, (pages) =>
      file.write(this.counted(pages, progress), before),
    );
    if (result.outcome === 'kept') this.kept.push(file.path);
    if (result.outcome !== 'written') return;
    if (!topicDay.isClosed) this.openDays.add(topicDay.day);
    this.sum.files++;
    this.sum.events += result.events;
    this.sum.bytes += result.bytes;
  }

  private async *counted(
    pages: AsyncIterable<readonly StoredEvent[]>,
    progress: Progress,
  ): AsyncGenerator<readonly StoredEvent[]> {
    for await (const page of pages) {
      this.signal.throwIfAborted();
      yield page;
      this.read += page.length;
      progress.update(this.read);
    }
  }
}
