/** The gateway process. */
import 'reflect-metadata';
import { boundHeapGrowth } from '#observability';
import { runGateway } from './bootstrap.js';

boundHeapGrowth();
await runGateway();
