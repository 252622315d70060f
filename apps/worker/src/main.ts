/** The worker stores each event of the stream in Postgres exactly once. */
import 'reflect-metadata';
import { readWorkerSettings } from '#config';
import { boundHeapGrowth } from '#observability';
import { endWith, runWorker } from './bootstrap.js';
import { WorkerModule } from './worker.module.js';

/** At 70 %, a drain would cost 6 % more processor time and save 10 MB: see libs/observability/src/heap.ts. */
const HEAP_GROWTH_PERCENT = 100;

async function main(): Promise<void> {
  boundHeapGrowth(HEAP_GROWTH_PERCENT);
  await runWorker(readWorkerSettings(), WorkerModule);
}

main().catch(endWith);
