/**
 * Events of one filter, newest first, and live.
 *
 *   live ─pause, or a row is opened─▶ paused (what comes is counted) ─▶ live
 *
 * The list begins with a page of the newest events. The stream goes on behind that page, by its cursor, so no event is
 * missed between the two and none is shown twice.
 */
import type { EventView } from '#contracts';
import { ask, nextPage, type Failure } from '../gateway-client.js';
import { LiveEvents, type LiveState } from '../live-events.js';
import { queryOf, type EventFilter } from './event-filter.js';

const PAGE = 50;
/** Events that a live list keeps. */
const SHOWN_MAX = 500;
/** Events that a paused list keeps for later. Beyond it, the list is read again. */
const WAITING_MAX = 500;

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
    if (this.older === undefined) return;
    this.isPaused = true;
    const answer = await ask<readonly EventView[]>(this.older);
    if (this.isClosed) return;
    this.failure = answer.kind === 'value' ? undefined : answer;
    if (answer.kind === 'value') {
      this.events = [...this.events, ...answer.value];
      this.older = nextPage(answer.headers);
      this.walk = walkIn(answer.headers);
    }
    this.changed();
  }

  private async read(): Promise<void> {
    this.live?.close();
    const answer = await ask<readonly EventView[]>(this.path);
    if (this.isClosed) return;
    this.failure = answer.kind === 'value' ? undefined : answer;
    if (answer.kind === 'value') {
      this.events = answer.value;
      this.older = nextPage(answer.headers);
      this.walk = walkIn(answer.headers);
      this.atMs = Date.now();
      this.follow(answer.headers.get('sekali-cursor') ?? undefined);
    }
    this.changed();
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
    if (this.isPaused) {
      this.cameMeanwhile += 1;
      if (this.waiting.length < WAITING_MAX) this.waiting.push(event);
    } else this.add([event]);
    this.changed();
  }

  /** @param arrived oldest first */
  private add(arrived: readonly EventView[]): void {
    if (arrived.length === 0) return;
    const all = [...arrived.toReversed(), ...this.events];
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
