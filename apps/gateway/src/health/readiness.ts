import type { ConsumerInfo, StreamInfo } from '#broker';
import { newestStoreLoss, pendingMigrations, type Queryable } from '#store';
import { withTimeout } from '#waiting';
import type { BrokerLink } from '../broker-link.js';
import type { ComponentState } from './component-state.js';
import { ConsumerProgress, consumerState, streamState } from './drift.js';
import { HistoryCheck, positionFault } from './history-check.js';
import { lostReplicas } from './replicas.js';
import { lossState } from './loss-state.js';

/** The parts, and whether none has failed. */
export interface Readiness {
  /** No part has failed. */
  readonly ready: boolean;
  readonly components: {
    /** The connection to a broker, and whether events are published over it. */
    readonly broker: ComponentState;
    /** The brokers that hold the stream: how many of the expected ones answer. */
    readonly brokers: ComponentState;
    readonly stream: ComponentState;
    readonly consumer: ComponentState;
    readonly database: ComponentState;
    readonly schema: ComponentState;
  };
}

const PART_MS_MAX = 3_000;
/** An election takes some seconds, so shorter failures prove nothing yet. */
const PUBLISH_FAILING_MS_MAX = 3_000;

/** Further options of the check. */
export interface ReadinessOptions {
  readonly isStopping: () => boolean;
  /** Whether errors of servers are shown unchanged. They may name addresses and accounts. */
  readonly showErrors: boolean;
  /** First token of every subject, which the stream must take. */
  readonly subjectPrefix: string;
}

/**
 * Checks whether the gateway can do its work. Each part has three seconds to answer.
 *
 * A `failed` part makes it not ready. A `degraded` part is reported, and events are still taken (drift.ts).
 */
export class ReadinessCheck {
  private asking: Promise<Readiness> | undefined;
  private readonly progress = new ConsumerProgress();
  private readonly history: HistoryCheck;

  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<
      BrokerLink,
      'ping' | 'stream' | 'consumer' | 'witness' | 'publishFailingMs' | 'isStreamFull'
    >,
    private readonly options: ReadinessOptions,
  ) {
    this.history = new HistoryCheck(database, () => broker.witness());
  }

  /** Queries all parts at once. Simultaneous callers share the queries. It never rejects. */
  async check(): Promise<Readiness> {
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    return this.asking;
  }

  private async ask(): Promise<Readiness> {
    const { showErrors } = this.options;
    const asked = this.broker.stream();
    // Two parts wait for this answer, and each describes a failure in its own words.
    asked.catch(() => undefined);
    const [broker, brokers, stream, consumer, database, schema] = await Promise.all([
      state(showErrors, async () => this.publishing()),
      state(showErrors, async () => brokersOf(await asked, showErrors)),
      state(showErrors, async () => this.streamOf(await asked)),
      state(showErrors, async () => this.consumerOf(await this.broker.consumer(), await asked)),
      state(showErrors, async () => this.databaseState()),
      state(showErrors, async () => this.missingMigrations()),
    ]);
    const components = { broker, brokers, stream, consumer, database, schema };
    const ready =
      !this.options.isStopping() && Object.values(components).every((part) => part.status !== 'failed');
    return { ready, components };
  }

  private async publishing(): Promise<ComponentState> {
    await this.broker.ping();
    const failingMs = this.broker.publishFailingMs;
    if (failingMs < PUBLISH_FAILING_MS_MAX) return OK;
    return failed(
      `it has taken no event for ${Math.floor(failingMs / 1_000)} s; other brokers are being tried`,
    );
  }

  private async streamOf(info: StreamInfo | undefined): Promise<ComponentState> {
    if (info === undefined) return failed('the stream does not exist: run setup');
    if (info.cluster !== undefined && !info.cluster.leader) return failed('the stream has no leader');
    const drift = streamState(info, this.options.subjectPrefix, this.options.showErrors);
    if (drift.status === 'failed') return drift;
    // Without the database nothing can be compared. Its own part reports that it is unreachable.
    const { fault, note } = (await this.history.state(info).catch(() => undefined)) ?? {};
    if (fault !== undefined) return failed(fault);
    if (drift.status !== 'ok') return drift;
    if (this.broker.isStreamFull)
      return degraded('the stream is full: events are refused until there is room');
    return note === undefined ? OK : { ...OK, detail: note };
  }

  private consumerOf(info: ConsumerInfo | undefined, stream: StreamInfo | undefined): ComponentState {
    if (info === undefined) return failed('the consumer does not exist: run setup');
    const misplaced = stream && positionFault(info, stream);
    if (misplaced !== undefined) return failed(misplaced);
    const drift = consumerState(info, this.options.showErrors);
    const progress = this.progress.stateOf(info);
    return drift.status === 'ok' ? (progress ?? drift) : drift;
  }

  private async databaseState(): Promise<ComponentState> {
    await this.database.query('SELECT 1');
    // A schema that is older than this gateway has no record of losses. Its own part reports that.
    const loss = await newestStoreLoss(this.database).catch(() => undefined);
    return loss === undefined ? OK : lossState(loss);
  }

  private async missingMigrations(): Promise<ComponentState> {
    const pending = await pendingMigrations(this.database);
    return pending.length === 0 ? OK : failed(`not applied yet: ${pending.join(', ')}; run setup`);
  }
}

const OK: ComponentState = { status: 'ok' };
const degraded = (detail: string): ComponentState => ({ status: 'degraded', detail });
const failed = (detail: string): ComponentState => ({ status: 'failed', detail });

function brokersOf(info: StreamInfo | undefined, showNames: boolean): ComponentState {
  const lost = info === undefined ? [] : lostReplicas(info);
  if (info === undefined || lost.length === 0) return OK;
  const count = (info.cluster?.replicas?.length ?? 0) + 1;
  const names = showNames ? `, not ${lost.join(', ')}` : '';
  return degraded(`${count - lost.length} of the ${count} brokers that hold the stream answer${names}`);
}

/** @param ask resolves with the state of the part */
async function state(showErrors: boolean, ask: () => Promise<ComponentState>): Promise<ComponentState> {
  try {
    return await withTimeout(PART_MS_MAX, ask());
  } catch (error) {
    if (!showErrors) return failed('it does not answer');
    // Some network errors have only a code.
    const { message, code } = error as { message?: string; code?: string };
    return failed(message === undefined || message === '' ? String(code ?? error) : message);
  }
}
