/**
 * The file of one topic and one day.
 *
 *   absent ─▶ written under another name ─▶ synced and renamed ─▶ open: written again by the next run
 *                                                └─ of a closed day ─▶ closed: never written again
 *
 * So a file that is there is whole, whatever ended the program that wrote it. Its footer says which topic and day it
 * has, and whether the day was closed. A name does not suffice, because a file system may take `Orders` for `orders`.
 *
 * A file is never replaced by one with fewer events. Retention may be dropping those of its day, or the database was
 * restored to an earlier time.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StoredEvent, TopicDay } from '#store';
import { CommandError, errorLine } from '../command-error.js';
import { ParquetFile, readFooter, type Footer, type Marks } from './parquet-file.js';

const NAME = 'part.parquet';
/** Readers of the folder take only names that end in `.parquet`. */
const UNFINISHED = `${NAME}.unfinished-`;
/** File systems take names of up to 255 bytes, and a topic may have four times as many. */
const TOPIC_LENGTH_MAX = 200;

/** The names of the marks in a footer. */
const TOPIC = 'sekali.topic';
const DAY = 'sekali.day';
const CLOSED = 'sekali.closed';

/** What was found of a file. */
export interface FileState {
  readonly state: 'absent' | 'open' | 'closed';
  readonly events: number;
}

/** What became of a file. It is kept when the one before has more events, and there is none without an event. */
export type WrittenFile =
  | { readonly outcome: 'written'; readonly events: number; readonly bytes: number }
  | { readonly outcome: 'kept' | 'empty' };

/** The file of one topic and one day, in a folder of exports. */
export class TopicDayFile {
  readonly path: string;
  private readonly folder: string;

  constructor(
    root: string,
    private readonly topicDay: TopicDay,
  ) {
    this.folder = join(root, `topic=${nameOf(topicDay.topic)}`, `day=${topicDay.day}`);
    this.path = join(this.folder, NAME);
  }

  /**
   * Reads from its footer what the file has.
   *
   * @throws CommandError (2) when something else is in its place
   */
  async find(): Promise<FileState> {
    const footer = await readFooter(this.path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'absent' as const;
      throw new CommandError(`cannot read ${this.path}: ${errorLine(error)}`, 2, { cause: error });
    });
    if (footer === 'absent') return { state: 'absent', events: 0 };
    const { topic, day } = this.topicDay;
    const { marks, events }: Footer = footer ?? { marks: {}, events: 0 };
    if (marks[TOPIC] === topic && marks[DAY] === day)
      return { state: marks[CLOSED] === 'true' ? 'closed' : 'open', events };
    const found = marks[TOPIC] === undefined ? 'is not a file of this command' : `has topic ${marks[TOPIC]}`;
    throw new CommandError(
      `${this.path} ${found}, where events of ${topic} belong: move it away, or export to another folder`,
    );
  }

  /**
   * Writes the file. The one before stays until it is whole.
   *
   * @param pages the events, in the order of the file; an error of theirs is thrown on, and nothing is left behind
   * @param before what `find` has found
   * @throws CommandError (2) when the file cannot be written
   */
  async write(pages: AsyncIterable<readonly StoredEvent[]>, before: FileState): Promise<WrittenFile> {
    const unfinished = join(this.folder, `${UNFINISHED}${randomBytes(6).toString('hex')}`);
    const file = await this.onDisk(this.begin(unfinished));
    try {
      for await (const events of pages) await this.onDisk(file.add(events));
      const { events } = file;
      if (events < before.events) return { outcome: 'kept' };
      if (events === 0) return { outcome: 'empty' };
      const bytes = await this.onDisk(file.finish());
      await this.onDisk(this.place(unfinished));
      return { outcome: 'written', events, bytes };
    } finally {
      await file.close();
      await rm(unfinished, { force: true });
    }
  }

  /** Removes what a killed run has left. Of two runs at a time, one fails, and no file mixes what they write. */
  private async begin(unfinished: string): Promise<ParquetFile> {
    await mkdir(this.folder, { recursive: true });
    for (const name of await readdir(this.folder))
      if (name.startsWith(UNFINISHED)) await rm(join(this.folder, name), { force: true });
    const { topic, day, isClosed } = this.topicDay;
    const marks: Marks = { [TOPIC]: topic, [DAY]: day, [CLOSED]: String(isClosed) };
    return ParquetFile.create(unfinished, marks);
  }

  private async place(unfinished: string): Promise<void> {
    await rename(unfinished, this.path);
    for (const folder of [this.folder, dirname(this.folder), dirname(dirname(this.folder))])
      await syncFolder(folder);
  }

  private async onDisk<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw new CommandError(`cannot write ${this.path}: ${errorLine(error)}`, 2, { cause: error });
    }
  }
}

/** A topic that is too long for a name is cut, and distinguished by its hash. No topic has a tilde. */
function nameOf(topic: string): string {
  if (topic.length <= TOPIC_LENGTH_MAX) return topic;
  const hash = createHash('sha256').update(topic).digest('hex').slice(0, 16);
  return `${topic.slice(0, TOPIC_LENGTH_MAX)}~${hash}`;
}

/** Makes names of a folder outlive a power loss. Not every system can, and then a later run writes the file again. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
