/**
 * Events of one filter, newest first, and live.
 *
 *   live ─pause, or a row is opened─▶ paused (what comes is counted) ─▶ live
 *   read ─fails─▶ interrupted ─a pause─▶ read
 *
 * The list begins with a page of the newest events. The stream goes on behind that page, by its cursor, so no event is
 * missed between the two. It may bring what is older than the first row, or what a page of older ones has as well. So
 * each event is put in its place, once.
 */
import type { EventView } from '#contracts';
import { ask, isTransient, nextPage, type Failure } from '../gateway-client.js';
import { LiveEvents, untilVisible, type LiveState } from '../live-events.js';
import { queryOf, type EventFilter } from './event-filter.js';
import { hasRow, withRows } from './event-rows.js';

const PAGE = 50;
/** Events that a live list keeps. */
const SHOWN_MAX = 500;
/** Events that a paused list keeps for later. Beyond it, the list is read again. */
const WAITING_MAX = 500;
/** After a read that failed, until the next one. */
const AGAIN_MS = 3_000;

/** How far back the gateway has looked for a page. */
export interface Walk {
  readonly isComplete: boolean;
  readonly rows: number | undefined;
  readonly time: string | undefined;
}

/** One list. It is created for a filter, and closed. */
export class EventList {
  events: readonly EventView[] = [];
  walk: Walk | undefined;
  older: string | undefined;
  failure: Failure | undefined;
  liveState: LiveState | undefined;
  isPaused = false;
  atMs: number | undefined;
  private waiting: EventView[] = [];
  private cameMeanwhile = 0;
  private live: LiveEvents | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;
  private isReadingOlder = false;
  private isClosed = false;

  constructor(
    readonly filter: EventFilter,
    private readonly changed: () => void,
  ) {
    void this.read();
  }

  /** Events that came since the list was paused. */
  get waitingCount(): number {
    return this.cameMeanwhile;
  }

  /** The address of the first page. */
  get path(): string {
    return `/events?${queryOf(this.filter, { order: 'desc', limit: String(PAGE) })}`;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.again);
    this.live?.close();
  }

  pause(): void {
    this.isPaused = true;
  }

  /** Shows what came meanwhile, and goes on. */
  resume(): void {
    this.isPaused = false;
    const isWhole = this.waiting.length === this.cameMeanwhile;
    const waiting = this.waiting;
    this.waiting = [];
    this.cameMeanwhile = 0;
    if (isWhole) this.add(waiting);
    else void this.read();
    this.changed();
  }

  /** Reads older events. */
  async readOlder(): Promise<void> {
    const { older } = this;
    if (older === undefined || this.isReadingOlder) return;
    this.isPaused = true;
    this.isReadingOlder = true;
    const answer = await ask<readonly EventView[]>(older);
    this.isReadingOlder = false;
    // Meanwhile the list may have been read again, or cut: the answer would then stand behind a gap.
    if (this.isClosed || this.older !== older) return;
    this.failure = answer.kind === 'value' ? undefined : answer;
    if (answer.kind === 'value') {
      this.events = withRows(this.events, answer.value);
      this.forgetShown();
      this.older = nextPage(answer.headers);
      this.walk = walkIn(answer.headers);
    }
    this.changed();
  }

  private async read(): Promise<void> {
    clearTimeout(this.again);
    this.live?.close();
    // Nothing follows until there is an answer. A list that never was live is not interrupted.
    if (this.liveState !== undefined) this.liveState = 'interrupted';
    const answer = await ask<readonly EventView[]>(this.path);
    if (this.isClosed) return;
    this.failure = answer.kind === 'value' ? undefined : answer;
    if (answer.kind === 'value') {
      this.events = withRows([], answer.value);
      this.older = nextPage(answer.headers);
      this.walk = walkIn(answer.headers);
      this.atMs = Date.now();
      this.follow(answer.headers.get('sekali-cursor') ?? undefined);
    } else if (isTransient(answer)) {
      this.liveState = 'interrupted';
      this.again = setTimeout(() => void this.readAgain(), AGAIN_MS);
    } else this.liveState = undefined;
    this.changed();
  }

  private async readAgain(): Promise<void> {
    await untilVisible();
    if (!this.isClosed) await this.read();
  }

  private follow(cursor: string | undefined): void {
    const listener = {
      onEvent: (event: EventView) => this.take(event),
      onState: (state: LiveState) => {
        this.liveState = state;
        this.changed();
      },
    };
    this.live = new LiveEvents(`/events/stream?${queryOf(this.filter)}`, listener, cursor);
  }

  private take(event: EventView): void {
    if (!this.isPaused) this.add([event]);
    else if (!hasRow(this.events, event)) {
      this.cameMeanwhile += 1;
      if (this.waiting.length < WAITING_MAX) this.waiting.push(event);
    }
    this.changed();
  }

  /** What a page of older events has brought does not wait any more. */
  private forgetShown(): void {
    const waiting = this.waiting.filter((event) => !hasRow(this.events, event));
    this.cameMeanwhile -= this.waiting.length - waiting.length;
    this.waiting = waiting;
  }

  private add(arrived: readonly EventView[]): void {
    if (arrived.length === 0) return;
    const all = withRows(this.events, arrived);
    // The older ones would begin behind a gap.
    if (all.length > SHOWN_MAX) this.older = undefined;
    this.events = all.slice(0, SHOWN_MAX);
    this.atMs = Date.now();
  }
}

/** `partial;rows=50000;seq=4711;time="2026-11-28T10:00:00.000000Z"` (RFC 9651). */
function walkIn(headers: Headers): Walk | undefined {
  const text = headers.get('sekali-walk');
  if (text === null) return undefined;
  const rows = /;\s*rows=(\d+)/.exec(text)?.[1];
  return {
    isComplete: text.startsWith('complete'),
    rows: rows === undefined ? undefined : Number(rows),
    time: /;\s*time="([^"]+)"/.exec(text)?.[1],
  };
}
