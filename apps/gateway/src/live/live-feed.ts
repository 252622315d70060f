import {
  followPage,
  positionsAlong,
  TooManyTopicsError,
  type AckFloor,
  type EventFilter,
  type EventPage,
  type EventPosition,
  type Queryable,
} from '#store';
import { pause } from '#waiting';
import { writeCursor } from '../events/event-cursor.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { COMMENT, eventMessage, OPENING, positionMessage, RESUMED, WAITING } from './event-message.js';
import { Listener, type Following } from './listener.js';

/** The bounds of all listeners. */
export interface LiveBounds {
  readonly listenersMax: number;
  readonly perReaderMax: number;
  /** Different filters that are followed. Listeners with the same one share what is read. */
  readonly groupsMax: number;
  /** Of these, those of one reader. */
  readonly groupsPerReaderMax: number;
  /** A listener that has got nothing for this time gets a message, in milliseconds. */
  readonly keepAliveMs: number;
  /** How long a listener stays. A key that is revoked has no listeners after that time. */
  readonly stayMsMax: number;
}

/** The default bounds. */
export const LIVE_BOUNDS: LiveBounds = {
  listenersMax: 2_000,
  perReaderMax: 1_000,
  groupsMax: 64,
  groupsPerReaderMax: 16,
  keepAliveMs: 15_000,
  stayMsMax: 900_000,
};

const EVENTS_PER_PAGE = 1_000;
const PAGE_BYTES_MAX = 524_288;
const PAGES_PER_ROUND = 4;
const ROUND_MS_MIN = 250;
const ROUND_MS_MAX = 10_000;
/** How long a round reads for groups. The others wait for the next one, in turn. */
const READING_MS_MAX = 500;
/** How long a round reads for listeners that join. The others wait for the next one. */
const JOINING_MS_MAX = 250;
/** Of the time of one connection, reading takes at most this part: of rounds with events, and of idle ones. */
const SHARE_OF_BUSY = 1 / 4;
const SHARE_OF_IDLE = 1 / 40;
/** How often is checked who needs a message, or has to leave. */
const CHECK_MS = 1_000;

/** Listeners with the same filter, and how far they are. */
interface Group {
  position: EventPosition;
  readonly members: Set<Listener>;
}

/**
 * Sends stored events to clients that follow them.
 *
 *   listener ─▶ catching up, by pages of its own ─ nothing left ─▶ member of a group ─▶ ended, or cut off
 *                                                                        ▲
 *                                     one page for all members, every quarter of a second
 *
 * Events come from the store, as every page does, so a listener misses none, and needs no notification that could be
 * lost. Three designs were considered:
 *
 * - NOTIFY of Postgres. Every transaction of a worker would pay for it, and those that commit at once wait for each other.
 * - A consumer of the stream in each gateway. It shows what is published, and not what is stored.
 * - Pages of the store, shared by all listeners with one filter. This is the design in use.
 *
 * The pause between two rounds follows from the time that the reading took. So listeners cost a fixed part of one
 * connection, and under load their events come later.
 */
export class LiveFeed {
  private readonly joining = new Set<Listener>();
  private readonly groups = new Map<string, Group>();
  private readonly since = new Map<Listener, number>();
  private isRunning = false;
  private readonly failing = new WeakSet<Listener>();

  /** @param closing aborts when the gateway stops */
  constructor(
    private readonly database: Queryable,
    private readonly ackFloor: AckFloor,
    private readonly closing: AbortSignal,
    private readonly bounds: LiveBounds = LIVE_BOUNDS,
  ) {
    closing.addEventListener('abort', () => {
      for (const listener of this.since.keys()) listener.end();
    });
  }

  /**
   * Adds a listener, which is forgotten when its stream is closed.
   *
   * @throws ProblemError 503 with `Retry-After` when there are too many
   */
  listen(following: Following): Listener {
    const { listenersMax, perReaderMax } = this.bounds;
    const all = [...this.since.keys()];
    const own = all.filter(({ reader }) => reader === following.reader);
    if (this.closing.aborted || all.length >= listenersMax || own.length >= perReaderMax) throw tooMany();
    const group = groupOf(following.filter);
    const isOver = (listeners: readonly Listener[], groupsMax: number): boolean =>
      new Set(listeners.map((one) => one.group)).add(group).size > groupsMax;
    if (isOver(all, this.bounds.groupsMax) || isOver(own, this.bounds.groupsPerReaderMax)) throw tooMany();
    const listener = new Listener(following, group);
    listener.write(OPENING);
    // A client that is cut off before the first event knows where to go on, too.
    listener.write(positionMessage(following.from));
    this.since.set(listener, performance.now());
    this.joining.add(listener);
    listener.stream.once('close', () => {
      this.forget(listener);
    });
    void this.run();
    return listener;
  }

  private forget(listener: Listener): void {
    this.since.delete(listener);
    this.joining.delete(listener);
    for (const [key, { members }] of this.groups)
      if (members.delete(listener) && members.size === 0) this.groups.delete(key);
  }

  private async run(): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    // A round may take long, and so may the pause behind it. Clients and proxies do not wait for that.
    const timer = setInterval(
      () => {
        this.keepAlive();
      },
      Math.min(CHECK_MS, this.bounds.keepAliveMs),
    ).unref();
    while (this.since.size > 0 && !this.closing.aborted) {
      const startedMs = performance.now();
      const sent = await this.round();
      const tookMs = performance.now() - startedMs;
      const share = sent ? SHARE_OF_BUSY : SHARE_OF_IDLE;
      const pauseMs = Math.min(ROUND_MS_MAX, Math.max(ROUND_MS_MIN, tookMs / share - tookMs));
      await pause(pauseMs, this.closing);
    }
    clearInterval(timer);
    this.isRunning = false;
  }

  /** @returns whether a listener has got an event, or has joined */
  private async round(): Promise<boolean> {
    let sent = false;
    // The floor may be older than a page, and is read once for all of them.
    let floor: Promise<number> | undefined;
    const ackFloor: AckFloor = (stream) => (floor ??= this.ackFloor(stream));
    const readUntilMs = performance.now() + READING_MS_MAX;
    for (const [name, group] of [...this.groups]) {
      if (performance.now() > readUntilMs) break;
      // The groups that are left come first in the next round.
      if (this.groups.delete(name)) this.groups.set(name, group);
      const read = (): Promise<boolean> => this.follow(group, ackFloor, readUntilMs);
      sent = (await this.attempt(group.members, read)) || sent;
    }
    // They join behind the groups, so that a group never is ahead of its newest member.
    const untilMs = performance.now() + JOINING_MS_MAX;
    for (const alike of this.joiningAlike()) {
      if (performance.now() > untilMs) break;
      sent = (await this.attempt(alike, () => this.catchUp(alike, ackFloor))) || sent;
    }
    return sent;
  }

  /** What fails for one filter does not end another. Its listeners get a message once, and one when it succeeds again. */
  private async attempt(listeners: Iterable<Listener>, read: () => Promise<boolean>): Promise<boolean> {
    try {
      const sent = await read();
      for (const listener of listeners) if (this.failing.delete(listener)) listener.write(RESUMED);
      return sent;
    } catch (error) {
      for (const listener of [...listeners])
        if (error instanceof TooManyTopicsError) listener.end();
        else if (!this.failing.has(listener)) {
          this.failing.add(listener);
          listener.write(WAITING);
        }
      return false;
    }
  }

  private async follow(group: Group, ackFloor: AckFloor, untilMs: number): Promise<boolean> {
    const [first] = group.members;
    if (first === undefined) return false;
    let sent = false;
    for (let pages = 0; pages < PAGES_PER_ROUND; pages++) {
      const after = group.position;
      const page = await this.page(first.filter, after, ackFloor);
      const messages = messagesOf(page, after);
      for (const member of group.members) {
        const isNew = newTo(member.position);
        for (const [index, { streamId, seq }] of page.events.entries())
          if (isNew(streamId, seq)) member.write(messages[index] ?? COMMENT);
        // A member that came back may be ahead of a group that lags.
        if (page.next === undefined || !isFarther(member.position, page.end)) member.position = page.end;
      }
      group.position = page.end;
      sent ||= page.events.length > 0;
      if (page.next === undefined || page.isWaiting === true || performance.now() > untilMs) break;
    }
    return sent;
  }

  /** Listeners that are ready for a page, together with those that need the same one: many come back at once. */
  private joiningAlike(): readonly (readonly Listener[])[] {
    const alike = new Map<string, Listener[]>();
    for (const listener of this.joining) {
      if (!listener.isReady) continue;
      const key = `${writeCursor(listener.position)} ${listener.group}`;
      const others = alike.get(key);
      if (others === undefined) alike.set(key, [listener]);
      else others.push(listener);
    }
    return [...alike.values()];
  }

  /**
   * Lets listeners join when they have got everything up to the end. While a page waits above the horizon they have not,
   * and the group may have got there: its pages leave out what it has seen.
   *
   * @param alike at least one listener; all have the same filter and position
   * @returns whether they have come farther
   */
  private async catchUp(alike: readonly Listener[], ackFloor: AckFloor): Promise<boolean> {
    const [first] = alike;
    if (first === undefined) return false;
    let sent = false;
    for (let pages = 0; pages < PAGES_PER_ROUND && alike.every(({ isReady }) => isReady); pages++) {
      const after = first.position;
      const page = await this.page(first.filter, after, ackFloor);
      const messages = messagesOf(page, after);
      for (const listener of alike) {
        for (const message of messages) listener.write(message);
        listener.position = page.end;
      }
      if (page.isWaiting === true) break;
      sent = true;
      if (page.next !== undefined) continue;
      for (const listener of alike) if (listener.isOpen) this.promote(listener);
      break;
    }
    return sent;
  }

  private promote(listener: Listener): void {
    this.joining.delete(listener);
    const { position } = listener;
    const group = this.groups.get(listener.group) ?? { position, members: new Set() };
    group.members.add(listener);
    this.groups.set(listener.group, group);
  }

  private async page(filter: EventFilter, after: EventPosition, ackFloor: AckFloor): Promise<EventPage> {
    return followPage(this.database, filter, after, EVENTS_PER_PAGE, ackFloor, PAGE_BYTES_MAX);
  }

  /** Writes to those who have got nothing for long, and ends those who have stayed for long. */
  private keepAlive(): void {
    const nowMs = performance.now();
    for (const [listener, sinceMs] of this.since) {
      if (nowMs - sinceMs > this.bounds.stayMsMax) listener.end();
      else if (nowMs - listener.writtenMs > this.bounds.keepAliveMs)
        listener.write(this.joining.has(listener) ? COMMENT : positionMessage(listener.position));
    }
  }
}

function messagesOf(page: EventPage, after: EventPosition): Buffer[] {
  const seqs = page.events.map(({ seq }) => seq);
  const [first] = page.events;
  const from = first === undefined || first.streamId === after.streamId ? after : undefined;
  // Events of one page are of one incarnation. The page may end at the beginning of the next one.
  const end =
    first === undefined || first.streamId === page.end.streamId
      ? page.end
      : { streamId: first.streamId, seq: seqs.at(-1) ?? 0 };
  const positions = positionsAlong(from ?? { streamId: end.streamId, seq: 0 }, seqs, end);
  return page.events.map((event, index) => eventMessage(event, positions[index] ?? end));
}

/** Whether a reader at a position has not got an event yet. */
function newTo({ streamId, seq, seen = [] }: EventPosition): (ofStream: number, one: number) => boolean {
  return (ofStream, one) =>
    ofStream > streamId ||
    (ofStream === streamId && one > seq && !seen.some(([first, last]) => one >= first && one <= last));
}

/** Whether a reader at one position has got a later event than one at another. */
function isFarther(a: EventPosition, b: EventPosition): boolean {
  const last = ({ seq, seen = [] }: EventPosition): number => seen.at(-1)?.[1] ?? seq;
  return a.streamId > b.streamId || (a.streamId === b.streamId && last(a) > last(b));
}

/** Filters are read from a query in one order, so equal ones have the same text. */
function groupOf(filter: EventFilter): string {
  return JSON.stringify(filter);
}

function tooMany(): ProblemError {
  const detail = 'Too many clients follow events, or too many different filters. Try again, or read /events.';
  return new ProblemError(problem('busy', 503, detail), { 'retry-after': '5' });
}
