import type { ConsumerState, DeliverySession, DeliverySource } from './delivery-source.js';
import type { ConsumerStart, StreamHistory, StreamIncarnation } from './stream-history.js';

/** What the watch works with. */
export interface StoreWatchParts {
  /** The state of the consumer before the session. */
  readonly before: ConsumerState;
  /** Inspects the consumer. It throws when no broker answers. */
  readonly inspect: () => Promise<ConsumerState | undefined>;
  readonly startOf: (state: ConsumerState) => Promise<ConsumerStart | undefined>;
  readonly onNewConnection: StreamHistory['onNewConnection'] | undefined;
  /** Ends the session. The next one begins with the same question, and puts the consumer back. */
  readonly lose: (reason: string) => void;
}

/** How often the store is asked without a reason. It then reads only the rows since the last time. */
const EVERY_MS = 10_000;
/** Connections are replaced together, and one question is enough for them. */
const GATHER_MS = 300;

/**
 * Watches whether the store went back in time while a session is open: an asynchronous failover, a promoted
 * replica, or a backup in its place. The consumer has acknowledged what is gone, so no delivery shows it.
 *
 *   a new connection ─┐
 *   every 10 s ───────┴─▶ ack floor, then rows ─every acknowledged message has its row─▶ nothing
 *                                              └─one has none─▶ the session is lost
 *
 * Three designs were considered:
 *
 * - A mark that grows, kept on the brokers and compared with the store. It is written at intervals, so what was
 *   committed since the last mark is lost unseen. Each consumer needs one more right on the brokers.
 * - The system identifier and the timeline of Postgres. A backup of the same server shows neither, and both
 *   change where nothing is lost.
 * - The ack floor against the rows. An ack follows the commit, so an acknowledged message without a row is
 *   lost, whatever happened. The brokers keep that floor already. This is the design in use.
 *
 * The kept horizon passes no message without a row, and it goes back with the store. So a loss stays visible
 * until it is repaired, even if nothing was watching when it happened, and whatever was stored since. Nothing
 * else shows as a loss: not a restart, a lost connection, or a failover that lost nothing.
 */
export class StoreWatch {
  private readonly timer: NodeJS.Timeout;
  private readonly endListening: (() => void) | undefined;
  private gathering: NodeJS.Timeout | undefined;
  private isAsking = false;
  private isDue = false;
  private isStopped = false;

  /** Watches the store of a consumer for one session. */
  static over(
    { source, history }: { readonly source: DeliverySource; readonly history: StreamHistory },
    incarnation: StreamIncarnation,
    session: Pick<DeliverySession, 'lose'>,
    before: ConsumerState,
  ): StoreWatch {
    return new StoreWatch({
      before,
      inspect: () => source.inspect(),
      startOf: (state) => history.startOf(incarnation, state),
      onNewConnection: history.onNewConnection?.bind(history),
      lose: (reason) => {
        session.lose(reason);
      },
    });
  }

  constructor(private readonly parts: StoreWatchParts) {
    this.timer = setInterval(() => void this.ask(), EVERY_MS);
    this.endListening = parts.onNewConnection?.(() => {
      this.gathering ??= setTimeout(() => {
        this.gathering = undefined;
        void this.ask();
      }, GATHER_MS);
    });
  }

  stop(): void {
    this.isStopped = true;
    clearInterval(this.timer);
    clearTimeout(this.gathering);
    this.endListening?.();
  }

  private async ask(): Promise<void> {
    this.isDue = true;
    if (this.isAsking) return;
    this.isAsking = true;
    while (this.isDue && !this.isOver()) {
      this.isDue = false;
      // An outage of either side has its own watch, and the question is repeated.
      await this.compare().catch(() => undefined);
    }
    this.isAsking = false;
  }

  private async compare(): Promise<void> {
    const { before, inspect, startOf, lose } = this.parts;
    const state = await inspect();
    // Another consumer, or another stream, is the watchdog's matter.
    if (state?.created !== before.created || state.stream.identity !== before.stream.identity) return;
    const start = await startOf(state);
    if (start === undefined || this.isOver()) return;
    const { loss } = start;
    lose(
      loss === undefined
        ? `the consumer has to deliver again from ${start.seq} on`
        : `the store went back in time: it lacks at least ${loss.missing} messages that were acknowledged, from ${loss.firstSeq} on`,
    );
  }

  /** Checked again after every wait, because the answer may have changed. */
  private isOver(): boolean {
    return this.isStopped;
  }
}
