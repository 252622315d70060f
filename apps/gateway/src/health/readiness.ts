/**
 * Whether the gateway can do its work: each part is asked, none longer than three seconds.
 *
 * `failed` parts make it not ready. What is `degraded` is said, and events are taken all the same (drift.ts).
 */
import { pendingMigrations, type Queryable } from '#store';
import type { BrokerLink } from '../broker-link.js';
import { withinMs } from '../within.js';
import type { ComponentState } from './component-state.js';
import { ConsumerProgress, consumerState, streamState } from './drift.js';

/** The parts, and whether none has failed. */
export interface Readiness {
  readonly ready: boolean;
  readonly components: {
    readonly broker: ComponentState;
    readonly stream: ComponentState;
    readonly consumer: ComponentState;
    readonly database: ComponentState;
    readonly schema: ComponentState;
  };
}

const PART_MS_MAX = 3_000;

/** What the check needs to know beside. */
export interface ReadinessOptions {
  readonly isStopping: () => boolean;
  /** Whether the errors of servers are told as they are; they may name addresses and accounts. */
  readonly tellErrors: boolean;
  /** First token of every subject, which the stream must take. */
  readonly subjectPrefix: string;
}

/** See the head of this file. */
export class ReadinessCheck {
  private asking: Promise<Readiness> | undefined;
  private readonly progress = new ConsumerProgress();

  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<BrokerLink, 'ping' | 'stream' | 'consumer'>,
    private readonly options: ReadinessOptions,
  ) {}

  /** Asks all parts at once; callers at the same moment share the questions. Never rejects. */
  async check(): Promise<Readiness> {
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    return this.asking;
  }

  private async ask(): Promise<Readiness> {
    const { tellErrors } = this.options;
    const [broker, stream, consumer, database, schema] = await Promise.all([
      state(tellErrors, async () => this.broker.ping().then(() => undefined)),
      state(tellErrors, async () => this.streamState()),
      state(tellErrors, async () => this.consumerState()),
      state(tellErrors, async () => this.database.query('SELECT 1').then(() => undefined)),
      state(tellErrors, async () => this.missingMigrations()),
    ]);
    const components = { broker, stream, consumer, database, schema };
    const ready =
      !this.options.isStopping() && Object.values(components).every((part) => part.status !== 'failed');
    return { ready, components };
  }

  private async streamState(): Promise<ComponentState | string> {
    const info = await this.broker.stream();
    if (!info) return 'the stream does not exist: run setup';
    return streamState(info, this.options.subjectPrefix, this.options.tellErrors);
  }

  private async consumerState(): Promise<ComponentState | string> {
    const info = await this.broker.consumer();
    if (!info) return 'the consumer does not exist: run setup';
    const drift = consumerState(info, this.options.tellErrors);
    const progress = this.progress.stateOf(info);
    return drift.status === 'ok' ? (progress ?? drift) : drift;
  }

  private async missingMigrations(): Promise<string | undefined> {
    const pending = await pendingMigrations(this.database);
    return pending.length === 0 ? undefined : `not applied yet: ${pending.join(', ')}; run setup`;
  }
}

/** @param ask resolves with what has failed, `undefined` when nothing has, or with the whole state */
async function state(
  tellErrors: boolean,
  ask: () => Promise<ComponentState | string | undefined>,
): Promise<ComponentState> {
  try {
    const fault = await withinMs(PART_MS_MAX, ask());
    if (typeof fault === 'object') return fault;
    return fault === undefined ? { status: 'ok' } : { status: 'failed', detail: fault };
  } catch (error) {
    if (!tellErrors) return { status: 'failed', detail: 'it does not answer' };
    // Some errors of the network say nothing but their code.
    const { message, code } = error as { message?: string; code?: string };
    return {
      status: 'failed',
      detail: message === undefined || message === '' ? String(code ?? error) : message,
    };
  }
}
