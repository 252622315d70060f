/** The gateway process. */
import 'reflect-metadata';
import { boundHeapGrowth } from '#observability';
import { runGateway } from './bootstrap.js';

/** See libs/observability/src/heap.ts. */
const HEAP_GROWTH_PERCENT = 35;

boundHeapGrowth(HEAP_GROWTH_PERCENT);
await runGateway();
