/** The worker: carries events from the stream into Postgres, once each. */
import 'reflect-metadata';
import { readWorkerSettings } from '#config';
import { endWith, runWorker } from './bootstrap.js';
import { WorkerModule } from './worker.module.js';

async function main(): Promise<void> {
  await runWorker(readWorkerSettings(), WorkerModule);
}

main().catch(endWith);
