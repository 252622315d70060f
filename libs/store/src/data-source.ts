/** TypeORM with every migration, which changes the schema. Everything else uses the pool of `#postgres`. */
import type { DataSource } from 'typeorm';
import { CONNECT_MS_MAX, connectionBounds, LOCK_MS_MAX, type PostgresAddress } from '#postgres';
import { ApiKeys1732320000000 } from './migrations/1732320000000-api-keys.js';
import { DayIndexes1732460400000 } from './migrations/1732460400000-day-indexes.js';
import { DeadLetterActions1732540000000 } from './migrations/1732540000000-dead-letter-actions.js';
import { DuplicateFirst1732460500000 } from './migrations/1732460500000-duplicate-first.js';
import { DuplicatesWritten1732630000000 } from './migrations/1732630000000-duplicates-written.js';
import { EventStory1732545000000 } from './migrations/1732545000000-event-story.js';
import { ForgottenIds1732700000020 } from './migrations/1732700000020-forgotten-ids.js';
import { Histogram1732640000000 } from './migrations/1732640000000-histogram.js';
import { InboxNames1732453200000 } from './migrations/1732453200000-inbox-names.js';
import { Initial1732233600000 } from './migrations/1732233600000-initial.js';
import { KeyDefaults1732530010000 } from './migrations/1732530010000-key-defaults.js';
import { KeyFilters1732543600000 } from './migrations/1732543600000-key-filters.js';
import { KeyGenerations1732456800000 } from './migrations/1732456800000-key-generations.js';
import { MessageIdSecret1732536000000 } from './migrations/1732536000000-message-id-secret.js';
import { NotedDays1732700000021 } from './migrations/1732700000021-noted-days.js';
import { ProgramFunctions1732449600000 } from './migrations/1732449600000-program-functions.js';
import { PayloadIndexes1732700000030 } from './migrations/1732700000030-payload-indexes.js';
import { Programs1732700000040 } from './migrations/1732700000040-programs.js';
import { Promises1732410000000 } from './migrations/1732410000000-promises.js';
import { Retention1732610000000 } from './migrations/1732610000000-retention.js';
import { SoonerMinutes1732700000032 } from './migrations/1732700000032-sooner-minutes.js';
import { StoreLosses1732620000000 } from './migrations/1732620000000-store-losses.js';
import { ReadingViews1732700000031 } from './migrations/1732700000031-reading-views.js';
import { RowAges1732610000001 } from './migrations/1732610000001-row-ages.js';
import { StreamIncarnations1732406400000 } from './migrations/1732406400000-stream-incarnations.js';
import { WebhookSecrets1732550000000 } from './migrations/1732550000000-webhook-secrets.js';

/** Every migration, oldest first. */
export const migrations = [
  Initial1732233600000,
  ApiKeys1732320000000,
  StreamIncarnations1732406400000,
  Promises1732410000000,
  ProgramFunctions1732449600000,
  InboxNames1732453200000,
  KeyGenerations1732456800000,
  DayIndexes1732460400000,
  DuplicateFirst1732460500000,
  KeyDefaults1732530010000,
  MessageIdSecret1732536000000,
  DeadLetterActions1732540000000,
  KeyFilters1732543600000,
  EventStory1732545000000,
  WebhookSecrets1732550000000,
  Retention1732610000000,
  RowAges1732610000001,
  StoreLosses1732620000000,
  DuplicatesWritten1732630000000,
  Histogram1732640000000,
  ForgottenIds1732700000020,
  NotedDays1732700000021,
  PayloadIndexes1732700000030,
  ReadingViews1732700000031,
  SoonerMinutes1732700000032,
  Programs1732700000040,
];

/**
 * Creates a TypeORM data source that changes schema `sekali`. It waits for no lock longer than `LOCK_MS_MAX`. The
 * caller connects it with `initialize()`, and destroys it.
 */
export async function createDataSource(address: PostgresAddress): Promise<DataSource> {
  // TypeORM is loaded only where the schema is changed, because it would cost gateways and workers 11 MB for nothing.
  const { DataSource } = await import('typeorm');
  return new DataSource({
    type: 'postgres',
    url: address.url,
    schema: 'sekali',
    applicationName: address.name,
    poolSize: address.connectionsMax,
    connectTimeoutMS: CONNECT_MS_MAX,
    migrations,
    migrationsTableName: 'migration',
    logging: false,
    extra: connectionBounds(address, { lock_timeout: String(LOCK_MS_MAX) }),
  });
}
