import type { Logger } from '#observability';
import { GrowingFigure } from './growing-figure.js';
import {
  type BelievedStream,
  StaleAnswerError,
  StreamFigures,
  type StreamQuestions,
} from './stream-figures.js';

const CHECK_EVERY_MS_MAX = 30_000;
const CHECK_EVERY_MS_MIN = 1_000;
/** Minimum number of checks within the stream's maximum age. */
const CHECKS = 40;
const SAID_EVERY_MS = 600_000;
const NOTHING_KNOWN: ReadonlyMap<string, never> = new Map<string, never>();

/** The age of the oldest unsettled message, and when it expires. */
export interface AgeWarning {
  readonly oldest_seconds: number;
  readonly expires_in_seconds: number;
  readonly age_seconds_max: number;
}

/**
 * Warns before messages leave the stream by age without having been stored, while there is time to act.
 *
 *   quiet ─oldest unsettled older than half of the stream's age─▶ warned, again every ten minutes
 *     ▲─────────────────────── younger again ────────────────────────┘
 */
export class AgeWatch {
  private brokers: StreamFigures;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private saidAtMs: number | undefined;
  private current: AgeWarning | undefined;

  constructor(
    private readonly broker: StreamQuestions,
    private readonly logger: Pick<Logger, 'warn' | 'info'>,
  ) {
    this.brokers = new StreamFigures(broker);
  }

  /** The result of the last check; `undefined` when there is nothing to warn of. */
  get warning(): AgeWarning | undefined {
    return this.current;
  }

  /** Checks regularly until `stop`. */
  start(): void {
    void this.turn();
  }

  /** Stops checking. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /** Checks once. @returns the stream's maximum age in seconds, 0 when there is none or no answer */
  async check(): Promise<number> {
    const stream = await this.believed();
    if (stream === undefined || stream.ageSecondsMax === 0) {
      this.current = undefined;
      return 0;
    }
    const consumer = await this.brokers.consumer(stream);
    const isIdle = consumer?.unsettled === 0 || stream.lastSeq < stream.firstSeq;
    const oldestSeconds = isIdle ? 0 : await this.brokers.oldestSeconds(consumer);
    this.judge(oldestSeconds, stream.ageSecondsMax);
    return stream.ageSecondsMax;
  }

  /**
   * The stream. A lagging answer is accepted at the next check, because a stream that lost messages gives it for ever.
   * Without the database, which may be down, the two cannot be distinguished.
   */
  private async believed(): Promise<BelievedStream | undefined> {
    try {
      return await this.brokers.stream(NOTHING_KNOWN);
    } catch (error) {
      if (error instanceof StaleAnswerError) this.brokers = new StreamFigures(withoutMemory(this.broker));
      throw error;
    }
  }

  private judge(oldestSeconds: number, ageSecondsMax: number): void {
    if (oldestSeconds <= ageSecondsMax / 2) {
      if (this.current !== undefined) this.logger.info('no unstored message is about to expire any more');
      [this.current, this.saidAtMs] = [undefined, undefined];
      return;
    }
    this.current = {
      oldest_seconds: Math.round(oldestSeconds),
      expires_in_seconds: Math.max(0, Math.round(ageSecondsMax - oldestSeconds)),
      age_seconds_max: ageSecondsMax,
    };
    if (this.saidAtMs !== undefined && performance.now() - this.saidAtMs < SAID_EVERY_MS) return;
    this.saidAtMs = performance.now();
    this.logger.warn(
      this.current,
      'the oldest unstored message expires soon and is then lost: check the workers and Postgres, or raise SEKALI_STREAM_AGE_SECONDS_MAX',
    );
  }

  private async turn(): Promise<void> {
    // Another place reports brokers that do not answer. They are asked again soon, as at the start.
    const keptSeconds = await this.check().catch(() => undefined);
    if (this.isStopped) return;
    const everyMs =
      keptSeconds === undefined
        ? CHECK_EVERY_MS_MIN
        : Math.min(CHECK_EVERY_MS_MAX, Math.max(CHECK_EVERY_MS_MIN, checkEveryMs(keptSeconds)));
    this.timer = setTimeout(() => void this.turn(), everyMs);
    this.timer.unref();
  }
}

function withoutMemory(broker: StreamQuestions): StreamQuestions {
  return {
    stream: async () => broker.stream(),
    consumer: async () => broker.consumer(),
    publishedAt: async (seq) => broker.publishedAt(seq),
    acknowledged: new GrowingFigure(),
  };
}

/** A stream without a maximum age is checked rarely, in case it is changed. */
function checkEveryMs(keptSeconds: number): number {
  return keptSeconds === 0 ? CHECK_EVERY_MS_MAX : (keptSeconds * 1_000) / CHECKS;
}
