/**
 * Creates the database schema, the partitions, the stream and the consumer, or brings them up to date.
 *
 * Run it before the first start and after each upgrade; it may run any number of times. It waits until Postgres and the
 * brokers answer, and changes nothing that is already right. It exits with 0, or with 1 and the reason.
 */
import 'reflect-metadata';
import { DefinitionError } from '#broker';
import { readSetupSettings, SettingsError, type SetupSettings } from '#config';
import { createLogger } from '#observability';
import { EncodingError, GrantsError, TextIndexError } from '#store';
import { BacklogError } from './backlog-guard.js';
import { prepareBroker, prepareDatabase } from './preparation.js';

/** Errors that the user can fix. They are printed in one line, without a stack. */
const EXPECTED = [SettingsError, BacklogError, DefinitionError, EncodingError, GrantsError, TextIndexError];

async function main(): Promise<void> {
  const settings: SetupSettings = readSetupSettings();
  const logger = createLogger('setup', settings.SEKALI_LOG_LEVEL);
  await prepareDatabase(settings, logger);
  await prepareBroker(settings, logger);
  process.send?.({ type: 'ready' });
  if (process.connected) process.disconnect();
}

main().catch((error: unknown) => {
  const expected = EXPECTED.some((kind) => error instanceof kind);
  process.stderr.write(
    `setup: ${expected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message)}\n`,
  );
  process.exit(1);
});
