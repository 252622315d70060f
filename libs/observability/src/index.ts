export { endWhenHung } from './hang-guard.js';
export { boundHeapGrowth, PROGRAM_ENVIRONMENT, WORKER_HEAP_ARGUMENTS } from './heap.js';
export { errorText } from './logged-error.js';
export { createLogger, type Logger } from './logger.js';
export { NestLogger } from './nest-logger.js';
export { giveLifeSigns } from './life-sign.js';
export { Shutdown } from './shutdown.js';
export { endWhenStuck } from './stuck-consumers.js';
