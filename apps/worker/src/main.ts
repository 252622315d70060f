/** The worker: carries events from the stream into Postgres, once each. */
import 'reflect-metadata';
import { readWorkerSettings } from '#config';
import { boundHeapGrowth } from '#observability';
import { endWith, runWorker } from './bootstrap.js';
import { WorkerModule } from './worker.module.js';

/** See libs/observability/src/heap.ts: at 70 a drain would cost the worker 6 % more processor time, and save 10 MB. */
const HEAP_GROWTH_PERCENT = 100;

async function main(): Promise<void> {
  boundHeapGrowth(HEAP_GROWTH_PERCENT);
  await runWorker(readWorkerSettings(), WorkerModule);
}

main().catch(endWith);
