/** The gateway process. */
import 'reflect-metadata';
import { runGateway } from './bootstrap.js';

await runGateway();
