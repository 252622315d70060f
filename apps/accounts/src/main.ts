/**
 * The accounts: keep balances from payments, and take payments by HTTP where a port is set. They are the second user of
 * the library, and show what such a service needs.
 *
 * SIGTERM, SIGINT or the end of the parent finish the batches in flight, acknowledge them and take no more.
 */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { brokerAddress, connectBroker } from '#broker';
import { readAccountsSettings } from '#config';
import { connectionsNeeded, ErrorPassage } from '#idempotent-consumer';
import { createLogger, endWhenHung, endWhenStuck, giveLifeSigns, NestLogger, Shutdown } from '#observability';
import { createPool } from '#postgres';
import { AccountsModule } from './accounts.module.js';
import { endWith } from './ending.js';
import { startTill, TILL_CONNECTIONS } from './till.js';
import { accountsMetrics, createTransport, TRANSACTION_MS_MAX } from './transport.js';

async function main(): Promise<void> {
  const settings = readAccountsSettings();
  const logger = createLogger('accounts', settings.SEKALI_LOG_LEVEL);
  const shutdown = new Shutdown(logger);
  const { SEKALI_PAYMENTS_PORT: paymentsPort } = settings;
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'sekali-accounts',
    connectionsMax: connectionsNeeded(1) + (paymentsPort === undefined ? 0 : TILL_CONNECTIONS),
    transactionMsMax: TRANSACTION_MS_MAX,
  });
  const connection = await connectBroker(brokerAddress(settings, 'accounts'), { waitForFirst: true });
  const metrics = accountsMetrics(settings, pool);
  const strategy = createTransport(settings, connection, pool, logger, metrics);
  await metrics.serve(() => strategy.health(), logger);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(AccountsModule, {
    strategy,
    logger: new NestLogger(logger),
  });
  app.useGlobalFilters(new ErrorPassage());
  const stopChecks = endWhenStuck(strategy, logger);
  const till =
    paymentsPort === undefined
      ? undefined
      : await startTill(settings, paymentsPort, connection, pool, logger);
  shutdown.setSteps(async () => {
    stopChecks();
    metrics.close();
    // Either may wait for the brokers, and the time is short.
    await Promise.all([till?.close(), app.close()]);
    await connection.close();
    await pool.end();
  });
  await app.listen();
  process.send?.({ type: 'ready', url: till?.url });
  giveLifeSigns();
  endWhenHung('accounts');
  logger.info('ready');
}

main().catch(endWith);
