/** Whether the gateway can do its work: each part is asked, none longer than three seconds. */
import { pendingMigrations, type Queryable } from '#store';
import type { BrokerLink } from '../broker-link.js';
import { withinMs } from '../within.js';

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

/** See the head of this file. */
export class ReadinessCheck {
  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<BrokerLink, 'ping' | 'stream' | 'consumer'>,
    private readonly isStopping: () => boolean,
  ) {}

  /** Asks all parts at once. Never rejects. */
  async check(): Promise<Readiness> {
    const [broker, stream, consumer, database, schema] = await Promise.all([
      state(async () => this.broker.ping().then(() => undefined)),
      state(async () => ((await this.broker.stream()) ? undefined : 'the stream does not exist: run setup')),
      state(async () =>
        (await this.broker.consumer()) ? undefined : 'the consumer does not exist: run setup',
      ),
      state(async () => this.database.query('SELECT 1').then(() => undefined)),
      state(async () => this.missingMigrations()),
    ]);
    const components = { broker, stream, consumer, database, schema };
    const ready = !this.isStopping() && Object.values(components).every((part) => part.status === 'ok');
    return { ready, components };
  }

  private async missingMigrations(): Promise<string | undefined> {
    const pending = await pendingMigrations(this.database);
    return pending.length === 0 ? undefined : `not applied yet: ${pending.join(', ')}; run setup`;
  }
}

/** @param ask resolves with what is wrong, `undefined` when nothing is */
async function state(ask: () => Promise<string | undefined>): Promise<ComponentState> {
  try {
    const fault = await withinMs(PART_MS_MAX, ask());
    return fault === undefined ? { status: 'ok' } : { status: 'failed', detail: fault };
  } catch (error) {
    // Some errors of the network say nothing but their code.
    const { message, code } = error as { message?: string; code?: string };
    return {
      status: 'failed',
      detail: message === undefined || message === '' ? String(code ?? error) : message,
    };
  }
}
