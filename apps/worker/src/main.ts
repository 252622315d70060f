/** The worker: carries events from the stream into Postgres, once each. */
import 'reflect-metadata';
import { readWorkerSettings, SettingsError } from '#config';
import { runWorker } from './bootstrap.js';
import { WorkerModule } from './worker.module.js';

async function main(): Promise<void> {
  await runWorker(readWorkerSettings(), WorkerModule);
}

main().catch((error: unknown) => {
  const expected = error instanceof SettingsError;
  process.stderr.write(
    `worker: ${expected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message)}\n`,
  );
  process.exit(1);
});
