import type { Pool } from 'pg';
import { Outbox } from '#idempotent-consumer/producer';
import { createPool } from '#postgres';
import type { Environment } from '../environment/environment.js';
import { costedRun, newIdPrefix } from '../http/subjects.js';
import { StreamGauge } from '../http/stream-gauge.js';
import type { Measured } from '../measurement.js';
import { WrongSubjectError } from '../wrong-subject.js';
import type { OutboxKind, OutboxOrder, OutboxReport } from './outbox-order.js';
import { NEW_PLAIN_TABLE, PLAIN_TABLE } from './plain-outbox.js';

/** Connections over which a service commits. */
export const CLIENTS = 8;

const NEW_ACCOUNTS = `
CREATE TABLE IF NOT EXISTS public.bench_account (id integer PRIMARY KEY, spent bigint NOT NULL);
INSERT INTO public.bench_account SELECT n, 0 FROM generate_series(0, ${CLIENTS - 1}) AS n ON CONFLICT DO NOTHING`;

/** What a transaction changes besides adding events. $1: the account. */
export const SPEND = 'UPDATE public.bench_account SET spent = spent + 1 WHERE id = $1';

const TABLES: Readonly<Record<OutboxKind, string>> = { library: 'outbox.event', plain: PLAIN_TABLE };
const FILL_AT_ONCE = 250_000;
const STATEMENT_MS_MAX = 600_000;

/** Adds events as they would be after their commits, of the size of the load's. $1, $2: the first number and the last. */
const fillOf = (table: string): string => `
INSERT INTO ${table} (topic, event_id, body)
SELECT 'bench.t' || n % 10, $3 || '-' || n, '{"topic":"bench.t' || n % 10 || '","event_id":"' || $3 || '-' || n ||
  '","timestamp":"2026-11-22T10:00:00.000Z","source":"bench","payload":{"sent_us":1000000000000000,"filler":"${'x'.repeat(130)}"}}'
FROM generate_series($1::bigint, $2::bigint) AS n ORDER BY n`;

/** What the rounds of the outbox share: its tables, and the way to see what is in the stream. */
export class OutboxFixture {
  private constructor(
    private readonly environment: Environment,
    private readonly pool: Pool,
    private readonly gauge: StreamGauge,
  ) {}

  /** Creates the tables, passes the fixture to `work`, and closes it when `work` has returned or thrown. */
  static async whileOpen<T>(
    environment: Environment,
    work: (fixture: OutboxFixture) => Promise<T>,
  ): Promise<T> {
    const gauge = await StreamGauge.open(environment);
    const pool = createPool({
      url: environment.postgresUrl,
      name: 'bench',
      connectionsMax: 1,
      transactionMsMax: STATEMENT_MS_MAX,
    });
    try {
      await new Outbox({ source: 'bench' }).create(pool);
      await pool.query(NEW_PLAIN_TABLE);
      await pool.query(NEW_ACCOUNTS);
      return await work(new OutboxFixture(environment, pool, gauge));
    } finally {
      await Promise.all([gauge.close(), pool.end()]);
    }
  }

  /** Adds events that wait for a relay. */
  async fill(
    kind: OutboxKind,
    events: number,
    onProgress: (doing: string) => void = () => undefined,
  ): Promise<void> {
    const idPrefix = newIdPrefix();
    for (let added = 0; added < events; added += FILL_AT_ONCE) {
      const last = Math.min(events, added + FILL_AT_ONCE);
      await this.pool.query(fillOf(TABLES[kind]), [added + 1, last, idPrefix]);
      onProgress(`an outbox: ${last.toLocaleString('en')} of ${events.toLocaleString('en')} events wait`);
    }
    // A round would otherwise pay for the pages that this left unwritten.
    await this.pool.query('CHECKPOINT');
  }

  /**
   * Runs a service with an outbox until it has published as many events as were ordered.
   *
   * @throws WrongSubjectError when the stream has not as many as the service says
   */
  async round(order: Omit<OutboxOrder, 'idPrefix'>): Promise<Measured> {
    const { environment, gauge } = this;
    await gauge.empty();
    const { report, processorUs } = await costedRun<OutboxReport>(
      environment,
      {
        name: `outbox-${order.kind}`,
        script: 'bench/src/outbox/outbox-service.js',
        order: { ...order, idPrefix: newIdPrefix() } satisfies OutboxOrder,
      },
      ({ published }) => published,
    );
    const { eventsPerSecond, published } = report;
    const found = await gauge.messages();
    if (found !== published)
      throw new WrongSubjectError(`an outbox published ${published} events, and ${found} are in the stream`);
    return { value: eventsPerSecond, processorUs };
  }
}
