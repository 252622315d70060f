/**
 * Makes the database schema, the partitions, the stream and the consumer, or brings them up to date.
 *
 * One-shot and repeatable: run it before the first start and after each upgrade. It waits for both stores to
 * answer, changes nothing that is already right, and exits 0, or 1 with the reason.
 */
import 'reflect-metadata';
import { readSetupSettings, SettingsError, type SetupSettings } from '#config';
import { createLogger } from '#observability';
import { BacklogError } from './backlog-guard.js';
import { prepareBroker, prepareDatabase } from './preparation.js';

async function main(): Promise<void> {
  const settings: SetupSettings = readSetupSettings();
  const logger = createLogger('setup', settings.SEKALI_LOG_LEVEL);
  await prepareDatabase(settings, logger);
  await prepareBroker(settings, logger);
  process.send?.({ type: 'ready' });
  if (process.connected) process.disconnect();
}

main().catch((error: unknown) => {
  const expected = error instanceof SettingsError || error instanceof BacklogError;
  process.stderr.write(
    `setup: ${expected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message)}\n`,
  );
  process.exit(1);
});
