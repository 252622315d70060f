/** The owner's step: creates what the service needs. Run it before the first start and after each upgrade; it is repeatable. */
import { brokerAddress, connectBroker } from '#broker';
import { readAccountsSettings } from '#config';
import { createLogger } from '#observability';
import { createPool } from '#postgres';
import { endWith } from './ending.js';
import { prepareConsumer, prepareDatabase } from './preparation.js';

const STATEMENT_MS_MAX = 60_000;

async function main(): Promise<void> {
  const settings = readAccountsSettings();
  const logger = createLogger('accounts-setup', settings.SEKALI_LOG_LEVEL);
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'sekali-accounts-setup',
    connectionsMax: 2,
    transactionMsMax: STATEMENT_MS_MAX,
  });
  const connection = await connectBroker(brokerAddress(settings, 'accounts-setup'), { waitForFirst: true });
  try {
    await prepareDatabase(pool);
    await prepareConsumer(settings, connection, pool);
    logger.info('tables and consumer are ready');
  } finally {
    await connection.close();
    await pool.end();
  }
  process.send?.({ type: 'ready' });
  if (process.connected) process.disconnect();
}

main().catch(endWith);
