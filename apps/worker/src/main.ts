/** The worker: carries events from the stream into Postgres, once each. */
import 'reflect-metadata';
import { readWorkerSettings } from '#config';
import { boundHeapGrowth } from '#observability';
import { endWith, runWorker } from './bootstrap.js';
import { WorkerModule } from './worker.module.js';

/** See libs/observability/src/heap.ts: at 35 a drain would cost the worker a seventh more processor time. */
const HEAP_GROWTH_PERCENT = 70;

async function main(): Promise<void> {
  boundHeapGrowth(HEAP_GROWTH_PERCENT);
  await runWorker(readWorkerSettings(), WorkerModule);
}

main().catch(endWith);
