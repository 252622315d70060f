import type { RepeatsView, StatsView, TopicActivity, TopicStats, TopicStatsView } from '#contracts';
import {
  lastSettled,
  repeatingSources,
  storeTotals,
  topicTotals,
  withOwnDuplicates,
  type BrokerDuplicates,
  type Queryable,
  type RepeatingSources,
  type StoreTotals,
  type TopicPage,
  type TopicTotals,
} from '#store';
import { databaseAnswer } from '../database-answer.js';
import { problem, ProblemError, unavailableError } from '../problems/problem-error.js';
import { uptimeSeconds } from '../uptime.js';
import { InFlightCount, type InFlight } from './in-flight.js';
import { SharedReading } from './shared-reading.js';
import { StaleAnswerError, StreamFigures, type StreamQuestions } from './stream-figures.js';

const DATABASE_MS_MAX = 3_000;
/** Topics of one answer, at most. */
export const TOPICS_LISTED_MAX = 1_000;
/** Repeats that are inspected for their sources: each takes two index lookups. */
export const REPEATS_MAX = 1_000;
/** Sources of one answer. */
const SOURCES_MAX = 20;
/** Bytes of the topics' names, at most. A name has up to 1,039 characters, and occurs twice in an answer. */
const NAME_BYTES_MAX = 262_144;

/** The duplicates that this gateway saw. */
export type OwnDuplicates = Pick<BrokerDuplicates, 'own'>;

/** Some topics, and the name after which the next page starts. */
export interface TopicsAnswer<View> {
  readonly view: View;
  readonly next?: string | undefined;
}

interface Figures {
  readonly totals: StoreTotals;
  readonly settledByIdentity: StoreTotals['settledByIdentity'];
  /** The id under which this gateway counted then. */
  readonly gateway: string;
}

/**
 * `GET /stats`: the counters of the database, and what the stream holds beyond them.
 *
 * The database is read first and the stream after it. So messages that were published in between are in flight, and
 * nothing is settled that was not received. The duplicates that this gateway saw come from its own memory, and count
 * before they are written.
 */
export class Statistics {
  private readonly figures: SharedReading<Figures>;
  private readonly repeats: SharedReading<RepeatingSources>;
  private readonly brokers: StreamFigures;
  private readonly inFlight: InFlightCount;

  constructor(
    private readonly database: Queryable,
    broker: StreamQuestions,
    private readonly stream: string,
    private readonly duplicates: OwnDuplicates,
  ) {
    this.figures = new SharedReading(async () => this.readFigures());
    this.repeats = new SharedReading(async () => repeatingSources(this.database, REPEATS_MAX, SOURCES_MAX));
    this.brokers = new StreamFigures(broker);
    this.inFlight = new InFlightCount(this.brokers);
  }

  /**
   * All figures, and those of the first topics.
   *
   * @throws a 503 problem when the database or the brokers do not answer, or the brokers' answer is older than the
   *   known state. The problem then has the figures of the database
   */
  async read(): Promise<TopicsAnswer<StatsView>> {
    const figures = await databaseAnswer(
      DATABASE_MS_MAX,
      this.ownFigures(async () => this.figures.ask()),
    );
    const counted = await this.count(figures);
    return this.view(counted.figures, counted.count, counted.lagSeconds);
  }

  /**
   * The figures of some topics.
   *
   * @param after a topic, or empty for the first ones
   * @throws a 503 problem when the database does not answer
   */
  async topics(after: string, limit: number): Promise<TopicsAnswer<TopicStatsView>> {
    const topicsMax = Math.min(limit, TOPICS_LISTED_MAX);
    for (;;) {
      const { gateway } = this.duplicates.own();
      const page = await databaseAnswer(
        DATABASE_MS_MAX,
        topicTotals(this.database, after, { topicsMax, withoutGateway: gateway }),
      );
      const own = this.duplicates.own();
      if (own.gateway !== gateway) continue;
      const listed = boundedPage(withOwnDuplicates(page, own.totals, after, topicsMax));
      return { view: await this.activity(listed), next: nextOf(listed) };
    }
  }

  /**
   * Counts the newest repeats by topic and source.
   *
   * @throws a 503 problem when the database does not answer
   */
  async newestRepeats(): Promise<RepeatsView> {
    const { inspected, since, sources } = await databaseAnswer(DATABASE_MS_MAX, this.repeats.ask());
    return {
      inspected,
      since: since?.toISOString() ?? null,
      sources: sources.map(({ lastAt, ...source }) => ({ ...source, last_at: lastAt.toISOString() })),
    };
  }

  private async activity(listed: TopicPage): Promise<TopicStatsView> {
    const names = listed.topics.map(({ topic }) => topic);
    const last = await databaseAnswer(DATABASE_MS_MAX, lastSettled(this.database, names));
    const activities = listed.topics.map((topic): [string, TopicActivity] => {
      const span = last.get(topic.topic);
      const last_settled = span === undefined ? null : { ...span, start: instantOf(span.start) };
      return [topic.topic, { ...topicStats(topic), last_settled }];
    });
    return { per_topic: Object.fromEntries(activities), more_topics: listed.isCut };
  }

  private async count(figures: Figures): Promise<{ figures: Figures; count: InFlight; lagSeconds: number }> {
    try {
      const counted = await this.inFlight.count(figures, async () =>
        databaseAnswer(
          DATABASE_MS_MAX,
          this.ownFigures(async () => this.figures.askAgain()),
        ),
      );
      const { inFlight, consumer } = counted.count;
      const lagSeconds = inFlight === 0 ? 0 : await this.brokers.oldestSeconds(consumer);
      return { ...counted, lagSeconds };
    } catch (error) {
      throw error instanceof StaleAnswerError
        ? this.unknown(figures, error)
        : unavailableError('broker', error);
    }
  }

  /** Figures without this gateway's own rows, read while it counted under one id. */
  private async ownFigures(read: () => Promise<Figures>): Promise<Figures> {
    for (;;) {
      const figures = await read();
      if (figures.gateway === this.duplicates.own().gateway) return figures;
      read = async () => this.figures.askAgain();
    }
  }

  private async readFigures(): Promise<Figures> {
    const { gateway } = this.duplicates.own();
    const options = { topicsMax: TOPICS_LISTED_MAX, withoutGateway: gateway };
    const totals = await storeTotals(this.database, this.stream, options);
    return { totals, settledByIdentity: totals.settledByIdentity, gateway };
  }

  private view(
    { totals }: Figures,
    { inFlight, gone, stream }: InFlight,
    lagSeconds: number,
  ): TopicsAnswer<StatsView> {
    const known = this.known(totals);
    const listed = boundedPage(
      withOwnDuplicates(totals, this.duplicates.own().totals, '', TOPICS_LISTED_MAX),
    );
    const ageSecondsMax = stream?.ageSecondsMax ?? 0;
    const view = {
      received: known.unique_processed + known.duplicate_dropped + known.dead_letters + inFlight,
      ...known,
      topics: listed.topics.filter((topic) => topic.stored > 0).map((topic) => topic.topic),
      uptime_seconds: uptimeSeconds(),
      in_flight: inFlight,
      per_topic: perTopic(listed),
      more_topics: listed.isCut,
      gone,
      lag_seconds: lagSeconds,
      expires_in_seconds:
        inFlight === 0 || ageSecondsMax === 0 ? null : Math.max(0, ageSecondsMax - lagSeconds),
      ids_kept_days: totals.idsKeptDays ?? null,
    };
    return { view, next: nextOf(listed) };
  }

  /** The figures that need no answer from the brokers. */
  private known({
    all,
  }: StoreTotals): Pick<
    StatsView,
    'unique_processed' | 'duplicate_dropped' | 'duplicates' | 'conflicts' | 'dead_letters' | 'redelivered'
  > {
    let own = 0;
    for (const dropped of this.duplicates.own().totals.values()) own += dropped;
    const duplicates = { broker: all.brokerDuplicates + own, store: all.duplicates };
    return {
      unique_processed: all.stored,
      duplicate_dropped: duplicates.broker + duplicates.store,
      duplicates,
      conflicts: all.conflicts,
      dead_letters: all.deadLetters,
      redelivered: all.redelivered,
    };
  }

  private unknown({ totals }: Figures, cause: StaleAnswerError): ProblemError {
    const detail = `${cause.message} The number of messages in flight is unknown; try again.`;
    return new ProblemError(
      problem('unavailable', 503, detail, { component: 'broker', known: this.known(totals) }),
      { 'retry-after': '2' },
      { cause },
    );
  }
}

/** As many topics as an answer may name; at least one. */
function boundedPage({ topics, isCut }: TopicPage): TopicPage {
  let bytes = 0;
  const beyond = topics.findIndex(
    ({ topic }, index) => (bytes += topic.length) > NAME_BYTES_MAX && index > 0,
  );
  return beyond === -1 ? { topics, isCut } : { topics: topics.slice(0, beyond), isCut: true };
}

function nextOf({ topics, isCut }: TopicPage): string | undefined {
  return isCut ? topics.at(-1)?.topic : undefined;
}

function perTopic({ topics }: TopicPage): Record<string, TopicStats> {
  return Object.fromEntries(topics.map((topic) => [topic.topic, topicStats(topic)]));
}

function instantOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}

function topicStats(topic: TopicTotals): TopicStats {
  return {
    unique_processed: topic.stored,
    duplicate_dropped: topic.duplicates + topic.brokerDuplicates,
    conflicts: topic.conflicts,
    dead_letters: topic.deadLetters,
  };
}
