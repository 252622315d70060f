/** Whether the gateway can do its work: each part is asked, none longer than three seconds. */
import { pendingMigrations, type Queryable } from '#store';
import type { BrokerLink } from '../broker-link.js';
import { withinMs } from '../within.js';
import { HistoryCheck, type HistoryState, positionFault } from './history-check.js';

/** One part, and what is wrong with it. */
export interface ComponentState {
  readonly status: 'ok' | 'failed';
  readonly detail?: string;
}

/** The parts, and whether all are well. */
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
}

/** See the head of this file. */
export class ReadinessCheck {
  private asking: Promise<Readiness> | undefined;
  private readonly history: HistoryCheck;

  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<BrokerLink, 'ping' | 'stream' | 'consumer' | 'witness'>,
    private readonly options: ReadinessOptions,
  ) {
    this.history = new HistoryCheck(database, () => broker.witness());
  }

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
      state(tellErrors, async () => this.consumerFault()),
      state(tellErrors, async () => this.database.query('SELECT 1').then(() => undefined)),
      state(tellErrors, async () => this.missingMigrations()),
    ]);
    const components = { broker, stream, consumer, database, schema };
    const ready =
      !this.options.isStopping() && Object.values(components).every((part) => part.status === 'ok');
    return { ready, components };
  }

  private async streamState(): Promise<string | HistoryState | undefined> {
    const stream = await this.broker.stream();
    if (stream === undefined) return 'the stream does not exist: run setup';
    // Without the database nothing can be compared; that it is out of reach is said as such.
    return this.history.state(stream).catch(() => undefined);
  }

  private async consumerFault(): Promise<string | undefined> {
    const consumer = await this.broker.consumer();
    if (consumer === undefined) return 'the consumer does not exist: run setup';
    const stream = await this.broker.stream();
    return stream && positionFault(consumer, stream);
  }

  private async missingMigrations(): Promise<string | undefined> {
    const pending = await pendingMigrations(this.database);
    return pending.length === 0 ? undefined : `not applied yet: ${pending.join(', ')}; run setup`;
  }
}

/** @param ask resolves with what is wrong, `undefined` when nothing is */
async function state(
  tellErrors: boolean,
  ask: () => Promise<string | HistoryState | undefined>,
): Promise<ComponentState> {
  try {
    const found = await withinMs(PART_MS_MAX, ask());
    const { fault, note } = typeof found === 'object' ? found : { fault: found };
    if (fault !== undefined) return { status: 'failed', detail: fault };
    return { status: 'ok', ...(note !== undefined && { detail: note }) };
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
