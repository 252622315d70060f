/** The worker: carries events from the stream into Postgres, once each. */
import 'reflect-metadata';
import { readWorkerSettings } from '#config';
import { boundHeapGrowth } from '#observability';
import { endWith, runWorker } from './bootstrap.js';
import { WorkerModule } from './worker.module.js';

async function main(): Promise<void> {
  boundHeapGrowth();
  await runWorker(readWorkerSettings(), WorkerModule);
}

main().catch(endWith);
