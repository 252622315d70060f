/**
 * A path of a log as lines, read once or followed while it is written.
 *
 *   read each open file to its end ─┬─ not following ──▶ done
 *     ▲                             ├─ truncated ──────▶ from its beginning, after what a copy still has of it
 *     │                             ├─ rotated ────────▶ those between, and the new one, are opened too
 *     └───────── wait a little ◀────┴─ nothing
 *
 * Promise: every line that is written to a file at this path is given, in the order of that file, or the notice says
 * which may be missing. A program may write to a renamed file for as long as it does not notice, so renamed files stay
 * open. A deleted one is closed when it has been quiet for a while, and the oldest when there are too many.
 *
 * Three designs were possible for renamed files. To leave them at once loses lines. To ask the system who has them open
 * works on Linux only, and not for the processes of others. To keep them open costs a read of nothing, three times a
 * second.
 */
import { stat } from 'node:fs/promises';
import { pause } from '#waiting';
import type { FileIdentity, Mark, PathRecord } from './bookmark.js';
import type { LineGroup, LineSource } from './line-source.js';
import type { Line, LinePosition } from './line-splitter.js';
import { type LogStart, OpenLog } from './open-log.js';
import { type Sibling, Siblings } from './siblings.js';

/** How to read. */
export interface ReadingPlan {
  readonly path: string;
  readonly follow: boolean;
  /** Whether a last line without a newline is a line. */
  readonly takeLastLine: boolean;
  /** What an earlier run left. */
  readonly record: PathRecord | undefined;
  /** Whether to begin where that run ended. */
  readonly resume: boolean;
  readonly signal: AbortSignal;
  readonly onNotice: (text: string) => void;
  /** After how many milliseconds without a new byte a deleted file is closed, and a cut line counts as finished. */
  readonly quietMs?: number;
}

const POLL_EVERY_MS = 300;
const QUIET_MS = 60_000;
/** Files that are open for one path, at most. */
const LOGS_MAX = 8;
const FIRST_DIGESTS_MAX = 256;

/** The reader of one path. */
export class LogReader implements LineSource {
  /** The oldest first, the file at the path last. */
  private logs: OpenLog[] = [];
  private readonly siblings: Siblings;
  private readonly firstDigests: Set<string>;
  private heldBack = 0;
  private resumed: Mark | undefined;

  constructor(private readonly plan: ReadingPlan) {
    this.siblings = new Siblings(plan.path, plan.record?.siblings);
    this.firstDigests = new Set(plan.record?.firstDigests);
  }

  get heldBackBytes(): number {
    return this.heldBack + this.logs.reduce((sum, log) => sum + log.unfinishedBytes, 0);
  }

  get resumedAt(): LinePosition | undefined {
    return this.resumed;
  }

  async *groups(): AsyncGenerator<LineGroup> {
    await this.openAll();
    while (!this.isStopped()) {
      for (const log of [...this.logs]) yield* this.readToEnd(log);
      if (this.isStopped()) return;
      if (!this.plan.follow) {
        yield* this.endAll();
        return;
      }
      yield* this.closeQuiet();
      const [current] = this.logs.slice(-1);
      if (current) yield await groupOf(current, []);
      await pause(POLL_EVERY_MS, this.plan.signal);
      if (!this.isStopped()) await this.openNew();
    }
  }

  markAt(file: object, position: LinePosition): Mark | undefined {
    return (file as OpenLog).markAt(position);
  }

  recordOf(marks: ReadonlyMap<object, Mark>): PathRecord {
    const latest = this.logs.flatMap((log) => marks.get(log) ?? []);
    return {
      // A file that is closed is done. If all are, the last one must still be recognised.
      marks: latest.length > 0 ? latest : [...marks.values()].slice(-1),
      siblings: this.siblings.knownKeys,
      firstDigests: [...this.firstDigests].slice(-FIRST_DIGESTS_MAX),
      isFinished: false,
    };
  }

  async close(): Promise<void> {
    this.heldBack = this.heldBackBytes;
    for (const log of this.logs) await log.close();
    this.logs = [];
  }

  private isStopped(): boolean {
    return this.plan.signal.aborted;
  }

  /** Opens the file at the path, and before it those of an earlier run that have moved. */
  private async openAll(): Promise<void> {
    const { plan } = this;
    const current = await this.openWhenThere();
    if (!current) return;
    const record = plan.record;
    const own = record?.marks.find(
      (mark) => isSame(mark, current.identity) && mark.bornMs === current.identity.bornMs,
    );
    if (!record || !plan.resume || record.isFinished) {
      await this.openFromStart(current, own);
    } else {
      await this.openRenamed(
        record.marks.filter((mark) => mark !== own),
        own === undefined,
      );
      await this.openResumed(current, own);
    }
    await this.siblings.noteChanges(() => this.leadsTo(current));
  }

  /** A file that an earlier run has salted keeps its salt; otherwise the same lines would have other ids. */
  private async openFromStart(current: OpenLog, own: Mark | undefined): Promise<void> {
    const isKnown = own !== undefined && own.salt !== '' && (await current.matches(own));
    this.logs = [isKnown ? await current.restart(this.firstDigests, own.generation) : current];
  }

  private async openResumed(current: OpenLog, own: Mark | undefined): Promise<void> {
    const { plan } = this;
    if (own && (await current.matches(own))) {
      await current.close();
      this.resumed = own;
      this.logs.push(await OpenLog.open(plan.path, startAt(own)));
      plan.onNotice(
        `${plan.path}: continuing after line ${own.line}, where the last run ended (--no-resume begins at the beginning)`,
      );
    } else {
      if (own)
        plan.onNotice(`${plan.path} was written again since the last run: reading it from its beginning`);
      // A file that is not followed may well be a new copy of what was shipped before.
      const isNew = plan.follow || this.logs.length > 0;
      const generation = own ? own.generation + 1 : 0;
      this.logs.push(isNew ? await current.restart(this.firstDigests, generation) : current);
    }
  }

  /** Opens files that were being read when the last run ended, and those that came and were renamed since. */
  private async openRenamed(marks: readonly Mark[], isRotated: boolean): Promise<void> {
    const there = await this.siblings.others();
    const news = isRotated ? await this.siblings.news() : [];
    for (const mark of marks) {
      const sibling = there.find((candidate) => isSame(mark, candidate));
      const log = sibling && (await OpenLog.open(sibling.path, startAt(mark)));
      if (log && (await log.matches(mark))) this.addRenamed(log, mark);
      else {
        await log?.close();
        this.plan.onNotice(
          `${this.plan.path}: the file that the last run read up to line ${mark.line} is gone. ` +
            'What was written to it after that is not sent; look for a compressed or moved copy',
        );
      }
    }
    for (const sibling of news) {
      if (!marks.some((mark) => isSame(mark, sibling))) await this.openBetween(sibling);
    }
  }

  private addRenamed(log: OpenLog, mark: Mark): void {
    this.logs.push(log);
    this.plan.onNotice(
      `${log.path}: continuing after line ${mark.line}, since it was ${this.plan.path} before`,
    );
  }

  private async *readToEnd(log: OpenLog): AsyncGenerator<LineGroup> {
    while (!this.isStopped()) {
      const read = await log.read();
      if (read.kind === 'end') return;
      if (read.kind === 'truncated') {
        yield* this.takeTruncated(log);
        return;
      }
      if (log.firstDigest !== '') this.firstDigests.add(log.firstDigest);
      if (read.lines.length > 0) yield await groupOf(log, read.lines);
    }
  }

  private async *takeTruncated(log: OpenLog): AsyncGenerator<LineGroup> {
    const { plan } = this;
    const copy = await this.copyOf(log);
    // Without a copy, this is all there will ever be of a line that was cut.
    const rest = copy ? undefined : log.finish();
    yield await groupOf(log, rest ? [rest] : [], true);
    plan.onNotice(
      `${log.path} was truncated: reading it from its beginning` +
        (copy
          ? `, after the rest of its copy ${copy.path}`
          : `. Lines that were written to it in the last ${POLL_EVERY_MS / 1_000} s before that may be missing`),
    );
    const fresh = await log.restart(this.firstDigests, log.generation + 1);
    this.logs.splice(this.logs.indexOf(log), 1, ...(copy ? [copy, fresh] : [fresh]));
    for (const opened of copy ? [copy, fresh] : [fresh]) yield* this.readToEnd(opened);
  }

  /** The copy that logrotate's `copytruncate` has made before it emptied the file. */
  private async copyOf(log: OpenLog): Promise<OpenLog | undefined> {
    for (const { path, isPacked } of (await this.siblings.list()).reverse()) {
      const copy = isPacked ? undefined : await OpenLog.open(path, { from: log.end }).catch(() => undefined);
      if (copy && (await log.isBeginningOf(copy))) return copy;
      await copy?.close();
    }
    return undefined;
  }

  /** Checks whether the path leads to another file now. */
  private async openNew(): Promise<void> {
    const current = this.logs.at(-1);
    if (!current) return;
    if (await this.leadsTo(current)) {
      await this.siblings.noteChanges(() => this.leadsTo(current));
      return;
    }
    const found = await OpenLog.open(this.plan.path).catch(() => undefined);
    if (!found) return;
    const { hasName } = await current.status();
    if (!hasName && (await current.isBeginningOf(found))) await this.continueInCopy(current, found);
    else await this.openRotated(found);
  }

  /** Without a file at the path, its writer may not know either, so it counts as unmoved. */
  private async leadsTo(log: OpenLog): Promise<boolean> {
    const there = await stat(this.plan.path).catch(() => undefined);
    return !there || isSame({ device: there.dev, inode: there.ino }, log.identity);
  }

  /** Editors, and programs that fetch files, write a new file and give it the name of the old one. */
  private async continueInCopy(current: OpenLog, found: OpenLog): Promise<void> {
    const { end } = current;
    const copy = await OpenLog.open(found.path, { from: end });
    await found.close();
    await current.close();
    this.logs[this.logs.length - 1] = copy;
    this.plan.onNotice(
      `${copy.path} was replaced by a file that begins like it: continuing after line ${end.line}`,
    );
  }

  private async openRotated(found: OpenLog): Promise<void> {
    for (const sibling of await this.siblings.news()) {
      const isOpen = this.logs.some((log) => isSame(log.identity, sibling));
      if (!isOpen && !isSame(found.identity, sibling)) await this.openBetween(sibling);
    }
    this.logs.push(await found.restart(this.firstDigests));
    this.plan.onNotice(`${this.plan.path} was rotated: reading the new one from its beginning`);
  }

  /** Opens a file that had the path for a moment, unless it is a copy of one that was read. */
  private async openBetween({ path }: Sibling): Promise<void> {
    const log = await OpenLog.open(path, { taken: this.firstDigests }).catch(() => undefined);
    if (!log) return;
    for (const open of this.logs) {
      if (!(await open.isBeginningOf(log))) continue;
      await log.close();
      return;
    }
    this.logs.push(log);
    this.plan.onNotice(`${path} was ${this.plan.path} for a moment: reading it too`);
  }

  private async *closeQuiet(): AsyncGenerator<LineGroup> {
    const { quietMs = QUIET_MS } = this.plan;
    for (const log of this.logs.slice(0, -1)) {
      const isSurplus = this.logs.length > LOGS_MAX;
      const isQuiet = log.quietMs >= quietMs;
      if (!isQuiet && !isSurplus) continue;
      const isDone = isSurplus || !(await log.status()).hasName;
      const rest = log.finish();
      if (rest || isDone) yield await groupOf(log, rest ? [rest] : [], isDone);
      if (!isDone) continue;
      this.logs.splice(this.logs.indexOf(log), 1);
      await log.close();
    }
  }

  private async *endAll(): AsyncGenerator<LineGroup> {
    for (const [index, log] of this.logs.entries()) {
      const isRenamed = index < this.logs.length - 1;
      const rest = isRenamed || this.plan.takeLastLine ? log.finish() : undefined;
      yield await groupOf(log, rest ? [rest] : [], isRenamed || this.plan.takeLastLine);
    }
  }

  /** A path that is followed may be without a file for a moment, between two of them. */
  private async openWhenThere(): Promise<OpenLog | undefined> {
    const { plan } = this;
    for (;;) {
      try {
        return await OpenLog.open(plan.path);
      } catch (error) {
        if (!plan.follow || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        await pause(POLL_EVERY_MS, plan.signal);
        if (plan.signal.aborted) return undefined;
      }
    }
  }
}

function startAt(mark: Mark): LogStart {
  return { from: mark, keptSalt: mark.salt, generation: mark.generation };
}

async function groupOf(log: OpenLog, lines: readonly Line[], hasEnded = false): Promise<LineGroup> {
  const { modified } = await log.status();
  return { lines, modified, file: log, hasEnded };
}

function isSame(a: FileIdentity, b: FileIdentity): boolean {
  return a.inode === b.inode && a.device === b.device;
}
