/**
 * The accounts: keep balances from payments. They are the second user of the library, and show what such a service needs.
 *
 * SIGTERM, SIGINT or the end of the parent finish the batches in flight, acknowledge them and take no more.
 */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { brokerAddress, connectBroker } from '#broker';
import { readAccountsSettings } from '#config';
import { connectionsNeeded, ErrorPassage } from '#idempotent-consumer';
import { createLogger, endWhenHung, giveLifeSigns, NestLogger } from '#observability';
import { createPool } from '#postgres';
import { AccountsModule } from './accounts.module.js';
import { endWith, stopOnSignal } from './ending.js';
import { createTransport, TRANSACTION_MS_MAX } from './transport.js';

async function main(): Promise<void> {
  const settings = readAccountsSettings();
  const logger = createLogger('accounts', settings.SEKALI_LOG_LEVEL);
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'sekali-accounts',
    connectionsMax: connectionsNeeded(1),
    transactionMsMax: TRANSACTION_MS_MAX,
  });
  const connection = await connectBroker(brokerAddress(settings, 'accounts'), { waitForFirst: true });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AccountsModule, {
    strategy: createTransport(settings, connection, pool, logger),
    logger: new NestLogger(logger),
  });
  app.useGlobalFilters(new ErrorPassage());
  stopOnSignal(logger, async () => {
    await app.close();
    await connection.close();
    await pool.end();
  });
  await app.listen();
  process.send?.({ type: 'ready' });
  giveLifeSigns();
  endWhenHung('accounts');
  logger.info('ready');
}

main().catch(endWith);
